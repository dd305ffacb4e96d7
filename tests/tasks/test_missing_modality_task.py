"""The missing-modality task: heads fitted on pairs, asked with one modality."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sksurv.metrics import concordance_index_censored

from tasks.base import Outcome, Status
from tasks.data.cohort import Cohort, Endpoint, Label, VectorModality
from tasks.data.splits import Split, make_splits
from tasks.embeddings import Embeddings
from tasks.registry import select_tasks

N = 150
KNOWN = ("wsi_only", "wsi_completed", "rna_only", "rna_completed", "full")


def planted(*, redundant: bool = False, seed: int = 0) -> tuple[Cohort, Embeddings]:
    """Each side has an axis of the log hazard: one of its own, or the other side's as well."""
    rng = np.random.default_rng(seed)
    patients = tuple(f"P{i:03}" for i in range(N))
    wsi, rna = rng.normal(size=(2, N, 4)).astype(np.float32)
    if redundant:
        rna = (wsi @ rng.normal(size=(4, 3)) + 2).astype(np.float32)
    hazard = wsi[:, 0] + rna[:, 0]
    death, censoring = rng.exponential(40 * np.exp(-hazard)), rng.exponential(40, N)
    os = Endpoint(patients, np.minimum(death, censoring) + 0.1, death <= censoring)
    few = replace(os, event=np.arange(N) < 9)
    steps = np.digitize(hazard + 0.5 * rng.normal(size=N), [-0.8, 0.8])
    three = Label({p: "ABC"[k] for p, k in zip(patients, steps, strict=True)}, ("C", "A", "B"))
    rare = replace(three, values=dict(three.values) | dict.fromkeys(patients[:4], "D"))
    tiny = Label({p: "AB"[i % 2] for i, p in enumerate(patients[:8])}, ("A", "B"))
    modalities = {
        side: VectorModality(patients, values, tuple(map(str, range(values.shape[1]))))
        for side, values in (("wsi", wsi), ("rna", rna))
    }
    labels = {"three": three, "rare": replace(rare, classes=("A", "B", "C", "D")), "tiny": tiny}
    cohort = Cohort("X", patients, modalities, {"dss": few, "os": os}, labels)
    return cohort, Embeddings(patients, np.hstack([wsi, rna]), wsi, rna)


def evaluate(
    cohort: Cohort, embeddings: Embeddings, label: str = "os", split: Split | None = None
) -> Outcome:
    (task,) = select_tasks(f"missing-modality/X/{label}", [cohort])
    return task.evaluate(embeddings, cohort, split or make_splits(cohort, 5)[0])


def values(outcome: Outcome) -> dict[str, float]:
    scored = {s.metric.name: s.value for s in outcome.scores if s.value is not None}
    return {name.removeprefix("concordance_"): value for name, value in scored.items()}


def reasons(outcome: Outcome) -> dict[str, str]:
    return {s.metric.name.removeprefix("concordance_"): s.reason for s in outcome.scores}


def test_instances() -> None:
    cohort, _ = planted()
    assert [t.name for t in select_tasks("missing-modality", [cohort])] == ["missing-modality/X/os"]
    every = select_tasks("missing-modality/*", [cohort])
    assert [task.label for task in every] == ["dss", "os", "three", "rare", "tiny"]
    alone = replace(cohort, modalities={"rna": cohort.modalities["rna"]})
    assert not type(every[0]).instances(alone)
    assert [metric.name for metric in every[0].metrics] == [f"concordance_{k}" for k in KNOWN]


def test_two_modalities_know_more_than_one() -> None:
    cohort, embeddings = planted()
    found = [values(evaluate(cohort, embeddings, split=s)) for s in make_splits(cohort, 5)]
    mean = {known: np.mean([fold[known] for fold in found]) for known in KNOWN}
    for side in ("wsi", "rna"):
        assert mean["full"] > mean[f"{side}_only"] + 0.03
        assert mean[f"{side}_only"] > 0.6
        # an independent side cannot be completed: what is left is the joint head's own half
        assert mean[f"{side}_completed"] == pytest.approx(mean[f"{side}_only"], abs=0.03)


def test_what_a_side_says_of_the_other_completes_it() -> None:
    cohort, embeddings = planted(redundant=True)
    outcome = evaluate(cohort, embeddings)
    full = np.array(outcome.predictions["risk_full"], dtype=float)
    completed = np.array(outcome.predictions["risk_wsi_completed"], dtype=float)
    assert_allclose(completed, full, atol=1e-3)
    assert values(outcome)["wsi_completed"] == pytest.approx(values(outcome)["full"], abs=0.01)


