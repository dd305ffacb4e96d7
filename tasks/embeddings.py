"""Embeddings: what a method gives and a task judges."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.short_repr import short_repr


@short_repr
@dataclass(frozen=True)
class Embeddings:
    """Representations of patients, one row each; a row of NaN where a modality is missing.

    Attributes:
        patients: Row order.
        joint: float32 [n, joint width], from all modalities; what most tasks judge.
        wsi: float32 [n, width] from the slides alone, or None if the method has no such thing.
        rna: float32 [n, width] from the expression alone, or None.
        head: float32 [n, any width], all sides after the heads of the objective, or None where it
            has none: what training leaves behind, for who asks what it is worth.
    """

    patients: tuple[str, ...]
    joint: NDArray[np.float32]
    wsi: NDArray[np.float32] | None = None
    rna: NDArray[np.float32] | None = None
    head: NDArray[np.float32] | None = None

    def known(self) -> tuple[str, ...]:
        """The patients whose joint embedding is there."""
        missing = np.isnan(self.joint).any(axis=1)
        return tuple(self.patients[row] for row in np.flatnonzero(~missing))

    def rows(self, patients: Sequence[str]) -> NDArray[np.intp]:
        """Row numbers of `patients`, in their order."""
        index = {patient: row for row, patient in enumerate(self.patients)}
        return np.array([index[patient] for patient in patients], dtype=np.intp)
