"""Added value over the clinic: nothing where there is none, and found where it was planted."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from benchmark.analysis.stats.resampled import nadeau_bengio
from methods.base import Context
from methods.registry import all_methods
from tasks.added_value import Covariates
from tasks.base import Status, Task
from tasks.data.cohort import Cohort, Endpoint, Label, VectorModality
from tasks.data.splits import Split
from tasks.embeddings import Embeddings
from tasks.heads.cox import fit_ridge_cox
from tasks.heads.logistic import fit_ridge_logistic
from tasks.kinds.subtyping import Subtyping
from tasks.kinds.survival import Survival, SurvivalDiscrete
from tests.helpers.planted import planted

N, WIDTH, FOLDS = 400, 12, 5


def world(seed: int, effect: float) -> tuple[Cohort, Embeddings]:
    """Patients whose outcome hangs on age and stage, and by `effect` on what an embedding holds.

    The embedding holds age and stage too, blurred: alone it predicts, whatever it adds.
    """
    rng = np.random.default_rng(seed)
    patients = tuple(f"TCGA-AA-{i:04d}" for i in range(N))
    age, sex = rng.normal(60, 10, N), rng.integers(0, 2, N).astype(float)
    stage = rng.integers(1, 5, N).astype(float)
    clinic = (age - 60) / 10 + (stage - 2.5)
    hidden = rng.normal(size=N)
    eta = 0.8 * clinic + effect * hidden
    time = rng.exponential(np.exp(-eta)) * 30
    censored = rng.exponential(60, N)
    endpoint = Endpoint(patients, np.minimum(time, censored) + 0.1, time <= censored)
    known = np.column_stack([age, sex, stage]).astype(np.float32)
    sick = eta + rng.logistic(size=N) > 0
    label = Label({p: "ab"[int(s)] for p, s in zip(patients, sick, strict=True)}, ("a", "b"))
    X = rng.normal(size=(N, WIDTH))
    X[:, 0] = clinic + rng.normal(size=N)
    X[:, 1] = hidden + 0.3 * rng.normal(size=N)
    vectors = VectorModality(patients, X.astype(np.float32), tuple(f"f{j}" for j in range(WIDTH)))
    cohort = Cohort(
        "PLANTED",
        patients,
        {"wsi": vectors, "rna": vectors},
        {"os": endpoint},
        {"outcome": label},
        VectorModality(patients, known, ("age", "sex", "stage")),
    )
    return cohort, Embeddings(patients, vectors.values)


def splits(cohort: Cohort) -> tuple[Split, ...]:
    """Folds with as many events in each."""
    order = np.argsort(cohort.endpoints["os"].event, kind="stable")
    fold = np.empty(len(order), dtype=int)
    fold[order] = np.arange(len(order)) % FOLDS
    return tuple(
        Split(
            k,
            tuple(p for p, f in zip(cohort.patients, fold, strict=True) if f != k),
            tuple(p for p, f in zip(cohort.patients, fold, strict=True) if f == k),
        )
        for k in range(FOLDS)
    )


def tasks() -> Iterator[tuple[Task, str, str]]:
    yield Survival("PLANTED", "os", default=True), "added_c", "added_skill"
    yield Subtyping("PLANTED", "outcome", default=True), "added_auroc", "added_brier_skill"


def scores(task: Task, cohort: Cohort, embeddings: Embeddings, name: str) -> list[float]:
    found = []
    for split in splits(cohort):
        outcome = task.evaluate(embeddings, cohort, split)
        (value,) = [score.value for score in outcome.scores if score.metric.name == name]
        assert value is not None
        found.append(value)
    return found


@pytest.mark.parametrize("task", tasks(), ids=lambda each: each[0].kind)
def test_what_was_planted_is_found_and_nothing_else(task: tuple[Task, str, str]) -> None:
    kind, difference, skill = task
    nothing, something = world(1, 0.0), world(1, 2.0)
    primary = kind.metrics[0].name
    assert np.mean(scores(kind, *nothing, primary)) > 0.6  # alone it predicts: age and stage
    null = nadeau_bengio(scores(kind, *nothing, difference), 1 / (FOLDS - 1))
    assert null.low < 0 < null.high
    assert abs(null.mean) < 0.01
    found = nadeau_bengio(scores(kind, *something, difference), 1 / (FOLDS - 1))
    assert found.low > 0
    assert found.mean > 0.05
    assert abs(np.mean(scores(kind, *nothing, skill))) < 0.01
    assert np.mean(scores(kind, *something, skill)) > 0.1


@pytest.mark.slow
@pytest.mark.parametrize("task", tasks(), ids=lambda each: each[0].kind)
def test_intervals_of_nothing_cover_zero_as_often_as_they_say(task: tuple[Task, str, str]) -> None:
    kind, difference, _ = task
    covered, means = 0, []
    for seed in range(60):
        null = nadeau_bengio(scores(kind, *world(seed, 0.0), difference), 1 / (FOLDS - 1))
        covered += bool(null.low <= 0 <= null.high)
        means.append(null.mean)
    assert covered >= 54  # 95 % of 60, less three standard deviations
    assert abs(np.mean(means)) < 0.005


def test_the_clinical_model_is_the_floor_clinical() -> None:
    cohort = planted(bags=False)
    pairs = cohort.complete()
    split = Split(0, pairs[:120], pairs[120:])
    spec = all_methods()["clinical"]
    floor = spec.build(spec.config)
    floor.fit(cohort.subset(split.train), Context(0))
    reference = floor.embed(cohort.subset(pairs))
    known = Covariates.of(cohort, split, split.train, split.test)
    np.testing.assert_array_equal(known.train, reference.joint[reference.rows(split.train)])
    np.testing.assert_array_equal(known.test, reference.joint[reference.rows(split.test)])
    task = Survival(cohort.name, "os", default=True)
    values = {s.metric.name: s.value for s in task.evaluate(reference, cohort, split).scores}
    with_clinical, added = values["with_clinical_c"], values["added_c"]
    assert with_clinical is not None
    assert added is not None
    assert with_clinical - added == pytest.approx(values["harrell_c"])


def test_a_patient_of_the_test_changes_nothing_that_is_fitted() -> None:
    cohort, embeddings = world(2, 1.0)
    split = splits(cohort)[0]
    out = set(split.test[1:])
    joint = embeddings.joint.copy()
    joint[[p in out for p in embeddings.patients]] = 1e3
    known = cohort.clinical
    assert known is not None
    values = known.values.copy()
    values[[p in out for p in known.patients]] = 1e3
    strange = replace(cohort, clinical=replace(known, values=values))
    one = Covariates.of(cohort, split, split.train, split.test[:1])
    other = Covariates.of(strange, split, split.train, split.test[:1])
    np.testing.assert_array_equal(one.train, other.train)
    np.testing.assert_array_equal(one.test, other.test)


def test_held_out_risks_are_those_of_fits_without_the_fold() -> None:
    rng = np.random.default_rng(0)
    X, folds = rng.normal(size=(100, 4)), np.arange(100) % 5
    time, event = rng.exponential(np.exp(-X[:, 0])), rng.random(100) < 0.7
    head = fit_ridge_cox(X, time, event, folds)
    assert head.held_out is not None
    Z = (X - X.mean(axis=0)) / X.std(axis=0)  # scales are those of all training patients
    for fold in range(5):
        rest = folds != fold
        alone = fit_ridge_cox(Z[rest], time[rest], event[rest], folds[rest], (head.penalty,))
        expected = alone.risk(Z[~rest])
        found = head.held_out[~rest]
        # the fit alone standardises its own patients: nearly the same, and never the full fit's
        assert np.corrcoef(expected, found)[0, 1] > 0.999
    full = head.risk(X)
    assert not np.allclose(full, head.held_out)
    assert fit_ridge_cox(X, time, event, folds, (0.1,)).held_out is None


@pytest.mark.parametrize("n_classes", [2, 3])
def test_held_out_effects_lie_as_effects_do(n_classes: int) -> None:
    rng = np.random.default_rng(n_classes)
    X, folds = rng.normal(size=(120, 3)), np.arange(120) % 5
    y = (X[:, 0] + rng.normal(size=120) > 0).astype(int) + (n_classes - 2) * (X[:, 1] > 0.8)
    head = fit_ridge_logistic(X, y, n_classes + 1, folds)  # one class never occurs
    assert head.held_out is not None
    assert head.held_out.shape == head.effects(X).shape == (120, len(np.unique(y)) - 1)
    for j in range(head.held_out.shape[1]):
        assert np.corrcoef(head.held_out[:, j], head.effects(X)[:, j])[0, 1] > 0.95


def test_where_it_cannot_be_asked_the_reason_is_said() -> None:
    cohort, embeddings = world(3, 0.0)
    split = splits(cohort)[0]

    def reasons(task: Task, of: Cohort) -> set[str]:
        found = task.evaluate(embeddings, of, split).scores
        assert found[0].status is Status.OK
        return {score.reason for score in found if score.metric.name.startswith("added_")}

    none = replace(cohort, clinical=None)
    missing = {"age, sex and stage are not in the cohort's clinical file"}
    circular = {
        "outcome": replace(cohort.labels["outcome"], derived_from="clinical"),
    }
    for task, _, _ in tasks():
        assert reasons(task, none) == missing
    (_, subtyping) = (task for task, _, _ in tasks())
    assert reasons(subtyping, replace(cohort, labels=circular)) == {
        "the label was called from age, sex or stage"
    }
    assert not {m.name for m in SurvivalDiscrete.metrics} & {"added_c", "added_skill"}
