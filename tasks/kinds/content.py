"""A modality's own content: the principal axes of its raw features over training patients."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from tasks.data.cohort import BagModality, Modality, Slide
from tasks.data.preprocess import VectorScaler
from tasks.heads.inputs import Matrix

# Features of highest variance over training patients. It is what single-cell practice keeps of
# expression, and more than any patch encoder has; more would cost seconds a fold and add noise.
MAX_FEATURES = 2048
AXES = 128
NEGLIGIBLE = 1e-10  # of the largest variance: axes that only rounding spans


@dataclass(frozen=True)
class Content:
    """Scaled features and their leading principal axes.

    Attributes:
        columns: Raw features looked at, rising, [at most `MAX_FEATURES`].
        scaler: Clips, imputes and standardises them.
        axes: Orthonormal columns by falling variance, [width, at most `AXES`].
    """

    columns: NDArray[np.intp]
    scaler: VectorScaler
    axes: Matrix

    @classmethod
    def fit(cls, raw: NDArray[np.float32]) -> "Content":
        """Fit on the raw values of training patients [n, features]; NaN is a missing cell."""
        variance = np.nan_to_num(_variance(raw))
        columns = np.sort(np.argsort(-variance, kind="stable")[:MAX_FEATURES])
        scaler = VectorScaler.fit(raw[:, columns])
        X = scaler.transform(raw[:, columns]).astype(np.float64)
        return cls(columns, scaler, principal_axes(X, AXES))

    def scaled(self, raw: NDArray[np.float32]) -> Matrix:
        """The scaled features of any patients, [n, width]."""
        return self.scaler.transform(raw[:, self.columns]).astype(np.float64)

    def components(self, raw: NDArray[np.float32]) -> Matrix:
        """The coordinates of any patients on the axes, [n, axes]."""
        return self.scaled(raw) @ self.axes

    def state(self) -> dict[str, NDArray[Any]]:
        """Everything that was fitted, by name."""
        return {"columns": self.columns, "axes": self.axes} | self.scaler.state()


def principal_axes(X: Matrix, count: int) -> Matrix:
    """Leading eigenvectors of X^T X, from the smaller of its two Gram matrices.

    Args:
        X: Centred, [n, p].
        count: How many at most; those that only rounding spans are left out.

    Returns:
        Orthonormal columns by falling variance, [p, at most count]; their signs mean nothing.
    """
    n, p = X.shape
    if not X.any():
        return np.empty((p, 0))
    wide = p > n
    gram = X @ X.T if wide else X.T @ X
    size = len(gram)
    variance, vectors = eigh(gram, subset_by_index=(max(size - count, 0), size - 1))
    kept = np.flatnonzero(variance > NEGLIGIBLE * variance[-1])[::-1]
    axes = vectors[:, kept]
    return np.asarray(X.T @ axes / np.sqrt(variance[kept]) if wide else axes)


def raw_values(modality: Modality, patients: Sequence[str]) -> NDArray[np.float32]:
    """One row per patient: its vector, or the mean of its instances, [n, features].

    One slide is in memory at a time; its mean is remembered, since every trial asks for it.
    """
    if not isinstance(modality, BagModality):
        return modality.rows(patients)
    rows = [
        np.average(
            [_mean_instance(slide) for slide in modality.slides[patient]],
            axis=0,
            weights=[slide.n_instances for slide in modality.slides[patient]],
        )
        for patient in patients
    ]
    return np.array(rows, dtype=np.float32).reshape(len(patients), modality.width)


@lru_cache(maxsize=16384)  # all of TCGA, 100 MB of 1,536 features
def _mean_instance(slide: Slide) -> NDArray[np.float32]:
    mean = np.asarray(slide.read().mean(axis=0, dtype=np.float64), dtype=np.float32)
    mean.flags.writeable = False
    return mean


def _variance(raw: NDArray[np.float32]) -> NDArray[np.float64]:
    """Variance of each column over what is known of it, NaN for a column without a value."""
    known = ~np.isnan(raw)
    count = known.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(known, raw, 0).sum(axis=0, dtype=np.float64) / count
        away = np.where(known, raw - mean, 0.0)
        return np.asarray((away**2).sum(axis=0) / count)
