"""cohort.toml: what a folder says of itself, parsed into types before anything is read.

Each table of the file is a frozen dataclass below; a new key is a new field. Whatever is wrong is
one line: the file, the key in full, what was expected and what was found.
"""

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    BeforeValidator,
    Discriminator,
    GetCoreSchemaHandler,
    GetPydanticSchema,
    ModelWrapValidatorHandler,
    Tag,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic.dataclasses import dataclass
from pydantic_core import ArgsKwargs, PydanticCustomError, core_schema

from tasks.data.barcode import OTHER_TUMOUR, PRIMARY
from tasks.data.cohort import DAYS_PER_MONTH, ENDPOINTS, SIDES, Kind, LabelKind
from tasks.data.formats.cells import near
from tasks.data.formats.files import reading, require_file, what_is_at
from tasks.data.formats.known_formats import format_of
from tasks.data.formats.tables import is_missing, read_text_table
from tasks.data.identifiers import TCGA, Identifiers, Scheme, without_suffix
from tasks.data.samples import SampleRule, SlideChoice
from tasks.errors import InputError
from tasks.names import NAME_RULE, is_name

MANIFEST = "cohort.toml"
_DECISIVE = (("kind",), ("format",))
"""Keys that say which others there are: what is wrong with them is said first."""


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


def _wrong(expected: str, found: str = "", below: Iterable[str] = (), **facts: Any) -> Exception:
    """What a validator raises: `found` unless it is the value itself; keys `below` the value."""
    facts |= {"expected": expected, "found": found, "below": tuple(below)}
    return PydanticCustomError("manifest", "expected {expected}", facts)


class _Missing:
    """Stands for a required key that is not there; whoever expects anything else refuses it."""

    def __init__(self, key: str, unknown: Iterable[str]) -> None:
        # a near miss of a required key is the likeliest reason why it is missing
        self._near = near(key, unknown)

    def __repr__(self) -> str:
        return f"no such key{self._near}"


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _wrong("a text")
    return value


def _text_or_blank(value: object) -> str:
    return value if value == "" and isinstance(value, str) else _text(value)


def _name(value: object) -> str:
    if not is_name(text := _text(value)):
        raise _wrong(NAME_RULE)
    return text


def _one_of(*words: StrEnum) -> BeforeValidator:
    known = {str(word): word for word in words}

    def chosen(value: object) -> StrEnum:
        if (text := _text(value)) not in known:
            expected = f"one of {', '.join(known)}" if len(known) > 1 else next(iter(known))
            raise _wrong(expected, f"{text!r}{near(text, known)}")
        return known[text]

    return BeforeValidator(chosen)


def _at(value: object, info: ValidationInfo) -> Path:
    """A path of the file, which is relative to it."""
    return value if isinstance(value, Path) else Path(info.context or "") / _text(value)


def _file(value: object, info: ValidationInfo) -> Path:
    path = _at(value, info)
    if info.context and (found := what_is_at(path)) != "a file":
        raise _wrong("a file", f"{path}: {found}")
    return path


def _slides(value: object, info: ValidationInfo) -> Path:
    path = _at(value, info)
    found = what_is_at(path) if info.context else "a folder"
    if found != "a folder" and not (found == "a file" and path.suffix == ".h5"):
        raise _wrong("a folder or a packed store (.h5)", f"{path}: {found}")
    return path


def _vectors(value: object, info: ValidationInfo) -> Path:
    path = _at(value, info)
    found = what_is_at(path) if info.context else "a file"
    of = format_of(path) if found == "a folder" else None
    if found != "a file" and (of is None or of.vectors is None):
        raise _wrong("a file", f"{path}: {found}")
    return path


def _anything(value: object, info: ValidationInfo) -> Path:
    path = _at(value, info)
    if info.context and (found := what_is_at(path)) not in ("a file", "a folder"):
        raise _wrong("a file or a folder", f"{path}: {found}")
    return path


def _side(value: object) -> str:
    if (text := _text(value)) not in SIDES:
        raise _wrong("wsi (slides) or rna (expression)", f"{text!r}{near(text, SIDES)}")
    return text


