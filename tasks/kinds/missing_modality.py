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

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from tasks.base import Columns, Predicted, Task
from tasks.data.cohort import Cohort
from tasks.data.splits import Split
from tasks.embeddings import Embeddings
from tasks.heads.inputs import Matrix
from tasks.heads.ridge import Ridge, fit_ridge
from tasks.kinds.pairs import NOT_APART, Pairs, check_pairs, has_pairs, pairs_of
from tasks.metrics.classification import auroc_macro
from tasks.metrics.time_to_event import enough, harrell_c
from tasks.scoring import (
    Classified,
    Followed,
    Part,
    available,
    concordance,
    endpoints_with_events,
    labels_with_classes,
    plain_folds,
)

Target = Followed | Classified
"""Whose outcome is known, and which head predicts it."""

KNOWN = ("wsi_only", "wsi_completed", "rna_only", "rna_completed", "full")
"""What is known of the test patients, one way a metric."""


@dataclass(frozen=True)
class Views:
    """What heads say of the test patients, by what is known of them.

    Attributes:
        target: What is predicted of them.
        predicted: Of each of `KNOWN`, [n, k], or why there is nothing.
    """

    target: Target
    predicted: Mapping[str, Matrix | str]


def _concordance(known: str, views: Views) -> float:
    predicted = available(views.predicted, known)
    if isinstance(views.target, Followed):
        return harrell_c(enough(views.target.test_outcomes), predicted[:, 0])
    return auroc_macro(views.target.test_classes, predicted)


class MissingModality(Task[Views]):
    """Heads that are fitted on pairs and asked with one modality, one endpoint or label.

    A score is Harrell's C of a ridge Cox head for an endpoint, macro AUROC of a ridge logistic
    head for a label: both are concordances, of which a half is chance. Patients count if they
    have both modalities, finite embeddings and a known outcome.

    Primary is `concordance_wsi_only`: slides are routine and expression is not, so that is what a
    hospital has, and it does not hang on how the missing side is completed.

    A method without an embedding of a side is not scored on it alone, and nothing is completed
    where the joint embedding is not the two sides put together: a completed side has no place
    in it. Both are skipped with that reason. A class with fewer training patients than inner
    folds is not fitted and has probability zero.
    """

    kind = "missing-modality"
    version = 4
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
        target: Target
        if (endpoint := cohort.endpoints.get(self.label)) is not None:
            train, test = pairs_of(embeddings, cohort, split, endpoint.patients)
            target = Followed.of(_joint(train), _joint(test), endpoint)
            outputs = ["risk"]
        else:
            label = cohort.labels[self.label]
            train, test = pairs_of(embeddings, cohort, split, label.values)
            target = Classified.of(_joint(train), _joint(test), label)
            outputs = [f"p_{name}" for name in label.classes]
        check_pairs(train, test, target.n_events)
        target.check()

        views = _views(train, test, target)
        columns: Columns = {"patient": test.patients, **target.outcome_columns()}
        fitted: dict[str, NDArray[np.float64]] = {}
        predicted: dict[str, Matrix | str] = {}
        for known in KNOWN:
            view = views[known]
            if isinstance(view, str):
                predicted[known] = view
                continue
            values = predicted[known] = view.head.predict(view.X)
            columns |= {f"{name}_{known}": values[:, k].tolist() for k, name in enumerate(outputs)}
            fitted |= {f"{known}.{name}": array for name, array in view.state().items()}
        return Predicted(Views(target, predicted), columns, fitted, target.n_events)


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


def _joint(pairs: Pairs) -> Part:
    return Part(pairs.patients, pairs.joint)


def _fit(target: Target, X: Matrix) -> _Head:
    """The head of the training pairs, of features [n, p]: risks [n, 1], or probabilities [n, k]."""
    if isinstance(target, Followed):
        cox = target.fit(X)
        return _Head(lambda X: cox.risk(X)[:, None], cox.state())
    logistic = target.fit(X)
    return _Head(logistic.probability, logistic.state())


def _views(train: Pairs, test: Pairs, target: Target) -> dict[str, _View | str]:
    """The five ways to look at the test patients, or why one of them cannot be had."""
    joint = _fit(target, train.joint)
    views: dict[str, _View | str] = {"full": _View(test.joint, joint)}
    for side, seen, unseen in (("wsi", train.wsi, test.wsi), ("rna", train.rna, test.rna)):
        if seen is None or unseen is None:
            views[f"{side}_only"] = f"the method has no embedding of {side} alone"
        else:
            views[f"{side}_only"] = _View(unseen, _fit(target, seen))
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
