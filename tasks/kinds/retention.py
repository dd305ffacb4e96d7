"""The retention task: what of each modality a joint embedding keeps, and how it is spread.

Retention is not usefulness: a projection onto principal axes keeps everything by construction, and
an untrained network keeps a lot. The numbers are to be read beside those of survival or subtyping.

The variance of tokens within a slide, a sign of collapse inside an encoder, is not measured: a
method hands over one embedding a patient, and its tokens are its own affair.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from math import inf

import numpy as np
from numpy.typing import NDArray

from tasks.base import Columns, Metric, Predicted, Task
from tasks.data.cohort import SIDES, Cohort
from tasks.data.splits import Split
from tasks.embeddings import Embeddings
from tasks.heads.inputs import Matrix
from tasks.heads.ridge import Ridge, fit_ridge
from tasks.kinds.content import Content, raw_values
from tasks.kinds.pairs import NOT_APART, Pairs, check_pairs, has_pairs, pairs_of, shared_width
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
from tasks.scoring import explained, plain_folds

TARGETS = 32
"""Principal axes of a modality that an embedding is asked for; its content, for this task."""

PRIVATE = ("wsi_private", "rna_private")
FACTORS = ("shared", *PRIVATE)
"""What the names of planted factors begin with."""


@dataclass(frozen=True)
class Recovery:
    """What should be recovered of test patients, [n, t], and what was."""

    truth: Matrix
    predicted: Matrix

    def r2(self) -> float:
        """The part of its variance that was."""
        return r2(self.truth, self.predicted)


@dataclass(frozen=True)
class Kept:
    """What was recovered of the test patients' modalities, and their embeddings.

    Attributes:
        recoveries: By the name of what should be recovered.
        test: The embeddings.
        scaled: The raw features of each modality, scaled, [n, features].
    """

    recoveries: Mapping[str, Recovery]
    test: Pairs
    scaled: Mapping[str, Matrix]

    def sides(self) -> tuple[Matrix, Matrix]:
        """The embeddings of slides and expression, in one space.

        Raises:
            Undefined: The method does not embed them apart, or not in one space.
        """
        sides = self.test.sides()
        if sides is None:
            raise Undefined(NOT_APART)
        shared_width(*sides)
        return sides


def _r2(names: tuple[str, ...], kept: Kept) -> float:
    return mean_r2(kept.recoveries, names)


def _cka(side: str, kept: Kept) -> float:
    return linear_cka(kept.test.joint, kept.scaled[side])


def _uniformity(kept: Kept) -> float:
    wsi, rna = kept.sides()
    return (uniformity(wsi) + uniformity(rna)) / 2


class Retention(Task[Kept]):
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
        explained("private_r2", partial(_r2, PRIVATE)),
        *(explained(f"{side}_private_r2", partial(_r2, (f"{side}_private",))) for side in SIDES),
        *(explained(f"{side}_content_r2", partial(_r2, (f"{side}_content",))) for side in SIDES),
        *(Metric(f"{side}_cka", True, 0.0, (-1.0, 1.0), partial(_cka, side)) for side in SIDES),
        Metric("effective_rank", True, None, (1.0, inf), lambda k: effective_rank(k.test.joint)),
        Metric("modality_gap", False, None, (0.0, 2.0), lambda k: modality_gap(*k.sides())),
        Metric("alignment", False, None, (0.0, 4.0), lambda k: alignment(*k.sides())),
        Metric("uniformity", False, None, (-8.0, 0.0), _uniformity),
    )

    @classmethod
    def instances(cls, cohort: Cohort) -> tuple[Task, ...]:
        """`content`, if any patient has both modalities, and `truth` for a planted cohort."""
        if not has_pairs(cohort):
            return ()
        content = cls(cohort.name, "content", default=True)
        planted = any(factors_of(cohort, kind) for kind in FACTORS)
        return (content, *([TruthRetention(cohort.name, "truth", default=True)] if planted else []))

    def predict(self, embeddings: Embeddings, cohort: Cohort, split: Split) -> Predicted[Kept]:
        """Fit the maps on the training pairs and ask them of the test pairs."""
        train, test = pairs_of(embeddings, cohort, split)
        check_pairs(train, test)
        raw_train, raw_test = (
            {side: raw_values(cohort.modalities[side], part.patients) for side in SIDES}
            for part in (train, test)
        )
        contents = {side: Content.fit(raw_train[side]) for side in SIDES}
        seen = {side: contents[side].components(raw_train[side]) for side in SIDES}
        unseen = {side: contents[side].components(raw_test[side]) for side in SIDES}
        folds = plain_folds(train.patients)
        targets: dict[str, tuple[Matrix, Matrix]] = {}
        head: dict[str, NDArray[np.float64]] = {}
        for side, other in zip(SIDES, reversed(SIDES), strict=True):
            Y, Y_test = seen[side][:, :TARGETS], unseen[side][:, :TARGETS]
            between = fit_ridge(seen[other], Y, folds)
            private, private_test = Y - between.held_out, Y_test - between.predict(unseen[other])
            targets[f"{side}_private"] = (private, private_test)
            targets[f"{side}_content"] = (Y, Y_test)
            head |= _named(f"{side}.raw", contents[side].state())
            head |= _named(f"{other}_to_{side}", between.state())
        recoveries, probe = _recover(train, test, targets, folds)
        scaled = {side: contents[side].scaled(raw_test[side]) for side in SIDES}
        return Predicted(
            Kept(recoveries, test, scaled),
            {"patient": test.patients, **_errors(recoveries)},
            head | _named("probe", probe.state()),
        )


def _truth(name: str, kinds: tuple[str, ...]) -> Metric[Mapping[str, Recovery]]:
    return explained(f"truth_{name}_r2", lambda recoveries: mean_r2(recoveries, kinds))


class TruthRetention(Task[Mapping[str, Recovery]]):
    """Ridge maps from the joint embedding to the true factors of a planted cohort.

    Primary is `truth_private_r2`, the mean over both modalities of the R2 of their private
    factors; a method that drops one of two private factors loses half of that modality's R2.
    Factors and what was predicted of them are in the predictions.
    """

    kind = Retention.kind
    version = 1
    metrics = (_truth("private", PRIVATE), *(_truth(kind, (kind,)) for kind in FACTORS))

    @classmethod
    def instances(cls, cohort: Cohort) -> tuple[Task, ...]:
        """Those among the instances of `Retention`."""
        return tuple(task for task in Retention.instances(cohort) if isinstance(task, cls))

    def predict(
        self, embeddings: Embeddings, cohort: Cohort, split: Split
    ) -> Predicted[Mapping[str, Recovery]]:
        """Fit the maps on the training pairs and ask them of the test pairs."""
        train, test = pairs_of(embeddings, cohort, split)
        check_pairs(train, test)
        row = {patient: number for number, patient in enumerate(cohort.patients)}
        index = tuple([row[patient] for patient in part.patients] for part in (train, test))
        names = {kind: factors_of(cohort, kind) for kind in FACTORS}
        targets: dict[str, tuple[Matrix, Matrix]] = {}
        for kind in filter(names.get, FACTORS):
            factors = np.stack([cohort.truth[name] for name in names[kind]], axis=1)
            targets[kind] = (factors[index[0]], factors[index[1]])
        recoveries, probe = _recover(train, test, targets, plain_folds(train.patients))
        columns: Columns = {"patient": test.patients}
        for kind, recovery in recoveries.items():
            for j, name in enumerate(names[kind]):
                columns[name] = recovery.truth[:, j].tolist()
                columns[f"{name}_predicted"] = recovery.predicted[:, j].tolist()
        return Predicted(recoveries, columns, _named("probe", probe.state()))


def mean_r2(recoveries: Mapping[str, Recovery], names: tuple[str, ...]) -> float:
    """The mean of the R2 of what has these names.

    Raises:
        Undefined: There is nothing of one of these names.
    """
    absent = [name for name in names if name not in recoveries]
    if absent:
        raise Undefined(f"the truth has no factor named {absent[0]}_*")
    return float(np.mean([recoveries[name].r2() for name in names]))


def factors_of(cohort: Cohort, kind: str) -> list[str]:
    """The planted factors of one kind, such as `shared_0` and `shared_1`."""
    return [name for name in cohort.truth if name.startswith(f"{kind}_")]


def _recover(
    train: Pairs, test: Pairs, targets: Mapping[str, tuple[Matrix, Matrix]], folds: NDArray[np.intp]
) -> tuple[dict[str, Recovery], Ridge]:
    """One map from the joint embedding to all targets, [n train, t] and [n test, t]."""
    probe = fit_ridge(train.joint, np.hstack([Y for Y, _ in targets.values()]), folds)
    ends = np.cumsum([Y.shape[1] for Y, _ in targets.values()])
    predicted = np.split(probe.predict(test.joint), ends[:-1], axis=1)
    recoveries = {
        name: Recovery(Y_test, values)
        for (name, (_, Y_test)), values in zip(targets.items(), predicted, strict=True)
    }
    return recoveries, probe


def _errors(recoveries: Mapping[str, Recovery]) -> dict[str, list[float]]:
    """Two columns for each R2, which is 1 - sum of `_error` / sum of `_total`."""
    columns: dict[str, list[float]] = {}
    for name, recovery in recoveries.items():
        error, total = squared_errors(recovery.truth, recovery.predicted)
        columns[f"{name}_error"] = error.tolist()
        columns[f"{name}_total"] = total.tolist()
    return columns


def _named(prefix: str, state: Mapping[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    return {f"{prefix}.{name}": values for name, values in state.items()}
