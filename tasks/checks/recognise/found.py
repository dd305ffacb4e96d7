"""What a survey finds in a folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tasks.data.manifest import ClinicalFormat, Orientation, Scale


@dataclass(frozen=True)
class Slides:
    """A folder of per-slide features.

    Attributes:
        path: The folder.
        what: Which tool wrote it, as far as can be told.
        patients: Those of the file names.
        n_files: Slide files.
        width: Features an instance, of the files that were looked at.
    """

    path: Path
    what: str
    patients: frozenset[str]
    n_files: int
    width: int


@dataclass(frozen=True)
class Vectors:
    """A table of a vector per sample or slide.

    Attributes:
        path: The table.
        what: What it holds, and what that is told from.
        id: Its identifier column.
        orientation: What a row is.
        side: `rna` or `wsi`: a guess.
        patients: Those of its identifiers.
        n_features: Features of a vector.
        scale: Of genes, what their first values look like; None if that is not known.
    """

    path: Path
    what: str
    id: str
    orientation: Orientation
    side: str
    patients: frozenset[str]
    n_features: int
    scale: Scale | None = None


@dataclass(frozen=True)
class Statuses:
    """A column that may say whether something happened.

    Attributes:
        column: Its name.
        values: Value -> patients with it and their median time, NaN if that is not known.
    """

    column: str
    values: Mapping[str, tuple[int, float]]


@dataclass(frozen=True)
class TableColumns:
    """What a clinical table of no known layout may mean; the first of each is the likeliest.

    Attributes:
        id: Its identifier column.
        times: Columns of numbers that are named like times.
        statuses: Columns of two values that are named like events.
        told: Whether the source is known: the event's value, and days; else None, to be told.
    """

    id: str
    times: tuple[str, ...]
    statuses: tuple[Statuses, ...]
    told: str | None = None


@dataclass(frozen=True)
class Clinical:
    """A clinical file with endpoints.

    Attributes:
        path: The file.
        format: Its layout.
        patients: Those of its rows.
        endpoints: Names of those that it has.
        columns: Of a table of no known layout, what its columns may mean.
        problem: Why it cannot be read as it stands; empty if it can.
    """

    path: Path
    format: ClinicalFormat
    patients: frozenset[str]
    endpoints: tuple[str, ...]
    columns: TableColumns | None = None
    problem: str = ""


@dataclass(frozen=True)
class Classes:
    """A column of classes, which may become a label.

    Attributes:
        path: The table.
        id: Its identifier column.
        column: The column.
        patients: Class -> its patients, of the large classes, the largest first.
        derived: The published classification from expression that it looks like; empty if none.
    """

    path: Path
    id: str
    column: str
    patients: Mapping[str, frozenset[str]]
    derived: str


@dataclass(frozen=True)
class Other:
    """What is there but is not used, and why."""

    path: Path
    why: str


Found = Slides | Vectors | Clinical | Classes | Other
