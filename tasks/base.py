"""The contract of a task, and the registry of task kinds."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from tasks.data.cohort import Cohort, Endpoint, Label
from tasks.embeddings import Embeddings


class Protocol(StrEnum):
    """How a question is asked.

    Attributes:
        STRICT: What is fitted sees training patients only; test patients are scored once.
        PAPER: The published evaluation re-enacted, leaks included (`tasks.kinds.published`).
    """

    STRICT = "strict"
    PAPER = "paper"


class Status(StrEnum):
    """What became of a score."""

    OK = "ok"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True)
class Split:
    """One outer fold at patient level; train and test share nobody."""

    fold: int
    train: tuple[str, ...]
    test: tuple[str, ...]


@dataclass(frozen=True)
class Metric:
    """A named number with its direction; the first of a task's metrics is its primary one."""

    name: str
    higher_is_better: bool


@dataclass(frozen=True)
class Score:
    """One metric's value on one test fold, or why there is none.

    Attributes:
        metric: What was measured.
        value: The number, None unless `status` is ok.
        status: ok, or skipped with a reason (too few events to say anything).
        reason: Empty if ok.
    """

    metric: Metric
    value: float | None
    status: Status = Status.OK
    reason: str = ""


@dataclass(frozen=True)
class Outcome:
    """What a task returns for one test fold.

    Attributes:
        scores: One per metric of the task, in its order.
        n_patients: Test patients scored.
        n_events: Events among them; None where the task has no events.
        predictions: Column name -> one value per test patient; always has `patient`.
        head: Everything fitted on the way (scaler, coefficients, penalty), by name.
    """

    scores: tuple[Score, ...]
    n_patients: int
    n_events: int | None
    predictions: Mapping[str, list[str] | list[float] | list[int]]
    head: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)


class Task(ABC):
    """A task instance: a kind (how to score) applied to one label of one cohort.

    Attributes:
        kind: Name of the kind, the first part of the task's name.
        version: Raised when a number changes; part of what a record is keyed by.
        metrics: What is measured; the first is the primary one.
        label: Which endpoint or label of the cohort is judged.
        supervises: Whether the label may train a supervised reference for this task.
        whole: Whether `all` means every instance of the kind, not its default ones alone.
        default: Whether naming the kind alone selects this instance.
    """

    kind: ClassVar[str]
    version: ClassVar[int]
    metrics: ClassVar[tuple[Metric, ...]]
    supervises: ClassVar[bool] = False
    whole: ClassVar[bool] = False

    def __init__(self, cohort: str, label: str, *, default: bool) -> None:
        self.cohort = cohort
        self.label = label
        self.default = default

    @property
    def name(self) -> str:
        """KIND/COHORT/LABEL, for example `survival/TCGA-BRCA/os`."""
        return f"{self.kind}/{self.cohort}/{self.label}"

    @classmethod
    @abstractmethod
    def instances(cls, cohort: Cohort) -> "tuple[Task, ...]":
        """The instances of this kind that a cohort's endpoints or labels allow."""

    def target(self, cohort: Cohort, split: Split) -> Endpoint | Label | None:
        """What a supervised reference is trained on: the label, of the training patients alone.

        None where the task has no label, or is a question of which a reference may not be told.
        """
        if not self.supervises:
            return None
        train = set(split.train)
        if self.label in cohort.endpoints:
            return cohort.endpoints[self.label].subset(train)
        return cohort.labels[self.label].subset(train)

    @abstractmethod
    def evaluate(self, embeddings: Embeddings, cohort: Cohort, split: Split) -> Outcome:
        """Fit the head on the training patients and score the test patients once.

        Everything fitted sees `split.train` only; every test patient that has an embedding and
        an outcome is scored.
        """
