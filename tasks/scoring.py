"""What the kinds of task share: whom they judge, the heads that need folds, scales of metrics."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf

import numpy as np
from numpy.typing import NDArray

from tasks.base import Columns, Evidence_contra, Metric, Split, Unscored
from tasks.data.cohort import Cohort, Endpoint, Label
from tasks.data.splits import inner_folds
from tasks.embeddings import Embeddings
from tasks.heads.inputs import Matrix
from tasks.heads.logistic import RidgeLogistic, fit_ridge_logistic
from tasks.metrics.time_to_event import Outcomes

# Inner folds by which a head chooses its penalty.
INNER_FOLDS = 5
# Two events in every inner fold: below that the cross-validated likelihood picks noise.
MIN_EVENTS = 2 * INNER_FOLDS
MIN_CLASSES = 2

UNIT = (0.0, 1.0)
"""The bounds of fractions, areas and probabilities."""


def concordance(name: str, function: Callable[[Evidence_contra], float]) -> Metric[Evidence_contra]:
    """A concordance or an area under a ROC curve: a half is chance."""
    return Metric(name, higher_is_better=True, chance=0.5, bounds=UNIT, function=function)


def explained(name: str, function: Callable[[Evidence_contra], float]) -> Metric[Evidence_contra]:
    """The part of an error that a prediction takes away: R2, or a skill; nothing is chance."""
    return Metric(name, higher_is_better=True, chance=0.0, bounds=(-inf, 1.0), function=function)


@dataclass(frozen=True)
class Part:
    """One side of a split as a head sees it.

    Attributes:
        patients: Those of the side with a joint embedding and an outcome.
        X: Their joint embeddings, float64 [n, width].
    """

    patients: list[str]
    X: Matrix


@dataclass(frozen=True)
class Followed:
    """Both sides of a split with what happened to their patients."""

    train: Part
    test: Part
    train_outcomes: Outcomes
    test_outcomes: Outcomes

    @classmethod
    def of(cls, embeddings: Embeddings, endpoint: Endpoint, split: Split) -> "Followed":
        """Those of a split who have a joint embedding and a known outcome.

        Raises:
            Unscored: Fewer than `MIN_EVENTS` training patients had the event, or there is nobody
                to score.
        """
        train, test = parts(embeddings, split, endpoint.patients)
        known, scored = outcomes(endpoint, train.patients), outcomes(endpoint, test.patients)
        if reason := too_few_events(known):
            raise Unscored(reason, len(test.patients), scored.n_events)
        if not test.patients:
            raise Unscored("no test patient has both an embedding and an outcome", 0, 0)
        return cls(train, test, known, scored)


@dataclass(frozen=True)
class Classified:
    """Both sides of a split with the class numbers of their patients, each [n]."""

    label: Label
    train: Part
    test: Part
    train_classes: NDArray[np.intp]
    test_classes: NDArray[np.intp]

    @classmethod
    def of(cls, embeddings: Embeddings, label: Label, split: Split) -> "Classified":
        """Those of a split who have a joint embedding and one of the label's classes."""
        train, test = parts(embeddings, split, label.values)
        numbers = (class_numbers(label, part.patients) for part in (train, test))
        return cls(label, train, test, *numbers)

    @cached_property
    def classes(self) -> NDArray[np.intp]:
        """Those that occur in the fold, rising."""
        return np.union1d(self.train_classes, self.test_classes)

    @cached_property
    def counts(self) -> NDArray[np.intp]:
        """Training patients of each class, [n_classes]."""
        return np.bincount(self.train_classes, minlength=len(self.label.classes))

    def unscored(self, reason: str) -> Unscored:
        """That nothing can be scored, with whom it would have been."""
        return Unscored(reason, len(self.test.patients))

    def check_penalty(self) -> None:
        """Refuse a fold on which inner folds cannot choose the penalty of two classes.

        Raises:
            Unscored: Likewise where there is nobody to score.
        """
        if reason := too_few_classes(self.train_classes):
            raise self.unscored(reason)
        if not self.test.patients:
            raise self.unscored("no test patient has both an embedding and a class")

    def shortage(self, k: int) -> str:
        """Which class has fewer than k training patients; nothing if none has.

        Raises:
            Unscored: There is nobody to score, or one class alone.
        """
        if not self.test.patients:
            raise self.unscored("no test patient has both an embedding and a class")
        if len(self.classes) < MIN_CLASSES:
            raise self.unscored("fewer than two classes among the patients of the fold")
        rarest = self.classes[self.counts[self.classes].argmin()]
        name, count = self.label.classes[rarest], self.counts[rarest]
        return f"{count} training patients of class {name}, {k} needed" if count < k else ""

    def columns(self, prefix: str, probability: Matrix | None) -> Columns:
        """The classes of the test patients beside what they are predicted, [n, n_classes]."""
        patients, values = self.test.patients, self.label.values
        columns: Columns = {"patient": patients, "label": [values[p] for p in patients]}
        if probability is not None:
            for k, name in enumerate(self.label.classes):
                columns[f"{prefix}{name}"] = probability[:, k].tolist()
        return columns


