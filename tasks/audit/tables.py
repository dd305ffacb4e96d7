"""Tables on their own: whose rows, rows that contradict each other, feature vectors."""

import re
from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd

from tasks.audit.duplicates import audit_duplicates
from tasks.audit.findings import Check, Checked, Finding, Severity, some
from tasks.audit.outcomes import EVENT_COLUMNS, TIME_COLUMNS, audit_outcomes
from tasks.audit.rows import Rows, feature_rows, pooled, table_rows
from tasks.audit.sites import audit_site_signature
from tasks.errors import InputError
from tasks.formats.tables import is_missing, read_text_table
from tasks.manifest import Orientation, VectorSource
from tasks.split_files import PATIENT_COLUMNS, SAMPLE_COLUMNS, find_barcode, owner

_CDR_SHEET = "TCGA-CDR"
_MANY = 50
"""More columns of numbers than these are taken for a feature vector."""

# What is one fact per patient whatever the table's rows are.
_OUTCOME = re.compile(
    r"(os|dss|dfi|dfs|pfi|pfs)([._ ](time|months|days|status|event|survival_days|censorship))?"
    r"|(survival_months|survival_time|censorship)(_(os|dss|dfi|pfi))?|event|vital_status"
    r"|overall survival.*|disease free.*|progress.* free.*|.*disease-specific survival.*"
    r"|(days_to_|death_|last_contact_)(death|last_follow_?up|days_to)",
    re.IGNORECASE,
)
_LABEL = re.compile(
    r"label|class|diagnosis|oncotree[_ ]code|pam50|.*(sub_?type|histolog).*", re.IGNORECASE
)
# Any other column counts as a patient's own if it differs within at most this share of patients.
_RARELY = 0.1
_ENOUGH = 5  # patients with several rows, to say so
_FEW_VALUES = 10
_MOSTLY = 0.5  # if no more patients than that have several rows, a row is meant to be a patient


def audit_table(path: Path) -> tuple[Checked, ...]:
    """Audit a table of patients, slides or samples: clinical, labels or features.

    Raises:
        InputError: The table cannot be read, or nothing in it says whose its rows are.
    """
    table = read_text_table(path, sheet=_CDR_SHEET)
    table.columns = pd.Index([str(column).strip() for column in table.columns])
    where = str(path)
    columns = list(map(str, table.columns))
    if sum(find_barcode(column) is not None for column in columns) > len(columns) / 2:
        return _audit_features(where, table_rows(VectorSource(path, columns[0], Orientation.GENES)))
    id_column = identifier(path, table)
    rows = audit_rows(where, table, id_column)
    checks = [rows, *audit_outcomes(path, table, id_column, contradicting=bool(rows.findings))]
    features = feature_rows(table, id_column)
    if features.vectors.shape[1] > _MANY:
        checks += _audit_features(where, features)
    return tuple(checks)


def identifier(path: Path, table: pd.DataFrame) -> str:
    """The column that says whose a row is: named so, or else mostly barcodes.

    Raises:
        InputError: There is none, or there are two of its name.
    """
    names = list(map(str, table.columns))
    by_name = {name.casefold().replace(" ", "_"): name for name in names}
    found = next((by_name[name] for name in sorted(PATIENT_COLUMNS) if name in by_name), None)
    for position, name in enumerate(names if found is None else ()):
        cells = [cell for cell in table.iloc[:, position].head(50) if not is_missing(cell)]
        if cells and sum(find_barcode(cell) is not None for cell in cells) > 0.9 * len(cells):
            found = name
            break
    if found is not None and names.count(found) == 1:
        return found
    if found is not None:
        raise InputError(f"{path}: expected one column {found!r}, found {names.count(found)}")
    raise InputError(
        f"{path}: expected a split file (train and val or test, fold_0) or a table with a column "
        "of TCGA barcodes or one named case_id or patient_id, "
        f"found {', '.join(repr(str(c)[:40]) for c in table.columns[:8]) or 'nothing'}"
    )


