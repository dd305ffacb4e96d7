"""The sources' files as tables, in the names that cohorts share."""

import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pandas as pd
import rdata

from tasks.data.barcode import parse_barcode
from tasks.data.formats.files import reading
from tasks.data.formats.tables import read_text_table
from tasks.data.samples import SampleRule, select_samples
from tasks.errors import InputError

# The stain at the end of a feature's name: _HE in some cohorts, _FFPE in others.
_STAIN = re.compile(r"_(HE|FFPE)$")

# hif2gene's csv tables list the groups so, its R tables by the alphabet; within a group they agree.
_GROUPS = (
    "AREA_MM2",
    "CELL_CLUSTERING",
    "REGION",
    "TOTAL",
    "AREA_PROP",
    "COUNT_PROP",
    "DENSITY",
)

_PATIENT = "bcr_patient_barcode"
_HRD = "HRD_Score_Binarized"
_EXPRESSION = "_rnaseq"
_CLINICAL = (
    "case_id",
    "slide_id",
    "site",
    "age",
    "is_female",
    "oncotree_code",
    "survival_months",
    "censorship",
)


@dataclass(frozen=True)
class SlideTables:
    """The slide side of a cohort.

    Attributes:
        features: `case_id` and the features, a row a slide.
        hrd: `case_id` and `hrd` (low, high), where the source has it.
    """

    features: pd.DataFrame
    hrd: pd.DataFrame | None


def feature_name(name: str) -> str:
    """A feature's name without stain and punctuation, in capitals.

    hif2gene writes `DENSITY [PLASMA CELLS] IN [TUMOR]_HE` in one table,
    `DENSITY..PLASMA.CELLS..IN..TUMOR._FFPE` in another.
    """
    return re.sub(r"[^A-Z0-9]+", "_", _STAIN.sub("", name).upper()).strip("_")


def _group(name: str) -> int:
    """The place of a feature's group; what is of none goes last."""
    for place, prefix in enumerate(_GROUPS):
        if name.startswith(prefix):
            return place
    return len(_GROUPS)


def _read_slides(path: Path) -> pd.DataFrame:
    """One table as published; an R file is parsed as data, and nothing in it is evaluated."""
    with reading(path, "a table"):
        if path.suffix == ".rds":
            table = rdata.read_rds(path)
        else:
            table = pd.read_csv(path, low_memory=False)
    if not isinstance(table, pd.DataFrame):
        raise InputError(f"{path}: expected a table, found: {type(table).__name__}")
    table.columns = pd.Index([str(name) for name in table.columns])
    if _PATIENT not in table:
        raise InputError(f"{path}: expected a column {_PATIENT!r}, found none")
    return table.reset_index(drop=True)


def read_slides(paths: Sequence[Path]) -> SlideTables:
    """Read tables of slide features, one below the other.

    Args:
        paths: csv or rds files of the same columns.

    Raises:
        InputError: If a file is no table, or the tables differ in their features.
    """
    tables = [_read_slides(path) for path in paths]
    parts = [_features(path, table) for path, table in zip(paths, tables, strict=True)]
    for path, part in zip(paths, parts, strict=True):
        if list(part.columns) != list(parts[0].columns):
            raise InputError(f"{path}: expected the features of {paths[0].name}, found others")
    features = pd.concat(parts, ignore_index=True)
    hrd = None
    if all(_HRD in table for table in tables):
        codes = pd.concat([table[_HRD] for table in tables], ignore_index=True)
        hrd = features[["case_id"]].assign(hrd=codes.map({0: "low", 1: "high"}))
    return SlideTables(features, hrd)


def _features(path: Path, table: pd.DataFrame) -> pd.DataFrame:
    """`case_id` and the features in one order, whatever the order of the file."""
    published = [name for name in table.columns if _STAIN.search(name)]
    names = [feature_name(name) for name in published]
    if not names or len(set(names)) < len(names):
        raise InputError(
            f"{path}: expected different features whose names end in _HE or _FFPE, "
            f"found {len(set(names))} names in {len(names)} columns"
        )
    order = sorted(names, key=_group)
    features = table[published].set_axis(names, axis=1)[order]
    features.insert(0, "case_id", table[_PATIENT].astype(str))
    return features


