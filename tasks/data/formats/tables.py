"""Tables on disk (csv, tsv, parquet, xlsx; gzipped or not) as text or as numbers."""

import difflib
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet
from numpy.typing import NDArray

from tasks.data.formats.cells import shown
from tasks.data.formats.delimited import read_cells, read_delimited, read_header
from tasks.data.formats.files import reading, require_file
from tasks.errors import InputError

_MISSING = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "none", "--", "'--"})
_UNKNOWN = frozenset({"unknown", "not reported", "unspecified", "not applicable", "not available"})
# An archive may unpack to more than a memory holds, out of next to nothing.
_LARGEST_BOOK = 256 << 20
_MOST_CELLS = 1 << 31


def is_missing(cell: str) -> bool:
    """Whether a cell says that nothing is known; TCGA brackets such words: `[Not Available]`."""
    text = cell.strip()
    return text.casefold() in _MISSING or (text.startswith("[") and text.endswith("]"))


def is_unknown(cell: str) -> bool:
    """Whether a cell of a clinical table says in words that nothing is known."""
    return cell.strip().casefold() in _UNKNOWN


def near(word: str, known: Iterable[str]) -> str:
    """` (did you mean ...?)` with the known words closest to `word`, or nothing."""
    close = difflib.get_close_matches(word, list(known), n=3, cutoff=0.5)
    return f" (did you mean {', '.join(close)}?)" if close else ""


def _read_excel(path: Path, sheet: str) -> pd.DataFrame:
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(part.file_size for part in archive.infolist())
    if unpacked > _LARGEST_BOOK:
        raise InputError(
            f"{path}: expected an xlsx that unpacks to at most {_LARGEST_BOOK >> 20} MiB, "
            f"found {unpacked >> 20} MiB"
        )
    try:
        book = pd.ExcelFile(path, engine="openpyxl")
    except ImportError:
        raise InputError(
            f"{path}: reading xlsx needs the package openpyxl; install it, or save the sheet as csv"
        ) from None
    with book:
        names = [str(name) for name in book.sheet_names]
        if sheet not in names:
            raise InputError(f"{path}: expected a sheet {sheet}, found {', '.join(names)}")
        frame = book.parse(sheet, dtype=str, keep_default_na=False, na_filter=False)
    return frame.astype(str)


def _read_parquet(path: Path) -> pd.DataFrame:
    facts = pyarrow.parquet.read_metadata(path)
    if facts.num_rows * facts.num_columns > _MOST_CELLS:
        raise InputError(
            f"{path}: expected at most {_MOST_CELLS} cells, found {facts.num_rows} rows of "
            f"{facts.num_columns} columns"
        )
    frame = pd.read_parquet(path)
    if not isinstance(frame.index, pd.RangeIndex):
        frame = frame.rename_axis(index=str(frame.index.name or "")).reset_index()
    frame.columns = pd.Index([str(name) for name in frame.columns])
    return frame


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


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
    require_file(path)
    with reading(path, "a table"):
        if path.suffix.lower() == ".xlsx":
            frame = _read_excel(path, sheet)[:rows]
        elif _is_parquet(path):
            frame = _read_parquet(path)[:rows]
            frame = frame.astype(object).where(frame.notna(), "").astype(str)
        else:
            frame = read_delimited(path, None, rows, ragged=ragged)
    require_columns(path, frame, columns)
    return frame[(frame != "").any(axis=1)].reset_index(drop=True)


def read_column(path: Path, name: str) -> tuple[str, ...]:
    """The cells of one column of a csv, tsv or parquet, as text.

    Raises:
        InputError: If the file cannot be read or the column is not there, once.
    """
    require_file(path)
    with reading(path, "a table"):
        if _is_parquet(path):
            frame = _read_parquet(path)
            require_columns(path, frame, [name])
            return tuple(map(str, frame[name]))
        header = read_header(path)
        require_columns(path, pd.DataFrame(columns=list(header)), [name])
        return tuple(read_cells(path, header.index(name)))


@dataclass(frozen=True)
class NumericTable:
    """A table of numbers.

    Attributes:
        ids: The identifier of each row, as written.
        columns: Names of the columns, the identifier's apart.
        values: float64 [n rows, n columns]; NaN is a missing cell, infinities are refused.
    """

    ids: tuple[str, ...]
    columns: tuple[str, ...]
    values: NDArray[np.float64]


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


def read_numeric_table(path: Path, id_column: str) -> NumericTable:
    """Read a table of an identifier column and numbers.

    Args:
        path: csv, tsv or parquet, gzipped or not.
        id_column: Name of the identifier column; empty if the header leaves it blank.

    Raises:
        InputError: If the file cannot be read, the column is not there, an identifier is missing,
            a column has no name, or a cell is neither a finite float32 nor missing.
    """
    require_file(path)
    with reading(path, "a table"):
        if _is_parquet(path):
            frame = _read_parquet(path)
        else:
            # pandas names a blank header cell by its position
            blank = [f"Unnamed: {i}" for i, n in enumerate(read_header(path)) if n == ""]
            frame = read_delimited(path, blank[:1] if id_column == "" else [id_column])
    require_columns(path, frame, [id_column])
    names = [str(name) for name in frame.columns]
    position = names.index(id_column)
    id_cells = frame.iloc[:, position]
    absent = id_cells.isna() | (id_cells.astype(str).str.strip() == "")
    if absent.any():
        row = int(np.argmax(absent.to_numpy())) + 1
        raise InputError(f"{path}: row {row}, column {id_column!r}: expected an id, found nothing")
    ids = tuple(str(cell).strip() for cell in id_cells)
    kept = [i for i in range(len(names)) if i != position]
    if not ids or not kept:
        raise InputError(
            f"{path}: expected rows and columns of numbers, found {len(ids)} rows and {len(kept)}"
            f" columns beside {id_column!r}"
        )
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
    return NumericTable(ids, columns, values)
