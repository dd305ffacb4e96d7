"""`--split`: which outer folds a run is made of."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.records.protocol import DealtFolds, FileFolds, FoldsOrigin, HeldOutCohort
from tasks.data.cohort import Cohort
from tasks.data.split_files import splits_from_files
from tasks.data.splits import Dealing, Split, held_out_split, make_splits
from tasks.data.union import member_notes
from tasks.errors import InputError


@dataclass(frozen=True)
class Folds:
    """The outer folds of a run.

    Attributes:
        origins: By cohort.
        splits: By cohort.
        n_folds: By cohort: how many folds test every patient once. There may be more splits, which
            deal the patients again; the correction for shared training patients needs this.
        notes: What was left out and why, a line each.
    """

    origins: Mapping[str, FoldsOrigin]
    splits: Mapping[str, tuple[Split, ...]]
    n_folds: Mapping[str, int]
    notes: tuple[str, ...] = ()


REPEATS = 3
"""Deals of patients. Another deal says more than another initialisation at the same cost."""


def outer_folds(
    split: str | None, n_folds: int, cohorts: Iterable[Cohort], repeats: int | None = 1
) -> Folds:
    """Deal, or read, the outer folds of cohorts.

    Args:
        split: `patient`, `site`, or a split file or folder of such files; None for folds of
            patients, and of whole sites where a cohort is a union: project and site are confounded.
        n_folds: Number of folds; a split file has its own, and a test cohort is one split.
        cohorts: Those that are run.
        repeats: How often the patients are dealt anew; None for `REPEATS` where patients are dealt,
            and once where sites are, which can hardly be dealt in another way. A split file deals
            them once.

    Raises:
        InputError: The folds cannot be dealt, or the file is not as it should be.
    """
    cohorts, asked = tuple(cohorts), repeats or 1
    for option, given in (("--split", split is not None), ("--repeats", asked > 1)):
        if given and any(cohort.held_out for cohort in cohorts):
            raise InputError(
                f"{option}: expected none with a test cohort, which makes one split, found "
                f"{split if option == '--split' else asked}"
            )
    if split is None or split in tuple(Dealing):
        origins: dict[str, FoldsOrigin] = {}
        splits: dict[str, tuple[Split, ...]] = {}
        notes: list[str] = []
        for cohort in cohorts:
            if cohort.held_out:
                origins[cohort.name] = HeldOutCohort()
                splits[cohort.name] = (held_out_split(cohort),)
                continue
            default = Dealing.SITE if cohort.members else Dealing.PATIENT
            dealing = default if split is None else Dealing(split)
            deals = repeats or (REPEATS if dealing is Dealing.PATIENT else 1)
            origins[cohort.name] = DealtFolds(dealing, deals)
            splits[cohort.name] = make_splits(cohort, n_folds, dealing, deals)
            if len({split.test for split in splits[cohort.name]}) < n_folds * deals:
                raise InputError(
                    f"{cohort.name}: --repeats {deals}: expected folds that differ, found that "
                    f"its sites can hardly be dealt into {n_folds} folds in another way; "
                    "--split patient, or fewer repeats"
                )
            if cohort.members:
                notes += member_notes(cohort, splits[cohort.name], whole=dealing is Dealing.SITE)
        per_deal = {c.name: 1 if c.held_out else n_folds for c in cohorts}
        return Folds(origins, splits, per_deal, tuple(notes))
    path = Path(split)
    if not path.exists():
        raise InputError(
            f"--split: expected {' or '.join(Dealing)}, or a split file, found {split!r}"
        )
    if asked > 1:
        raise InputError(f"--repeats: expected 1 with the folds of {path}, found {asked}")
    by_cohort = {cohort.name: splits_from_files(path, cohort) for cohort in cohorts}
    return Folds(
        {name: FileFolds.of(path.name, files.splits) for name, files in by_cohort.items()},
        {name: files.splits for name, files in by_cohort.items()},
        {name: _folds_of_one_deal(files.splits) for name, files in by_cohort.items()},
        tuple(f"{name}: {note}" for name, files in by_cohort.items() for note in files.notes),
    )


def _folds_of_one_deal(splits: Sequence[Split]) -> int:
    """As many as there are, if nobody is tested twice; else as many as test everybody once."""
    n_tested = sum(len(split.test) for split in splits)
    if len(splits) > 1 and n_tested == len({p for split in splits for p in split.test}):
        return len(splits)
    n_in_all = sum(len(split.train) + len(split.test) for split in splits)
    return max(2, round(n_in_all / n_tested))
