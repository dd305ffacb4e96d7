"""What supervised references are trained on: the outcome of training patients, and its loss."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from methods.base import UnableError
from methods.objectives.cox import CoxLoss
from tasks.data.cohort import Endpoint, Label
from tasks.data.splits import inner_folds
from tasks.scoring import INNER_FOLDS


@dataclass(frozen=True)
class Target:
    """The outcome that a reference is told, a row for each patient that can be learnt from.

    Attributes:
        patients: In the order given.
        values: Months and event (1, 0), float64 [n, 2]; or class numbers, int64 [n].
        classes: Number of classes; None for time to event.
        folds: Inner fold of each patient below `INNER_FOLDS`, stratified by event or class, [n]:
            those by which the heads choose their penalty, so that all are tuned alike.
    """

    patients: tuple[str, ...]
    values: NDArray[np.float64] | NDArray[np.int64]
    classes: int | None
    folds: NDArray[np.intp]

    @classmethod
    def of(cls, target: Endpoint | Label | None, patients: Sequence[str]) -> "Target":
        """The outcome of those of `patients` for whom it is known.

        A class with fewer patients than inner folds is left out, as it is by the subtyping task.

        Raises:
            UnableError: There is no target, or an inner fold would have no event, or there are not
                two classes.
        """
        if target is None:
            raise UnableError("needs a label to be trained on")
        if isinstance(target, Endpoint):
            return cls._of_endpoint(target.subset(patients))
        return cls._of_label(target.subset(patients))

    @classmethod
    def _of_endpoint(cls, target: Endpoint) -> "Target":
        n_events = int(target.event.sum())
        if n_events < INNER_FOLDS:
            raise UnableError(
                f"{n_events} events among the training patients, {INNER_FOLDS} needed"
            )
        folds = inner_folds(target.patients, target.event.astype(int).tolist(), INNER_FOLDS)
        return cls(target.patients, np.column_stack([target.time, target.event]), None, folds)

    @classmethod
    def _of_label(cls, target: Label) -> "Target":
        numbers = {name: number for number, name in enumerate(target.classes)}
        codes = {patient: numbers[name] for patient, name in sorted(target.values.items())}
        counts = np.bincount(list(codes.values()), minlength=len(numbers))
        kept = {patient: code for patient, code in codes.items() if counts[code] >= INNER_FOLDS}
        if len(set(kept.values())) < 2:
            raise UnableError(f"fewer than two classes with {INNER_FOLDS} training patients")
        values = np.array(list(kept.values()), dtype=np.int64)
        folds = inner_folds(list(kept), values.tolist(), INNER_FOLDS)
        return cls(tuple(kept), values, len(numbers), folds)

    @property
    def n_outputs(self) -> int:
        """Width of a prediction: one log risk, or a logit for each class."""
        return 1 if self.classes is None else self.classes

    def take(self, rows: NDArray[np.bool_]) -> "Target":
        """The same of some of the patients."""
        patients = tuple(self.patients[row] for row in np.flatnonzero(rows))
        return Target(patients, self.values[rows], self.classes, self.folds[rows])

    def objective(self) -> nn.Module:
        """The loss of predictions [B, n_outputs] given as many rows of `values`.

        Cox's partial likelihood, or cross-entropy in which every class weighs the same.
        """
        if self.classes is None:
            return CoxLoss()
        counts = np.bincount(self.values, minlength=self.classes)
        present = counts > 0
        weights = np.where(present, len(self.values) / (present.sum() * counts.clip(min=1)), 0.0)
        return nn.CrossEntropyLoss(torch.from_numpy(weights.astype(np.float32)))
