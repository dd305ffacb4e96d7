"""The retention task: what of each modality a joint embedding keeps, and how it is spread.

Retention is not usefulness: a projection onto principal axes keeps everything by construction, and
an untrained network keeps a lot. The numbers are to be read beside those of survival or subtyping.

The variance of tokens within a slide, a sign of collapse inside an encoder, is not measured: a
method hands over one embedding a patient, and its tokens are its own affair.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from tasks.base import Metric, Outcome, Score, Split, Task
from tasks.data.cohort import SIDES, Cohort
from tasks.data.splits import inner_folds
from tasks.embeddings import Embeddings
from tasks.heads.inputs import Matrix
from tasks.heads.ridge import Ridge, fit_ridge
from tasks.kinds.content import Content, raw_values
from tasks.kinds.pairs import NOT_APART, Pairs, has_pairs, pairs_of, too_few
from tasks.metrics.representation import (
    alignment,
    effective_rank,
    linear_cka,
    modality_gap,
    r2,
    squared_errors,
    uniformity,
)
from tasks.metrics.undefined import Undefined
from tasks.scoring import INNER_FOLDS, score, skipped

TARGETS = 32
"""Principal axes of a modality that an embedding is asked for; its content, for this task."""

PRIVATE = ("wsi_private", "rna_private")
FACTORS = ("shared", *PRIVATE)
"""What the names of planted factors begin with."""


@dataclass(frozen=True)
class _Recovery:
    """What should be recovered of test patients, [n, t], and what was."""

    truth: Matrix
    predicted: Matrix

    def r2(self) -> float:
        return r2(self.truth, self.predicted)


class Retention(Task):
    """Ridge maps from the joint embedding back to the raw modalities, and the embedding's shape.

    A modality's content is its first `TARGETS` principal axes over training patients; of a bag,
    those of its mean instance. Its private content is what ridge regression on the *other*
    modality leaves of it: for training patients the residual of a prediction made without their
    inner fold, for test patients that of the map fitted on all training patients. It includes
    what one modality measures more sharply than the other, and its own noise: as an embedding
    cannot know which is which, no method reaches 1 without keeping noise too.

    Primary is `private_r2`, the mean over both modalities of the private content's R2: what both
    show, alignment alone would keep, so that this is where retention shows.

    `*_cka` is debiased; `effective_rank` is at most the number of test patients; `modality_gap`,
    `alignment` and `uniformity` (the mean of both sides) are those of the two sides' embeddings
    as they are, and need a shared width. None of these seven is fitted.
    """

    kind = "retention"
    version = 1
    metrics = (
        Metric("private_r2", higher_is_better=True),
        Metric("wsi_private_r2", higher_is_better=True),
        Metric("rna_private_r2", higher_is_better=True),
        Metric("wsi_content_r2", higher_is_better=True),
        Metric("rna_content_r2", higher_is_better=True),
        Metric("wsi_cka", higher_is_better=True),
        Metric("rna_cka", higher_is_better=True),
        Metric("effective_rank", higher_is_better=True),
        Metric("modality_gap", higher_is_better=False),
        Metric("alignment", higher_is_better=False),
        Metric("uniformity", higher_is_better=False),
    )

    @classmethod
    def instances(cls, cohort: Cohort) -> tuple[Task, ...]:
        """`content`, if any patient has both modalities, and `truth` for a planted cohort."""
        if not has_pairs(cohort):
            return ()
        content = cls(cohort.name, "content", default=True)
        planted = any(factors_of(cohort, kind) for kind in FACTORS)
        return (content, *([TruthRetention(cohort.name, "truth", default=True)] if planted else []))

    def evaluate(self, embeddings: Embeddings, cohort: Cohort, split: Split) -> Outcome:
        """Fit the maps on the training pairs and score the test pairs once."""
        train, test = pairs_of(embeddings, cohort, split)
        if reason := too_few(train, test):
            scores = skipped(self.metrics, reason)
            return Outcome(scores, len(test.patients), None, {"patient": []})

        raw_train, raw_test = (
            {side: raw_values(cohort.modalities[side], part.patients) for side in SIDES}
            for part in (train, test)
        )
        contents = {side: Content.fit(raw_train[side]) for side in SIDES}
        seen = {side: contents[side].components(raw_train[side]) for side in SIDES}
        unseen = {side: contents[side].components(raw_test[side]) for side in SIDES}
        folds = inner_folds(train.patients, [0] * len(train.patients), INNER_FOLDS)
        wanted: dict[str, tuple[Matrix, Matrix]] = {}
        head: dict[str, NDArray[np.float64]] = {}
        for side, other in zip(SIDES, reversed(SIDES), strict=True):
            Y, Y_test = seen[side][:, :TARGETS], unseen[side][:, :TARGETS]
            between = fit_ridge(seen[other], Y, folds)
            private, private_test = Y - between.held_out, Y_test - between.predict(unseen[other])
            wanted[f"{side}_private"] = (private, private_test)
            wanted[f"{side}_content"] = (Y, Y_test)
            head |= _named(f"{side}.raw", contents[side].state())
            head |= _named(f"{other}_to_{side}", between.state())
        recoveries, probe = _recover(train, test, wanted, folds)

        def private_r2() -> float:
            return float(np.mean([recoveries[name].r2() for name in PRIVATE]))

        scaled = {side: contents[side].scaled(raw_test[side]) for side in SIDES}
        measures: tuple[Callable[[], float], ...] = (
            private_r2,
            *(recoveries[f"{side}_private"].r2 for side in SIDES),
            *(recoveries[f"{side}_content"].r2 for side in SIDES),
            *(partial(linear_cka, test.joint, scaled[side]) for side in SIDES),
            partial(effective_rank, test.joint),
        )
        fitted = tuple(map(score, self.metrics, measures))
        return Outcome(
            scores=fitted + _geometry(self.metrics[len(fitted) :], test),
            n_patients=len(test.patients),
            n_events=None,
            predictions={"patient": test.patients, **_errors(recoveries)},
            head=head | _named("probe", probe.state()),
        )


class TruthRetention(Task):
    """Ridge maps from the joint embedding to the true factors of a planted cohort.

    Primary is `truth_private_r2`, the mean over both modalities of the R2 of their private
    factors; a method that drops one of two private factors loses half of that modality's R2.
    Factors and what was predicted of them are in the predictions.
    """

    kind = Retention.kind
    version = 1
    metrics = (
        Metric("truth_private_r2", higher_is_better=True),
        Metric("truth_shared_r2", higher_is_better=True),
        Metric("truth_wsi_private_r2", higher_is_better=True),
        Metric("truth_rna_private_r2", higher_is_better=True),
    )

    @classmethod
    def instances(cls, cohort: Cohort) -> tuple[Task, ...]:
        """Those among the instances of `Retention`."""
        return tuple(task for task in Retention.instances(cohort) if isinstance(task, cls))

    def evaluate(self, embeddings: Embeddings, cohort: Cohort, split: Split) -> Outcome:
        """Fit the maps on the training pairs and score the test pairs once."""
        train, test = pairs_of(embeddings, cohort, split)
        if reason := too_few(train, test):
            scores = skipped(self.metrics, reason)
            return Outcome(scores, len(test.patients), None, {"patient": []})

        row = {patient: number for number, patient in enumerate(cohort.patients)}
        index = tuple([row[patient] for patient in part.patients] for part in (train, test))
        names = {kind: factors_of(cohort, kind) for kind in FACTORS}
        wanted: dict[str, tuple[Matrix, Matrix]] = {}
        for kind in filter(names.get, FACTORS):
            factors = np.stack([cohort.truth[name] for name in names[kind]], axis=1)
            wanted[kind] = (factors[index[0]], factors[index[1]])
        folds = inner_folds(train.patients, [0] * len(train.patients), INNER_FOLDS)
        recoveries, probe = _recover(train, test, wanted, folds)
        table: dict[str, list[float]] = {}
        for kind, found in recoveries.items():
            for j, name in enumerate(names[kind]):
                table[name] = found.truth[:, j].tolist()
                table[f"{name}_predicted"] = found.predicted[:, j].tolist()

        def measure(kinds: tuple[str, ...]) -> float:
            absent = [kind for kind in kinds if kind not in recoveries]
            if absent:
                raise Undefined(f"the truth has no factor named {absent[0]}_*")
            return float(np.mean([recoveries[kind].r2() for kind in kinds]))

        measures = (partial(measure, kinds) for kinds in (PRIVATE, *((kind,) for kind in FACTORS)))
        return Outcome(
            scores=tuple(map(score, self.metrics, measures)),
            n_patients=len(test.patients),
            n_events=None,
            predictions={"patient": test.patients, **table},
            head=_named("probe", probe.state()),
        )


def factors_of(cohort: Cohort, kind: str) -> list[str]:
    """The planted factors of one kind, such as `shared_0` and `shared_1`."""
    return [name for name in cohort.truth if name.startswith(f"{kind}_")]


def _recover(
    train: Pairs, test: Pairs, wanted: Mapping[str, tuple[Matrix, Matrix]], folds: NDArray[np.intp]
) -> tuple[dict[str, _Recovery], Ridge]:
    """One map from the joint embedding to everything wanted of it, [n train, t] and [n test, t]."""
    probe = fit_ridge(train.joint, np.hstack([Y for Y, _ in wanted.values()]), folds)
    ends = np.cumsum([Y.shape[1] for Y, _ in wanted.values()])
    predicted = np.split(probe.predict(test.joint), ends[:-1], axis=1)
    recoveries = {
        name: _Recovery(Y_test, found)
        for (name, (_, Y_test)), found in zip(wanted.items(), predicted, strict=True)
    }
    return recoveries, probe


def _geometry(metrics: tuple[Metric, ...], test: Pairs) -> tuple[Score, ...]:
    """Modality gap, alignment and uniformity of the two sides, where they share a width."""
    sides = test.sides()
    if sides is None:
        return skipped(metrics, NOT_APART)
    wsi, rna = sides
    if wsi.shape[1] != rna.shape[1]:
        widths = f"{wsi.shape[1]} and {rna.shape[1]}"
        return skipped(metrics, f"slides and expression are embedded in widths {widths}")
    measures: tuple[Callable[[], float], ...] = (
        partial(modality_gap, wsi, rna),
        partial(alignment, wsi, rna),
        lambda: (uniformity(wsi) + uniformity(rna)) / 2,
    )
    return tuple(map(score, metrics, measures))


def _errors(recoveries: Mapping[str, _Recovery]) -> dict[str, list[float]]:
    """Two columns for each R2, which is 1 - sum of `_error` / sum of `_total`."""
    columns: dict[str, list[float]] = {}
    for name, found in recoveries.items():
        error, total = squared_errors(found.truth, found.predicted)
        columns[f"{name}_error"] = error.tolist()
        columns[f"{name}_total"] = total.tolist()
    return columns


def _named(prefix: str, state: Mapping[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    return {f"{prefix}.{name}": values for name, values in state.items()}
