"""Age, sex and stage, as each clinical layout writes them."""

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tasks.data.cohort import VectorModality
from tasks.data.formats.cells import number, shown
from tasks.data.formats.layouts import ClinicalTable, open_clinical
from tasks.data.formats.tables import is_missing, is_unknown, require_columns
from tasks.data.manifest import ClinicalFormat, ClinicalSource, TableSource
from tasks.data.notes import About, Note
from tasks.errors import InputError

FEATURES = ("age", "male", "stage")
"""Years at diagnosis; 1 for men, 0 for women; 1 to 4."""

OLDEST = 120
DAYS_PER_YEAR = 365.25

# AJCC and FIGO: the substages (IIIA, IB2) are of their stage; 0, X, IS and "I/II NOS" are of none.
_STAGE = re.compile(r"(?:stage\s*)?(?P<stage>iv|i{1,3}|[1-4])(?:\.0|[a-e]\d?)?")
_STAGES = {"i": 1.0, "ii": 2.0, "iii": 3.0, "iv": 4.0}
_SEXES = {"male": 1.0, "m": 1.0, "female": 0.0, "f": 0.0}


@dataclass(frozen=True)
class Covariate:
    """How a layout writes one covariate.

    Attributes:
        columns: Where it may stand; the first that says anything holds.
        read: A cell's value, None if it is of no use; raises ValueError where it cannot be one.
        expected: What a cell may be, for the error.
    """

    columns: tuple[str, ...]
    read: Callable[[str], float | None]
    expected: str


def _years(cell: str, per_year: float = 1.0) -> float:
    age = number(cell) / per_year
    if not 0 <= age <= OLDEST:
        raise ValueError(cell)
    return age


def _years_of_days(cell: str) -> float:
    return _years(cell, DAYS_PER_YEAR)


def _male(cell: str) -> float:
    try:
        return _SEXES[cell.casefold()]
    except KeyError:
        raise ValueError(cell) from None


def _not_female(cell: str) -> float:
    female = number(cell)
    if female not in (0.0, 1.0):
        raise ValueError(cell)
    return 1.0 - female


def _stage(cell: str) -> float | None:
    found = _STAGE.fullmatch(cell.casefold())
    if found is None:
        return None
    stage = found["stage"]
    return _STAGES[stage] if stage in _STAGES else float(stage)


def _age_in(*columns: str) -> Covariate:
    return Covariate(columns, _years, f"an age in years, 0 to {OLDEST}")


def _sex_in(*columns: str) -> Covariate:
    return Covariate(columns, _male, "male or female")


def _stage_in(*columns: str) -> Covariate:
    return Covariate(columns, _stage, "a stage from I to IV")


_LAYOUTS: Mapping[ClinicalFormat, tuple[Covariate, Covariate, Covariate]] = {
    ClinicalFormat.TCGA_CDR: (
        _age_in("age_at_initial_pathologic_diagnosis"),
        _sex_in("gender"),
        _stage_in("ajcc_pathologic_tumor_stage", "clinical_stage"),
    ),
    # the names of a study's file, then those of the website's download
    ClinicalFormat.CBIOPORTAL: (
        _age_in("AGE", "Diagnosis Age"),
        _sex_in("SEX", "Sex"),
        _stage_in(
            "AJCC_PATHOLOGIC_TUMOR_STAGE",
            "Neoplasm Disease Stage American Joint Committee on Cancer Code",
        ),
    ),
    ClinicalFormat.PORPOISE: (
        _age_in("age"),
        Covariate(("is_female",), _not_female, "0 (male) or 1 (female)"),
        _stage_in(),
    ),
    ClinicalFormat.GDC: (
        Covariate(
            ("age_at_diagnosis",),
            _years_of_days,
            f"an age in days, of 0 to {OLDEST} years",
        ),
        _sex_in("gender", "sex_at_birth"),
        _stage_in("ajcc_pathologic_stage", "ajcc_clinical_stage", "figo_stage"),
    ),
}


def _declared(columns: TableSource) -> tuple[Covariate, Covariate, Covariate]:
    """The covariates that the manifest declares of a table."""

    def given(column: str | None) -> tuple[str, ...]:
        return () if column is None else (column,)

    age, sex, stage = map(given, (columns.age, columns.sex, columns.stage))
    return _age_in(*age), _sex_in(*sex), _stage_in(*stage)


@dataclass(frozen=True)
class _Column:
    """One covariate of the cohort's patients.

    Attributes:
        values: Of the patients of whom it is known.
        contradictory: Patients of whom rows say different things; they are not in `values`.
        unread: Cells that say something of no use, of patients who are not in `values`.
    """

    values: Mapping[str, float]
    contradictory: frozenset[str]
    unread: Mapping[str, frozenset[str]]


