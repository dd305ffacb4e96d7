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

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tasks.base import Columns, Predicted, Split, Task, Unscored
from tasks.data.cohort import Cohort, Endpoint, Label
from tasks.embeddings import Embeddings
from tasks.heads.cox import fit_ridge_cox
from tasks.heads.inputs import Matrix
from tasks.heads.ridge import Ridge, fit_ridge
from tasks.kinds.pairs import NOT_APART, Pairs, check_pairs, has_pairs, pairs_of
from tasks.metrics.classification import auroc_macro
from tasks.metrics.time_to_event import harrell_c
from tasks.metrics.undefined import Undefined
from tasks.scoring import (
    class_numbers,
    concordance,
    endpoints_with_events,
    event_folds,
    fit_classes,
    labels_with_classes,
    outcome_columns,
    outcomes,
    plain_folds,
    too_few_classes,
    too_few_events,
)

KNOWN = ("wsi_only", "wsi_completed", "rna_only", "rna_completed", "full")
"""What is known of the test patients, one way a metric."""


@dataclass(frozen=True)
class Views:
    """What heads say of the test patients, by what is known of them.

    Attributes:
        patients: Those of the test.
        target: What is predicted of them.
        predicted: Of each of `KNOWN`, [n, k], or why there is nothing.
    """

    patients: Sequence[str]
    target: "_Target"
    predicted: Mapping[str, Matrix | str]


def _concordance(known: str, views: Views) -> float:
    predicted = views.predicted[known]
    if isinstance(predicted, str):
        raise Undefined(predicted)
    return views.target.concordance(views.patients, predicted)


class MissingModality(Task[Views]):
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
        concordance(f"concordance_{known}", partial(_concordance, known)) for known in KNOWN
    )

    @classmethod
    def instances(cls, cohort: Cohort) -> tuple[Task, ...]:
        """One for each endpoint with an event and label with two classes; os is the default."""
        if not has_pairs(cohort):
            return ()
        names = endpoints_with_events(cohort) + labels_with_classes(cohort)
        return tuple(cls(cohort.name, name, default=name == "os") for name in names)

    def predict(self, embeddings: Embeddings, cohort: Cohort, split: Split) -> Predicted[Views]:
        """Fit heads and completions on the training pairs and ask them of the test pairs."""
        target: _Target = (
            _TimeToEvent(cohort.endpoints[self.label])
            if self.label in cohort.endpoints
            else _Class(cohort.labels[self.label])
        )
        train, test = pairs_of(embeddings, cohort, split, target.known())
        n_events = target.n_events(test.patients)
        check_pairs(train, test, n_events)
        if reason := target.too_few(train.patients):
            raise Unscored(reason, len(test.patients), n_events)

        views = _views(train, test, target)
        columns: Columns = {"patient": test.patients, **target.columns(test.patients)}
        fitted: dict[str, NDArray[np.float64]] = {}
        predicted: dict[str, Matrix | str] = {}
        for known in KNOWN:
            view = views[known]
            if isinstance(view, str):
                predicted[known] = view
                continue
            values = predicted[known] = view.head.predict(view.X)
            names = target.outputs()
            columns |= {f"{name}_{known}": values[:, k].tolist() for k, name in enumerate(names)}
            fitted |= {f"{known}.{name}": array for name, array in view.state().items()}
        return Predicted(Views(test.patients, target, predicted), columns, fitted, n_events)


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


class _Target(Protocol):
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

    def outputs(self) -> Sequence[str]:
        """The names of the k columns of a prediction."""


@dataclass(frozen=True)
class _TimeToEvent:
    """An endpoint, predicted by ridge Cox regression; predictions are the risk, [n, 1]."""

    endpoint: Endpoint

    def known(self) -> Collection[str]:
        return self.endpoint.patients

    def n_events(self, patients: Sequence[str]) -> int | None:
        return outcomes(self.endpoint, patients).n_events

    def too_few(self, train: Sequence[str]) -> str:
        return too_few_events(outcomes(self.endpoint, train))

    def fit(self, train: Sequence[str], X: Matrix) -> _Head:
        known = outcomes(self.endpoint, train)
        model = fit_ridge_cox(X, known.time, known.event, event_folds(train, known))
        return _Head(lambda X: model.risk(X)[:, None], model.state())

    def concordance(self, patients: Sequence[str], predicted: Matrix) -> float:
        return harrell_c(outcomes(self.endpoint, patients), predicted[:, 0])

    def columns(self, patients: Sequence[str]) -> Columns:
        return outcome_columns(outcomes(self.endpoint, patients))

    def outputs(self) -> Sequence[str]:
        return ("risk",)


@dataclass(frozen=True)
class _Class:
    """A label, predicted by ridge logistic regression; predictions are probabilities, [n, k].

    A class with fewer training patients than inner folds is not fitted and has probability zero.
    """

    label: Label

    def known(self) -> Collection[str]:
        return self.label.values

    def n_events(self, patients: Sequence[str]) -> int | None:
        return None

    def too_few(self, train: Sequence[str]) -> str:
        return too_few_classes(class_numbers(self.label, train))

    def fit(self, train: Sequence[str], X: Matrix) -> _Head:
        y = class_numbers(self.label, train)
        model = fit_classes(train, X, y, len(self.label.classes))
        return _Head(model.probability, model.state())

    def concordance(self, patients: Sequence[str], predicted: Matrix) -> float:
        return auroc_macro(class_numbers(self.label, patients), predicted)

    def columns(self, patients: Sequence[str]) -> Columns:
        return {"label": [self.label.values[patient] for patient in patients]}

    def outputs(self) -> Sequence[str]:
        return [f"p_{name}" for name in self.label.classes]


def _views(train: Pairs, test: Pairs, target: _Target) -> dict[str, _View | str]:
    """The five ways to look at the test patients, or why one of them cannot be had."""
    joint = target.fit(train.patients, train.joint)
    views: dict[str, _View | str] = {"full": _View(test.joint, joint)}
    for side, seen, unseen in (("wsi", train.wsi, test.wsi), ("rna", train.rna, test.rna)):
        if seen is None or unseen is None:
            views[f"{side}_only"] = f"the method has no embedding of {side} alone"
        else:
            views[f"{side}_only"] = _View(unseen, target.fit(train.patients, seen))
        views[f"{side}_completed"] = _completed(train, test, side, joint)
    return views


def _completed(train: Pairs, test: Pairs, side: str, joint: _Head) -> _View | str:
    """The test patients' joint embedding as the one side alone lets expect it."""
    fitted, scored = train.sides(), test.sides()
    if fitted is None or scored is None:
        return NOT_APART
    if not np.array_equal(train.joint, np.hstack(fitted)):
        return "the joint embedding is not the two sides put together"
    here, there = (0, 1) if side == "wsi" else (1, 0)
    completion = fit_ridge(fitted[here], fitted[there], plain_folds(train.patients))
    expected = completion.predict(scored[here])
    X = np.hstack([scored[here], expected] if here == 0 else [expected, scored[here]])
    return _View(X, joint, completion)
