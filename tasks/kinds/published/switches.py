"""The switches: what the published evaluation does that an honest one would not.

A published task scores the published probe under several settings: all switches on (its primary
metric, what the published protocol would have reported), all off (`_honest`), and each alone. They
share the initial weights and the batches and, but for the switches that are named for it, the
embeddings, so that a difference between two settings is the switch's and not luck.

Pretraining stopped where the test fold's loss was lowest is not repeated: what is measured is a
lower bound of the published protocol's optimism.
"""

from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import partial

import numpy as np
from numpy.typing import NDArray

from tasks.base import Evidence_contra, Metric
from tasks.data.cohort import BagModality, Cohort
from tasks.metrics.undefined import Undefined
from tasks.scoring import concordance

BATCH = 16
"""Patients, or slides, of a batch: in training, and where the last partial one goes unscored."""

HONEST = "honest"
"""Suffix of the metric with every switch off."""


class Switch(StrEnum):
    """A departure from an honest evaluation; the values are suffixes of metrics.

    Attributes:
        BEST_EPOCH: The best epoch on the test fold is reported, by C in survival and by accuracy
            otherwise. What it adds is counted from `INNER_EPOCH`.
        INNER_EPOCH: The epoch is chosen by inner folds of the training patients, as an honest
            evaluation would: no departure.
        ALL_BINS: Time bins are quartiles over all patients, those of the test fold included.
        SLIDE_LEVEL: A test patient counts once for each of its slides.
        DROP_LAST: The last partial batch of the test fold, in the order of barcodes, is not scored.
        ALL_GENES: Another fit, on the genes that the published recipe (`data.elimination`) selects
            by the label on four fifths of all patients, whatever the fold, most of the test fold
            included. What it adds is counted from `TRAIN_GENES`, the same without the leak.
        TRAIN_GENES: Another fit, on the genes that the recipe selects on the training patients: no
            departure.
        FRESH_PATCHES: At every epoch's evaluation the test patients' patches are drawn anew, as
            many as in training; epochs take turns in a few draws.
        DROPOUT_ON: The probe is trained while the frozen encoder's dropout is on, likewise in a few
            draws; test patients are embedded without.
        WITH_REPLACEMENT: Few-shot patients are drawn with replacement, and the same one drawn twice
            counts once: fewer patients than are named.
        SHARED_PATIENTS: The probe is trained on some patients of the test fold too, as many as the
            published RCC splits have on both sides; others have none.
    """

    BEST_EPOCH = "best_epoch"
    INNER_EPOCH = "inner_epoch"
    ALL_BINS = "all_bins"
    ALL_GENES = "all_genes"
    TRAIN_GENES = "train_genes"
    FRESH_PATCHES = "fresh_patches"
    DROPOUT_ON = "dropout_on"
    SLIDE_LEVEL = "slide_level"
    DROP_LAST = "drop_last"
    WITH_REPLACEMENT = "with_replacement"
    SHARED_PATIENTS = "shared_patients"


ALONE = frozenset({Switch.INNER_EPOCH, Switch.TRAIN_GENES, Switch.SHARED_PATIENTS})
"""Switches that are never on together with others: no departures, or those of one cohort."""

SHARED = (15 + 10 + 3 + 10 + 13) / 940
"""Of the patients of a test fold, in training as well: the five published folds of RCC."""

REFITTED = (
    Switch.ALL_GENES,
    Switch.TRAIN_GENES,
    Switch.FRESH_PATCHES,
    Switch.DROPOUT_ON,
)
"""The switches of every published task that need embeddings of their own."""

Setting = frozenset[Switch]
"""The switches that are on."""


def settings(switches: Sequence[Switch]) -> dict[str, Setting]:
    """All on but those of `ALONE`, all off, and each alone, by the suffix of their metric."""
    every = frozenset(switches) - ALONE
    alone = {f"_{switch}": frozenset({switch}) for switch in switches}
    return {"": every, f"_{HONEST}": frozenset(), **alone}


def switched(
    metric: str, switches: Sequence[Switch], function: Callable[[Setting, Evidence_contra], float]
) -> tuple[Metric[Evidence_contra], ...]:
    """The metrics of a published task: `metric` itself with all on, then one a setting.

    Args:
        metric: A concordance. Chance is a half by an honest evaluation: what a predictor that knows
            nothing scores above it is the departures' doing.
        switches: Of the task.
        function: The metric under a setting.
    """
    return tuple(
        concordance(f"{metric}{suffix}", partial(function, on))
        for suffix, on in settings(switches).items()
    )


def n_slides(cohort: Cohort, patients: Sequence[str]) -> NDArray[np.intp] | None:
    """Slides of each patient, [n]; None where a cohort has slide vectors, averaged when read.

    A patient whom a method embeds without a slide has none.
    """
    bags = cohort.modalities["wsi"]
    if not isinstance(bags, BagModality):
        return None
    return np.array([len(bags.slides.get(patient, ())) for patient in patients], dtype=np.intp)


def scored_rows(on: Setting, n: int, slides: NDArray[np.intp] | None) -> NDArray[np.intp]:
    """The rows of test patients that a setting scores, in their order; a row may come repeatedly.

    Args:
        on: The switches that are on.
        n: Test patients.
        slides: Of each patient [n]. None leaves `SLIDE_LEVEL` without effect beside others.

    Raises:
        Undefined: Slides are asked for alone and not known, or no batch is full.
    """
    rows = np.arange(n)
    if Switch.SLIDE_LEVEL in on:
        if slides is not None:
            rows = np.repeat(rows, slides)
        elif on == {Switch.SLIDE_LEVEL}:
            raise Undefined("the cohort has one vector a patient: its slides are not known")
    if Switch.DROP_LAST in on:
        rows = rows[: len(rows) - len(rows) % BATCH]
        if not len(rows):
            raise Undefined(f"fewer than {BATCH} test patients: no batch is full")
    return rows