def _read(table: ClinicalTable, covariate: Covariate, patients: Collection[str]) -> _Column:
    found: dict[str, set[float]] = defaultdict(set)
    unread: dict[str, set[str]] = defaultdict(set)
    columns = [column for column in covariate.columns if column in table.rows]
    require_columns(table.path, table.rows, columns)
    for patient, *cells in zip(table.owners, *(table.rows[c] for c in columns), strict=True):
        if patient not in patients:
            continue
        for column, cell in zip(columns, cells, strict=True):
            word = cell.strip()
            if is_missing(word) or is_unknown(word):
                continue
            try:
                value = covariate.read(word)
            except ValueError:
                raise InputError(
                    f"{table.path}: patient {patient}, column {column!r}: "
                    f"expected {covariate.expected}, found {shown(cell)}"
                ) from None
            if value is not None:
                found[patient].add(value)
                break
            unread[word].add(patient)
    return _Column(
        {patient: next(iter(values)) for patient, values in found.items() if len(values) == 1},
        frozenset(patient for patient, values in found.items() if len(values) > 1),
        {word: frozenset(of - found.keys()) for word, of in unread.items() if of - found.keys()},
    )


def _refuse_unreadable(
    path: Path, covariate: Covariate, column: _Column, declared: TableSource | None
) -> None:
    """A declared column of which not one cell can be read is the wrong one."""
    if declared is not None and column.unread and not column.values:
        words = ", ".join(repr(word) for word in sorted(column.unread)[:4])
        raise InputError(
            f"{path}: column {covariate.columns[0]!r}: expected {covariate.expected} in some row, "
            f"found {words}"
        )


def _notes(columns: Mapping[str, _Column], n_patients: int) -> Iterable[Note]:
    known = ", ".join(f"{name} of {len(column.values)}" for name, column in columns.items())
    yield Note("clinical", f"{known} patients of {n_patients}")
    for name, column in columns.items():
        if column.contradictory:
            text = f"{name} of {len(column.contradictory)} patients contradictory, unknown"
            yield Note("clinical", text, About.CONTRADICTION)
        if column.unread:
            n = len(frozenset().union(*column.unread.values()))
            words = ", ".join(repr(word) for word in sorted(column.unread)[:4])
            yield Note("clinical", f"{name} of {n} patients not used: {words}", About.LEFT_OUT)


_NAMED = {
    "age": re.compile(r"(?:diagnosis[ _.])?age(?:[ _.].*)?"),
    "sex": re.compile(r"sex|gender|(?:sex|gender)[ _.]at[ _.]birth"),
    "stage": re.compile(r"(?:(?:ajcc|figo|tumou?r|clinical|pathologic(?:al)?)[ _.])*stage"),
}


def recognise_covariates(columns: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Which columns of a table may be age, sex and stage: by their names, if every cell is one.

    Args:
        columns: Their cells by name.

    Returns:
        Name of the column, by `age`, `sex` and `stage`; those that no column may be are left out.
    """
    found: dict[str, str] = {}
    for name, cells in columns.items():
        for what, covariate in (("age", _age_in()), ("sex", _sex_in()), ("stage", _stage_in())):
            if what not in found and _NAMED[what].fullmatch(name.casefold()):
                words = [cell.strip() for cell in cells if not is_missing(cell)]
                words = [word for word in words if not is_unknown(word)]
                try:
                    values = [covariate.read(word) for word in words]
                except ValueError:
                    continue
                if any(value is not None for value in values):
                    found[what] = name
    return found


def read_covariates(
    source: ClinicalSource, patients: Collection[str]
) -> tuple[VectorModality | None, tuple[Note, ...]]:
    """Read age, sex and stage of the cohort's patients.

    Contradicting rows of a patient make a covariate unknown, and are counted: unlike an outcome,
    it is a feature that may be missing.

    Args:
        source: The clinical file and its layout.
        patients: The cohort's patients; others are ignored.

    Returns:
        `FEATURES` of every patient of the cohort, NaN where unknown, or None where the file knows
        none of them of anybody; and notes on how many are known, and what was not used.

    Raises:
        InputError: If a declared column is not there, or a cell is no age, sex or stage.
    """
    declared = source if isinstance(source, TableSource) else None
    if declared is None:
        needed: tuple[str, ...] = ()
        covariates = _LAYOUTS[source.format]
    else:
        needed = tuple(filter(None, (declared.age, declared.sex, declared.stage)))
        covariates = _declared(declared)
    table = open_clinical(source, needed)
    columns = {}
    for name, covariate in zip(("age", "sex", "stage"), covariates, strict=True):
        columns[name] = _read(table, covariate, patients)
        _refuse_unreadable(source.path, covariate, columns[name], declared)
    if not any(column.values for column in columns.values()):
        return None, ()
    rows = tuple(sorted(patients))
    values = [[column.values.get(p, np.nan) for column in columns.values()] for p in rows]
    modality = VectorModality(rows, np.array(values, dtype=np.float32), FEATURES)
    return modality, tuple(_notes(columns, len(rows)))
