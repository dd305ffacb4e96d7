"""Clinical files as their sources write them -> time-to-event endpoints.

In a cohort 1 means that the event happened and times are months; sources differ in both
(PORPOISE and its family write 1 for censored), so every reader states what it reads.
"""

import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from tasks.data.cohort import DAYS_PER_MONTH, ENDPOINTS, Endpoint
from tasks.data.formats import gdc
from tasks.data.formats.cells import near, number, shown
from tasks.data.formats.endpoints import FollowUp, build_endpoint
from tasks.data.formats.gdc import read_gdc_cases
from tasks.data.formats.layouts import ID_COLUMNS, ClinicalTable, open_clinical
from tasks.data.formats.tables import is_missing, is_unknown, require_columns
from tasks.data.manifest import ClinicalFormat, ClinicalSource, TableSource
from tasks.data.notes import About, Note
from tasks.errors import InputError


@dataclass(frozen=True)
class Columns:
    """Where one endpoint stands in a table, and how to read it.

    Attributes:
        time: Column of the times.
        per_month: How many of the column's units make a month.
        event: Column of the status.
        status: Whether the event happened, by a status cell, None if it says that nobody knows;
            raises KeyError for another word.
        expected: What a status may be, for the error.
    """

    time: str
    per_month: float
    event: str
    status: Callable[[str], bool | None]
    expected: str


def _binary(cell: str, event: float) -> bool:
    try:
        value = number(cell)
    except ValueError:
        raise KeyError(cell) from None
    if value not in (0.0, 1.0):
        raise KeyError(cell)
    return value == event


def _one_is_event(cell: str) -> bool:
    return _binary(cell, 1.0)


def _one_is_censored(cell: str) -> bool:
    return _binary(cell, 0.0)


def _months(path: Path, patient: str, columns: Columns, cell: str) -> float | None:
    if is_missing(cell):
        return None
    try:
        time = number(cell)
    except ValueError:
        time = math.inf
    if not math.isfinite(time):
        raise InputError(
            f"{path}: patient {patient}, column {columns.time!r}: expected a number, "
            f"found {shown(cell)}"
        )
    return time / columns.per_month


def _event(path: Path, patient: str, columns: Columns, cell: str) -> bool | None:
    if is_missing(cell):
        return None
    try:
        return columns.status(cell.strip())
    except KeyError:
        raise InputError(
            f"{path}: patient {patient}, column {columns.event!r}: expected {columns.expected}, "
            f"found {shown(cell)}"
        ) from None


_Rows = Mapping[str, list[FollowUp]]


def _rows(table: ClinicalTable, columns: Columns, of: Collection[str]) -> Iterator[FollowUp]:
    """One endpoint's rows, of the cohort's patients alone."""
    times, events = table.rows[columns.time], table.rows[columns.event]
    for patient, time, event in zip(table.owners, times, events, strict=True):
        if patient in of:
            yield FollowUp(
                patient,
                _months(table.path, patient, columns, time),
                _event(table.path, patient, columns, event),
            )


def _present(path: Path, table: pd.DataFrame, known: Mapping[str, Columns]) -> dict[str, Columns]:
    """The endpoints whose two columns are there; half of one is an error, and so is none."""
    names = set(map(str, table.columns))
    found = {}
    for name, columns in known.items():
        there = [column for column in (columns.time, columns.event) if column in names]
        if len(there) == 1:
            absent = columns.event if there == [columns.time] else columns.time
            raise InputError(
                f"{path}: expected a column {absent!r} beside {there[0]!r}, found none"
                f"{near(absent, names)}"
            )
        if there:
            require_columns(path, table, there)
            found[name] = columns
    if not found:
        first = next(iter(known.values()))
        raise InputError(
            f"{path}: expected columns such as {first.time!r} and {first.event!r}, "
            f"found {', '.join(sorted(names)[:8])}{near(first.time, names)}"
        )
    return found


def _tcga_cdr() -> dict[str, Columns]:
    """TCGA Clinical Data Resource (Liu et al., Cell 2018): 1 = event, days; OS, DSS, DFI, PFI."""
    return {
        name.lower(): Columns(f"{name}.time", DAYS_PER_MONTH, name, _one_is_event, "0 or 1")
        for name in ("OS", "DSS", "DFI", "PFI")
    }


# Status words of exports older than the prefixes 0: and 1:.
_CBIOPORTAL_WORDS = {
    "deceased": True,
    "living": False,
    "recurred": True,
    "progressed": True,
    "recurred/progressed": True,
    "recurred or progressed": True,
    "progression": True,
    "diseasefree": False,
    "disease free": False,
    "censored": False,
    "progression free": False,
    "dead with tumor": True,
    "alive or dead tumor free": False,
}


