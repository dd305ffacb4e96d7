"""Tables on disk (csv, tsv, parquet, xlsx; gzipped or not) as text or as numbers."""

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.data.formats.cells import near, shown
from tasks.data.formats.delimited import FORMAT as TEXT
from tasks.data.formats.files import reading, require_file
from tasks.data.formats.format import NumericTable, Wanted
from tasks.data.formats.known_formats import format_of
from tasks.errors import InputError

_MISSING = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "none", "--", "'--"})
_UNKNOWN = frozenset({"unknown", "not reported", "unspecified", "not applicable", "not available"})


def is_missing(cell: str) -> bool:
    """Whether a cell says that nothing is known; TCGA brackets such words: `[Not Available]`."""
    text = cell.strip()
    return text.casefold() in _MISSING or (text.startswith("[") and text.endswith("]"))


def is_unknown(cell: str) -> bool:
    """Whether a cell of a clinical table says in words that nothing is known."""
    return cell.strip().casefold() in _UNKNOWN


def require_columns(path: Path, frame: pd.DataFrame, wanted: Iterable[str]) -> None:
    """Check that each column is there, once.

    Raises:
        InputError: One is not, or there are several of its name.
    """
    names = [str(name) for name in frame.columns]
    for column in wanted:
        if names.count(column) == 1:
            continue
        if column in names:
            raise InputError(
                f"{path}: expected one column {column!r}, found {names.count(column)} of that name"
            )
        # a separator that is not read makes one endless name of the whole header
        shown = ", ".join(repr(name[:40]) for name in names[:8])
        shown += ", ..." if len(names) > 8 else ""
        raise InputError(
            f"{path}: expected a column {column!r}, found {shown}{near(column, names)}"
        )


def read_text_table(
    path: Path,
    columns: Sequence[str] = (),
    sheet: str = "",
    rows: int | None = None,
    *,
    ragged: bool = False,
) -> pd.DataFrame:
    """Read a table as text; missing cells are empty text or words that `is_missing` knows.

    Args:
        path: csv, tsv or parquet, gzipped or not; xlsx.
        columns: Columns that must be there.
        sheet: The sheet to read of an xlsx.
        rows: How many of the first rows to read; None: all.
        ragged: Whether a row may be shorter than the header.

    Raises:
        InputError: If the file cannot be read or a column is not there.
    """
    frame = _frame(path, Wanted(None, rows, sheet, ragged))
    require_columns(path, frame, columns)
    return frame[(frame != "").any(axis=1)].reset_index(drop=True)


def read_column(path: Path, name: str) -> tuple[str, ...]:
    """The cells of one column of a csv, tsv or parquet, as text.

    Raises:
        InputError: If the file cannot be read or the column is not there, once.
    """
    frame = _frame(path, Wanted(column=name))
    require_columns(path, frame, [name])
    return tuple(map(str, frame[name]))


def _frame(path: Path, wanted: Wanted) -> pd.DataFrame:
    require_file(path)
    found = format_of(path) or TEXT
    if found.table is None:
        raise found.refused(path, "a table")
    with reading(path, "a table"):
        return found.table(path, wanted)


def _numbers(path: Path, ids: Sequence[str], name: str, cells: pd.Series) -> NDArray[np.float64]:
    """One column as numbers, or an error that names its first cell that is none."""
    if pd.api.types.is_bool_dtype(cells) or not pd.api.types.is_numeric_dtype(cells):
        numbers = pd.to_numeric(cells.astype(str).where(cells.notna()), errors="coerce")
        bad = numbers.isna() & cells.notna()
        if bad.any():
            row = int(np.argmax(bad.to_numpy()))
            raise InputError(
                f"{path}: row {ids[row][:40]}, column {name[:40]!r}: expected a number, "
                f"found {shown(str(cells.iloc[row]))}"
            )
        cells = numbers
    return cells.to_numpy(dtype=np.float64, na_value=np.nan)


def _counts_rows(cells: pd.Series) -> bool:
    """Whether a column is an index that pandas or R wrote without a name."""
    whole = pd.api.types.is_integer_dtype(cells)
    return bool(whole and len(cells) > 1 and (np.diff(cells.to_numpy()) > 0).all())


def read_numeric_table(
    path: Path, id_column: str, quantity: str = "", notes: Collection[str] = ()
) -> NumericTable:
    """Read a table of an identifier column and numbers.

    Args:
        path: csv, tsv or parquet, gzipped or not; or a file or folder of a format of numbers.
        id_column: Name of the identifier column; empty if the header leaves it blank.
        quantity: Which one, of formats that have several.
        notes: Names of columns in small letters that only explain the identifiers, where rows are
            features: they are left out, and so are rows without an identifier.

    Raises:
        InputError: If the file cannot be read, the column is not there, an identifier is missing,
            a column has no name, or a cell is neither a finite float32 nor missing.
    """
    found = format_of(path)
    if found is not None and found.vectors is not None:
        return found.vectors(path, id_column, quantity)
    frame = _frame(path, Wanted([id_column]))
    require_columns(path, frame, [id_column])
    names = [str(name) for name in frame.columns]
    position = names.index(id_column)
    unnamed = 0
    if notes:
        there = (frame.iloc[:, position].fillna("").astype(str).str.strip() != "").to_numpy()
        frame, unnamed = frame[there], int((~there).sum())
    id_cells = frame.iloc[:, position]
    absent = id_cells.isna() | (id_cells.astype(str).str.strip() == "")
    if absent.any():
        row = int(np.argmax(absent.to_numpy())) + 1
        raise InputError(f"{path}: row {row}, column {id_column!r}: expected an id, found nothing")
    ids = tuple(str(cell).strip() for cell in id_cells)
    kept = [i for i, name in enumerate(names) if i != position and name.casefold() not in notes]
    if not ids or not kept:
        raise InputError(
            f"{path}: expected rows and columns of numbers, found {len(ids)} rows and {len(kept)}"
            f" columns beside {id_column!r}"
        )
    counting = [i for i in kept if not names[i].strip() and _counts_rows(frame.iloc[:, i])]
    kept, unnamed = [i for i in kept if i not in counting], unnamed + len(counting)
    for i in kept:
        if not names[i].strip():
            raise InputError(f"{path}: expected a name for column {i + 1}, found a blank header")
    columns = tuple(names[i].strip() for i in kept)
    values = np.empty((len(ids), len(kept)), dtype=np.float64)
    for j, i in enumerate(kept):
        values[:, j] = _numbers(path, ids, names[i], frame.iloc[:, i])
    # features are float32: what overflows it is as useless as an infinity
    too_large = np.abs(values) > np.finfo(np.float32).max
    if too_large.any():
        row, column = (int(k) for k in np.argwhere(too_large)[0])
        raise InputError(
            f"{path}: row {ids[row]}, column {columns[column]!r}: expected a finite number, "
            f"found {values[row, column]}"
        )
    return NumericTable(ids, columns, values, unnamed)
