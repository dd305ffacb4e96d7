"""The missing-modality task: learnt from slides and expression, asked with one of them alone.

Representations and heads are fitted on pairs. A test patient is then scored five ways, each a
column of its own; training patients, test patients and folds are the same for all, so that two
columns differ by what was known of the test patients and by nothing else:

* `full`: both modalities, the head of the joint embedding.
* `wsi_only`, `rna_only`: a head fitted on that side's embedding alone.
* `wsi_completed`, `rna_completed`: that side's embedding, and the other one as ridge regression on
  it predicts it, fitted on the training pairs; then the head of the joint embedding. It pays where
  alignment made the sides predict each other, and where the joint head knows more than either.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tasks.base import Metric, Outcome, Score, Split, Status, Task
from tasks.data.cohort import Cohort, Endpoint, Label
from tasks.data.splits import inner_folds
from tasks.embeddings import Embeddings
from tasks.heads.cox import fit_ridge_cox
from tasks.heads.inputs import Matrix
from tasks.heads.logistic import fit_ridge_logistic
from tasks.heads.ridge import Ridge, fit_ridge
from tasks.kinds.pairs import NOT_APART, Pairs, has_pairs, pairs_of, too_few
from tasks.metrics.classification import auroc_macro
from tasks.metrics.time_to_event import Outcomes, harrell_c
from tasks.scoring import (
    INNER_FOLDS,
    MIN_CLASSES,
    MIN_EVENTS,
    endpoints_with_events,
    labels_with_classes,
    score,
    skipped,
)

Columns = dict[str, list[str] | list[float] | list[int]]


class MissingModality(Task):
    """Heads that are fitted on pairs and asked with one modality, one endpoint or label.

    A score is Harrell's C of a ridge Cox head for an endpoint, macro AUROC of a ridge logistic
    head for a label: both are concordances, of which a half is chance. Patients count if they
    have both modalities, finite embeddings and a known outcome.

    Primary is `concordance_wsi_only`: slides are routine and expression is not, so that is what a
    hospital has, and it does not hang on how the missing side is completed.

    A method without an embedding of a side is not scored on it alone, and nothing is completed
    where the joint embedding is not the two sides put together: a completed side has no place
    in it. Both are skipped with that reason.
    """

    kind = "missing-modality"
    version = 2
    metrics = tuple(
        Metric(f"concordance_{known}", higher_is_better=True)
        for known in ("wsi_only", "wsi_completed", "rna_only", "rna_completed", "full")
    )

    @classmethod
    def instances(cls, cohort: Cohort) -> tuple[Task, ...]:
        """One for each endpoint with an event and label with two classes; os is the default."""
        if not has_pairs(cohort):
            return ()
        asked = endpoints_with_events(cohort) + labels_with_classes(cohort)
        return tuple(cls(cohort.name, name, default=name == "os") for name in asked)

    def evaluate(self, embeddings: Embeddings, cohort: Cohort, split: Split) -> Outcome:
        """Fit heads and completions on the training pairs and score the test pairs once."""
        asked: _Asked = (
            _TimeToEvent(cohort.endpoints[self.label])
            if self.label in cohort.endpoints
            else _Class(cohort.labels[self.label])
        )
        train, test = pairs_of(embeddings, cohort, split, asked.known())
        n, n_events = len(test.patients), asked.n_events(test.patients)
        if reason := too_few(train, test) or asked.too_few(train.patients):
            return Outcome(skipped(self.metrics, reason), n, n_events, {"patient": []})

        views = _views(train, test, asked)
        columns: Columns = {"patient": test.patients, **asked.columns(test.patients)}
        fitted: dict[str, NDArray[np.float64]] = {}
        scores: list[Score] = []
        for metric in self.metrics:
            known = metric.name.removeprefix("concordance_")
            view = views[known]
            if isinstance(view, str):
                scores.append(Score(metric, None, Status.SKIPPED, view))
                continue
            predicted = view.head.predict(view.X)
            scores.append(score(metric, partial(asked.concordance, test.patients, predicted)))
            columns |= {f"{name}_{known}": values for name, values in asked.named(predicted)}
            fitted |= {f"{known}.{name}": values for name, values in view.state().items()}
        return Outcome(tuple(scores), n, n_events, columns, fitted)


@dataclass(frozen=True)
class _Head:
    """A fitted head: predictions [n, k] of features [n, p], and what was fitted, by name."""

    predict: Callable[[Matrix], Matrix]
    state: Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class _View:
    """What is known or made up of the test patients, the head that is asked, the completion."""

    X: Matrix
    head: _Head
    completion: Ridge | None = None

    def state(self) -> dict[str, NDArray[np.float64]]:
        """Everything that was fitted, by name."""
        completion = self.completion.state() if self.completion else {}
        return {
            **{f"head.{name}": values for name, values in self.head.state.items()},
            **{f"completion.{name}": values for name, values in completion.items()},
        }


class _Asked(Protocol):
    """An outcome: whose is known, which head predicts it, how its predictions are scored."""

    def known(self) -> Collection[str]:
        """The patients whose outcome is known."""

    def n_events(self, patients: Sequence[str]) -> int | None:
        """Events among the patients; None where there is no such thing."""

    def too_few(self, train: Sequence[str]) -> str:
        """Why no head can be fitted on these patients, or nothing."""

    def fit(self, train: Sequence[str], X: Matrix) -> _Head:
        """The head of training patients with features [n, p]."""

    def concordance(self, patients: Sequence[str], predicted: Matrix) -> float:
        """How well predictions [n, k] rank the patients."""

    def columns(self, patients: Sequence[str]) -> Columns:
        """The outcomes by name, as they stand beside the predictions."""

    def named(self, predicted: Matrix) -> Iterable[tuple[str, list[float]]]:
        """The columns of predictions [n, k] with their names."""


@dataclass(frozen=True)
class _TimeToEvent:
    """An endpoint, predicted by ridge Cox regression; predictions are the risk, [n, 1]."""

    endpoint: Endpoint

    def known(self) -> Collection[str]:
        return self.endpoint.patients

    def outcomes(self, patients: Sequence[str]) -> Outcomes:
        rows = {patient: row for row, patient in enumerate(self.endpoint.patients)}
        index = np.array([rows[patient] for patient in patients], dtype=np.intp)
        return Outcomes(self.endpoint.time[index], self.endpoint.event[index])

    def n_events(self, patients: Sequence[str]) -> int | None:
        return int(self.outcomes(patients).event.sum())

    def too_few(self, train: Sequence[str]) -> str:
        found = self.n_events(train) or 0
        missing = f"{found} events among the training patients, {MIN_EVENTS} needed"
        return missing if found < MIN_EVENTS else ""

    def fit(self, train: Sequence[str], X: Matrix) -> _Head:
        known = self.outcomes(train)
        folds = inner_folds(train, known.event.astype(int).tolist(), INNER_FOLDS)
        model = fit_ridge_cox(X, known.time, known.event, folds)
        return _Head(lambda X: model.risk(X)[:, None], model.state())

    def concordance(self, patients: Sequence[str], predicted: Matrix) -> float:
        return harrell_c(self.outcomes(patients), predicted[:, 0])

    def columns(self, patients: Sequence[str]) -> Columns:
        known = self.outcomes(patients)
        return {"time_months": known.time.tolist(), "event": known.event.astype(int).tolist()}

    def named(self, predicted: Matrix) -> Iterable[tuple[str, list[float]]]:
        return [("risk", predicted[:, 0].tolist())]


@dataclass(frozen=True)
class _Class:
    """A label, predicted by ridge logistic regression; predictions are probabilities, [n, k].

    A class with fewer training patients than inner folds is not fitted and has probability zero.
    """

    label: Label

    def known(self) -> Collection[str]:
        return self.label.values

    def numbers(self, patients: Sequence[str]) -> NDArray[np.intp]:
        number = {name: k for k, name in enumerate(self.label.classes)}
        return np.array([number[self.label.values[p]] for p in patients], dtype=np.intp)

    def n_events(self, patients: Sequence[str]) -> int | None:
        return None

    def large_enough(self, y: NDArray[np.intp]) -> NDArray[np.intp]:
        return np.flatnonzero(np.bincount(y, minlength=1) >= INNER_FOLDS)

    def too_few(self, train: Sequence[str]) -> str:
        few = len(self.large_enough(self.numbers(train))) < MIN_CLASSES
        return f"fewer than two classes with {INNER_FOLDS} training patients" if few else ""

    def fit(self, train: Sequence[str], X: Matrix) -> _Head:
        y = self.numbers(train)
        rows = np.flatnonzero(np.isin(y, self.large_enough(y)))
        folds = inner_folds([train[int(row)] for row in rows], y[rows].tolist(), INNER_FOLDS)
        model = fit_ridge_logistic(X[rows], y[rows], len(self.label.classes), folds)
        return _Head(model.probability, model.state())

    def concordance(self, patients: Sequence[str], predicted: Matrix) -> float:
        return auroc_macro(self.numbers(patients), predicted)

    def columns(self, patients: Sequence[str]) -> Columns:
        return {"label": [self.label.values[patient] for patient in patients]}

    def named(self, predicted: Matrix) -> Iterable[tuple[str, list[float]]]:
        return [
            (f"p_{name}", predicted[:, k].tolist()) for k, name in enumerate(self.label.classes)
        ]


def _views(train: Pairs, test: Pairs, asked: _Asked) -> dict[str, _View | str]:
    """The five ways to look at the test patients, or why one of them cannot be had."""
    joint = asked.fit(train.patients, train.joint)
    views: dict[str, _View | str] = {"full": _View(test.joint, joint)}
    for side, seen, unseen in (("wsi", train.wsi, test.wsi), ("rna", train.rna, test.rna)):
        if seen is None or unseen is None:
            views[f"{side}_only"] = f"the method has no embedding of {side} alone"
        else:
            views[f"{side}_only"] = _View(unseen, asked.fit(train.patients, seen))
        views[f"{side}_completed"] = _completed(train, test, side, joint)
    return views


def _completed(train: Pairs, test: Pairs, side: str, joint: _Head) -> _View | str:
    """The test patients' joint embedding as the one side alone lets expect it."""
    fitted, scored = train.sides(), test.sides()
    if fitted is None or scored is None:
        return NOT_APART
    if not np.array_equal(train.joint, np.hstack(fitted)):
        return "the joint embedding is not the two sides put together"
    folds = inner_folds(train.patients, [0] * len(train.patients), INNER_FOLDS)
    here, there = (0, 1) if side == "wsi" else (1, 0)
    completion = fit_ridge(fitted[here], fitted[there], folds)
    expected = completion.predict(scored[here])
    X = np.hstack([scored[here], expected] if here == 0 else [expected, scored[here]])
    return _View(X, joint, completion)
