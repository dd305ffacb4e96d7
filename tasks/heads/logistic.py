"""Ridge logistic regression whose penalty is chosen by cross-validated log-loss."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from tasks.heads.inputs import Matrix, Vector, rotate, standardise
from tasks.heads.softmax import descend, log_loss, logits_of

# Penalties per training patient and per feature, falling: from intercepts alone to nearly none.
PENALTIES: tuple[float, ...] = tuple(10.0**power for power in range(1, -6, -1))
WORSE = 1.01
"""Times the least loss, from which on the path of falling penalties is not followed any further.

Held-out loss falls along it and then rises. The last penalties are the dearest to fit, and a rise
by a hundredth is no wobble.
"""


@dataclass(frozen=True)
class RidgeLogistic:
    """A fitted multinomial model in the units of the features.

    Attributes:
        coefficients: [n_classes, p].
        intercepts: [n_classes]; -inf for a class that it was not fitted on.
        penalty: The penalty that was chosen, per patient and feature.
        mean: Of the training features, [p]. No part of `state`, and neither is the next.
        held_out: Effects on each training patient, as `effects` has them, by the fit that went
            without its inner fold, [n, columns]; None where the penalty was given.
    """

    coefficients: Matrix
    intercepts: Vector
    penalty: float
    mean: Vector
    held_out: Matrix | None = None

    def effects(self, X: Matrix) -> Matrix:
        """What the features change of the average patient's log-odds: [n, fitted classes - 1].

        Of each class that was fitted, against the first one; without the intercept, which of a fit
        that goes without some patients says how many of these have a class.
        """
        fitted = np.isfinite(self.intercepts)
        return _against_first((X - self.mean) @ self.coefficients[fitted].T)

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
        No penalty is tried after one whose loss is `WORSE` than the least before it.
    """
    Z, mean, scale = standardise(X)
    Z, V = rotate(Z, wide=0)
    width = X.shape[1]
    seen, codes = np.unique(y, return_inverse=True)
    targets = np.eye(len(seen))[codes]
    inner = [folds == fold for fold in np.unique(folds)]
    fits = [_start(targets, Z.shape[1])] * len(inner)
    losses: list[float] = []
    held_out: list[Matrix] = []
    for penalty in penalties:
        loss, effects = 0.0, np.empty(targets.shape)
        for i, out in enumerate(inner):
            scaled = penalty * (~out).sum() * width
            fits[i] = descend(Z[~out], targets[~out], scaled, fits[i])
            loss += log_loss(Z[out], targets[out], fits[i])
            effects[out] = logits_of(Z[out], _without_intercept(fits[i]))
        losses.append(loss)
        held_out.append(_against_first(effects))
        if loss > WORSE * min(losses):
            break
    least = int(np.argmin(losses))
    best = penalties[least]
    beta = descend(Z, targets, best * len(y) * width, _start(targets, Z.shape[1]))
    fitted = _model(beta, V, mean, scale, seen, n_classes, best)
    return replace(fitted, held_out=held_out[least])


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
    Z, V = rotate((X - mean) / scale, wide=0)
    seen, codes = np.unique(y, return_inverse=True)
    targets = np.eye(len(seen))[codes]
    beta = descend(Z, targets, penalty * X.size, _start(targets, Z.shape[1]))
    return _model(beta, V, mean, scale, seen, n_classes, penalty)


def _without_intercept(beta: Matrix) -> Matrix:
    return np.column_stack([np.zeros(len(beta)), beta[:, 1:]])


def _against_first(logits: Matrix) -> Matrix:
    return logits[:, 1:] - logits[:, :1]


def _start(targets: Matrix, width: int) -> Matrix:
    """No effects, and one logit of two classes or one for each of more."""
    n_classes = targets.shape[1]
    return np.zeros((1 if n_classes == 2 else n_classes, 1 + width))


def _model(
    beta: Matrix,
    V: Matrix | None,
    mean: Vector,
    scale: Vector,
    seen: NDArray[np.intp],
    n_classes: int,
    penalty: float,
) -> RidgeLogistic:
    """A fit of the classes `seen`, turned back into the units of the features."""
    if len(beta) == 1:  # log-odds of the second against the first
        beta = np.vstack([0 * beta, beta])
    weights, bias = beta[:, 1:], beta[:, 0]
    coefficients, intercepts = np.zeros((n_classes, len(mean))), np.full(n_classes, -np.inf)
    coefficients[seen] = (weights if V is None else weights @ V.T) / scale
    intercepts[seen] = bias - coefficients[seen] @ mean
    return RidgeLogistic(coefficients, intercepts, penalty, mean)
