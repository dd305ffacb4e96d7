"""The few-shot task: draws, what they are fitted on, and what is said where there are too few."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from tasks.base import Outcome, Status
from tasks.data.cohort import Cohort, Label, VectorModality
from tasks.data.splits import Split, make_splits
from tasks.draws import DRAWS, SHOTS, drawing_orders, first_of_each
from tasks.embeddings import Embeddings
from tasks.heads.inputs import standardise
from tasks.heads.logistic import fit_logistic
from tasks.kinds.few_shot import PENALTY, FewShot


def planted(n: int = 200) -> tuple[Cohort, Embeddings]:
    """A cohort whose classes are steps of the first embedding axis."""
    rng = np.random.default_rng(0)
    patients = tuple(f"P{i:03}" for i in range(n))
    Z = rng.normal(size=(n, 6)).astype(np.float32)
    steps = np.digitize(Z[:, 0] + 0.3 * rng.normal(size=n), [-0.6, 0.6])
    three = {p: "ABC"[k] for p, k in zip(patients, steps, strict=True)}
    labels = {
        "three": Label(three, ("C", "A", "B")),
        "two": Label({p: "no" if c == "A" else "yes" for p, c in three.items()}, ("no", "yes")),
        "rare": Label(three | dict.fromkeys(patients[:10], "D"), ("A", "B", "C", "D")),
        "one": Label(dict.fromkeys(patients, "A"), ("A", "B")),
    }
    rna = VectorModality(patients, Z, tuple("abcdef"))
    return Cohort("X", patients, {"rna": rna}, labels=labels), Embeddings(patients, Z)


def task_of(cohort: Cohort, label: str) -> FewShot:
    (task,) = (task for task in FewShot.instances(cohort) if task.label == label)
    assert isinstance(task, FewShot)
    return task


def evaluate(cohort: Cohort, embeddings: Embeddings, label: str, fold: int = 0) -> Outcome:
    return task_of(cohort, label).evaluate(embeddings, cohort, make_splits(cohort, 5)[fold])


def values(outcome: Outcome) -> dict[str, float]:
    return {s.metric.name: s.value for s in outcome.scores if s.value is not None}


def test_instances_and_metrics() -> None:
    cohort, _ = planted()
    assert [task.name for task in FewShot.instances(cohort)] == [
        "few-shot/X/three",
        "few-shot/X/two",
        "few-shot/X/rare",
    ]
    names = [metric.name for metric in FewShot.metrics]
    assert names[0] == "auroc_macro_k10"
    assert {f"{m}_k{k}" for m in ("auroc_macro", "balanced_accuracy") for k in SHOTS} < set(names)
    assert len(set(names)) == 12


def test_scores_written_out() -> None:
    cohort, embeddings = planted()
    split = make_splits(cohort, 5)[1]
    outcome = task_of(cohort, "two").evaluate(embeddings, cohort, split)
    truth = cohort.labels["two"].values
    train = embeddings.joint[embeddings.rows(split.train)].astype(float)
    Z_test = embeddings.joint[embeddings.rows(split.test)].astype(float)
    Z_test = (Z_test - train.mean(axis=0)) / train.std(axis=0)
    y_train = np.array([truth[p] == "yes" for p in split.train])
    y = np.array([truth[p] == "yes" for p in split.test])
    found = values(outcome)
    for k in SHOTS:
        areas, accuracies = [], []
        for order in drawing_orders(split.train, "X", "two", 1):
            of_class = ([row for row in order if y_train[row] == c] for c in (False, True))
            chosen = [row for rows in of_class for row in rows[:k]]
            Z = (train[chosen] - train.mean(axis=0)) / train.std(axis=0)
            model = LogisticRegression(C=1 / (PENALTY * Z.size), tol=1e-10, max_iter=10000)
            p = model.fit(Z, y_train[chosen]).predict_proba(Z_test)[:, 1]
            areas.append(roc_auc_score(y, p))
            accuracies.append(balanced_accuracy_score(y, p > 0.5))
        assert found[f"auroc_macro_k{k}"] == pytest.approx(np.mean(areas), abs=1e-9)
        assert found[f"auroc_macro_k{k}_sd"] == pytest.approx(np.std(areas, ddof=1), abs=1e-9)
        assert found[f"balanced_accuracy_k{k}"] == pytest.approx(np.mean(accuracies), abs=1e-9)
    assert found["auroc_macro_k25"] > found["auroc_macro_k1"] > 0.6
    assert found["auroc_macro_k1_sd"] > found["auroc_macro_k25_sd"]
    assert outcome.predictions["patient"] == list(split.test)
    assert_allclose(np.add(outcome.predictions["p_no"], outcome.predictions["p_yes"]), 1)


@settings(max_examples=50)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(1, 25), st.integers(0, 9))
def test_draws_are_without_replacement_and_nested(classes: list[int], k: int, fold: int) -> None:
    y = np.array(classes)
    patients = [f"P{i}" for i in range(len(y))]
    order = drawing_orders(patients, "X", "label", fold)[-1]
    rows = first_of_each(y, order, k)
    assert len(set(rows)) == len(rows)
    assert_array_equal(np.bincount(y[rows]), np.minimum(np.bincount(y), k))
    assert set(rows) <= set(first_of_each(y, order, k + 1))
    # the same patients whatever the order of rows, and whoever else is missing
    shuffled = np.random.default_rng(fold).permutation(len(y))
    again = drawing_orders([patients[i] for i in shuffled], "X", "label", fold)[-1]
    assert_array_equal(shuffled[again], order)


def test_every_patient_is_drawn_as_often_as_any_other() -> None:
    patients = [f"P{i}" for i in range(20)]
    counts = np.zeros(20)
    for fold in range(200):
        for order in drawing_orders(patients, "X", "label", fold):
            counts[order[:5]] += 1
    # 500 expected of each, standard deviation 19
    assert abs(counts - 500).max() < 80


def test_test_patients_and_undrawn_classes_touch_nothing_that_is_fitted() -> None:
    cohort, embeddings = planted()
    split = make_splits(cohort, 5)[0]
    clean = task_of(cohort, "three").evaluate(embeddings, cohort, split)
    joint = embeddings.joint.copy()
    joint[embeddings.rows(split.test)] = 1e6
    label = cohort.labels["three"]
    wrong = replace(label, values=dict(label.values) | dict.fromkeys(split.test, "A"))
    poisoned = replace(cohort, labels={"three": wrong})
    outcome = task_of(poisoned, "three").evaluate(replace(embeddings, joint=joint), poisoned, split)
    assert set(clean.head) == {f"{n}_k{k}" for n in ("coefficients", "intercepts") for k in SHOTS}
    for name, fitted in clean.head.items():
        assert_array_equal(fitted, outcome.head[name])
    assert clean.head["coefficients_k1"].shape == (DRAWS, 3, 6)


def test_a_class_with_too_few_patients_skips_that_k_alone() -> None:
    cohort, embeddings = planted()
    outcome = evaluate(cohort, embeddings, "rare")
    reasons = {score.metric.name: score.reason for score in outcome.scores if score.reason}
    assert set(reasons) == {m.name for m in FewShot.metrics if "_k10" in m.name or "_k25" in m.name}
    n_rare = sum(patient < "P010" for patient in make_splits(cohort, 5)[0].train)
    assert reasons["auroc_macro_k10"] == f"{n_rare} training patients of class D, 10 needed"
    assert outcome.scores[0].status is Status.SKIPPED
    assert list(outcome.predictions) == ["patient", "label"]


def test_reasons_for_the_whole_fold() -> None:
    cohort, embeddings = planted()
    patients = cohort.patients
    truth = cohort.labels["two"].values
    no, yes = ([p for p in patients if truth[p] == c] for c in ("no", "yes"))
    for train, test, reason in (
        (no, yes, "0 training patients of class yes, 1 needed"),
        (no[:5], no[5:], "fewer than two classes among the patients of the fold"),
        ([*no, *yes], [], "no test patient has both an embedding and a class"),
        ([], [], "no test patient has both an embedding and a class"),
    ):
        split = Split(0, tuple(train), tuple(test))
        outcome = task_of(cohort, "two").evaluate(embeddings, cohort, split)
        assert {score.reason for score in outcome.scores} == {reason}
        assert not outcome.predictions["patient"]
    split = Split(0, (*no[10:], *yes), tuple(no[:10]))
    outcome = task_of(cohort, "two").evaluate(embeddings, cohort, split)
    assert outcome.scores[0].reason == "only one class among the test patients"
    assert values(outcome)["balanced_accuracy_k10"] > 0.5


def test_constant_embeddings_know_nothing() -> None:
    cohort, embeddings = planted()
    constant = replace(embeddings, joint=np.full_like(embeddings.joint, 0.1))
    found = values(evaluate(cohort, constant, "three"))
    assert {found[f"auroc_macro_k{k}"] for k in SHOTS} == {0.5}
    assert {found[f"auroc_macro_k{k}_sd"] for k in SHOTS} == {0.0}


@pytest.mark.parametrize(("n", "p"), [(30, 4), (9, 50)], ids=["tall", "wide"])
def test_given_penalty_equals_scikit_learn(n: int, p: int) -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(5, 3, size=(n, p)), np.arange(n) % 3 + 1
    _, mean, scale = standardise(rng.normal(5, 3, size=(100, p)))
    head = fit_logistic(X, y, 4, mean, scale, 0.01)
    model = LogisticRegression(C=1 / (0.01 * n * p), tol=1e-10, max_iter=10000)
    expected = model.fit((X - mean) / scale, y).predict_proba((X - mean) / scale)
    assert_allclose(head.probability(X)[:, 1:], expected, atol=1e-4)
    assert not head.probability(X)[:, 0].any()
