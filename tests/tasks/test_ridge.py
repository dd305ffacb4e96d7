"""The ridge regression of many targets."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.linear_model import Ridge as SklearnRidge
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import PredefinedSplit

from tasks.heads.inputs import standardise
from tasks.heads.ridge import PENALTIES, fit_ridge


def problem(n: int, p: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features of unlike scales, targets of falling signal (the last has none), inner folds."""
    rng = np.random.default_rng(seed)
    X = rng.normal(3, 1, size=(n, p)) * rng.uniform(0.1, 10, p)
    signal = X @ rng.normal(size=(p, 4)) * [1.0, 0.3, 0.1, 0.0]
    return X, signal + 5 * rng.normal(size=(n, 4)) + [0, 9, -4, 100], np.arange(n) % 5


@pytest.mark.parametrize(("n", "p"), [(90, 6), (40, 70)], ids=["tall", "wide"])
def test_it_is_scikit_learns_ridge_at_the_penalty_that_its_cross_validation_picks(
    n: int, p: int
) -> None:
    X, Y, folds = problem(n, p)
    model = fit_ridge(X, Y, folds)
    Z, _, _ = standardise(X)
    for target in range(Y.shape[1]):
        y = Y[:, target]
        # five folds of equal size, so that a penalty per patient is the same alpha in each
        finite = [penalty for penalty in PENALTIES if np.isfinite(penalty)]
        errors = {
            np.inf: sum(((y[folds == k] - y[folds != k].mean()) ** 2).sum() for k in range(5))
        }
        searched = RidgeCV(
            [penalty * 0.8 * n * p for penalty in finite],
            cv=PredefinedSplit(folds),
            scoring="neg_mean_squared_error",
        ).fit(Z, y)
        errors[searched.alpha_ / (0.8 * n * p)] = -searched.best_score_ * n
        expected = min(errors, key=lambda penalty: errors[penalty])
        assert model.penalties[target] == pytest.approx(expected)
        if np.isfinite(expected):
            again = SklearnRidge(alpha=expected * n * p, solver="svd").fit(Z, y).predict(Z)
        else:
            again = np.full(n, y.mean())
        assert_allclose(model.predict(X)[:, target], again, rtol=1e-9)
    assert np.isfinite(model.penalties[0])


def test_held_out_predictions_are_those_of_a_model_without_the_fold() -> None:
    X, Y, folds = problem(60, 5)
    model = fit_ridge(X, Y, folds, penalties=(1e-3,))
    Z, _, _ = standardise(X)
    for k in range(5):
        out = folds == k
        without = SklearnRidge(alpha=1e-3 * (~out).sum() * 5, solver="svd").fit(Z[~out], Y[~out])
        assert_allclose(model.held_out[out], without.predict(Z[out]), rtol=1e-9)


def test_noise_is_predicted_by_its_mean_alone() -> None:
    rng = np.random.default_rng(2)
    X, Y = rng.normal(size=(50, 30)), rng.normal(size=(50, 8))
    model = fit_ridge(X, Y, np.arange(50) % 5)
    unpredictable = np.isinf(model.penalties)
    assert unpredictable.any()
    assert_allclose(model.coefficients[:, unpredictable], 0.0, atol=0)
    assert_allclose(model.intercepts[unpredictable], Y.mean(axis=0)[unpredictable])


def test_constant_features_and_targets_are_no_trouble() -> None:
    X, Y, folds = problem(30, 4)
    X[:, 1], Y[:, 2] = 7.0, -3.0
    model = fit_ridge(X, Y, folds)
    assert_allclose(model.coefficients[1], 0.0, atol=1e-12)
    assert_allclose(model.predict(X)[:, 2], -3.0)
    nothing = fit_ridge(np.full((30, 2), 0.1), Y, folds)
    assert_allclose(nothing.predict(np.zeros((3, 2))), np.tile(Y.mean(axis=0), (3, 1)))


@settings(deadline=None)
@given(st.integers(0, 10_000), st.floats(0.01, 100), st.floats(-50, 50))
def test_units_do_not_matter(seed: int, factor: float, offset: float) -> None:
    X, Y, folds = problem(25, 3, seed)
    one = fit_ridge(X, Y, folds)
    other = fit_ridge(X * factor + offset, Y * factor - offset, folds)
    assert_allclose(other.penalties, one.penalties)
    assert_allclose(
        other.predict(X * factor + offset), one.predict(X) * factor - offset, rtol=1e-6, atol=1e-6
    )


def test_targets_do_not_touch_each_other() -> None:
    X, Y, folds = problem(40, 6)
    together = fit_ridge(X, Y, folds)
    for target in range(Y.shape[1]):
        alone = fit_ridge(X, Y[:, [target]], folds)
        assert_allclose(alone.predict(X)[:, 0], together.predict(X)[:, target], rtol=1e-10)
