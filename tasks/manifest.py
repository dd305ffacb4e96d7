"""cohort.toml: what a folder says of itself, parsed into types before anything is read."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from tasks.cohort import Kind
from tasks.errors import InputError
from tasks.formats.files import reading, require_file, what_is_at
from tasks.formats.tables import near

MANIFEST = "cohort.toml"
_MODALITIES = ("wsi", "rna")
# Names become parts of KIND/COHORT/LABEL and of file names.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")

_C = TypeVar("_C", bound=StrEnum)


class Orientation(StrEnum):
    """What a row of an expression table is."""

    SAMPLES = "samples"
    GENES = "genes"


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
class VectorSource:
    """A table of vectors.

    Attributes:
        path: The table.
        id: Its identifier column; empty text for the column without a name.
        orientation: What a row is.
    """

    path: Path
    id: str
    orientation: Orientation
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
    """

    name: str
    modalities: Mapping[str, BagSource | VectorSource]
    clinical: ClinicalSource | None
    labels: Mapping[str, LabelSource]
    truth: TruthSource | None
    source: str
    licence: str


class _Section:
    """One table of the file; every key is taken once, and what is left over is unknown."""

    def __init__(self, file: Path, name: str, value: object) -> None:
        self.file = file
        self.name = name
        if not isinstance(value, dict):
            raise InputError(f"{file}: [{name}]: expected a table of keys, found {value!r}")
        self._left: dict[str, Any] = dict(value)
        self._known: list[str] = []

    def key(self, key: str) -> str:
        """The key as the file would write it in full."""
        return f"{self.name}.{key}" if self.name else key

    def fail(self, key: str, expected: str, found: str) -> InputError:
        """The error for one key."""
        return InputError(f"{self.file}: {self.key(key)}: expected {expected}, found {found}")

    def take(self, key: str) -> Any:
        """The value of a key, or None; the key is known from then on."""
        self._known.append(key)
        return self._left.pop(key, None)

    def text(self, key: str, default: str | None = None, *, blank: bool = False) -> str:
        """A text, non-blank unless `blank` allows it; required unless it has a default."""
        value = self.take(key)
        if value is None and default is not None:
            return default
        if value is None:
            # a near miss of a required key is the likeliest reason why it is missing
            raise self.fail(key, "a text", f"no such key{near(key, self._left)}")
        if not isinstance(value, str) or not (value.strip() or blank):
            raise self.fail(key, "a text", repr(value))
        return value

    def choice(self, key: str, options: type[_C], default: _C | None = None) -> _C:
        """One of the declared words."""
        word = self.text(key, None if default is None else str(default))
        known = [str(option) for option in options]
        if word not in known:
            raise self.fail(key, f"one of {', '.join(known)}", f"{word!r}{near(word, known)}")
        return options(word)

    def path(self, key: str = "path", *, folder: bool = False) -> Path:
        """A file, or a folder or store of slides, that is there; relative to the manifest."""
        path = self.file.parent / self.text(key)
        kind = "a folder or a packed store (.h5)" if folder else "a file"
        found = what_is_at(path)
        store = folder and path.suffix == ".h5" and found == "a file"
        if found != ("a folder" if folder else "a file") and not store:
            raise self.fail(key, kind, f"{path}: {found}")
        return path

    def sections(self, key: str) -> dict[str, "_Section"]:
        """The tables below a key, by name; none if the key is absent."""
        value = self.take(key)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self.fail(key, "tables", repr(value))
        for name in value:
            if not _NAME.fullmatch(name):
                raise self.fail(
                    f"{key}.{name}", "a name of letters, digits and . _ + -", repr(name)
                )
        return {name: _Section(self.file, self.key(f"{key}.{name}"), value[name]) for name in value}

    def section(self, key: str) -> "_Section | None":
        """One table, or None if it is absent."""
        value = self.take(key)
        return None if value is None else _Section(self.file, self.key(key), value)

    def done(self) -> None:
        """Refuse what nobody took."""
        for key in self._left:
            raise InputError(
                f"{self.file}: {self.key(key)}: expected one of {', '.join(sorted(self._known))}, "
                f"found the unknown key {key!r}{near(key, self._known)}"
            )


def _modality(section: _Section) -> BagSource | VectorSource:
    kind = section.choice("kind", Kind)
    source: BagSource | VectorSource
    if kind is Kind.BAG:
        source = BagSource(section.path(folder=True))
    else:
        source = VectorSource(
            section.path(),
            section.text("id", blank=True),
            section.choice("orientation", Orientation, Orientation.SAMPLES),
        )
    section.done()
    return source


def _modalities(root: _Section) -> dict[str, BagSource | VectorSource]:
    sections = root.sections("modalities")
    for name in sections:
        if name not in _MODALITIES:
            raise root.fail(
                "modalities", "wsi (slides) or rna (expression)", f"{name}{near(name, _MODALITIES)}"
            )
    if not sections:
        raise root.fail("modalities", "[modalities.wsi], [modalities.rna] or both", "neither")
    sources = {name: _modality(sections[name]) for name in _MODALITIES if name in sections}
    if "rna" in sources and sources["rna"].kind is not Kind.VECTOR:
        raise root.fail("modalities.rna.kind", "vector", "bag")
    return sources


def _event_value(section: _Section) -> str:
    value = section.take("event_value")
    if not isinstance(value, str | int | float) or not str(value).strip():
        expected = 'the value that means "it happened"'
        raise section.fail("event_value", expected, "no such key" if value is None else repr(value))
    return str(value)


def _clinical(section: _Section | None) -> ClinicalSource | None:
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


def _label(section: _Section, modalities: Mapping[str, object]) -> LabelSource:
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


def _truth(section: _Section | None) -> TruthSource | None:
    if section is None:
        return None
    source = TruthSource(section.path(), section.text("id", blank=True))
    section.done()
    return source


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
    root = _Section(file, "", content)
    name = root.text("name")
    if not _NAME.fullmatch(name):
        raise root.fail("name", "a name of letters, digits and . _ + -", repr(name))
    modalities = _modalities(root)
    clinical = _clinical(root.section("clinical"))
    labels = {key: _label(part, modalities) for key, part in root.sections("labels").items()}
    truth = _truth(root.section("truth"))
    provenance = root.section("provenance")
    source = licence = ""
    if provenance is not None:
        source, licence = provenance.text("source", ""), provenance.text("licence", "")
        provenance.done()
    root.done()
    return Manifest(name, modalities, clinical, labels, truth, source, licence)
