"""Outcomes in clinical tables: found by the layout's columns, then judged."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tasks.checks.finding import Check, Finding, Severity, clean, skipped, some
from tasks.checks.leaks.polarity import audit_polarity
from tasks.checks.leaks.unfit_columns import named_like
from tasks.data.cohort import Endpoint
from tasks.data.formats.clinical import one_spelling, read_endpoints, recognise
from tasks.data.formats.tables import is_missing, require_columns
from tasks.data.manifest import ClinicalFormat, ClinicalSource, TableSource, TimeUnit
from tasks.data.split_files import find_barcode, owner
from tasks.errors import InputError

EVENT_COLUMNS = ("event", "os_event", "event_os", "os", "dead", "death", "deceased")
TIME_COLUMNS = (
    "os_time", "os.time", "time", "survival_time", "os_months", "survival_months", "months",
    "os_days", "survival_days", "days", "time_months", "time_days",
)  # fmt: skip
_PORPOISE = (
    ("survival_months", "censorship", TimeUnit.MONTHS),
    ("os_survival_days", "os_censorship", TimeUnit.DAYS),
)
_LONG_IN_MONTHS = 200.0  # a median follow-up beyond this is in days

_VITAL = {"dead": True, "deceased": True, "1:deceased": True, "alive": False, "living": False,
          "0:living": False}  # fmt: skip


def audit_outcomes(
    path: Path, table: pd.DataFrame, id_column: str, *, contradicting: bool
) -> tuple[Finding, ...]:
    """Judge the endpoints of a table of a layout that is known.

    Args:
        path: The table.
        table: Its cells as text.
        id_column: Whose a row is.
        contradicting: Whether rows are known to contradict each other, which keeps endpoints from
            being read; that is said already.

    Returns:
        Nothing if the table has no columns of time and event.

    Raises:
        InputError: A time or status is not what the layout allows, or there are two columns of it.
    """
    where = str(path)
    source, plain = _layout(path, table, id_column)
    if source is None:
        like = [str(name) for name in table.columns if named_like(str(name)) == "an outcome"]
        if not like:
            return ()
        reason = f"{', '.join(like[:6])}: of no known layout; a cohort.toml says what they mean"
        return (skipped(where, Check.EVENT_POLARITY, reason),)
    barcodes = [find_barcode(cell) for cell in table[id_column]]
    patients = frozenset(barcode.patient for barcode in barcodes if barcode)
    if None in barcodes:
        # the readers want barcodes; of other patients only one endpoint is read, as it stands
        if plain is None:
            reason = f"not every {id_column} is a barcode"
            return (skipped(where, Check.EVENT_POLARITY, reason),)
        endpoints = {"os": _plain(table, plain)}
    else:
        try:
            endpoints, _ = read_endpoints(source, patients)
        except InputError as error:
            if not contradicting:
                raise
            return (skipped(where, Check.EVENT_POLARITY, str(error)),)
    checks = audit_polarity(where, endpoints)
    if "os" not in endpoints:
        return checks
    return (*checks, audit_vital_status(where, table, id_column, endpoints["os"]))


def audit_vital_status(
    where: str,
    table: pd.DataFrame,
    id_column: str,
    os: Endpoint,
    owner: Callable[[str], str] = owner,
) -> Finding:
    """Whether overall survival agrees with the vital status beside it."""
    by_name = {str(column).casefold().replace(" ", "_"): str(column) for column in table.columns}
    column = by_name.get("vital_status")
    where = f"{where}: os and vital status"
    if column is None:
        return skipped(where, Check.ENDPOINT_ORDER, "there is no column vital_status")
    if list(table.columns).count(column) > 1:
        return skipped(where, Check.ENDPOINT_ORDER, f"there are several columns {column}")
    event = dict(zip(os.patients, os.event, strict=True))
    wrong, n = [], 0
    for name, cell in zip(table[id_column], table[column], strict=True):
        patient = owner(name.strip())
        dead = _VITAL.get(cell.strip().casefold())
        if dead is not None and patient in event:
            n += 1
            if bool(event[patient]) != dead:
                wrong.append(patient)
    if not wrong:
        return clean(where, Check.ENDPOINT_ORDER)
    reversed_ = len(wrong) > n / 2
    return Finding(
        where,
        Check.ENDPOINT_ORDER,
        Severity.PROBLEM if reversed_ else Severity.WARNING,
        "overall survival says the opposite of the vital status"
        + (": events are reversed" if reversed_ else ""),
        len(wrong),
        n,
        "rows",
        some(wrong),
        "read 1 as the source means it, or mend these rows",
    )


def _layout(
    path: Path, table: pd.DataFrame, id_column: str
) -> tuple[ClinicalSource | None, TableSource | None]:
    """Which clinical layout a table is of, and the columns of one endpoint, where they are known.

    1 means event unless the layout says otherwise.
    """
    names = set(map(str, table.columns))
    if known := recognise(table):
        layout, named_id, _ = known
        for time, event, unit in _PORPOISE if layout is ClinicalFormat.PORPOISE else ():
            if {time, event} <= names:
                require_columns(path, table, (time, event))
                # declared as well for patients without barcodes
                plain = TableSource(path, ClinicalFormat.TABLE, named_id, time, unit, event, "0")
                return ClinicalSource(path, layout), plain
        return ClinicalSource(path, layout), None
    event_column = _one_of(names, EVENT_COLUMNS)
    time_column = _one_of(names, TIME_COLUMNS)
    if event_column is None or time_column is None:
        return None, None
    require_columns(path, table, (time_column, event_column))
    cells = {one_spelling(cell) for cell in table[event_column] if not is_missing(cell)}
    median = pd.to_numeric(table[time_column], errors="coerce").median()
    if not cells or not cells <= {"0.0", "1.0"} or pd.isna(median):
        return None, None
    named_days = "day" in time_column.casefold()
    named_months = "month" in time_column.casefold()
    days = named_days or (not named_months and median > _LONG_IN_MONTHS)
    unit = TimeUnit.DAYS if days else TimeUnit.MONTHS
    source = TableSource(
        path, ClinicalFormat.TABLE, id_column, time_column, unit, event_column, "1"
    )
    return source, source


def _one_of(names: Collection[str], known: Sequence[str]) -> str | None:
    by_name = {name.casefold(): name for name in sorted(names)}
    return next((by_name[name] for name in known if name in by_name), None)


def _plain(table: pd.DataFrame, columns: TableSource) -> Endpoint:
    """An endpoint as it stands, whoever the patients are; a patient's first row counts."""
    frame = pd.DataFrame(
        {
            "time": pd.to_numeric(table[columns.time], errors="coerce"),
            "event": pd.to_numeric(table[columns.event], errors="coerce"),
        }
    )
    frame.index = pd.Index([owner(cell.strip()) for cell in table[columns.id]])
    frame = frame[frame.notna().all(axis=1) & (frame["time"] >= 0)]
    frame = frame[~frame.index.duplicated()].sort_index()
    return Endpoint(
        tuple(map(str, frame.index)),
        (frame["time"] / columns.per_month).to_numpy(dtype=np.float64),
        (frame["event"] == float(columns.event_value)).to_numpy(dtype=np.bool_),
    )
