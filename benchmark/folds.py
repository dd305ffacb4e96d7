"""`--split`: which outer folds a run is made of."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tasks.base import Split
from tasks.cohort import Cohort
from tasks.errors import InputError
from tasks.split_files import splits_from_files
from tasks.splits import Dealing, make_splits


@dataclass(frozen=True)
class Folds:
    """The outer folds of a run.

    Attributes:
        name: Empty for folds of patients; otherwise what protocols are called after, since numbers
            of other folds share no table: `site-folds`, or `folds-of-FILE`.
        splits: By cohort.
        notes: What was left out and why, a line each.
    """

    name: str
    splits: Mapping[str, tuple[Split, ...]]
    notes: tuple[str, ...] = ()


def outer_folds(split: str, n_folds: int, cohorts: Iterable[Cohort]) -> Folds:
    """Deal, or read, the outer folds of cohorts.

    Args:
        split: `patient`, `site`, or a split file or folder of such files.
        n_folds: Number of folds; a split file has its own.
        cohorts: Those that are run.

    Raises:
        InputError: The folds cannot be dealt, or the file is not as it should be.
    """
    cohorts = tuple(cohorts)
    if split in tuple(Dealing):
        dealing = Dealing(split)
        splits = {cohort.name: make_splits(cohort, n_folds, dealing) for cohort in cohorts}
        return Folds("" if dealing is Dealing.PATIENT else f"{dealing}-folds", splits)
    path = Path(split)
    if not path.exists():
        raise InputError(
            f"--split: expected {' or '.join(Dealing)}, or a split file, found {split!r}"
        )
    found = {cohort.name: splits_from_files(path, cohort) for cohort in cohorts}
    return Folds(
        f"folds-of-{path.name}",
        {name: files.splits for name, files in found.items()},
        tuple(f"{name}: {note}" for name, files in found.items() for note in files.notes),
    )