def _event_value(value: object) -> str:
    if not isinstance(value, str | int | float) or not str(value).strip():
        raise _wrong('the value that means "it happened"')
    return str(value)


def _endpoint(value: object) -> str:
    if (text := _text(value)) not in ENDPOINTS:
        raise _wrong(f"one of {', '.join(ENDPOINTS)}", f"{text!r}{near(text, ENDPOINTS)}")
    return text


def _classes(value: object) -> tuple[str, ...]:
    if (
        not isinstance(value, list | tuple)
        or not all(isinstance(name, str) and name.strip() for name in value)
        or not len(value) == len(set(value)) >= 2
    ):
        raise _wrong("a list of two or more different texts")
    return tuple(value)


def _pattern(value: object) -> re.Pattern[str]:
    if isinstance(value, re.Pattern):
        return value
    try:
        return re.compile(_text(value))
    except re.error as error:
        raise _wrong("a regular expression", f"{value!r}: {error}") from error


def _sample_types(value: object) -> tuple[str, ...]:
    codes = sorted(PRIMARY | OTHER_TUMOUR)
    if not set(types := _different_texts(value)) <= set(codes):
        raise _wrong(f"sample types of tumours, of {', '.join(codes)}")
    return types


def _different_texts(value: object) -> tuple[str, ...]:
    if isinstance(value, tuple):  # a file has lists
        return value
    listed = value if isinstance(value, list) else []
    texts = {text for text in listed if isinstance(text, str) and text.strip()}
    if not texts or len(texts) < len(listed):
        raise _wrong("a list of different texts")
    return tuple(listed)


def _members(value: object, info: ValidationInfo) -> tuple[Path, ...]:
    if (
        not isinstance(value, list)
        or len(value) < 2
        or not all(isinstance(member, str) and member.strip() for member in value)
    ):
        raise _wrong("a list of two or more folders of cohorts")
    # resolved, so that a member's slides are scanned once, whether for itself or for a union
    members = tuple(_at(member, info).resolve() for member in value)
    for member in members:
        if not (member / MANIFEST).is_file():
            raise _wrong(f"folders with a {MANIFEST}", f"none in {member}")
    return members


def _sides(value: object) -> object:
    for name in value if isinstance(value, dict) else ():
        if name not in SIDES:
            raise _wrong("wsi (slides) or rna (expression)", f"{name}{near(name, SIDES)}")
    return value


def _label_name(value: object) -> str:
    if not is_name(value):
        raise _wrong(NAME_RULE)
    if value in ENDPOINTS:  # a task finds what it is asked of by its name alone
        raise _wrong("another name than an endpoint's")
    return str(value)


def _embeddings_name(value: object) -> str:
    if not is_name(value) or "+" in str(value):  # NAME+rna is NAME beside expression
        raise _wrong(f"{NAME_RULE} but without a +")
    return str(value)


_Text = Annotated[str, BeforeValidator(_text)]
_TextOrBlank = Annotated[str, BeforeValidator(_text_or_blank)]
_Pattern = Annotated[re.Pattern[str], BeforeValidator(_pattern)]
_AsItIs = GetPydanticSchema(lambda _source, _handler: core_schema.any_schema())
_NO_KEY = "no key"
_Texts = Annotated[tuple[str, ...], BeforeValidator(_different_texts)]
_File = Annotated[Path, BeforeValidator(_file)]
_Vectors = Annotated[Path, BeforeValidator(_vectors)]
_SlidePath = Annotated[Path, BeforeValidator(_slides)]


