"""The contract of a task, and the registry of task kinds."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Generic

import numpy as np
from numpy.typing import NDArray
from typing_extensions import TypeVar

from tasks.data.cohort import Cohort, Endpoint, Label
from tasks.data.splits import Split
from tasks.embeddings import Embeddings
from tasks.metrics.undefined import Undefined

Evidence = TypeVar("Evidence", default=Any)
"""What a kind computes once of a test fold, and all of its metrics are functions of."""

Evidence_contra = TypeVar("Evidence_contra", contravariant=True, default=Any)

Columns = dict[str, list[str] | list[float] | list[int]]
"""One value per test patient, by the name of the column."""


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
class Metric(Generic[Evidence_contra]):
    """A named number: its direction, its scale, and how it is computed.

    Attributes:
        name: Unique within a kind.
        higher_is_better: Its direction.
        chance: What a predictor that knows nothing of the patients scores on average; None where
            that depends on the fold (on classes, censoring or the size of a gallery).
        bounds: The least and the greatest value there can be; infinite where there is none.
        function: The value, of the evidence that the kind's `predict` hands over. It raises
            `Undefined` where these patients allow none.
    """

    name: str
    higher_is_better: bool
    chance: float | None
    bounds: tuple[float, float]
    function: Callable[[Evidence_contra], float] = field(compare=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse what no metric can be."""
        low, high = self.bounds
        if not callable(self.function):
            raise TypeError(f"{self.name}: {self.function!r} is no function")
        if not low < high or not (self.chance is None or low <= self.chance <= high):
            raise ValueError(f"{self.name}: chance {self.chance} in bounds {self.bounds}")

    def score(self, evidence: Evidence_contra) -> "Score":
        """The value on a test fold, or why there is none."""
        try:
            return Score(self, self.function(evidence))
        except Undefined as reason:
            return Score(self, None, Status.SKIPPED, str(reason))


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


@dataclass(frozen=True)
class Predicted(Generic[Evidence]):
    """What a kind says of the test patients of a fold, before it is scored.

    Attributes:
        evidence: What the metrics are functions of.
        columns: Kept of every test patient; always has `patient`.
        head: Everything fitted on the way, by name.
        n_events: Events among the test patients; None where the task has no events.
    """

    evidence: Evidence
    columns: Columns
    head: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    n_events: int | None = None


class Unscored(Exception):  # noqa: N818 - not an error: the data allow no answer
    """A fold on which nothing can be fitted or scored; the message says why, for a table.

    Args:
        reason: Why.
        n_patients: Test patients that would have been scored.
        n_events: Events among them; None where the task has no events.
    """

    def __init__(self, reason: str, n_patients: int, n_events: int | None = None) -> None:
        super().__init__(reason)
        self.n_patients = n_patients
        self.n_events = n_events


class Task(ABC, Generic[Evidence]):
    """A task instance: a kind (how to score) applied to one label of one cohort.

    A kind is `Task[E]`: its `predict` hands over an E, of which each of its metrics is a function.

    Attributes:
        kind: Name of the kind, the first part of the task's name.
        version: Raised when a number changes; part of what a record is keyed by.
        metrics: What is measured, each with its function; the first is the primary one.
        label: Which endpoint or label of the cohort is judged.
        supervises: Whether the label may train a supervised reference for this task.
        whole: Whether `all` means every instance of the kind, not its default ones alone.
        default: Whether naming the kind alone selects this instance.
    """

    kind: ClassVar[str]
    version: ClassVar[int]
    metrics: tuple[Metric[Evidence], ...]
    supervises: ClassVar[bool] = False
    whole: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        """Refuse a kind with two metrics of one name."""
        super().__init_subclass__()
        names = [metric.name for metric in getattr(cls, "metrics", ())]
        if len(set(names)) < len(names):
            raise TypeError(f"{cls.__name__}: two metrics of one name in {', '.join(names)}")

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
    def predict(self, embeddings: Embeddings, cohort: Cohort, split: Split) -> Predicted[Evidence]:
        """Fit the head on the training patients and predict the test patients once.

        Everything fitted sees `split.train` only; every test patient that has an embedding and
        an outcome is predicted.

        Raises:
            Unscored: There is too little to learn from, or nobody to score.
        """

    def evaluate(self, embeddings: Embeddings, cohort: Cohort, split: Split) -> Outcome:
        """Every metric of what is predicted, or why there is none."""
        return self.outcome(lambda: self.predict(embeddings, cohort, split))

    def outcome(self, predict: Callable[[], Predicted[Evidence]]) -> Outcome:
        """The scores of a prediction; all of them skipped if it raises `Unscored`."""
        try:
            predicted = predict()
        except Unscored as why:
            scores = (Score(metric, None, Status.SKIPPED, str(why)) for metric in self.metrics)
            return Outcome(tuple(scores), why.n_patients, why.n_events, {"patient": []})
        return Outcome(
            scores=tuple(metric.score(predicted.evidence) for metric in self.metrics),
            n_patients=len(predicted.columns["patient"]),
            n_events=predicted.n_events,
            predictions=predicted.columns,
            head=predicted.head,
        )
