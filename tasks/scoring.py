"""What the kinds of task share: whom they judge, the heads that need folds, scales of metrics."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tasks.base import Columns, Evidence_contra, Metric, Unscored
from tasks.data.cohort import Cohort, Endpoint, Label, LabelKind
from tasks.data.splits import Split, inner_folds
from tasks.embeddings import Embeddings
from tasks.heads.cox import RidgeCox, fit_ridge_cox
from tasks.heads.inputs import Matrix
from tasks.heads.logistic import RidgeLogistic, fit_ridge_logistic
from tasks.metrics.time_to_event import Outcomes
from tasks.metrics.undefined import Undefined

Key = TypeVar("Key")
Value = TypeVar("Value")

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
    def of(cls, train: Part, test: Part, endpoint: Endpoint) -> "Followed":
        """The outcomes of those who have one."""
        both = (outcomes(endpoint, part.patients) for part in (train, test))
        return cls(train, test, *both)

    @property
    def n_events(self) -> int:
        """Events among the test patients."""
        return self.test_outcomes.n_events

    @property
    def folds(self) -> NDArray[np.intp]:
        """Inner folds of the training patients with as many events in each, [n]."""
        strata = self.train_outcomes.event.astype(int).tolist()
        return inner_folds(self.train.patients, strata, INNER_FOLDS)

    def check(self) -> None:
        """Refuse what no head can be fitted on.

        Raises:
            Unscored: Fewer than `MIN_EVENTS` training patients had the event, or there is nobody
                to score.
        """
        n, n_test = self.train_outcomes.n_events, len(self.test.patients)
        if n < MIN_EVENTS:
            reason = f"{n} events among the training patients, {MIN_EVENTS} needed"
            raise Unscored(reason, n_test, self.n_events)
        if not n_test:
            raise Unscored("no test patient has both an embedding and an outcome", 0, 0)

    def outcome_columns(self) -> Columns:
        """What happened to the test patients, as it stands beside what was predicted of them."""
        test = self.test_outcomes
        return {"time_months": test.time.tolist(), "event": test.event.astype(int).tolist()}

    def fit(self, X: Matrix) -> RidgeCox:
        """Ridge Cox regression on features of the training patients, [n, p]."""
        return fit_ridge_cox(X, self.train_outcomes.time, self.train_outcomes.event, self.folds)


@dataclass(frozen=True)
class Classified:
    """Both sides of a split with the class numbers of their patients, each [n]."""

    label: Label
    train: Part
    test: Part
    train_classes: NDArray[np.intp]
    test_classes: NDArray[np.intp]
    n_events = None

    @classmethod
    def of(cls, train: Part, test: Part, label: Label) -> "Classified":
        """The classes of those who have one, by their place among the label's."""
        place = {name: number for number, name in enumerate(label.classes)}

        def numbers(part: Part) -> NDArray[np.intp]:
            return np.array([place[label.values[p]] for p in part.patients], dtype=np.intp)

        return cls(label, train, test, numbers(train), numbers(test))

    @property
    def n_classes(self) -> int:
        """Those of the label, whether they occur or not."""
        return len(self.label.classes)

    @cached_property
    def classes(self) -> NDArray[np.intp]:
        """Those that occur in the fold, rising."""
        return np.union1d(self.train_classes, self.test_classes)

    @cached_property
    def counts(self) -> NDArray[np.intp]:
        """Training patients of each class, [n_classes]."""
        return np.bincount(self.train_classes, minlength=self.n_classes)

    @cached_property
    def fitted_rows(self) -> NDArray[np.intp]:
        """The training patients of classes that have one for each inner fold."""
        return np.flatnonzero(self.counts[self.train_classes] >= INNER_FOLDS)

    def check(self) -> None:
        """Refuse what no head can be fitted on.

        Raises:
            Unscored: Fewer than two classes have a training patient for each inner fold, or there
                is nobody to score.
        """
        if (self.counts >= INNER_FOLDS).sum() < MIN_CLASSES:
            raise self.unscored(f"fewer than two classes with {INNER_FOLDS} training patients")
        self._check_test()

    def check_shots(self, k: int) -> None:
        """Refuse what k patients of each class cannot be drawn from.

        Raises:
            Unscored: A class has fewer, there is one class alone, or nobody to score.
        """
        self._check_test()
        if len(self.classes) < MIN_CLASSES:
            raise self.unscored("fewer than two classes among the patients of the fold")
        if reason := self.shortage(k):
            raise self.unscored(reason)

    def shortage(self, k: int) -> str:
        """Which class of the fold has fewer than k training patients; nothing if none has."""
        rarest = self.classes[self.counts[self.classes].argmin()]
        name, count = self.label.classes[rarest], self.counts[rarest]
        return f"{count} training patients of class {name}, {k} needed" if count < k else ""

    def unscored(self, reason: str) -> Unscored:
        """That nothing can be scored, with whom it would have been."""
        return Unscored(reason, len(self.test.patients))

    def outcome_columns(self) -> Columns:
        """The classes of the test patients, as they stand beside what was predicted of them."""
        return {"label": [self.label.values[patient] for patient in self.test.patients]}

    def columns(self, prefix: str, probability: Matrix | None) -> Columns:
        """The test patients, their classes, and what is predicted of each [n, n_classes]."""
        columns: Columns = {"patient": self.test.patients, **self.outcome_columns()}
        if probability is not None:
            for k, name in enumerate(self.label.classes):
                columns[f"{prefix}{name}"] = probability[:, k].tolist()
        return columns

    def fit(self, X: Matrix) -> RidgeLogistic:
        """Ridge logistic regression on features of the training patients, [n, p].

        A class without a training patient for each inner fold is not fitted and has probability
        zero.
        """
        rows = self.fitted_rows
        y, patients = self.train_classes[rows], [self.train.patients[row] for row in rows]
        folds = inner_folds(patients, y.tolist(), INNER_FOLDS)
        return fit_ridge_logistic(X[rows], y, self.n_classes, folds)

    def _check_test(self) -> None:
        if not self.test.patients:
            raise self.unscored("no test patient has both an embedding and a class")


def available(values: Mapping[Key, Value | str], key: Key) -> Value:
    """What there is under a key.

    Raises:
        Undefined: There is a reason in its place.
    """
    value = values[key]
    if isinstance(value, str):
        raise Undefined(value)
    return value


def plain_folds(patients: Sequence[str]) -> NDArray[np.intp]:
    """Inner folds of training patients whatever their outcome, [n]."""
    return inner_folds(patients, [0] * len(patients), INNER_FOLDS)


def endpoints_with_events(cohort: Cohort) -> list[str]:
    """The endpoints that a survival task can ask about."""
    return [name for name, endpoint in cohort.endpoints.items() if endpoint.event.any()]


def labels_with_classes(cohort: Cohort, kind: LabelKind = LabelKind.CLASS) -> list[str]:
    """The labels of a kind that a classification task can ask about: two classes occur."""
    return [
        name
        for name, label in cohort.labels.items()
        if label.kind is kind and len(set(label.values.values())) > 1
    ]


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
