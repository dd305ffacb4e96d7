"""PCA of each side, side by side: the linear floor that a learned representation must beat."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from methods.base import Budget, Config, Context, Method, MethodSpec, State
from tasks.cohort import SIDES, BagModality, Cohort, Modality
from tasks.embeddings import Embeddings
from tasks.preprocess import VectorScaler


@dataclass(frozen=True)
class PCAConfig(Config):
    """Configuration of `PCAMethod`.

    Attributes:
        components: Principal components kept per side, at most.
        genes: Features of highest training variance that are kept of each side; 0 keeps all.
    """

    components: int = 32
    genes: int = 4096


@dataclass(frozen=True)
class _Side:
    """A fitted side: scaler, then projection."""

    scaler: VectorScaler
    mean: NDArray[np.float64]
    axes: NDArray[np.float64]  # [components, features]

    def project(self, raw: NDArray[np.float32]) -> NDArray[np.float32]:
        scaled = self.scaler.transform(raw).astype(np.float64)
        return np.asarray((scaled - self.mean) @ self.axes.T, dtype=np.float32)


class PCAMethod(Method):
    """Mean-pooled slides and expression, each reduced on the training patients, concatenated."""

    config: PCAConfig

    def __init__(self, config: PCAConfig) -> None:
        super().__init__(config)
        self._sides: dict[str, _Side] = {}

    def fit(self, train: Cohort, context: Context) -> None:
        """Fit the scaler and the components of each side on its training patients."""
        for side in SIDES:
            raw = pooled(train.modalities[side])
            scaler = VectorScaler.fit(raw, self.config.genes or None)
            scaled = scaler.transform(raw).astype(np.float64)
            components = min(self.config.components, *scaled.shape)
            # "full" is exact and has no seed; the sides are small.
            pca = PCA(components, svd_solver="full").fit(scaled)
            self._sides[side] = _Side(scaler, pca.mean_, pca.components_)

    def embed(self, cohort: Cohort) -> Embeddings:
        """Project each patient's sides; NaN where one is missing."""
        parts = []
        row = {patient: i for i, patient in enumerate(cohort.patients)}
        for side in SIDES:
            modality, fitted = cohort.modalities[side], self._sides[side]
            out = np.full((len(row), len(fitted.axes)), np.nan, dtype=np.float32)
            if modality.patients:
                out[[row[p] for p in modality.patients]] = fitted.project(pooled(modality))
            parts.append(out)
        return Embeddings(cohort.patients, np.concatenate(parts, axis=1), *parts)

    def state(self) -> State:
        """`SIDE.mean`, `SIDE.axes` and the scaler's arrays as `SIDE.scaler.NAME`."""
        state: State = {}
        for side, fitted in self._sides.items():
            state |= {f"{side}.mean": fitted.mean, f"{side}.axes": fitted.axes}
            state |= {f"{side}.scaler.{k}": v for k, v in fitted.scaler.state().items()}
        return state

    def restore(self, state: State) -> None:
        """The inverse of `state`."""
        for side in SIDES:
            prefix = f"{side}.scaler."
            scaler = VectorScaler.from_state(
                {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
            )
            self._sides[side] = _Side(scaler, state[f"{side}.mean"], state[f"{side}.axes"])


def pooled(modality: Modality) -> NDArray[np.float32]:
    """One row per patient of the modality: its vector, or the mean of its instances."""
    if isinstance(modality, BagModality):
        means = [modality.read(patient).mean(axis=0) for patient in modality.patients]
        return np.stack(means) if means else np.empty((0, modality.width), np.float32)
    return modality.values


SPEC = MethodSpec(
    name="pca",
    summary="PCA of mean-pooled slides and of expression, concatenated",
    family="linear",
    citation="Pearson 1901; scikit-learn PCA",
    build=PCAMethod,
    config=PCAConfig(),
    budgets={Budget.SMOKE: {"components": 16}},
)

SPECS = (SPEC,)