def test_an_unpredictable_side_is_completed_by_its_mean() -> None:
    cohort, embeddings = planted()
    outcome = evaluate(cohort, embeddings)
    split = make_splits(cohort, 5)[0]
    rows, train = embeddings.rows(split.test), embeddings.rows(split.train)
    assert embeddings.wsi is not None
    assert embeddings.rna is not None
    head, completion = (
        {
            name.removeprefix(f"rna_completed.{part}."): fitted
            for name, fitted in outcome.head.items()
            if name.startswith(f"rna_completed.{part}.")
        }
        for part in ("head", "completion")
    )
    rna = embeddings.rna[rows].astype(float)
    wsi = rna @ completion["coefficients"] + completion["intercepts"]
    unpredictable = np.isinf(completion["penalties"])
    assert unpredictable.any()
    means = embeddings.wsi[train].astype(float).mean(axis=0)
    assert_allclose(wsi[:, unpredictable], np.tile(means[unpredictable], (len(rows), 1)))
    # slides come first in the joint embedding, whichever side is missing
    risk = np.hstack([wsi, rna]) @ head["coefficients"] - head["offset"]
    found = np.array(outcome.predictions["risk_rna_completed"], dtype=float)
    assert_allclose(found, risk, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("label", "other", "metric"),
    [("os", "survival", "harrell_c"), ("three", "subtyping", "auroc_macro")],
)
def test_heads_are_those_of_the_other_tasks(label: str, other: str, metric: str) -> None:
    cohort, embeddings = planted()
    found = values(evaluate(cohort, embeddings, label))
    (task,) = select_tasks(f"{other}/X/{label}", [cohort])
    for known, joint in (
        ("full", embeddings.joint),
        ("wsi_only", embeddings.wsi),
        ("rna_only", embeddings.rna),
    ):
        assert joint is not None
        alone = Embeddings(embeddings.patients, joint)
        outcome = task.evaluate(alone, cohort, make_splits(cohort, 5)[0])
        expected = {s.metric.name: s.value for s in outcome.scores}[metric]
        assert found[known] == expected


def test_predictions_give_the_scores_back() -> None:
    cohort, embeddings = planted()
    outcome = evaluate(cohort, embeddings)
    table = outcome.predictions
    assert table["patient"] == list(make_splits(cohort, 5)[0].test)
    assert outcome.n_patients == len(table["patient"])
    assert outcome.n_events == sum(table["event"])  # type: ignore[arg-type]
    event = np.array(table["event"], dtype=bool)
    for known in KNOWN:
        again = concordance_index_censored(event, table["time_months"], table[f"risk_{known}"])[0]
        assert again == pytest.approx(values(outcome)[known], abs=1e-12)
    classes = evaluate(cohort, embeddings, "three").predictions
    for known in KNOWN:
        p = [np.array(classes[f"p_{name}_{known}"], dtype=float) for name in "ABC"]
        assert_allclose(np.sum(p, axis=0), 1)


@pytest.mark.parametrize("label", ["os", "three"])
def test_test_patients_touch_nothing_that_is_fitted(label: str) -> None:
    cohort, embeddings = planted()
    split = make_splits(cohort, 5)[0]
    clean = evaluate(cohort, embeddings, label, split)
    rows = embeddings.rows(split.test)
    assert embeddings.wsi is not None
    assert embeddings.rna is not None
    wsi, rna = embeddings.wsi.copy(), embeddings.rna.copy()
    wsi[rows], rna[rows] = 1e6, -1e6
    os = cohort.endpoints["os"]
    time, event = os.time.copy(), os.event.copy()
    time[rows], event[rows] = 1e5, ~event[rows]
    three = cohort.labels["three"]
    wrong = replace(three, values=dict(three.values) | dict.fromkeys(split.test, "A"))
    poisoned = replace(
        cohort,
        endpoints={"os": replace(os, time=time, event=event)},
        labels={"three": wrong},
    )
    other = Embeddings(embeddings.patients, np.hstack([wsi, rna]), wsi, rna)
    outcome = evaluate(poisoned, other, label, split)
    assert clean.head
    assert clean.head.keys() == outcome.head.keys()
    for name, fitted in clean.head.items():
        np.testing.assert_array_equal(fitted, outcome.head[name], err_msg=name)


