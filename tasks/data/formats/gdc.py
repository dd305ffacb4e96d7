"""Clinical files of the GDC: the portal's JSON (a list of cases) or TSV, and TCGA's biotab."""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from tasks.data.formats.cells import number, shown
from tasks.data.formats.files import reading, require_file
from tasks.data.formats.tables import is_missing, read_text_table, require_columns
from tasks.errors import InputError

_STATUS = {"dead": True, "alive": False}
_MOST_DAYS = 1e6
_UNKNOWN = frozenset({"", "unknown", "not reported"})


@dataclass(frozen=True)
class Case:
    """Overall survival of one case.

    Attributes:
        submitter_id: The case's barcode.
        days: To death if dead, else to the last follow-up; None if missing.
        dead: None if unknown.
    """

    submitter_id: str
    days: float | None
    dead: bool | None


def _number(path: Path, case: str, key: str, value: object) -> float | None:
    if value is None:
        return None
    # JSON has integers of any size, and Python's reader takes NaN and Infinity
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _MOST_DAYS:
        return float(value)
    raise InputError(f"{path}: case {case}, {key}: expected a number of days, found {shown(value)}")


def _parts(path: Path, name: str, case: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """The objects below a key; none if it is absent or null."""
    parts = case.get(key) or []
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise InputError(f"{path}: case {name}, {key}: expected a list of objects, found another")
    return parts


def _demographic(path: Path, name: str, case: dict[str, Any]) -> dict[str, Any]:
    demographic = case.get("demographic") or {}
    if not isinstance(demographic, dict):
        raise InputError(f"{path}: case {name}, demographic: expected an object, found another")
    return demographic


def _case(path: Path, name: str, case: dict[str, Any]) -> Case:
    demographic = _demographic(path, name, case)
    word = str(demographic.get("vital_status") or "").strip()
    if word.casefold() in _UNKNOWN:
        return Case(name, None, None)
    if word.casefold() not in _STATUS:
        raise InputError(
            f"{path}: case {name}, vital_status: expected Alive or Dead, found {shown(word)}"
        )
    if dead := _STATUS[word.casefold()]:
        days = _number(path, name, "days_to_death", demographic.get("days_to_death"))
        return Case(name, days, dead)
    # recent releases leave the diagnosis' own follow-up null and keep the follow-ups apart
    seen = [
        _number(path, name, key, part.get(key))
        for parts, key in (
            ("diagnoses", "days_to_last_follow_up"),
            ("follow_ups", "days_to_follow_up"),
        )
        for part in _parts(path, name, case, parts)
    ]
    return Case(name, max((days for days in seen if days is not None), default=None), dead)


# Where the portal's TSV of either generation and TCGA's biotab have what the JSON says.
_IDS = ("cases.submitter_id", "case_submitter_id", "bcr_patient_barcode")
_COLUMNS = {
    ("demographic", "vital_status"): ("demographic.vital_status", "vital_status"),
    ("demographic", "days_to_death"): (
        "demographic.days_to_death", "days_to_death", "death_days_to",
    ),
    ("demographic", "gender"): ("demographic.gender", "gender"),
    ("demographic", "sex_at_birth"): ("demographic.sex_at_birth", "sex_at_birth"),
    ("diagnoses", "days_to_last_follow_up"): (
        "diagnoses.days_to_last_follow_up", "days_to_last_follow_up", "last_contact_days_to",
    ),
    ("follow_ups", "days_to_follow_up"): ("follow_ups.days_to_follow_up", "days_to_follow_up"),
    ("diagnoses", "age_at_diagnosis"): ("diagnoses.age_at_diagnosis", "age_at_diagnosis"),
    ("diagnoses", "ajcc_pathologic_stage"): (
        "diagnoses.ajcc_pathologic_stage", "ajcc_pathologic_stage", "ajcc_pathologic_tumor_stage",
    ),
    ("diagnoses", "ajcc_clinical_stage"): ("diagnoses.ajcc_clinical_stage", "ajcc_clinical_stage"),
    ("diagnoses", "figo_stage"): ("diagnoses.figo_stage", "figo_stage"),
    ("diagnoses", "diagnosis_is_primary_disease"): ("diagnoses.diagnosis_is_primary_disease",),
}  # fmt: skip
_NEEDED = (("demographic", "vital_status"), ("demographic", "days_to_death"))
_DAYS_PER_YEAR = 365.25


def id_column(columns: Collection[str]) -> str:
    """The column of the cases' barcodes in a table of the GDC; empty if it is none."""
    there = all(any(name in columns for name in _COLUMNS[key]) for key in _NEEDED)
    return next((name for name in _IDS if there and name in columns), "")


def _rows_of_cases(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Cases of a table, whose rows are diagnoses, treatments or follow-ups of theirs.

    Follow-ups that the portal writes into a file beside are read with it.
    """
    later = path.with_name("follow_up.tsv")
    cases: dict[str, dict[str, Any]] = {}
    _add_rows(path, cases)
    if path.name.startswith("clinical") and later.is_file():
        _add_rows(later, cases, needed=False)
    yield from cases.items()


def _add_rows(path: Path, cases: dict[str, dict[str, Any]], *, needed: bool = True) -> None:
    table = read_text_table(path)
    columns = list(map(str, table.columns))
    who = id_column(columns) if needed else next((name for name in _IDS if name in columns), "")
    if not who:
        raise InputError(
            f"{path}: expected a list of cases (JSON) or columns such as {_IDS[1]}, vital_status "
            f"and days_to_death, found {', '.join(columns[:8])}"
        )
    known = {key: next((n for n in names if n in columns), "") for key, names in _COLUMNS.items()}
    known = {key: name for key, name in known.items() if name}
    require_columns(path, table, (who, *known.values()))
    # biotab has three lines of header, and ages in years
    biotab = who == "bcr_patient_barcode"
    for _, row in table.iterrows():
        name = row[who].strip()
        if biotab and (name == who or name.startswith("CDE_ID")):
            continue
        case = cases.setdefault(name, {"demographic": {}, "diagnoses": [], "follow_ups": []})
        case["diagnoses"].append({})
        case["follow_ups"].append({})
        for (part, key), column in known.items():
            if is_missing(row[column]):
                continue
            value = _cell(row[column])
            if biotab and key == "age_at_diagnosis" and isinstance(value, float):
                value *= _DAYS_PER_YEAR
            (case[part] if part == "demographic" else case[part][-1]).setdefault(key, value)


def _cell(text: str) -> float | str:
    try:
        return number(text)
    except ValueError:
        return text.strip()


def _cases(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The cases and their barcodes."""
    require_file(path)
    with path.open("rb") as file:
        begins = file.read(100).lstrip(b"\xef\xbb\xbf \r\n\t")[:1]
    if path.suffix.lower() != ".json" and begins not in (b"[", b"{"):
        yield from _rows_of_cases(path)
        return
    with reading(path, "JSON"):
        cases = json.loads(path.read_text(encoding="utf-8-sig"))
    if not isinstance(cases, list):
        raise InputError(f"{path}: expected a list of cases, found {type(cases).__name__}")
    for position, case in enumerate(cases, start=1):
        name = case.get("submitter_id") if isinstance(case, dict) else None
        if not isinstance(case, dict) or not isinstance(name, str):
            raise InputError(
                f"{path}: case {position}: expected an object with submitter_id, found none"
            )
        yield name, case


def case_names(path: Path) -> list[str]:
    """Whose the cases are.

    Raises:
        InputError: If the file is no list of cases.
    """
    return [name for name, _ in _cases(path)]


def read_gdc_cases(path: Path) -> Iterator[Case]:
    """Read overall survival of each case.

    Raises:
        InputError: If the file is no list of cases, or a status or time is not what GDC writes.
    """
    for name, case in _cases(path):
        yield _case(path, name, case)


_PRIMARY = "diagnosis_is_primary_disease"
# Keys of a case as columns; `gender` gave way to `sex_at_birth` in version 3.4 of the dictionary.
_DEMOGRAPHIC = ("gender", "sex_at_birth")
_DIAGNOSIS = (
    "age_at_diagnosis",
    "ajcc_pathologic_stage",
    "ajcc_clinical_stage",
    "figo_stage",
)


def read_gdc_diagnoses(path: Path) -> pd.DataFrame:
    """Read who the patients were and what was diagnosed: a row a diagnosis, all text.

    Where diagnoses say whether they are of the primary disease, the others are left out; a case
    without a diagnosis is one row.

    Raises:
        InputError: If the file is no list of cases.
    """
    rows = []
    for name, case in _cases(path):
        demographic = _demographic(path, name, case)
        diagnoses = _parts(path, name, case, "diagnoses")
        primary = [d for d in diagnoses if str(d.get(_PRIMARY)).casefold() == "true"]
        for diagnosis in primary or diagnoses or [{}]:
            cells = {key: demographic.get(key) for key in _DEMOGRAPHIC}
            cells |= {key: diagnosis.get(key) for key in _DIAGNOSIS}
            text = {key: "" if cell is None else str(cell) for key, cell in cells.items()}
            rows.append({"submitter_id": name, **text})
    return pd.DataFrame(rows, columns=["submitter_id", *_DEMOGRAPHIC, *_DIAGNOSIS], dtype=str)
