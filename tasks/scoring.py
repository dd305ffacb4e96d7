"""What the kinds of task share: whom they judge, and how a metric becomes a score."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.base import Metric, Score, Split, Status
from tasks.cohort import Cohort, Endpoint
from tasks.embeddings import Embeddings
from tasks.metrics.survival import Outcomes
from tasks.metrics.undefined import Undefined

# Inner folds by which a head chooses its penalty.
INNER_FOLDS = 5


@dataclass(frozen=True)
class Part:
    """One side of a split as a head sees it.

    Attributes:
        patients: Those of the side with a joint embedding and an outcome.
        X: Their joint embeddings, float64 [n, width].
    """

    patients: list[str]
    X: NDArray[np.float64]


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
