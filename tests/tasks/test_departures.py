"""The switches of protocol paper that have embeddings of their own: what they see, and who can."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

import benchmark.engine.trial
from benchmark.engine.folds import outer_folds
from benchmark.engine.plan import Request, Trial, make_plan
from benchmark.engine.published import Refit
from benchmark.engine.trial import run_trial
from benchmark.records.protocol import Control
from methods.base import Budget, Context, UnableError
from methods.registry import all_methods
from tasks.base import Outcome, Protocol
from tasks.data.cohort import BagModality, Cohort
from tasks.data.splits import make_splits
from tasks.embeddings import Embeddings
from tasks.kinds.published.departures import Departures, Draws, GeneFits, Published, redrawn
from tasks.kinds.published.paper_subtyping import PaperSubtyping
from tasks.kinds.published.switches import REFITTED
from tasks.registry import select_tasks, under
from tests.helpers.planted import planted, planted_folder
from tests.tasks.test_paper import KINDS, cohort_of, only, values


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def own_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIRROR_BENCH_CACHE", str(cache))


# The probes


def shifted(embeddings: Embeddings, by: float) -> Embeddings:
    rng = np.random.default_rng(round(10 * by))
    noise = rng.normal(size=embeddings.joint.shape).astype(np.float32)
    return replace(embeddings, joint=embeddings.joint + np.float32(by) * noise)


def all_of(embeddings: Embeddings, label: str) -> Departures:
    """Every departure there is: other genes are better, draws are noisier."""
    better = replace(embeddings, joint=np.repeat(embeddings.joint[:, :1], 12, axis=1))
    noisy = tuple(shifted(embeddings, 1.0 + k) for k in range(3))
    fits = GeneFits(Draws(shifted(embeddings, 0.1)), Draws(better, noisy, noisy))
    return Departures(Draws(embeddings, noisy, noisy), {label: fits})


@pytest.mark.parametrize("kind", KINDS)
def test_every_switch_is_scored_and_only_its_own_embeddings_change_it(kind: type) -> None:
    cohort, embeddings = cohort_of()
    split = make_splits(cohort, 5)[0]
    task = only(kind, cohort)
    assert isinstance(task, Published)

    def scored(departures: Departures) -> dict[str, float]:
        outcome: Outcome = task.evaluate_all(departures, cohort, split)
        return values(outcome)

    plain = scored(Departures(Draws(embeddings)))
    full = scored(all_of(embeddings, "kind"))
    assert not {str(switch) for switch in REFITTED} & set(plain)
    assert {str(switch) for switch in REFITTED} <= set(full)
    same = set(plain) - {""}
    assert {name: full[name] for name in same} == {name: plain[name] for name in same}
    assert full[""] != plain[""]
    for switch in REFITTED:
        assert full[switch] != full["honest"]
    assert full["all_genes"] > full["honest"]
    # draws that are the honest embeddings over and over change nothing
    again = Departures(Draws(embeddings, (embeddings,) * 2, (embeddings,) * 2))
    repeated = scored(again)
    assert repeated["fresh_patches"] == repeated["honest"] == repeated["dropout_on"]


def test_epochs_take_turns_in_the_draws() -> None:
    """Re-computed by hand: the last of 100 epochs sees the second of two draws."""
    cohort, embeddings = cohort_of()
    split = make_splits(cohort, 5)[0]
    task = only(PaperSubtyping, cohort)
    assert isinstance(task, PaperSubtyping)
    second = shifted(embeddings, 2.0)
    turns = Departures(Draws(embeddings, patches=(embeddings, second)))
    alone = Departures(Draws(embeddings, patches=(second,)))
    assert (
        values(task.evaluate_all(turns, cohort, split))["fresh_patches"]
        == values(task.evaluate_all(alone, cohort, split))["fresh_patches"]
    )


# What is embedded


def test_patches_are_drawn_per_patient_with_their_places() -> None:
    cohort = planted(True)
    patients = cohort.complete()[:6]
    some = cohort.subset(patients)
    first, again, other = (redrawn(some, 20, "x", seed) for seed in (1, 1, 2))
    alone = redrawn(some.subset(patients[:1]), 20, "x", 1)
    bags, original = first.modalities["wsi"], some.modalities["wsi"]
    assert isinstance(bags, BagModality)
    assert isinstance(original, BagModality)
    for patient in patients:
        read = bags.read(patient)
        assert read.shape == (20, original.width)
        everything = {row.tobytes() for row in original.read(patient)}
        rows = [row.tobytes() for row in read]
        assert set(rows) <= everything
        if original.n_instances(patient) >= 20:
            assert len(set(rows)) == 20  # without replacement
    assert np.array_equal(bags.read(patients[0]), alone.modalities["wsi"].read(patients[0]))  # type: ignore[union-attr]
    assert np.array_equal(bags.read(patients[1]), again.modalities["wsi"].read(patients[1]))  # type: ignore[union-attr]
    assert not np.array_equal(bags.read(patients[1]), other.modalities["wsi"].read(patients[1]))  # type: ignore[union-attr]
    few = redrawn(some, 5000, "x", 1).modalities["wsi"]
    assert isinstance(few, BagModality)
    assert few.n_instances(patients[0]) == 5000  # with replacement


def test_dropout_is_noise_that_its_seed_repeats_and_that_embed_never_has() -> None:
    cohort = planted(False)
    some = cohort.subset(cohort.complete()[:30])
    spec = all_methods()["mirror"]
    method = spec.build(replace(spec.config_for(Budget.SMOKE), epochs=1))  # type: ignore[call-arg]
    method.fit(some, Context(seed=0))
    still = method.embed(some).joint
    one, same, other = (method.embed_with_dropout(some, seed).joint for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    assert not np.array_equal(one, still)
    np.testing.assert_array_equal(method.embed(some).joint, still)
    linear = all_methods()["pca"].build(all_methods()["pca"].config)
    linear.fit(some, Context(seed=0))
    with pytest.raises(UnableError, match="no dropout"):
        linear.embed_with_dropout(some, 0)


# From a request to a record


def trials(
    method: str,
    protocol: Protocol,
    bags: bool = False,
    control: Control | None = None,
    seed: int = 0,
) -> Sequence[Trial]:
    cohort = planted(bags)
    request = Request(
        methods=[all_methods()[method]],
        tasks=under(protocol, select_tasks("subtyping", [cohort])),
        cohorts=[(planted_folder(bags), cohort)],
        folds=outer_folds("patient", 4, [cohort]),
        seeds=(seed,),
        budget=Budget.SMOKE,
        control=control,
        protocol=protocol,
    )
    return make_plan(request, {}, overwrite=False, retry_failed=False).trials


def scores(trial: Trial, cache: Path) -> dict[str, float | str]:
    record, _ = run_trial(trial, cache, "cpu")
    return {
        score.metric.removeprefix("auroc_macro"): score.reason or float(score.value or 0.0)
        for task in record.tasks
        for score in task.scores
    }


def test_strict_is_handed_no_departure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever makes them explodes; only protocol paper notices."""

    class Forbidden:
        def __init__(self, *_: object) -> None:
            raise AssertionError("strict asked for a departure")

    monkeypatch.setattr(benchmark.engine.trial, "Refit", Forbidden)
    strict, _ = run_trial(trials("pca", Protocol.STRICT)[0], tmp_path, "cpu")
    assert {task.status for task in strict.tasks} == {"ok"}
    paper, _ = run_trial(trials("pca", Protocol.PAPER)[0], tmp_path, "cpu")
    assert "strict asked for a departure" in paper.tasks[0].reason