@dataclass(frozen=True)
class _Table:
    """A table of the file: keys that it must have, may have, and no others."""

    @classmethod
    def _keys(cls, _: Mapping[str, object]) -> set[str]:
        return {one.name for one in fields(cls) if _NO_KEY not in one.metadata}

    @model_validator(mode="wrap")
    @classmethod
    def _known_keys(cls, value: object, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if not isinstance(value, dict):
            if isinstance(value, ArgsKwargs | cls):  # made by code, not by a file
                return handler(value)
            raise _wrong("a table of keys", table=True)
        known = cls._keys(value)
        unknown = [key for key in value if key not in known]
        required = {
            one.name: _Missing(one.name, unknown)
            for one in fields(cls)
            # where a kind decides on the others, the file has to say it
            if (one.kw_only and (one.name,) in _DECISIVE)
            or one.default is one.default_factory is MISSING
        }
        table = handler(required | {key: value[key] for key in value if key in known})
        for key in unknown:
            found = f"the unknown key {key!r}{near(key, known)}"
            raise _wrong(f"one of {', '.join(sorted(known))}", found, [key])
        return table


@dataclass(frozen=True)
class OwnerSource(_Table):
    """A table of slides (or samples) and their patients, by the names of its columns."""

    path: _File
    slide: _Text
    patient: _Text


@dataclass(frozen=True)
class SiteSource(_Table):
    """A table of patients and the sites that they come from."""

    path: _File
    id: _TextOrBlank
    column: _Text


@dataclass(frozen=True)
class IdSource(_Table):
    """How identifiers are read (`tasks.data.identifiers`).

    Attributes:
        scheme: What they are.
        patient: Of scheme `regex`, the pattern that finds the patient.
        slide: The pattern of slides that are taken; of its group, where it has one, the name.
        sample: The same of samples of a table.
        table: Whose each slide is.
        sites: Where each patient comes from.
    """

    scheme: Annotated[Scheme, _one_of(*Scheme)] = Scheme.TCGA
    patient: _Pattern | None = None
    slide: _Pattern | None = None
    sample: _Pattern | None = None
    table: OwnerSource | None = None
    sites: SiteSource | None = None

    @model_validator(mode="after")
    def _patterns_fit_the_scheme(self) -> Self:
        if (self.scheme is Scheme.REGEX) != (self.patient is not None):
            expected = 'a pattern such as "(P[0-9]+)" with scheme = "regex", and with no other'
            found = f'scheme = "{self.scheme}" and {self.patient.pattern if self.patient else None}'
            raise _wrong(expected, found, ["patient"])
        return self

    def reader(self) -> Identifiers:
        """Read the tables.

        Raises:
            InputError: One cannot be read, or says two things of one slide or patient.
        """
        plain = Identifiers(self.scheme, self.patient)
        owners = sites = None
        if (table := self.table) is not None:
            owners = _pairs(table.path, table.slide, table.patient, without_suffix)
        if (where := self.sites) is not None:
            sites = _pairs(where.path, where.id, where.column, plain.owner)
        return Identifiers(self.scheme, self.patient, self.slide, self.sample, owners, sites or {})


def _pairs(path: Path, key: str, value: str, name: Callable[[str], str]) -> dict[str, str]:
    """Two columns as a dictionary; missing cells are left out."""
    table = read_text_table(path, (key, value))
    found: dict[str, str] = {}
    for cell, other in zip(table[key].str.strip(), table[value].str.strip(), strict=True):
        if is_missing(cell) or is_missing(other):
            continue
        if found.setdefault(name(cell), other) != other:
            raise InputError(
                f"{path}: {key} {cell}: expected one {value}, found {found[name(cell)]!r} and "
                f"{other!r}"
            )
    return found


@dataclass(frozen=True)
class _Identified(_Table):
    """A file whose rows, or names of files, are identifiers.

    Attributes:
        ids: How they are read, as [ids] of the whole file says.
    """

    ids: Annotated[Identifiers, _AsItIs] = field(
        default=TCGA, kw_only=True, metadata={_NO_KEY: True}
    )


@dataclass(frozen=True)
class _Samples(_Identified):
    """Samples of patients.

    Attributes:
        samples: Types such as `01` in the order of preference; none for primary tumours, and
            another tumour of a patient without a primary one.
    """

    samples: Annotated[tuple[str, ...], BeforeValidator(_sample_types)] = field(
        default=(), kw_only=True
    )

    @property
    def rule(self) -> SampleRule:
        """Which of them are taken."""
        return SampleRule(self.samples, SlideChoice.ALL)


@dataclass(frozen=True)
class SlideSource(_Samples):
    """Samples that are slides.

    Attributes:
        slides: Which are taken by how they were made; None if nothing is declared.
        encoder: What made their features.
        pretrained_on: Whose slides that had been trained on, without labels.
    """

    slides: Annotated[SlideChoice, _one_of(*SlideChoice)] | None = field(default=None, kw_only=True)
    encoder: _Text = field(default="", kw_only=True)
    pretrained_on: _Texts = field(default=(), kw_only=True)

    @property
    def rule(self) -> SampleRule:
        """Which of them are taken."""
        return SampleRule(self.samples, self.slides)


@dataclass(frozen=True)
class BagSource(SlideSource):
    """A folder of per-slide files, or a packed store of them.

    Attributes:
        path: The folder or the store.
        cohort: The cohort that the store was made for, where that is another one.
    """

    kind: Annotated[Kind, _one_of(*Kind)] = field(default=Kind.BAG, kw_only=True)
    path: _SlidePath
    cohort: _Text | None = None


@dataclass(frozen=True)
class VectorSource(_Samples):
    """A table of vectors.

    Attributes:
        path: The table.
        id: Its identifier column; empty text for the column without a name.
        orientation: What a row is.
        quantity: Which one, of a table or a format that has several of each sample.
        drop: Columns (or rows, as it lies) that are no features.
        keep: Features that look like an outcome, a covariate, a label or an index, and are meant.
    """

    kind: Annotated[Kind, _one_of(*Kind)] = field(default=Kind.VECTOR, kw_only=True)
    path: _Vectors
    id: _TextOrBlank
    quantity: _TextOrBlank = field(default="", kw_only=True)
    drop: _Texts = field(default=(), kw_only=True)
    keep: _Texts = field(default=(), kw_only=True)
    orientation: Annotated[Orientation, _one_of(*Orientation)] = Orientation.SAMPLES


@dataclass(frozen=True)
class SlideVectorSource(SlideSource, VectorSource):
    """A table of vectors of slides."""


@dataclass(frozen=True)
class SelectionSource(_Table):
    """Genes are selected by a label.

    Attributes:
        label: Its name in the manifest.
        always: A list of genes to keep whatever is selected, None for no such list.
    """

    label: _Text
    always: _File | None = None


@dataclass(frozen=True)
class GeneSource(VectorSource):
    """A table of genes.

    Attributes:
        scale: What its cells are; None takes them as they are.
        transform: What is done to each gene.
        selection: How genes are selected by a label, None if they are not.
        gene_sets: A gmt file of gene sets, or a table with a column a set, if any.
        probemap: A table of `id` (the columns' names) and `gene` (symbols), if any.
    """

    kind: Annotated[Kind, _one_of(Kind.VECTOR)] = field(default=Kind.VECTOR, kw_only=True)
    scale: Annotated[Scale, _one_of(*Scale)] | None = None
    transform: Annotated[Transform, _one_of(*Transform)] = Transform.CLIP
    selection: SelectionSource | None = None
    gene_sets: _File | None = None
    probemap: _File | None = None


@dataclass(frozen=True)
class ClinicalSource(_Identified):
    """A clinical file of a known layout, or, as a `TableSource`, of declared columns."""

    path: _File
    format: Annotated[ClinicalFormat, _one_of(*ClinicalFormat)]


@dataclass(frozen=True)
class TableSource(ClinicalSource):
    """A clinical table of no known layout, and what it must declare.

    Attributes:
        id: Column of the barcodes.
        time: Column of the times.
        time_unit: Unit of `time`.
        event: Column of the status.
        event_value: The status that means "it happened", as text.
        age: Column of the age at diagnosis in years, if there is one.
        sex: Column of the sex, male or female, if there is one.
        stage: Column of the stage, I to IV, if there is one.
        endpoint: Which one it is; overall survival unless the columns' names say another.
    """

    id: _TextOrBlank
    time: _Text
    time_unit: Annotated[TimeUnit, _one_of(*TimeUnit)]
    event: _Text
    event_value: Annotated[str, BeforeValidator(_event_value)]
    age: _Text | None = None
    sex: _Text | None = None
    stage: _Text | None = None
    endpoint: Annotated[str, BeforeValidator(_endpoint)] | None = None

    @property
    def per_month(self) -> float:
        """How many of its units make a month."""
        return DAYS_PER_MONTH if self.time_unit is TimeUnit.DAYS else 1.0


@dataclass(frozen=True)
class LabelSource(_Identified):
    """A column of classes.

    Attributes:
        path: The table.
        id: Its identifier column.
        column: The column of the classes.
        classes: Those that make the task, in order.
        derived_from: The modality that the label was called from, or `clinical` (age, sex and
            stage), if any.
        kind: What the classes are; of a mutation there are two, and the second is mutated.
        called_from: Who called it from what, for the reader.
    """

    path: _File
    id: _TextOrBlank
    column: _Text
    classes: Annotated[tuple[str, ...], BeforeValidator(_classes)]
    derived_from: _Text | None = None
    kind: Annotated[LabelKind, _one_of(*LabelKind)] = LabelKind.CLASS
    called_from: _TextOrBlank = ""

    @model_validator(mode="after")
    def _two_classes_of_a_mutation(self) -> Self:
        if self.kind is LabelKind.MUTATION and len(self.classes) != 2:
            expected = "two classes of a mutation, the second of them mutated"
            raise _wrong(expected, repr(list(self.classes)), ["classes"])
        return self


@dataclass(frozen=True)
class TruthSource(_Identified):
    """Latent factors of a planted cohort: a table, a column a factor."""

    path: _File
    id: _TextOrBlank


@dataclass(frozen=True)
class EmbeddingSource(_Samples):
    """Embeddings that somebody made elsewhere (`tasks.data.precomputed`).

    Attributes:
        path: A file, or a folder of a file a slide.
        side: What they are of.
        id: Column of the identifiers, of slides or of patients; None for the only one there is.
        pretrained_on: What the model that made them has seen.
        slides: Which slides are taken by how they were made; None as of the cohort's slides.
        drop: Columns that are no features.
        keep: Columns that look like an outcome, a covariate, a label or an index, and are meant.
    """

    path: Annotated[Path, BeforeValidator(_anything)]
    side: Annotated[str, BeforeValidator(_side)] = field(default=SIDES[0], kw_only=True)
    id: _TextOrBlank | None = field(default=None, kw_only=True)
    pretrained_on: _Texts = field(default=(), kw_only=True)
    slides: Annotated[SlideChoice, _one_of(*SlideChoice)] | None = field(default=None, kw_only=True)
    drop: _Texts = field(default=(), kw_only=True)
    keep: _Texts = field(default=(), kw_only=True)

    @property
    def rule(self) -> SampleRule:
        """Which of them are taken."""
        return SampleRule(self.samples, self.slides)


@dataclass(frozen=True)
class Provenance(_Table):
    """What is to be known of the data.

    Attributes:
        source: Where they come from.
        licence: What they may be used for.
        note: What whoever uses them must know, shown with every run.
    """

    source: _Text = ""
    licence: _Text = ""
    note: _Text = ""


def _tagged(key: str, word: StrEnum) -> Discriminator:
    return Discriminator(
        lambda table: _TAGS[isinstance(table, dict) and table.get(key) == str(word)]
    )


_TAGS = ("(other)", "(this)")  # no key of a file's; pydantic puts them into the place of an error
_Wsi = Annotated[
    Annotated[BagSource, Tag("(other)")] | Annotated[SlideVectorSource, Tag("(this)")],
    _tagged("kind", Kind.VECTOR),
]
_Clinical = Annotated[
    Annotated[ClinicalSource, Tag("(other)")] | Annotated[TableSource, Tag("(this)")],
    _tagged("format", ClinicalFormat.TABLE),
]


def _modalities(_: object, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
    sides = {"wsi": handler.generate_schema(_Wsi), "rna": handler.generate_schema(GeneSource)}
    return core_schema.typed_dict_schema(
        {side: core_schema.typed_dict_field(one, required=False) for side, one in sides.items()}
    )


@dataclass(frozen=True)
class Manifest(_Table):
    """A parsed cohort.toml.

    Attributes:
        name: The cohort's name.
        modalities: Where each modality is.
        clinical: Where the endpoints and the covariates are, if anywhere.
        labels: Where each label is.
        truth: Where the planted factors are, if the cohort is a planted one.
        provenance: What is to be known of the data.
        ids: How identifiers are read.
        embeddings: Where each table of embeddings is that was made elsewhere.
        union: Folders of the cohorts that it is a union of; it has no data of its own then.
    """

    name: Annotated[str, BeforeValidator(_name)]
    modalities: Annotated[
        Mapping[str, BagSource | VectorSource],
        GetPydanticSchema(_modalities),
        BeforeValidator(_sides),
    ] = field(default_factory=dict)
    clinical: _Clinical | None = None
    labels: Mapping[Annotated[str, BeforeValidator(_label_name)], LabelSource] = field(
        default_factory=dict
    )
    truth: TruthSource | None = None
    provenance: Provenance = Provenance()
    ids: IdSource = IdSource()
    embeddings: Mapping[Annotated[str, BeforeValidator(_embeddings_name)], EmbeddingSource] = field(
        default_factory=dict
    )
    union: Annotated[tuple[Path, ...], BeforeValidator(_members)] = ()

    @classmethod
    def _keys(cls, table: Mapping[str, object]) -> set[str]:
        return {"name", "provenance", "union"} if "union" in table else super()._keys(table)

    @model_validator(mode="after")
    def _fits_together(self, info: ValidationInfo) -> Self:
        if not info.context or self.union:
            return self
        if not self.modalities:
            expected = "[modalities.wsi], [modalities.rna] or both"
            raise _wrong(expected, "neither", ["modalities"])
        for side, source in self.modalities.items():
            if source.samples and self.ids.scheme is not Scheme.TCGA:
                expected = "types of samples with TCGA's barcodes alone"
                raise _wrong(expected, repr(list(source.samples)), ["modalities", side, "samples"])
        seen = (*self.modalities, *(("clinical",) if self.clinical else ()))
        for name, label in self.labels.items():
            if label.derived_from not in (None, *seen):
                expected = f"one of {', '.join(seen)}"
                place = ["labels", name, "derived_from"]
                raise _wrong(expected, repr(label.derived_from), place)
        rna = self.modalities.get("rna")
        selection = rna.selection if isinstance(rna, GeneSource) else None
        if selection is not None and selection.label not in self.labels:
            expected = "one of the declared labels, "
            expected += ", ".join(self.labels) or "of which there is none"
            place = ["modalities", "rna", "selection", "label"]
            raise _wrong(expected, repr(selection.label), place)
        return self


_ADAPTER = TypeAdapter(Manifest)


def _identified(manifest: Manifest) -> Manifest:
    """Every source of a manifest that was just read, told how its identifiers are."""
    if manifest.ids != IdSource():
        reader = manifest.ids.reader()
        named = (*manifest.modalities.values(), *manifest.embeddings.values())
        sources = (manifest.clinical, manifest.truth, *named)
        for source in filter(None, (*sources, *manifest.labels.values())):
            object.__setattr__(source, "ids", reader)  # before anybody else has seen it
    return manifest


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
    try:
        return _identified(_ADAPTER.validate_python(content, context=folder))
    except ValidationError as error:
        # what decides on the other keys comes before them
        first = min(error.errors(include_url=False), key=lambda e: e["loc"][-1:] not in _DECISIVE)
    facts = first.get("ctx", {})
    parts = [*first["loc"], *facts.get("below", ())]
    key = ".".join(str(part) for part in parts if part not in (*_TAGS, "[key]"))
    key = f"[{key}]" if facts.get("table") else key
    found = facts.get("found") or repr(first["input"])
    # what pydantic itself refuses is a value where tables are
    raise InputError(f"{file}: {key}: expected {facts.get('expected', 'tables')}, found {found}")
