"""Ridge regression of many targets at once, each penalty chosen by inner cross-validation.

It is our own because scikit-learn's `RidgeCV` takes one penalty for all targets unless it leaves
one patient out at a time, and gives no predictions for the patients left out. One eigenbasis a
fold serves every penalty and every target here, so that a hundred targets cost what one does.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.heads.inputs import Matrix, Vector, rotate, standardise

# Penalties per training patient and per feature, falling. Standardised features have n p units of
# variance between them, so 10 shrinks everything to nothing and 1e-7 leaves all but the
# directions without variance alone. Infinity predicts the mean: what cannot be predicted then
# scores an R2 of 0 and not, as slightly shrunk noise would, below.
PENALTIES: tuple[float, ...] = (np.inf, *(10.0 ** (step / 2) for step in range(2, -15, -1)))


@dataclass(frozen=True)
class Ridge:
    """A fitted linear map in the units of the features and the targets.

    Attributes:
        coefficients: [p, t].
        intercepts: [t].
        penalties: The penalty that was chosen for each target, per patient and feature, [t].
        held_out: What the training patients are predicted without their own inner fold, [n, t].
    """

    coefficients: Matrix
    intercepts: Vector
    penalties: Vector
    held_out: Matrix

    def predict(self, X: Matrix) -> Matrix:
        """The targets of any patients, [n, t]."""
        return np.asarray(X @ self.coefficients + self.intercepts)

    def state(self) -> dict[str, NDArray[np.float64]]:
        """Everything that was fitted, by name."""
        return {
            "coefficients": self.coefficients,
            "intercepts": self.intercepts,
            "penalties": self.penalties,
        }


def fit_ridge(
    X: Matrix, Y: Matrix, folds: NDArray[np.intp], penalties: Sequence[float] = PENALTIES
) -> Ridge:
    """Fit on training patients, with each target's penalty chosen by cross-validation among them.

    Minimises |Y - Z B|^2 + penalty n p |B|^2 about the means, Z the standardised features; the
    criterion is the squared error of the patients held out.

    Args:
        X: Training features [n, p], finite.
        Y: Training targets [n, t], finite.
        folds: Inner fold of each patient, [n]; two different ones at least.
        penalties: Candidates per patient and feature, falling.

    Returns:
        The model fitted on all of these patients; of equally good penalties, the largest.
    """
    Z, mean, scale = standardise(X)
    Z, V = rotate(Z)
    width = max(X.shape[1], 1)  # without any feature the mean is the model
    error = np.zeros((len(penalties), Y.shape[1]))
    inner = []
    for fold in np.unique(folds):
        out = folds == fold
        basis, unit = _Eigenbasis.of(Z[~out], Y[~out]), int((~out).sum()) * width
        inner.append((out, basis, unit))
        scaled = [penalty * unit for penalty in penalties]
        for i, predicted in enumerate(basis.predictions(Z[out], scaled)):
            error[i] += ((predicted - Y[out]) ** 2).sum(axis=0)
    chosen = np.array(penalties, dtype=np.float64)[error.argmin(axis=0)]
    held_out = np.empty(Y.shape)
    for out, basis, unit in inner:
        (held_out[out],) = basis.predictions(Z[out], [chosen * unit])
    basis = _Eigenbasis.of(Z, Y)
    weights = basis.axes @ basis.shrunk(chosen * len(X) * width)
    coefficients = (weights if V is None else V @ weights) / scale[:, None]
    return Ridge(
        coefficients=coefficients,
        intercepts=basis.target - basis.mean @ weights - mean @ coefficients,
        penalties=chosen,
        held_out=held_out,
    )


@dataclass(frozen=True)
class _Eigenbasis:
    """A least-squares problem in the principal axes of its features.

    Attributes:
        mean: Of the features, [r].
        target: Mean of the targets, [t].
        axes: Orthonormal columns, [r, r].
        variance: Sum of squares along each axis, [r].
        product: Centred features along each axis times centred targets, [r, t].
    """

    mean: Vector
    target: Vector
    axes: Matrix
    variance: Vector
    product: Matrix

    @classmethod
    def of(cls, Z: Matrix, Y: Matrix) -> "_Eigenbasis":
        """The basis of features [n, r] and targets [n, t]."""
        mean, target = Z.mean(axis=0), Y.mean(axis=0)
        centred = Z - mean
        variance, axes = np.linalg.eigh(centred.T @ centred)
        product = axes.T @ (centred.T @ (Y - target))
        return cls(mean, target, axes, np.maximum(variance, 0.0), product)

    def shrunk(self, penalty: float | Vector) -> Matrix:
        """Coefficients along the axes, [r, t], for one penalty or one for each target [t]."""
        return np.asarray(self.product / (self.variance[:, None] + penalty))

    def predictions(self, Z: Matrix, penalties: Iterable[float | Vector]) -> Iterator[Matrix]:
        """The targets of patients with features [n, r], once for each penalty, [n, t]."""
        coordinates = (Z - self.mean) @ self.axes
        for penalty in penalties:
            yield coordinates @ self.shrunk(penalty) + self.target