def fit_classes(
    patients: Sequence[str], X: Matrix, y: NDArray[np.intp], n_classes: int
) -> RidgeLogistic:
    """Ridge logistic regression of the classes that have a training patient for each inner fold.

    The others have probability zero.

    Args:
        patients: Those of training.
        X: Their features [n, p].
        y: Their class numbers [n], of which `too_few_classes` says nothing.
        n_classes: Number of classes, those that do not occur included.
    """
    rows = np.flatnonzero(np.isin(y, _large_enough(y)))
    folds = inner_folds([patients[int(row)] for row in rows], y[rows].tolist(), INNER_FOLDS)
    return fit_ridge_logistic(X[rows], y[rows], n_classes, folds)


def event_folds(patients: Sequence[str], known: Outcomes) -> NDArray[np.intp]:
    """Inner folds of training patients with as many events in each, [n]."""
    return inner_folds(patients, known.event.astype(int).tolist(), INNER_FOLDS)


def plain_folds(patients: Sequence[str]) -> NDArray[np.intp]:
    """Inner folds of training patients whatever their outcome, [n]."""
    return inner_folds(patients, [0] * len(patients), INNER_FOLDS)


def too_few_events(train: Outcomes) -> str:
    """Why no survival head can be fitted; nothing if one can."""
    n = train.n_events
    return f"{n} events among the training patients, {MIN_EVENTS} needed" if n < MIN_EVENTS else ""


def too_few_classes(y: NDArray[np.intp]) -> str:
    """Why no penalty can be chosen for these training patients' classes; nothing if one can."""
    few = len(_large_enough(y)) < MIN_CLASSES
    return f"fewer than two classes with {INNER_FOLDS} training patients" if few else ""


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


def outcome_columns(known: Outcomes) -> Columns:
    """What happened to patients, as it stands beside what was predicted of them."""
    return {"time_months": known.time.tolist(), "event": known.event.astype(int).tolist()}


def class_numbers(label: Label, patients: Sequence[str]) -> NDArray[np.intp]:
    """The classes of these patients by their place among the label's, in their order, [n]."""
    numbers = {name: number for number, name in enumerate(label.classes)}
    return np.array([numbers[label.values[patient]] for patient in patients], dtype=np.intp)


def parts(embeddings: Embeddings, split: Split, known: Collection[str]) -> tuple[Part, Part]:
    """The training and the test part of a split, without patients that are not in `known`."""
    usable = set(embeddings.known()).intersection(known)

    def part(side: tuple[str, ...]) -> Part:
        patients = [patient for patient in side if patient in usable]
        return Part(patients, embeddings.joint[embeddings.rows(patients)].astype(np.float64))

    return part(split.train), part(split.test)


def _large_enough(y: NDArray[np.intp]) -> NDArray[np.intp]:
    """The classes with a training patient for each inner fold."""
    return np.flatnonzero(np.bincount(y, minlength=1) >= INNER_FOLDS)
