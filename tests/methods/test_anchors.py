"""The references without a network: the libraries' own predictions, and what is planted found."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sksurv.ensemble import RandomSurvivalForest
from sksurv.linear_model import CoxnetSurvivalAnalysis
from sksurv.util import Surv

from methods.supervised.coxnet import Coxnet, CoxnetConfig
from methods.supervised.forest import ForestConfig, RandomForest
from methods.supervised.target import Target
from tasks.data.splits import inner_folds
from tasks.metrics.time_to_event import Outcomes, harrell_c
from tasks.scoring import INNER_FOLDS

N, WIDTH = 160, 12
PATIENTS = tuple(f"P{number:03}" for number in range(N))


def inputs(seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(N, WIDTH)).astype(np.float32)


def survival(X: NDArray[np.float32], seed: int = 1) -> Target:
    """Two of the features double and halve the hazard; two fifths are censored."""
    rng = np.random.default_rng(seed)
    death = rng.exponential(30 * np.exp(-1.4 * X[:, 0] + 1.4 * X[:, 1]))
    censored = rng.exponential(40, N)
    event = death <= censored
    folds = inner_folds(PATIENTS, event.astype(int).tolist(), INNER_FOLDS)
    return Target(PATIENTS, np.column_stack([np.minimum(death, censored), event]), None, folds)


def classes(X: NDArray[np.float32]) -> Target:
    """Three classes, of which the middle one occurs in nobody."""
    values = np.where(X[:, 2] * X[:, 3] > 0, 2, 0).astype(np.int64)
    return Target(PATIENTS, values, 3, inner_folds(PATIENTS, values.tolist(), INNER_FOLDS))


def test_the_trees_of_a_survival_forest_say_what_the_library_says() -> None:
    X, others = inputs(), inputs(2)
    target = survival(X)
    method = RandomForest(ForestConfig(trees=7, leaf=5))
    found = method.predict(method.learn(X, target, 3), others)
    time, event = target.values.T
    theirs = RandomSurvivalForest(7, min_samples_leaf=5, max_features="sqrt", random_state=3)
    theirs.fit(X, Surv.from_arrays(event.astype(bool), time))
    np.testing.assert_allclose(np.exp(found[:, 0]), theirs.predict(others), rtol=1e-9)


def test_the_trees_of_a_forest_of_classes_say_what_the_library_says() -> None:
    X, others = inputs(), inputs(2)
    target = classes(X)
    method = RandomForest(ForestConfig(trees=7, leaf=5))
    found = np.exp(method.predict(method.learn(X, target, 3), others))
    theirs = RandomForestClassifier(
        7, min_samples_leaf=5, class_weight="balanced", max_features="sqrt", random_state=3
    )
    expected = theirs.fit(X, target.values).predict_proba(others)
    np.testing.assert_allclose(found[:, [0, 2]], np.maximum(expected, 1e-6), rtol=1e-9)
    np.testing.assert_allclose(found[:, 1], 1e-6)


def test_a_forest_finds_an_interaction_that_no_line_has() -> None:
    X, others = inputs(), inputs(2)
    method = RandomForest(ForestConfig(trees=60, leaf=3))
    found = method.predict(method.learn(X, classes(X), 0), others)
    right = (found[:, 2] > found[:, 0]) == (others[:, 2] * others[:, 3] > 0)
    assert right.mean() > 0.7


@pytest.mark.parametrize("effects", [True, False])
def test_coxnet_finds_what_is_planted_and_is_silent_where_nothing_is(effects: bool) -> None:
    X = inputs()
    told = survival(X if effects else inputs(5))
    method = Coxnet(CoxnetConfig())
    model = method.learn(X, told, 0)
    (beta,) = model["coefficients"]
    if not effects:
        assert np.abs(beta).max() < 0.25
        return
    assert beta[0] > 0.5
    assert beta[1] < -0.5
    assert np.abs(beta[2:]).max() < 0.3
    time, event = survival(inputs(2), 7).values.T
    risk = method.predict(model, inputs(2))[:, 0]
    assert harrell_c(Outcomes(time, event.astype(bool)), risk) > 0.75


def test_the_coefficients_are_the_librarys_at_one_of_its_penalties() -> None:
    X = inputs()
    target = survival(X)
    (beta,) = Coxnet(CoxnetConfig()).learn(X, target, 0)["coefficients"]
    time, event = target.values.T
    theirs = CoxnetSurvivalAnalysis(n_alphas=30, alpha_min_ratio=0.05, l1_ratio=0.5)
    theirs.fit(X.astype(np.float64), Surv.from_arrays(event.astype(bool), time))
    away = np.abs(theirs.coef_ - beta[:, None]).max(axis=0)
    assert away.min() < 1e-6


@pytest.mark.parametrize("width", [1, 2])
def test_coxnet_finds_planted_classes_and_says_the_librarys_probabilities(width: int) -> None:
    """Two classes of three, or all of them; the penalty is one of those that were tried."""
    X, others = inputs(), inputs(2)
    values = (X[:, 0] > 0).astype(np.int64) + (width == 2) * (X[:, 1] > 0.5)
    target = Target(PATIENTS, values, 3, inner_folds(PATIENTS, values.tolist(), INNER_FOLDS))
    config = CoxnetConfig()
    method = Coxnet(config)
    found = np.exp(method.predict(method.learn(X, target, 0), others))
    truth = (others[:, 0] > 0).astype(int) + (width == 2) * (others[:, 1] > 0.5)
    assert (found.argmax(axis=1) == truth).mean() > 0.7
    away = np.eye(3)[values] - np.bincount(values, minlength=3) / N
    first = config.l1_ratio / np.abs(X.T @ away).max()
    near = []
    for C in first * np.geomspace(1, 20, config.class_penalties):
        theirs = LogisticRegression(C=C, l1_ratio=0.5, solver="saga", tol=1e-6, max_iter=5000)
        expected = theirs.fit(X, values).predict_proba(others)
        near.append(np.abs(found[:, : 1 + width] - expected).max())
    assert min(near) < 0.02
    if width == 1:
        np.testing.assert_allclose(found[:, 2], 1e-6)
