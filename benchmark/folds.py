"""`--split`: which outer folds a run is made of."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tasks.base import Split
from tasks.cohort import Cohort
from tasks.errors import InputError
from tasks.split_files import splits_from_files
from tasks.splits import Dealing, make_splits
from tasks.union import member_notes


@dataclass(frozen=True)
class Folds:
    """The outer folds of a run.

    Attributes:
        names: By cohort. Empty for folds of patients; otherwise what protocols are called after,
            since numbers of other folds share no table: `site-folds`, or `folds-of-FILE`.
        splits: By cohort.
        notes: What was left out and why, a line each.
    """

    names: Mapping[str, str]
    splits: Mapping[str, tuple[Split, ...]]
    notes: tuple[str, ...] = ()


def outer_folds(split: str | None, n_folds: int, cohorts: Iterable[Cohort]) -> Folds:
    """Deal, or read, the outer folds of cohorts.

    Args:
        split: `patient`, `site`, or a split file or folder of such files; None for folds of
            patients, and of whole sites where a cohort is a union: project and site are confounded.
        n_folds: Number of folds; a split file has its own.
        cohorts: Those that are run.

    Raises:
        InputError: The folds cannot be dealt, or the file is not as it should be.
    """
    cohorts = tuple(cohorts)
    if split is None or split in tuple(Dealing):
        names: dict[str, str] = {}
        splits: dict[str, tuple[Split, ...]] = {}
        notes: list[str] = []
        for cohort in cohorts:
            default = Dealing.SITE if cohort.members else Dealing.PATIENT
            dealing = default if split is None else Dealing(split)
            names[cohort.name] = "" if dealing is Dealing.PATIENT else f"{dealing}-folds"
            splits[cohort.name] = make_splits(cohort, n_folds, dealing)
            if cohort.members:
                notes += member_notes(cohort, splits[cohort.name], whole=dealing is Dealing.SITE)
        return Folds(names, splits, tuple(notes))
    path = Path(split)
    if not path.exists():
        raise InputError(
            f"--split: expected {' or '.join(Dealing)}, or a split file, found {split!r}"
        )
    found = {cohort.name: splits_from_files(path, cohort) for cohort in cohorts}
    return Folds(
        dict.fromkeys(found, f"folds-of-{path.name}"),
        {name: files.splits for name, files in found.items()},
        tuple(f"{name}: {note}" for name, files in found.items() for note in files.notes),
    )