def test_order_of_rows_does_not_matter() -> None:
    cohort, embeddings = planted()
    order = np.random.default_rng(1).permutation(N)
    assert embeddings.wsi is not None
    assert embeddings.rna is not None
    shuffled = Embeddings(
        tuple(embeddings.patients[i] for i in order),
        embeddings.joint[order],
        embeddings.wsi[order],
        embeddings.rna[order],
    )
    one, other = evaluate(cohort, embeddings), evaluate(cohort, shuffled)
    assert one.predictions == other.predictions
    assert one.scores == other.scores


def test_constant_embeddings_score_a_half() -> None:
    cohort, embeddings = planted()
    flat = np.full((N, 3), 0.1, np.float32)
    for label in ("os", "three"):
        constant = Embeddings(embeddings.patients, np.hstack([flat, flat]), flat, flat)
        assert set(values(evaluate(cohort, constant, label)).values()) == {0.5}


def test_everybody_is_judged_on_the_same_patients() -> None:
    cohort, embeddings = planted()
    split = make_splits(cohort, 5)[0]
    assert embeddings.rna is not None
    rna = embeddings.rna.copy()
    rna[embeddings.rows(split.test[:3])] = np.nan
    outcome = evaluate(cohort, replace(embeddings, rna=rna), split=split)
    assert outcome.predictions["patient"] == list(split.test[3:])
    lacking = {
        "wsi": cohort.modalities["wsi"],
        "rna": cohort.modalities["rna"].subset(set(cohort.patients) - set(split.test[:2])),
    }
    outcome = evaluate(replace(cohort, modalities=lacking), embeddings, split=split)
    assert outcome.predictions["patient"] == list(split.test[2:])


def test_what_a_method_cannot_do_is_skipped_and_the_rest_is_scored() -> None:
    cohort, embeddings = planted()
    whole = values(evaluate(cohort, embeddings))
    mixed = evaluate(cohort, replace(embeddings, joint=embeddings.joint[:, ::-1]))
    assert set(values(mixed)) == {"wsi_only", "rna_only", "full"}
    assert values(mixed)["wsi_only"] == whole["wsi_only"]
    assert (
        reasons(mixed)["wsi_completed"] == "the joint embedding is not the two sides put together"
    )
    slides = evaluate(cohort, replace(embeddings, rna=None))
    assert set(values(slides)) == {"wsi_only", "full"}
    assert reasons(slides)["rna_only"] == "the method has no embedding of rna alone"
    assert "does not embed slides and expression apart" in reasons(slides)["wsi_completed"]
    joint = evaluate(cohort, replace(embeddings, wsi=None, rna=None))
    assert set(values(joint)) == {"full"}


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        ("dss", "events among the training patients, 10 needed"),
        ("tiny", "training patients with a pair, 10 needed"),
    ],
)
def test_too_few_are_skipped_with_a_reason(label: str, reason: str) -> None:
    cohort, embeddings = planted()
    outcome = evaluate(cohort, embeddings, label)
    assert {score.status for score in outcome.scores} == {Status.SKIPPED}
    assert reason in outcome.scores[0].reason
    assert not outcome.head


def test_one_class_among_the_training_patients_is_too_few() -> None:
    cohort, embeddings = planted()
    three = cohort.labels["three"]
    same = replace(three, values=dict.fromkeys(cohort.patients, "A") | {cohort.patients[0]: "B"})
    outcome = evaluate(replace(cohort, labels={"three": same}), embeddings, "three")
    assert "fewer than two classes with 5 training patients" in outcome.scores[0].reason


def test_a_class_too_rare_to_fit_has_no_probability_and_is_scored() -> None:
    cohort, embeddings = planted()
    split = next(s for s in make_splits(cohort, 5) if set(s.test) & set(cohort.patients[:4]))
    table = evaluate(cohort, embeddings, "rare", split).predictions
    assert table["patient"] == list(split.test)
    assert "D" in table["label"]
    for known in KNOWN:
        assert set(table[f"p_D_{known}"]) == {0.0}


def test_a_fold_without_events_is_skipped_and_keeps_its_predictions() -> None:
    cohort, embeddings = planted()
    split = make_splits(cohort, 5)[0]
    os = cohort.endpoints["os"]
    event = os.event.copy()
    event[embeddings.rows(split.test)] = False
    outcome = evaluate(
        replace(cohort, endpoints={"os": replace(os, event=event)}), embeddings, split=split
    )
    assert not values(outcome)
    assert "0 events among the test patients, 5 needed" in outcome.scores[0].reason
    assert outcome.predictions["patient"] == list(split.test)
