"""Where a cohort that methods and tasks see comes from: a folder, or the folders of several."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tasks.data.cohort import Cohort
from tasks.data.load import load_cohort
from tasks.data.precomputed import Given, covered
from tasks.data.union import together, within_members
from tasks.names import transfer_name

POOL = "pool"
"""The name of several cohorts that methods are fitted on together."""


@dataclass(frozen=True)
class Transfer:
    """Two cohorts: everything is fitted on the one, and the other is tested.

    Attributes:
        train: Folder of the first.
        test: Folder of the second.
    """

    train: Path
    test: Path


@dataclass(frozen=True)
class Pool:
    """Several cohorts that methods are fitted on together.

    Attributes:
        folders: Of each.
    """

    folders: tuple[Path, ...]


@dataclass(frozen=True)
class Covered:
    """Those patients of a cohort who have embeddings that were made elsewhere.

    Attributes:
        folder: Of the cohort.
        embeddings: Their name.
    """

    folder: Path
    embeddings: str


Source = Path | Transfer | Covered
"""Of a cohort that tasks are asked of."""


def load_source(source: Source, given: Given = ()) -> Cohort:
    """Load the cohort of a source; errors are those of its parts.

    Args:
        source: Where it is.
        given: Embeddings beside those that a cohort.toml declares.
    """
    if isinstance(source, Transfer):
        return transferred(load_cohort(source.train, given), load_cohort(source.test, given))
    if isinstance(source, Covered):
        return covered(load_cohort(source.folder, given), source.embeddings)
    return load_cohort(source, given)


def load_pool(pool: Pool, given: Given = ()) -> tuple[Cohort, dict[Source, Cohort]]:
    """Load the cohorts of a pool: all of them as one, and each by its source."""
    members: dict[Source, Cohort] = {folder: load_cohort(folder, given) for folder in pool.folders}
    return pooled(list(members.values())), members


def transferred(train: Cohort, test: Cohort) -> Cohort:
    """Two cohorts with what both have, the patients of the second to be tested alone.

    Raises:
        InputError: They have patients in common, or modalities that do not fit.
    """
    name = transfer_name(train.name, test.name)
    both = together(name, name, (train, test))
    notes = [
        f"{test.name} is tested once; whatever is fitted, scaled or chosen has seen {train.name} "
        "alone, so that a shift between the two stays"
    ]
    return replace(both, notes=(*notes, *both.notes), held_out=test.patients)


def pooled(members: Sequence[Cohort]) -> Cohort:
    """Several cohorts with what all of them have, for methods to be fitted on.

    Raises:
        InputError: They have patients in common, or modalities that do not fit.
    """
    return within_members(together("--pretrain-on", POOL, members), members)
