"""Patients with both modalities, as the cross-modal tasks see them."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.base import Unscored
from tasks.data.cohort import SIDES, Cohort
from tasks.data.splits import Split
from tasks.embeddings import Embeddings
from tasks.heads.inputs import Matrix
from tasks.metrics.undefined import Undefined

NOT_APART = "the method does not embed slides and expression apart"

# Fewer training pairs than two for each inner fold cannot choose a penalty.
MIN_TRAINING_PAIRS = 10


@dataclass(frozen=True)
class Pairs:
    """The embeddings of patients with both modalities.

    Attributes:
        patients: Those of one part of a split, in its order.
        joint: float64 [n, joint width].
        wsi: Of the slides alone, float64 [n, width], or None if the method has no such thing.
        rna: Of the expression alone, float64 [n, width], or None.
    """

    patients: list[str]
    joint: Matrix
    wsi: Matrix | None
    rna: Matrix | None

    def sides(self) -> tuple[Matrix, Matrix] | None:
        """Slides and expression, if the method embeds them apart."""
        return None if self.wsi is None or self.rna is None else (self.wsi, self.rna)


def has_pairs(cohort: Cohort) -> bool:
    """Whether any patient of the cohort has both modalities."""
    return set(SIDES) <= cohort.modalities.keys() and bool(cohort.complete(SIDES))


def pairs_of(
    embeddings: Embeddings, cohort: Cohort, split: Split, known: Collection[str] | None = None
) -> tuple[Pairs, Pairs]:
    """The training and the test pairs of a split.

    Args:
        embeddings: A patient without any one of the embeddings that the method gives is left out.
        cohort: Says who has both modalities, which the embeddings of a method that uses one
            modality alone cannot.
        split: The outer fold.
        known: Patients whose outcome is known; None for everybody.
    """
    usable = set(cohort.complete(SIDES))
    if known is not None:
        usable &= set(known)
    for side in (embeddings.joint, embeddings.wsi, embeddings.rna):
        if side is not None:
            there = np.flatnonzero(np.isfinite(side).all(axis=1))
            usable &= {embeddings.patients[row] for row in there}

    def pairs(part: tuple[str, ...]) -> Pairs:
        patients = [patient for patient in part if patient in usable]
        rows = embeddings.rows(patients)

        def take(side: NDArray[np.float32] | None) -> Matrix | None:
            return None if side is None else side[rows].astype(np.float64)

        joint = embeddings.joint[rows].astype(np.float64)
        return Pairs(patients, joint, take(embeddings.wsi), take(embeddings.rna))

    return pairs(split.train), pairs(split.test)


def shared_width(wsi: Matrix, rna: Matrix) -> None:
    """Refuse two sides that do not live in one space.

    Raises:
        Undefined: Their widths differ.
    """
    if wsi.shape[1] != rna.shape[1]:
        widths = f"{wsi.shape[1]} and {rna.shape[1]}"
        raise Undefined(f"slides and expression are embedded in widths {widths}")


def check_pairs(train: Pairs, test: Pairs, n_events: int | None = None) -> None:
    """Refuse a fold on which nothing can be fitted or scored.

    Raises:
        Unscored: There are fewer than `MIN_TRAINING_PAIRS`, or there is no test pair.
    """
    n, n_test = len(train.patients), len(test.patients)
    if n < MIN_TRAINING_PAIRS:
        reason = f"{n} training patients with a pair, {MIN_TRAINING_PAIRS} needed"
        raise Unscored(reason, n_test, n_events)
    if not n_test:
        raise Unscored("no test patient has an embedded pair", 0, n_events)