def _cbioportal_status(cell: str) -> bool:
    if match := re.match(r"([01])\s*(:|$)", cell):
        return match[1] == "1"
    return _CBIOPORTAL_WORDS[cell.casefold()]


def _cbioportal(table: pd.DataFrame) -> dict[str, Columns]:
    """A cBioPortal study's data_clinical_patient.txt, or the website's "clinical data" download."""
    if "Patient ID" in table:
        pairs = {
            "os": ("Overall Survival (Months)", "Overall Survival Status"),
            "dss": ("Months of disease-specific survival", "Disease-specific Survival status"),
            "dfi": ("Disease Free (Months)", "Disease Free Status"),
            "pfi": ("Progress Free Survival (Months)", "Progression Free Status"),
        }
    else:
        # cBioPortal's survival "S" is the interval "I" of the TCGA-CDR
        words = {"os": "OS", "dss": "DSS", "dfi": "DFS", "pfi": "PFS"}
        pairs = {name: (f"{word}_MONTHS", f"{word}_STATUS") for name, word in words.items()}
    expected = "a status that begins with 0: or 1:, or an older word such as DECEASED or LIVING"
    return {
        name: Columns(time, 1.0, event, _cbioportal_status, expected)
        for name, (time, event) in pairs.items()
    }


def _porpoise(table: pd.DataFrame) -> dict[str, Columns]:
    """PORPOISE, MCAT, SurvPath (months) and MMP (days): a row a slide, 1 = CENSORED."""
    expected = "0 (event) or 1 (censored)"
    suffixes = {"os": "", "dss": "_dss", "pfi": "_pfi", "dfi": "_dfi"}
    if any(column in table for column in ("os_survival_days", "os_censorship")):
        return {
            name: Columns(
                f"{name}_survival_days",
                DAYS_PER_MONTH,
                f"{name}_censorship",
                _one_is_censored,
                expected,
            )
            for name in suffixes
        }
    return {
        name: Columns(f"survival_months{end}", 1.0, f"censorship{end}", _one_is_censored, expected)
        for name, end in suffixes.items()
    }


def one_spelling(cell: str) -> str:
    """A status in one spelling: 1, 1.0 and "1" are one, and so are TRUE and true."""
    try:
        return repr(number(cell))
    except ValueError:
        return cell.strip().casefold()


# In names of columns; the CDR calls disease-free and progression-free survival intervals.
_ENDPOINT_WORDS = {
    "os": r"os|overall|vital|dead|death|deceased|died",
    "dss": r"dss|(disease|cancer)[ ._-]?specific",
    "dfi": r"dfi|dfs|rfs|(disease|recurrence|relapse)[ ._-]?free|recur\w*|relapse\w*",
    "pfi": r"pfi|pfs|progress\w*",
}


_OTHER_ENDPOINTS = re.compile(
    r"(?<![a-z])(efs|[dl]?mfs|[dl]rfs|ttp|ttr|bcr|event[ ._-]?free|metasta\w*)(?![a-z])",
    re.IGNORECASE,
)


def named_endpoint(path: Path, time: str, event: str) -> str:
    """The endpoint that the names of two columns say; overall survival if neither says one.

    Raises:
        InputError: They say different ones, or one that no task knows.
    """
    other = next((name for name in (time, event) if _OTHER_ENDPOINTS.search(name)), None)
    if other is not None:
        raise InputError(
            f"{path}: expected a time of {', '.join(ENDPOINTS)}, found {other!r}, which is none of "
            'them; endpoint = "..." in [clinical] says as which of them it is to count'
        )
    said = {
        column: name
        for column in (time, event)
        for name, words in _ENDPOINT_WORDS.items()
        if re.search(rf"(?<![a-z])({words})(?![a-z])", column, re.IGNORECASE)
    }
    names = set(said.values()) or {"os"}
    if len(names) > 1:
        found = " and ".join(f"{column!r} of {name}" for column, name in said.items())
        raise InputError(
            f"{path}: expected time and event of one endpoint, found {found}; "
            'endpoint = "..." in [clinical] says which one is meant'
        )
    return names.pop()


