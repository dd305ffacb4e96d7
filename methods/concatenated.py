"""Methods that turn each side into a vector by itself and lay the vectors side by side."""

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from methods.base import Config, Method, State, rows_for
from tasks.data.cohort import SIDES, BagModality, Cohort, Modality
from tasks.embeddings import Embeddings


class SideMap(Protocol):
    """What was fitted of one side: a function of a patient's own vector."""

    def transform(self, values: NDArray[np.floating]) -> NDArray[np.float32]:
        """Map any patients' rows [n, n_columns]: float32 [n, width], nothing missing."""

    def state(self) -> dict[str, NDArray[Any]]:
        """Everything that was fitted, by name."""

    @classmethod
    def from_state(cls, state: Mapping[str, NDArray[Any]]) -> Self:
        """The inverse of `state`."""


class ConcatenatedMethod(Method):
    """A map per side; `fit` of a subclass puts them into `fitted`.

    Attributes:
        sides: The sides that are used, in the order of the concatenation.
        side_map: What is fitted of a side.
        fitted: By side.
    """

    sides: ClassVar[tuple[str, ...]] = SIDES
    side_map: ClassVar[type[SideMap]]

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.fitted: dict[str, SideMap] = {}

    def embed(self, cohort: Cohort) -> Embeddings:
        """Map each patient's sides; NaN where one is missing."""
        parts = {}
        for side in self.sides:
            modality = cohort.modalities[side]
            values = self.fitted[side].transform(pooled(modality))
            parts[side] = rows_for(cohort.patients, modality.patients, values)
        return Embeddings(cohort.patients, np.concatenate(list(parts.values()), axis=1), **parts)

    def state(self) -> State:
        """What was fitted of each side, as `SIDE.NAME`."""
        return {
            f"{side}.{name}": values
            for side, fitted in self.fitted.items()
            for name, values in fitted.state().items()
        }

    def restore(self, state: State) -> None:
        """The inverse of `state`."""
        self.fitted = {
            side: self.side_map.from_state(below(f"{side}.", state)) for side in self.sides
        }


def below(prefix: str, state: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The part of a state whose names begin with a prefix, named without it."""
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def pooled(modality: Modality) -> NDArray[np.float32]:
    """One row per patient of the modality: its vector, or the mean of its instances."""
    if isinstance(modality, BagModality):
        means = [modality.read(patient).mean(axis=0) for patient in modality.patients]
        return np.stack(means) if means else np.empty((0, modality.width), np.float32)
    return modality.values
