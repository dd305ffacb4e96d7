"""Tables on their own: clinical, of labels or of features."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from tasks.checks.finding import Finding
from tasks.checks.leaks.contradictions import audit_rows
from tasks.checks.leaks.duplicates import audit_duplicates
from tasks.checks.leaks.outcome_columns import audit_outcomes
from tasks.checks.leaks.rows import Rows, feature_rows, pooled, table_rows
from tasks.checks.leaks.sites import audit_site_signature
from tasks.checks.leaks.unfit_columns import audit_names
from tasks.data.barcode import Barcode
from tasks.data.formats.clinical import recognise
from tasks.data.formats.tables import is_missing, read_text_table
from tasks.data.manifest import Orientation, VectorSource
from tasks.data.split_files import PATIENT_COLUMNS, find_barcode
from tasks.errors import InputError

_CDR_SHEET = "TCGA-CDR"
_MANY = 50
"""More columns of numbers than these are taken for a feature vector."""


def audit_table(path: Path) -> tuple[Finding, ...]:
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
    contradicting = any(finding.is_there for finding in rows)
    checks = [*rows, *audit_outcomes(path, table, id_column, contradicting=contradicting)]
    features = feature_rows(table, id_column)
    if features.vectors.shape[1] > _MANY:
        checks += _audit_features(where, features)
        if recognise(table) is None:  # clinical tables of a known layout have such columns
            checks.append(audit_names(where, features.columns))
    return tuple(checks)


def identifier(
    path: Path, table: pd.DataFrame, find: Callable[[str], Barcode | None] = find_barcode
) -> str:
    """The column that says whose a row is: named so, or else mostly barcodes.

    Raises:
        InputError: There is none, or there are two of its name.
    """
    names = list(map(str, table.columns))
    by_name = {name.casefold().replace(" ", "_"): name for name in names}
    found = next((by_name[name] for name in sorted(PATIENT_COLUMNS) if name in by_name), None)
    for position, name in enumerate(names if found is None else ()):
        cells = [cell for cell in table.iloc[:, position].head(50) if not is_missing(cell)]
        if cells and sum(find(cell) is not None for cell in cells) > 0.9 * len(cells):
            found = name
            break
    if found is not None and names.count(found) == 1:
        return found
    if found is not None:
        raise InputError(f"{path}: expected one column {found!r}, found {names.count(found)}")
    raise InputError(
        f"{path}: expected a split file (train and val or test, fold_0) or a table with a column "
        "of patients' identifiers, named case_id or patient_id or of barcodes, "
        f"found {', '.join(repr(str(c)[:40]) for c in table.columns[:8]) or 'nothing'}"
    )


def _audit_features(where: str, rows: Rows) -> tuple[Finding, ...]:
    return (*audit_duplicates(where, rows), audit_site_signature(where, pooled(rows)))
