"""What the files of a folder may be used for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tasks.checks.finding import Check, Finding, Severity
from tasks.data.barcode import Barcode, Preparation
from tasks.data.manifest import ClinicalFormat, Orientation, Scale
from tasks.data.samples import SampleRule, SlideChoice, select_samples


@dataclass(frozen=True)
class Mixture:
    """Slides some of which are frozen.

    Attributes:
        n_frozen: How many.
        n: Of how many.
        choice: Which to take, so as to keep most patients.
    """

    n_frozen: int
    n: int
    choice: SlideChoice

    def __str__(self) -> str:
        return f"{self.n_frozen} of {self.n} slides are {Preparation.FROZEN}"


def mixture_of(barcodes: Sequence[Barcode]) -> Mixture | None:
    """What slides of tumours are, if any of them is known to be frozen."""
    undeclared = select_samples(barcodes, SampleRule())
    frozen = len(undeclared.left_out.get(Preparation.FROZEN, ()))
    choice = SlideChoice.DX
    if undeclared.spared:
        frozen = len(undeclared.prepared(Preparation.FROZEN))
        choice = SlideChoice.FROZEN
    return Mixture(frozen, len(barcodes), choice) if frozen else None


@dataclass(frozen=True)
class Slides:
    """A folder of per-slide features.

    Attributes:
        path: The folder.
        what: Which tool wrote it, as far as can be told.
        patients: Those of the file names.
        n_files: Slide files.
        width: Features an instance, of the files that were looked at.
        encoder: What made them, as far as files or folders name it.
        mixture: Which slides are to be taken, where not all are known to be diagnostic ones.
    """

    path: Path
    what: str
    patients: frozenset[str]
    n_files: int
    width: int
    encoder: str = ""
    mixture: Mixture | None = None


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
        mixture: Of slides, as that of `Slides`.
        drop: Columns that are no features by their names.
        quantity: Which one, where there are several.
    """

    path: Path
    what: str
    id: str
    orientation: Orientation
    side: str
    patients: frozenset[str]
    n_features: int
    scale: Scale | None = None
    mixture: Mixture | None = None
    drop: tuple[str, ...] = ()
    quantity: str = ""


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
        event_value: Of a known source, whose times are days; None where the user must say it.
        covariates: Its columns that may be `age`, `sex` and `stage`, by these names.
    """

    id: str
    times: tuple[str, ...]
    statuses: tuple[Statuses, ...]
    event_value: str | None = None
    covariates: Mapping[str, str] = field(default_factory=dict)


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
class GeneSetFile:
    """A file of gene sets.

    Attributes:
        path: The file.
        n: How many sets.
    """

    path: Path
    n: int


def unused(path: Path, why: str) -> Finding:
    """What is there but is not used, and why."""
    return Finding(str(path), Check.FILES, Severity.NOTE, why)


Candidate = Slides | Vectors | Clinical | Classes | GeneSetFile | Finding
