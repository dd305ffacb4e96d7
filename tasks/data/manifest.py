"""cohort.toml: what a folder says of itself, parsed into types before anything is read."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from tasks.data.cohort import ENDPOINTS, Kind
from tasks.data.formats.files import reading, require_file
from tasks.data.formats.tables import near
from tasks.data.section import Section
from tasks.names import NAME_RULE, is_name

MANIFEST = "cohort.toml"
_MODALITIES = ("wsi", "rna")


class Orientation(StrEnum):
    """What a row of an expression table is."""

    SAMPLES = "samples"
    GENES = "genes"


class Scale(StrEnum):
    """What the cells of an expression table are.

    Attributes:
        COUNTS: Reads of a gene; become log2(counts per million + 1).
        TPM: TPM, FPKM or another amount that starts at zero; become log2(x + 1).
        LOG2: Logarithms already; stay as they are.
        ZSCORE: Standardised by somebody else; stay as they are.
    """

    COUNTS = "counts"
    TPM = "tpm"
    LOG2 = "log2"
    ZSCORE = "zscore"


class Transform(StrEnum):
    """What is done to each gene, by the training patients, before any method sees it.

    Attributes:
        CLIP: Nothing here: every method clips and standardises (`VectorScaler`).
        RANK: Ranks, as quantiles of a normal distribution.
    """

    CLIP = "clip"
    RANK = "rank"


class ClinicalFormat(StrEnum):
    """The layouts of clinical files that are read."""

    TCGA_CDR = "tcga-cdr"
    CBIOPORTAL = "cbioportal"
    PORPOISE = "porpoise"
    GDC = "gdc"
    TABLE = "table"


class TimeUnit(StrEnum):
    """Unit of a declared time column."""

    DAYS = "days"
    MONTHS = "months"


@dataclass(frozen=True)
class BagSource:
    """A folder of per-slide files, or a packed store of them."""

    path: Path
    kind: Kind = field(default=Kind.BAG, init=False)


@dataclass(frozen=True)
class SelectionSource:
    """Genes are selected by a label.

    Attributes:
        label: Its name in the manifest.
        always: A list of genes to keep whatever is selected, None for no such list.
    """

    label: str
    always: Path | None


@dataclass(frozen=True)
class GeneSource:
    """What is declared of a table of genes.

    Attributes:
        scale: What its cells are; None takes them as they are.
        transform: What is done to each gene.
        selection: How genes are selected by a label, None if they are not.
        pathways: A gmt file of gene sets, if any.
        probemap: A table of `id` (the columns' names) and `gene` (symbols), if any.
    """

    scale: Scale | None = None
    transform: Transform = Transform.CLIP
    selection: SelectionSource | None = None
    pathways: Path | None = None
    probemap: Path | None = None


@dataclass(frozen=True)
class VectorSource:
    """A table of vectors.

    Attributes:
        path: The table.
        id: Its identifier column; empty text for the column without a name.
        orientation: What a row is.
        genes: What is declared of the genes, where they are genes.
    """

    path: Path
    id: str
    orientation: Orientation
    genes: GeneSource = GeneSource()
    kind: Kind = field(default=Kind.VECTOR, init=False)


@dataclass(frozen=True)
class DeclaredColumns:
    """What a clinical table of no known layout must declare.

    Attributes:
        id: Column of the barcodes.
        time: Column of the times.
        time_unit: Unit of `time`.
        event: Column of the status.
        event_value: The status that means "it happened", as text.
        age: Column of the age at diagnosis in years, if there is one.
        sex: Column of the sex, male or female, if there is one.
        stage: Column of the stage, I to IV, if there is one.
    """

    id: str
    time: str
    time_unit: TimeUnit
    event: str
    event_value: str
    age: str | None = None
    sex: str | None = None
    stage: str | None = None


@dataclass(frozen=True)
class ClinicalSource:
    """A clinical file; `columns` are declared for the format `table` alone."""

    path: Path
    format: ClinicalFormat
    columns: DeclaredColumns | None = None


@dataclass(frozen=True)
class LabelSource:
    """A column of classes.

    Attributes:
        path: The table.
        id: Its identifier column.
        column: The column of the classes.
        classes: Those that make the task, in order.
        derived_from: The modality that the label was called from, if any.
    """

    path: Path
    id: str
    column: str
    classes: tuple[str, ...]
    derived_from: str | None


@dataclass(frozen=True)
class TruthSource:
    """Latent factors of a planted cohort: a table, a column a factor."""

    path: Path
    id: str


@dataclass(frozen=True)
class Manifest:
    """A parsed cohort.toml.

    Attributes:
        name: The cohort's name.
        modalities: Where each modality is.
        clinical: Where the endpoints and the covariates are, if anywhere.
        labels: Where each label is.
        truth: Where the planted factors are, if the cohort is a planted one.
        source: Where the data come from.
        licence: Their licence.
        note: What whoever uses the cohort must know, shown with every run.
        union: Folders of the cohorts that it is a union of; it has no data of its own then.
    """

    name: str
    modalities: Mapping[str, BagSource | VectorSource]
    clinical: ClinicalSource | None
    labels: Mapping[str, LabelSource]
    truth: TruthSource | None
    source: str
    licence: str
    note: str
    union: tuple[Path, ...] = ()


def _genes(section: Section) -> GeneSource:
    """The keys that only a table of genes has."""
    scale = section.choice("scale", Scale) if section.has("scale") else None
    transform = section.choice("transform", Transform, Transform.CLIP)
    pathways, probemap = section.optional_path("pathways"), section.optional_path("probemap")
    selection = None
    if (chosen := section.section("selection")) is not None:
        selection = SelectionSource(chosen.text("label"), chosen.optional_path("always"))
        chosen.done()
    return GeneSource(scale, transform, selection, pathways, probemap)


def _modality(name: str, section: Section) -> BagSource | VectorSource:
    kind = section.choice("kind", Kind)
    source: BagSource | VectorSource
    if kind is Kind.BAG:
        source = BagSource(section.path(folder=True))
    else:
        source = VectorSource(
            section.path(),
            section.text("id", blank=True),
            section.choice("orientation", Orientation, Orientation.SAMPLES),
            _genes(section) if name == "rna" else GeneSource(),
        )
    section.done()
    return source


def _modalities(root: Section) -> dict[str, BagSource | VectorSource]:
    sections = root.sections("modalities")
    for name in sections:
        if name not in _MODALITIES:
            raise root.fail(
                "modalities", "wsi (slides) or rna (expression)", f"{name}{near(name, _MODALITIES)}"
            )
    if not sections:
        raise root.fail("modalities", "[modalities.wsi], [modalities.rna] or both", "neither")
    sources = {name: _modality(name, sections[name]) for name in _MODALITIES if name in sections}
    if "rna" in sources and sources["rna"].kind is not Kind.VECTOR:
        raise root.fail("modalities.rna.kind", "vector", "bag")
    return sources


def _event_value(section: Section) -> str:
    value = section.take("event_value")
    if not isinstance(value, str | int | float) or not str(value).strip():
        expected = 'the value that means "it happened"'
        raise section.fail("event_value", expected, "no such key" if value is None else repr(value))
    return str(value)


def _clinical(section: Section | None) -> ClinicalSource | None:
    if section is None:
        return None
    layout = section.choice("format", ClinicalFormat)
    path = section.path()
    columns = None
    if layout is ClinicalFormat.TABLE:
        columns = DeclaredColumns(
            section.text("id", blank=True),
            section.text("time"),
            section.choice("time_unit", TimeUnit),
            section.text("event"),
            _event_value(section),
            *(section.text(covariate, "") or None for covariate in ("age", "sex", "stage")),
        )
    section.done()
    return ClinicalSource(path, layout, columns)


def _label(section: Section, modalities: Mapping[str, object]) -> LabelSource:
    path, id_column = section.path(), section.text("id", blank=True)
    column = section.text("column")
    classes = section.take("classes")
    if (
        not isinstance(classes, list)
        or not all(isinstance(name, str) and name.strip() for name in classes)
        or len(set(classes)) != len(classes)
        or len(classes) < 2
    ):
        found = "no such key" if classes is None else repr(classes)
        raise section.fail("classes", "a list of two or more different texts", found)
    derived = section.text("derived_from", "")
    if derived and derived not in modalities:
        raise section.fail("derived_from", f"one of {', '.join(modalities)}", repr(derived))
    section.done()
    return LabelSource(path, id_column, column, tuple(classes), derived or None)


def _truth(section: Section | None) -> TruthSource | None:
    if section is None:
        return None
    source = TruthSource(section.path(), section.text("id", blank=True))
    section.done()
    return source


def _members(root: Section) -> tuple[Path, ...]:
    """The folders of a union's cohorts."""
    listed = root.take("union")
    if (
        not isinstance(listed, list)
        or len(listed) < 2
        or not all(isinstance(member, str) and member.strip() for member in listed)
    ):
        raise root.fail("union", "a list of two or more folders of cohorts", repr(listed))
    # resolved, so that a member's slides are scanned once, whether for itself or for a union
    members = tuple((root.file.parent / member).resolve() for member in listed)
    for member in members:
        if not (member / MANIFEST).is_file():
            raise root.fail("union", f"folders with a {MANIFEST}", f"none in {member}")
    return members


def _provenance(section: Section | None) -> tuple[str, str, str]:
    """Source, licence and note, empty where nothing is said."""
    if section is None:
        return "", "", ""
    found = section.text("source", ""), section.text("licence", ""), section.text("note", "")
    section.done()
    return found


def read_manifest(folder: Path) -> Manifest:
    """Read the cohort.toml of a folder.

    Args:
        folder: The cohort's folder; the file's paths are relative to it.

    Raises:
        InputError: If the file is missing or is no TOML, or a key is unknown, missing, of another
            type than declared, or names a file that is not there.
    """
    file = folder / MANIFEST
    require_file(file)
    with reading(file, "TOML in UTF-8"):
        content = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    root = Section(file, "", content)
    name = root.text("name")
    if not is_name(name):
        raise root.fail("name", NAME_RULE, repr(name))
    if root.has("union"):
        members = _members(root)
        source, licence, note = _provenance(root.section("provenance"))
        root.done()
        return Manifest(name, {}, None, {}, None, source, licence, note, members)
    modalities = _modalities(root)
    clinical = _clinical(root.section("clinical"))
    sections = root.sections("labels")
    # a task finds what it is asked of by its name alone
    if mixed := [key for key in ENDPOINTS if key in sections]:
        raise root.fail(f"labels.{mixed[0]}", "another name than an endpoint's", repr(mixed[0]))
    labels = {key: _label(part, modalities) for key, part in sections.items()}
    rna = modalities.get("rna")
    selection = rna.genes.selection if isinstance(rna, VectorSource) else None
    if selection is not None and selection.label not in labels:
        raise root.fail(
            "modalities.rna.selection.label",
            f"one of the declared labels, {', '.join(labels) or 'of which there is none'}",
            repr(selection.label),
        )
    truth = _truth(root.section("truth"))
    source, licence, note = _provenance(root.section("provenance"))
    root.done()
    return Manifest(name, modalities, clinical, labels, truth, source, licence, note)
