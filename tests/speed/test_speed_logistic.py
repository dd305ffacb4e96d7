"""What the ridge logistic head costs, beside scikit-learn along the same penalties."""

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from tasks.heads.inputs import rotate, standardise
from tasks.heads.logistic import PENALTIES, fit_ridge_logistic

pytestmark = pytest.mark.speed

N, P, CLASSES = 600, 1536, 5
FOLDS = np.arange(N) % 5


def planted() -> tuple[np.ndarray, np.ndarray]:
    """600 patients of five classes, of which the first features know something."""
    rng = np.random.default_rng(0)
    y = np.arange(N) % CLASSES
    X = rng.normal(size=(N, 40)) @ rng.normal(size=(40, P)) + rng.normal(size=(N, P))
    X[:, :CLASSES] += np.eye(CLASSES)[y]
    return X, y


def test_fit_with_the_whole_inner_cross_validation(benchmark: Callable[..., object]) -> None:
    X, y = planted()
    benchmark(lambda: fit_ridge_logistic(X, y, CLASSES, FOLDS))


def test_the_same_by_scikit_learn(benchmark: Callable[..., object]) -> None:
    X, y = planted()

    def paths() -> None:
        Z, _ = rotate(standardise(X)[0])
        for fold in range(5):
            rest = np.not_equal(FOLDS, fold)
            model = LogisticRegression(warm_start=True, max_iter=2000, tol=1e-6)
            for penalty in PENALTIES:
                model.set_params(C=1 / (penalty * rest.sum() * P)).fit(Z[rest], y[rest])

    benchmark(paths)
