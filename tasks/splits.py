"""Patient-level folds: they belong to the cohort and are shared by methods, tasks and seeds."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tasks.base import Split
from tasks.cohort import Cohort
from tasks.errors import InputError
from tasks.seeds import derive_seed, generator

Stratum = tuple[str, str, str]


def make_splits(cohort: Cohort, n_folds: int) -> tuple[Split, ...]:
    """Deal the patients of a cohort into outer folds, stratified by what tasks ask for.

    A stratum is (overall survival: event, censored or unknown; complete pair or not; class of the
    first label). Its patients are ordered by survival time and dealt in blocks of `n_folds`, one
    to each fold, so that long and short survivors spread as well; the last, partial block goes
    to the folds that are smallest so far. Hence every stratum is within one patient of
    proportion, and so are the folds as a whole. Strata with an event come first, which holds the
    number of events to within one as well.

    Args:
        cohort: Every one of its patients is dealt, whatever modalities or outcomes it has.
        n_folds: Number of folds, at least 2.

    Returns:
        One split per fold; its patients are sorted. The same for any order of rows.

    Raises:
        InputError: There are fewer patients than folds, or fewer than two folds.
    """
    if not 2 <= n_folds <= len(cohort.patients):
        raise InputError(
            f"{cohort.name}: --folds must lie between 2 and the number of patients "
            f"({len(cohort.patients)}), found {n_folds}"
        )
    members = [set[str]() for _ in range(n_folds)]
    for stratum, patients in sorted(_strata(cohort).items()):
        rng = generator("folds", cohort.name, n_folds, *stratum)
        for start in range(0, len(patients), n_folds):
            block = patients[start : start + n_folds]
            folds = [int(fold) for fold in rng.permutation(n_folds)]
            if len(block) < n_folds:  # sorted() is stable: the permutation still breaks ties
                folds.sort(key=lambda fold: len(members[fold]))
            for patient, fold in zip(block, folds, strict=False):
                members[fold].add(patient)
    everyone = sorted(cohort.patients)
    return tuple(
        Split(
            fold,
            train=tuple(patient for patient in everyone if patient not in test),
            test=tuple(patient for patient in everyone if patient in test),
        )
        for fold, test in enumerate(members)
    )


def inner_folds(patients: Sequence[str], strata: Sequence[int], n_folds: int) -> NDArray[np.intp]:
    """Folds inside the training patients, by which a head chooses its penalty.

    They follow from the patients alone, not from an initialisation's seed, so every method and
    repeat is tuned on the same ones.

    Args:
        patients: The training patients.
        strata: Event (0, 1) or class number of each; every fold gets its share within one.
        n_folds: Number of folds.

    Returns:
        The fold of each patient, [n_patients].
    """
    hashes = [derive_seed("inner-fold", patient) for patient in patients]
    order = sorted(range(len(patients)), key=lambda row: (strata[row], hashes[row]))
    folds = np.empty(len(patients), dtype=np.intp)
    folds[order] = np.arange(len(patients)) % n_folds
    return folds


def split_fingerprint(splits: Sequence[Split]) -> str:
    """SHA-256 of who is in which part of which fold."""
    rows = [(split.fold, split.train, split.test) for split in splits]
    return hashlib.sha256(repr(rows).encode()).hexdigest()


def _strata(cohort: Cohort) -> dict[Stratum, list[str]]:
    """The patients of each stratum by survival time; ties and unknown times by hash."""
    survival: dict[str, tuple[str, float]] = {}
    if "os" in cohort.endpoints:
        os = cohort.endpoints["os"]
        for patient, time, event in zip(os.patients, os.time, os.event, strict=True):
            survival[patient] = ("0-event" if event else "1-censored", float(time))
    complete = set(cohort.complete())
    classes = next(iter(cohort.labels.values())).values if cohort.labels else {}
    strata: dict[Stratum, list[tuple[float, int, str]]] = defaultdict(list)
    for patient in cohort.patients:
        status, time = survival.get(patient, ("2-unknown", 0.0))
        pair = "complete" if patient in complete else "partial"
        key = (status, pair, classes.get(patient, ""))
        strata[key].append((time, derive_seed("order", patient), patient))
    return {key: [patient for _, _, patient in sorted(rows)] for key, rows in strata.items()}
