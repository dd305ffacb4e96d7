"""The subtyping task and its logistic head."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score

from tasks.base import Outcome, Status
from tasks.data.cohort import Cohort, Label, VectorModality
from tasks.data.splits import make_splits
from tasks.embeddings import Embeddings
from tasks.heads.inputs import standardise
from tasks.heads.logistic import PENALTIES, fit_ridge_logistic
from tasks.kinds.diagnosis import OVER_CLINIC
from tasks.registry import select_tasks
from tests.helpers.real import pca, real_cohort


def planted(n: int = 160) -> tuple[Cohort, Embeddings]:
    """A cohort whose classes are steps of the first embedding axis; class D is very rare."""
    rng = np.random.default_rng(0)
    patients = tuple(f"P{i:03}" for i in range(n))
    Z = rng.normal(size=(n, 6)).astype(np.float32)
    steps = np.digitize(Z[:, 0] + 0.5 * rng.normal(size=n), [-0.6, 0.6])
    three = {p: "ABC"[k] for p, k in zip(patients, steps, strict=True)}
    labels = {
        "three": Label(three, ("C", "A", "B")),
        "two": Label({p: "no" if c == "A" else "yes" for p, c in three.items()}, ("no", "yes")),
        "rare": Label(three | dict.fromkeys(patients[:4], "D"), ("A", "B", "C", "D")),
        "tiny": Label({p: "AB"[i % 2] for i, p in enumerate(patients[:8])}, ("A", "B")),
        "one": Label(dict.fromkeys(patients, "A"), ("A", "B")),
    }
    rna = VectorModality(patients, Z, tuple("abcdef"))
    return Cohort("X", patients, {"rna": rna}, labels=labels), Embeddings(patients, Z)


def evaluate(cohort: Cohort, embeddings: Embeddings, label: str, fold: int = 0) -> Outcome:
    (task,) = select_tasks(f"subtyping/X/{label}", [cohort])
    return task.evaluate(embeddings, cohort, make_splits(cohort, 5)[fold])


def value(outcome: Outcome, metric: str) -> float | None:
    return next(score.value for score in outcome.scores if score.metric.name == metric)


def test_one_instance_for_each_label_with_two_classes() -> None:
    cohort, _ = planted()
    found = [task.name.rsplit("/", 1)[1] for task in select_tasks("subtyping", [cohort])]
    assert found == ["three", "two", "rare", "tiny"]


@pytest.mark.parametrize("label", ["two", "three"])
def test_signal_is_found_and_predictions_give_the_score_back(label: str) -> None:
    cohort, embeddings = planted()
    outcome = evaluate(cohort, embeddings, label)
    assert all(score.status is Status.OK for score in outcome.scores[: -len(OVER_CLINIC)])
    classes = cohort.labels[label].classes
    table = outcome.predictions
    assert list(table) == ["patient", "label", *(f"p_{name}" for name in classes)]
    truth = np.array(table["label"])
    probability = np.column_stack([np.array(table[f"p_{name}"]) for name in classes])
    assert_allclose(probability.sum(axis=1), 1)
    areas = [
        roc_auc_score(truth == name, p) for name, p in zip(classes, probability.T, strict=True)
    ]
    assert value(outcome, "auroc_macro") == pytest.approx(np.mean(areas), abs=1e-12)
    assert np.mean(areas) > 0.75
    assert outcome.n_patients == len(truth)
    assert outcome.n_events is None


def test_test_patients_touch_nothing_that_is_fitted() -> None:
    cohort, embeddings = planted()
    split = make_splits(cohort, 5)[0]
    (task,) = select_tasks("subtyping/X/three", [cohort])
    clean = task.evaluate(embeddings, cohort, split)
    joint = embeddings.joint.copy()
    joint[embeddings.rows(split.test)] = 1e6
    label = cohort.labels["three"]
    wrong = replace(label, values=dict(label.values) | dict.fromkeys(split.test, "A"))
    poisoned = replace(cohort, labels={"three": wrong})
    outcome = task.evaluate(replace(embeddings, joint=joint), poisoned, split)
    for name, fitted in clean.head.items():
        np.testing.assert_array_equal(fitted, outcome.head[name])


def test_constant_embeddings_know_nothing() -> None:
    cohort, embeddings = planted()
    constant = replace(embeddings, joint=np.full_like(embeddings.joint, 0.1))
    for label in ("two", "three"):
        outcome = evaluate(cohort, constant, label)
        assert value(outcome, "auroc_macro") == 0.5
        assert value(outcome, "kappa") == 0


def test_a_class_too_rare_to_fit_is_scored_as_mistakes() -> None:
    cohort, embeddings = planted()
    outcomes = [evaluate(cohort, embeddings, "rare", fold) for fold in range(5)]
    tested = [p for outcome in outcomes for p in outcome.predictions["patient"]]
    assert sorted(map(str, tested)) == list(cohort.patients)
    assert all(set(outcome.predictions["p_D"]) == {0.0} for outcome in outcomes)


def test_too_few_patients_are_skipped_with_a_reason() -> None:
    cohort, embeddings = planted()
    outcome = evaluate(cohort, embeddings, "tiny")
    assert {score.status for score in outcome.scores} == {Status.SKIPPED}
    assert "fewer than two classes with 5 training patients" in outcome.scores[0].reason


@pytest.mark.parametrize(("n", "p"), [(90, 5), (40, 120)], ids=["tall", "wide"])
@pytest.mark.parametrize("classes", [2, 3])
def test_head_is_the_model_with_the_best_cross_validated_log_loss(
    n: int, p: int, classes: int
) -> None:
    rng = np.random.default_rng(1)
    X = rng.normal(3, 10, size=(n, p))
    y = np.digitize(X[:, 0] + rng.normal(0, 5, n), [0.0, 8.0][: classes - 1])
    folds = np.arange(n) % 5
    head = fit_ridge_logistic(X, y, classes, folds)
    Z, _, _ = standardise(X)

    def model(penalty: float, rows: np.ndarray) -> LogisticRegression:
        C = 1 / (penalty * rows.sum() * p)
        return LogisticRegression(C=C, tol=1e-9, max_iter=10000).fit(Z[rows], y[rows])

    def loss(penalty: float) -> float:
        parts = (
            log_loss(
                y[folds == k],
                model(penalty, folds != k).predict_proba(Z[folds == k]),
                labels=np.arange(classes),
                normalize=False,
            )
            for k in range(5)
        )
        return float(sum(parts))

    assert head.penalty == min(PENALTIES, key=loss)
    expected = model(head.penalty, np.ones(n, bool)).predict_proba(Z)
    assert_allclose(head.probability(X), expected, atol=1e-4)


@pytest.mark.real
def test_pca_on_brca() -> None:
    cohort = real_cohort("TCGA-BRCA")
    (task,) = select_tasks("subtyping/TCGA-BRCA/histology", [cohort])
    found = []
    for split in make_splits(cohort, 5):
        outcome = task.evaluate(pca(cohort, split.train), cohort, split)
        found.append(value(outcome, "auroc_macro"))
    assert np.mean(found) >= 0.75  # type: ignore[arg-type]