def test_a_record_has_every_switch_or_its_reason_and_is_the_same_twice(tmp_path: Path) -> None:
    (trial, *_) = trials("pca", Protocol.PAPER, bags=True)
    found = scores(trial, tmp_path / "one")
    assert found == scores(trial, tmp_path / "other")
    assert isinstance(found["_all_genes"], float)
    assert isinstance(found["_train_genes"], float)
    assert isinstance(found["_fresh_patches"], float)
    assert found["_dropout_on"] == "the method has no dropout"
    (vectors, *_) = trials("pca", Protocol.PAPER)
    assert "no patches to draw" in str(scores(vectors, tmp_path)["_fresh_patches"])
    (slides, *_) = trials("wsi-only", Protocol.PAPER)
    assert scores(slides, tmp_path)["_all_genes"] == "the method does not use expression"


def test_a_network_has_dropout_and_patches_too(tmp_path: Path) -> None:
    (trial, *_) = trials("abmil", Protocol.PAPER, bags=True)
    found = scores(trial, tmp_path)
    assert isinstance(found["_dropout_on"], float)
    assert isinstance(found["_fresh_patches"], float)
    assert found["_all_genes"] == "the method does not use expression"


def refit(method: str, control_cohort: Cohort) -> Departures:
    (trial, *_) = trials(method, Protocol.PAPER)
    spec = all_methods()[method]
    whole = Refit(trial, spec, asdict(spec.config_for(Budget.SMOKE)), None, 3, "cpu")
    honest = Embeddings(
        control_cohort.patients, np.zeros((len(control_cohort.patients), 1), np.float32)
    )
    return whole.departures(honest, control_cohort, ["subtype"])


def test_the_leak_is_in_the_one_fit_that_is_named_for_it() -> None:
    """Other classes of the test patients change the genes of `everyone`, and nothing else."""
    cohort = planted(False)
    (trial, *_) = trials("pca", Protocol.PAPER)
    label = cohort.labels["subtype"]
    turned = dict(zip(label.classes, (*label.classes[1:], label.classes[0]), strict=True))
    test = set(trial.split.test)
    classes = {p: turned[c] if p in test else c for p, c in label.values.items()}
    poison = replace(cohort, labels={"subtype": replace(label, values=classes)})
    clean, found = refit("pca", cohort).genes["subtype"], refit("pca", poison).genes["subtype"]
    assert isinstance(clean, GeneFits)
    assert isinstance(found, GeneFits)
    np.testing.assert_array_equal(clean.train.still.joint, found.train.still.joint)
    assert clean.everyone.still.joint.shape[0] == found.everyone.still.joint.shape[0]
    assert not np.array_equal(clean.everyone.still.joint, found.everyone.still.joint)


@pytest.mark.slow
def test_permuted_labels_gain_from_everybodys_genes_and_not_from_the_training_patients(
    tmp_path: Path,
) -> None:
    """In a permutation of which the recipe makes 60 genes of 300.

    Of another it keeps nearly all, or one, and then there is little that could leak.
    """
    broken = trials("rna-only", Protocol.PAPER, control=Control.PERMUTED_LABELS, seed=1)
    found = [scores(trial, tmp_path) for trial in broken]
    honest, train, everyone = (
        np.array([one[name] for one in found], dtype=float)
        for name in ("_honest", "_train_genes", "_all_genes")
    )
    assert abs(honest.mean() - 0.5) < 0.1
    assert abs(train.mean() - 0.5) < 0.1
    assert (everyone - train).min() > 0.15
