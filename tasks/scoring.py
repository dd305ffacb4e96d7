"""What the kinds of task share: whom they judge, and how a metric becomes a score."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.base import Metric, Outcome, Score, Split, Status
from tasks.data.cohort import Cohort, Endpoint, Label
from tasks.embeddings import Embeddings
from tasks.metrics.time_to_event import Outcomes
from tasks.metrics.undefined import Undefined

# Inner folds by which a head chooses its penalty.
INNER_FOLDS = 5
# Two events in every inner fold: below that the cross-validated likelihood picks noise.
MIN_EVENTS = 2 * INNER_FOLDS
MIN_CLASSES = 2


@dataclass(frozen=True)
class Part:
    """One side of a split as a head sees it.

    Attributes:
        patients: Those of the side with a joint embedding and an outcome.
        X: Their joint embeddings, float64 [n, width].
    """

    patients: list[str]
    X: NDArray[np.float64]


@dataclass(frozen=True)
class Followed:
    """Both sides of a split with what happened to their patients."""

    train: Part
    test: Part
    train_outcomes: Outcomes
    test_outcomes: Outcomes

    @property
    def n_events(self) -> int:
        """Events among the test patients."""
        return int(self.test_outcomes.event.sum())

    def unusable(self, metrics: Sequence[Metric]) -> Outcome | None:
        """Every score skipped, and why; None where there is enough to learn from and to score."""
        n_train_events = int(self.train_outcomes.event.sum())
        reason = ""
        if n_train_events < MIN_EVENTS:
            reason = f"{n_train_events} events among the training patients, {MIN_EVENTS} needed"
        elif not self.test.patients:
            reason = "no test patient has both an embedding and an outcome"
        return nothing(metrics, reason, self.test, self.n_events) if reason else None


@dataclass(frozen=True)
class Classified:
    """Both sides of a split with the class numbers of their patients, each [n]."""

    train: Part
    test: Part
    train_classes: NDArray[np.intp]
    test_classes: NDArray[np.intp]


def followed(embeddings: Embeddings, endpoint: Endpoint, split: Split) -> Followed:
    """Those of a split who have a joint embedding and a known outcome."""
    train, test = parts(embeddings, split, endpoint.patients)
    return Followed(
        train, test, outcomes(endpoint, train.patients), outcomes(endpoint, test.patients)
    )


def classified(embeddings: Embeddings, label: Label, split: Split) -> Classified:
    """Those of a split who have a joint embedding and one of the label's classes."""
    train, test = parts(embeddings, split, label.values)

    def numbers(part: Part) -> NDArray[np.intp]:
        classes = [label.classes.index(label.values[patient]) for patient in part.patients]
        return np.array(classes, dtype=np.intp)

    return Classified(train, test, numbers(train), numbers(test))


def nothing(
    metrics: Sequence[Metric], reason: str, test: Part, n_events: int | None = None
) -> Outcome:
    """The outcome of a fold that cannot be scored."""
    return Outcome(skipped(metrics, reason), len(test.patients), n_events, {"patient": []})


def endpoints_with_events(cohort: Cohort) -> list[str]:
    """The endpoints that a survival task can ask about."""
    return [name for name, endpoint in cohort.endpoints.items() if endpoint.event.any()]


def labels_with_classes(cohort: Cohort) -> list[str]:
    """The labels that a classification task can ask about: two classes occur."""
    return [name for name, label in cohort.labels.items() if len(set(label.values.values())) > 1]


def outcomes(endpoint: Endpoint, patients: Sequence[str]) -> Outcomes:
    """What happened to these patients, in their order."""
    rows = {patient: row for row, patient in enumerate(endpoint.patients)}
    index = np.array([rows[patient] for patient in patients], dtype=np.intp)
    return Outcomes(endpoint.time[index], endpoint.event[index])


def parts(embeddings: Embeddings, split: Split, known: Collection[str]) -> tuple[Part, Part]:
    """The training and the test part of a split, without patients that are not in `known`."""
    usable = set(embeddings.known()).intersection(known)

    def part(side: tuple[str, ...]) -> Part:
        patients = [patient for patient in side if patient in usable]
        return Part(patients, embeddings.joint[embeddings.rows(patients)].astype(np.float64))

    return part(split.train), part(split.test)


def score(metric: Metric, measure: Callable[[], float]) -> Score:
    """The metric's value, or why it has none."""
    try:
        return Score(metric, measure())
    except Undefined as reason:
        return Score(metric, None, Status.SKIPPED, str(reason))


def skipped(metrics: Sequence[Metric], reason: str) -> tuple[Score, ...]:
    """No value for any metric, for one reason."""
    return tuple(Score(metric, None, Status.SKIPPED, reason) for metric in metrics)
