"""Ridge logistic regression whose penalty is chosen by cross-validated log-loss."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression

from tasks.heads.inputs import Matrix, Vector, rotate, standardise

# Penalties per training patient and per feature, falling: from intercepts alone to nearly none.
PENALTIES: tuple[float, ...] = tuple(10.0**power for power in range(1, -6, -1))
MAX_STEPS = 2000
TOLERANCE = 1e-6


@dataclass(frozen=True)
class RidgeLogistic:
    """A fitted multinomial model in the units of the features.

    Attributes:
        coefficients: [n_classes, p].
        intercepts: [n_classes]; -inf for a class that it was not fitted on.
        penalty: The penalty that was chosen, per patient and feature.
    """

    coefficients: Matrix
    intercepts: Vector
    penalty: float

    def probability(self, X: Matrix) -> Matrix:
        """Probability of each class, [n, n_classes]."""
        return np.asarray(softmax(X @ self.coefficients.T + self.intercepts, axis=1))

    def state(self) -> dict[str, NDArray[np.float64]]:
        """Everything that was fitted, by name."""
        return {
            "coefficients": self.coefficients,
            "intercepts": self.intercepts,
            "penalty": np.array([self.penalty]),
        }


def fit_ridge_logistic(
    X: Matrix,
    y: NDArray[np.intp],
    n_classes: int,
    folds: NDArray[np.intp],
    penalties: Sequence[float] = PENALTIES,
) -> RidgeLogistic:
    """Fit on training patients, with the penalty chosen by cross-validation among them.

    Classes are not reweighted, so that the probabilities are calibrated to their prevalence.

    Args:
        X: Training features [n, p], finite.
        y: Class numbers below `n_classes`, [n]; at least two occur.
        n_classes: Number of classes, those that do not occur included.
        folds: Inner fold of each patient, [n]; every class that occurs must do so in every
            fold's complement.
        penalties: Candidates per patient and feature, falling.

    Returns:
        The model fitted on all of these patients with the best penalty; of equals, the largest.
    """
    Z, mean, scale = standardise(X)
    Z, V = rotate(Z)
    width = X.shape[1]
    seen, codes = np.unique(y, return_inverse=True)
    loss = np.zeros(len(penalties))
    for fold in np.unique(folds):
        out = folds == fold
        scaled = [penalty * (~out).sum() * width for penalty in penalties]
        for i, (weights, bias) in enumerate(_path(Z[~out], codes[~out], scaled)):
            log_p = log_softmax(Z[out] @ weights.T + bias, axis=1)
            loss[i] -= log_p[np.arange(out.sum()), codes[out]].sum()
    best = int(np.argmin(loss))
    scaled = [penalty * len(y) * width for penalty in penalties[: best + 1]]
    weights, bias = _path(Z, codes, scaled)[-1]
    return _model(weights, bias, V, mean, scale, seen, n_classes, penalties[best])


def fit_logistic(
    X: Matrix, y: NDArray[np.intp], n_classes: int, mean: Vector, scale: Vector, penalty: float
) -> RidgeLogistic:
    """Fit with a given penalty on patients too few to choose one, or to standardise by.

    Args:
        X: Training features [n, p], finite.
        y: Class numbers below `n_classes`, [n]; at least two occur.
        n_classes: Number of classes, those that do not occur included.
        mean: What is subtracted from the features, [p].
        scale: What they are then divided by, [p].
        penalty: Per patient and feature.
    """
    Z, V = rotate((X - mean) / scale)
    seen, codes = np.unique(y, return_inverse=True)
    weights, bias = _path(Z, codes, [penalty * X.size])[-1]
    return _model(weights, bias, V, mean, scale, seen, n_classes, penalty)


def _model(
    weights: Matrix,
    bias: Vector,
    V: Matrix | None,
    mean: Vector,
    scale: Vector,
    seen: NDArray[np.intp],
    n_classes: int,
    penalty: float,
) -> RidgeLogistic:
    """A fit of the classes `seen`, turned back into the units of the features."""
    coefficients, intercepts = np.zeros((n_classes, len(mean))), np.full(n_classes, -np.inf)
    coefficients[seen] = (weights if V is None else weights @ V.T) / scale
    intercepts[seen] = bias - coefficients[seen] @ mean
    return RidgeLogistic(coefficients, intercepts, penalty)


def _path(
    Z: Matrix, codes: NDArray[np.intp], penalties: Sequence[float]
) -> list[tuple[Matrix, Vector]]:
    """Weights [n_seen, p] and biases [n_seen] for each penalty, each from the one before."""
    model = LogisticRegression(warm_start=True, max_iter=MAX_STEPS, tol=TOLERANCE)
    path = []
    for penalty in penalties:
        model.set_params(C=1 / penalty).fit(Z, codes)
        weights, bias = model.coef_.copy(), model.intercept_.copy()
        if len(weights) == 1:  # two classes: log-odds of the second against the first
            weights, bias = np.vstack([0 * weights, weights]), np.append(0 * bias, bias)
        path.append((weights, bias))
    return path