def audit_rows(
    where: str,
    table: pd.DataFrame,
    id_column: str,
    used: Collection[str] = (),
    patients: Collection[str] | None = None,
) -> Checked:
    """Look for patients whose rows contradict each other.

    Outcomes and the columns in `used` must agree within a patient. Any other column is taken for
    the patient's own, and not for the slide's, if it nearly always agrees.

    Args:
        where: The table.
        table: Its cells as text.
        id_column: Whose a row is.
        used: Columns that a cohort reads.
        patients: The only ones that matter; None: all.
    """
    owners = np.array([owner(cell.strip()) for cell in table[id_column]], dtype=object)
    counts = pd.Series(owners).value_counts()
    several = set(counts.index[counts > 1])
    several &= several if patients is None else set(patients)
    kept = np.array([who in several for who in owners], dtype=bool)
    if not kept.any():
        return Checked(Check.CONTRADICTING_ROWS, where)
    part = table[kept].reset_index(drop=True)
    whose = pd.Series(owners[kept])
    names = list(map(str, part.columns))
    samples = any(name.casefold().replace(" ", "_") in SAMPLE_COLUMNS for name in names)
    a_row_each = not samples and len(several) <= _MOSTLY * len(counts)
    same_id = part[id_column].str.strip().duplicated(keep=False).to_numpy()
    grave: dict[str, list[str]] = {}
    light: dict[str, list[str]] = {}
    for position, name in enumerate(names):
        if name == id_column or name.casefold().replace(" ", "_") in SAMPLE_COLUMNS:
            continue
        cells = _spelled(part.iloc[:, position])
        values = cells.groupby(whose).nunique()  # missing cells are no value
        differing = values.index[values > 1]
        if differing.empty:
            continue
        outcome = name in used or _is_outcome(name)
        rare = len(values) >= _ENOUGH and len(differing) <= _RARELY * len(values)
        if not (outcome or rare):
            # a table of a row a patient: the same identifier twice with two words is an error
            few = 0 if len(names) > _MANY else _FEW_VALUES
            if not (a_row_each and _discrete(table.iloc[:, position], few)):
                continue
            differing = differing[differing.isin(set(whose[same_id]))]
            outcome = _LABEL.fullmatch(name) is not None
        for patient in differing:
            found = sorted(set(cells[whose == patient].dropna()))
            example = f"{patient}: {name} {' / '.join(found[:3])}"
            (grave if outcome else light).setdefault(str(patient), []).append(example)
    findings = [
        Finding(
            severity,
            f"patients whose rows contradict each other{what}",
            len(by_patient),
            len(several),
            "patients of several rows",
            advice,
            some(example for examples in by_patient.values() for example in examples),
        )
        for severity, what, by_patient, advice in (
            (
                Severity.LEAK,
                " in what they are judged by",
                grave,
                "mend or drop these rows: the score depends on which one is read",
            ),
            (Severity.WARNING, "", light, "look which row is right before the column is used"),
        )
        if by_patient
    ]
    return Checked(Check.CONTRADICTING_ROWS, where, tuple(findings))


def _audit_features(where: str, rows: Rows) -> tuple[Checked, ...]:
    return (*audit_duplicates(where, rows), audit_site_signature(where, pooled(rows)))


def _number(cell: str) -> str:
    """A cell in one spelling: 1, 1.0 and 01 are one, and so are Dead and dead."""
    try:
        return repr(float(cell))
    except ValueError:
        return cell.strip().casefold()


def _spelled(cells: pd.Series) -> pd.Series:
    return cells.map(lambda cell: None if is_missing(cell) else _number(cell))


def _is_outcome(name: str) -> bool:
    known = name.casefold() in (*EVENT_COLUMNS, *TIME_COLUMNS)
    return known or _OUTCOME.fullmatch(name) is not None


def _discrete(cells: pd.Series, few: int) -> bool:
    """Whether a column holds words or a few different numbers, and not measurements."""
    known = cells[~cells.map(is_missing)]
    if pd.to_numeric(known, errors="coerce").isna().any():
        return True
    return bool(known.nunique() <= few)