def read_expression(path: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read a PORPOISE archive.

    Args:
        path: A zip of one csv, a row a slide, which repeats the patient's expression.

    Returns:
        `case_id` and the genes, a row a patient; and the clinical columns as text, a row a slide.

    Raises:
        InputError: If the archive is broken, holds anything but one file, or a name in it climbs
            out; or if a patient's slides disagree in expression.
    """
    with (
        reading(path, "a zip of a csv"),
        zipfile.ZipFile(path) as archive,
        archive.open(_only_member(path, archive)) as member,
    ):
        table = pd.read_csv(member, low_memory=False, dtype=dict.fromkeys(_CLINICAL, str))
    absent = [name for name in _CLINICAL if name not in table]
    genes = [name for name in table.columns if name.endswith(_EXPRESSION)]
    if absent or not genes:
        wanted = f"a column {absent[0]!r}" if absent else f"columns that end in {_EXPRESSION}"
        raise InputError(f"{path}: expected {wanted}, found none")
    expression = table[["case_id", *genes]].drop_duplicates(ignore_index=True)
    expression.columns = pd.Index(["case_id", *(g.removesuffix(_EXPRESSION) for g in genes)])
    twice = expression["case_id"].duplicated()
    if twice.any():
        patient = expression.loc[twice, "case_id"].iloc[0]
        raise InputError(f"{path}: patient {patient}: expected one expression, found several")
    return expression, table[list(_CLINICAL)]


def _only_member(path: Path, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    """The archive's one file; what macOS adds beside it does not count."""
    for member in archive.infolist():
        parts = PurePosixPath(member.filename.replace("\\", "/"))
        if parts.is_absolute() or ".." in parts.parts:
            raise InputError(f"{path}: expected names inside the zip, found {member.filename!r}")
    files = [
        member
        for member in archive.infolist()
        if not member.is_dir() and "__MACOSX" not in PurePosixPath(member.filename).parts
    ]
    if len(files) != 1:
        raise InputError(f"{path}: expected a zip of one file, found {len(files)}")
    return files[0]


def read_outcomes(path: Path) -> pd.DataFrame:
    """Read the workbook of the TCGA Clinical Data Resource: text, a row a patient.

    Raises:
        InputError: If it is no workbook, or its sheet or a column is not there.
    """
    table = read_text_table(path, (_PATIENT, "type", "OS", "OS.time"), sheet="TCGA-CDR")
    numbering = [name for name in table.columns if str(name).startswith("Unnamed")]
    return table.drop(columns=numbering).replace("nan", "")  # an empty cell of the workbook


def read_mutations(path: Path) -> pd.DataFrame:
    """Read mutation calls of KatherLab's tables: of a patient, those of the primary tumour.

    Returns:
        A row a patient of TCGA, a column a gene: `WT`, `NS` (not sequenced) or the changes of the
        protein.

    Raises:
        InputError: If it is no such table, or a cell is empty.
    """
    table = read_text_table(path, ("STUDY_ID", "SAMPLE_ID"))
    table = table[table["SAMPLE_ID"].str.startswith("TCGA-")].sort_values("SAMPLE_ID")
    barcodes = [parse_barcode(sample, str(path)) for sample in table["SAMPLE_ID"]]
    kept = list(select_samples(barcodes, SampleRule()).kept)
    calls = table.drop(columns=["STUDY_ID", "SAMPLE_ID"]).iloc[kept]
    if (calls == "").any(axis=None):
        raise InputError(f"{path}: expected WT, NS or changes in every cell, found an empty one")
    calls.index = pd.Index([barcodes[row].patient for row in kept])
    return calls[~calls.index.duplicated()]