def _declared(table: pd.DataFrame, columns: TableSource) -> dict[str, Columns]:
    """A table whose columns the manifest declares; any of its values but two is an error."""
    event = one_spelling(columns.event_value)

    def unknown(cell: str) -> bool:
        return is_missing(cell) or (is_unknown(cell) and one_spelling(cell) != event)

    words = {one_spelling(cell): cell for cell in table[columns.event] if not unknown(cell)}
    if event in ("0.0", "1.0"):
        known = {"0.0", "1.0"}
        expected = "0 or 1"
    else:
        known = set(words)
        expected = f"{columns.event_value!r} (event) or one other value"
        if event not in words:
            listed = ", ".join(repr(word) for word in sorted(words.values())[:8]) or "nothing"
            listed += near(columns.event_value, words.values())
            raise InputError(
                f"{columns.path}: column {columns.event!r}: expected the declared event_value "
                f"{columns.event_value!r}, found {listed}"
            )
        if len(words) > 2:
            listed = ", ".join(repr(word) for word in sorted(words.values())[:8])
            raise InputError(
                f"{columns.path}: column {columns.event!r}: expected {expected}, found {listed}"
            )

    def status(cell: str) -> bool | None:
        if unknown(cell):
            return None
        word = one_spelling(cell)
        if word not in known:
            raise KeyError(cell)
        return word == event

    name = columns.endpoint or named_endpoint(columns.path, columns.time, columns.event)
    return {name: Columns(columns.time, columns.per_month, columns.event, status, expected)}


def _gdc(source: ClinicalSource, patients: Collection[str]) -> _Rows:
    rows = []
    for position, case in enumerate(read_gdc_cases(source.path), start=1):
        where = f"{source.path}: row {position}, column 'submitter_id'"
        patient = source.ids.read(case.submitter_id, where).patient
        if patient in patients:
            time = None if case.days is None else case.days / DAYS_PER_MONTH
            rows.append(FollowUp(patient, time, case.dead))
    return {"os": rows}


def _table(source: ClinicalSource, patients: Collection[str]) -> tuple[_Rows, frozenset[str]]:
    """Rows by endpoint, and the cohort's patients whose rows are redacted, and dropped."""
    declared = source if isinstance(source, TableSource) else None
    needed = () if declared is None else (declared.time, declared.event)
    table = open_clinical(source, needed)
    if declared is not None:
        endpoints = _declared(table.rows, declared)
    else:
        endpoints = _present(source.path, table.rows, _of_layout(source.format, table.rows))
    rows = {name: list(_rows(table, columns, patients)) for name, columns in endpoints.items()}
    return rows, table.redacted & frozenset(patients)


def recognise(table: pd.DataFrame) -> tuple[ClinicalFormat, str, tuple[str, ...]] | None:
    """Which clinical layout a table is of.

    Args:
        table: Its first rows, or none.

    Returns:
        The layout, its identifier's column and the endpoints that it has, or None if it is of no
        known layout or has no endpoint.
    """
    names = set(map(str, table.columns))
    for layout in (ClinicalFormat.TCGA_CDR, ClinicalFormat.CBIOPORTAL, ClinicalFormat.PORPOISE):
        id_column = next((name for name in ID_COLUMNS[layout] if name in names), None)
        if id_column is None:
            continue
        endpoints = tuple(
            name
            for name, columns in _of_layout(layout, table).items()
            if {columns.time, columns.event} <= names
        )
        if endpoints:
            return layout, id_column, endpoints
    who = gdc.id_column(names)
    return (ClinicalFormat.GDC, who, ("os",)) if who else None


def _of_layout(layout: ClinicalFormat, table: pd.DataFrame) -> dict[str, Columns]:
    """Where a layout of a known source has its endpoints."""
    if layout is ClinicalFormat.TCGA_CDR:
        return _tcga_cdr()
    return _cbioportal(table) if layout is ClinicalFormat.CBIOPORTAL else _porpoise(table)


def read_endpoints(
    source: ClinicalSource, patients: Collection[str]
) -> tuple[dict[str, Endpoint], tuple[Note, ...]]:
    """Read the endpoints of the cohort's patients.

    Args:
        source: The clinical file and its layout.
        patients: The cohort's patients; others are ignored.

    Returns:
        Endpoints by name (`os`, `dss`, `dfi`, `pfi`; those the file has), and notes on numbers of
        patients and events and on what was left out.

    Raises:
        InputError: If the file is not of its declared layout, a status or time is not what the
            layout allows, or a patient has two outcomes.
    """
    redacted: frozenset[str] = frozenset()
    if source.format is ClinicalFormat.GDC:
        by_name = _gdc(source, patients)
    else:
        by_name, redacted = _table(source, patients)
    notes: tuple[Note, ...] = ()
    if redacted:
        text = f"{len(redacted)} patients left out of every endpoint: redacted"
        notes = (Note("clinical", text, About.LEFT_OUT),)
    shown = frozenset(patients) - redacted
    endpoints = {}
    for name, rows in by_name.items():
        endpoints[name], facts = build_endpoint(source.path, name, rows, shown)
        notes += facts
    return endpoints, notes
