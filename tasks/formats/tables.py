"""Tables on disk (csv, tsv, parquet, xlsx; gzipped or not) as text or as numbers."""

import difflib
import gzip
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.errors import InputError

_MISSING = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "none", "--", "'--"})
_UNREADABLE = (OSError, EOFError, zlib.error, ValueError, UnicodeError, pd.errors.ParserError)


def is_missing(cell: str) -> bool:
    """Whether a cell says that nothing is known; TCGA brackets such words: `[Not Available]`."""
    text = cell.strip()
    return text.casefold() in _MISSING or (text.startswith("[") and text.endswith("]"))


def near(word: str, known: Iterable[str]) -> str:
    """` (did you mean ...?)` with the known words closest to `word`, or nothing."""
    close = difflib.get_close_matches(word, list(known), n=3, cutoff=0.5)
    return f" (did you mean {', '.join(close)}?)" if close else ""


def one_line(error: BaseException) -> str:
    """The first line of an error's message, or its type if it has none."""
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__


@dataclass(frozen=True)
class _Layout:
    """How a text table is written: what pandas needs to read it, and its header as written."""

    header: tuple[str, ...]
    separator: str
    skip: int
    gzipped: bool


def _layout(path: Path) -> _Layout:
    """Look at the first lines: cBioPortal puts `#` lines above the header, Xena writes tabs."""
    with path.open("rb") as file:
        gzipped = file.read(2) == b"\x1f\x8b"
    opened = gzip.open if gzipped else open
    with opened(path, "rt", encoding="utf-8-sig", newline="") as lines:
        skip = 0
        line = lines.readline()
        while line.startswith("#"):
            skip += 1
            line = lines.readline()
    if not line.strip():
        raise InputError(f"{path}: expected a header line, found an empty file")
    separator = "\t" if "\t" in line else ","
    header = pd.read_csv(
        path,
        sep=separator,
        skiprows=skip,
        header=None,
        nrows=1,
        dtype=str,
        keep_default_na=False,
        encoding="utf-8-sig",
        compression="gzip" if gzipped else None,
    )
    return _Layout(tuple(header.iloc[0]), separator, skip, gzipped)


def _read_text_file(path: Path, text_columns: Iterable[str] | None) -> pd.DataFrame:
    """Read a csv or tsv; columns are the header as written, repeated names included.

    Args:
        path: The file.
        text_columns: Columns to keep as text, the rest being typed by pandas; None: all text.
    """
    layout = _layout(path)
    frame = pd.read_csv(
        path,
        sep=layout.separator,
        skiprows=layout.skip,
        dtype=str if text_columns is None else dict.fromkeys(text_columns, str),
        keep_default_na=text_columns is not None,
        na_filter=text_columns is not None,
        low_memory=False,
        encoding="utf-8-sig",
        compression="gzip" if layout.gzipped else None,
    )
    if frame.shape[1] != len(layout.header) or not isinstance(frame.index, pd.RangeIndex):
        raise InputError(
            f"{path}: expected rows of {len(layout.header)} cells as in the header, found more"
        )
    frame.columns = pd.Index(layout.header)
    return frame


def _read_excel(path: Path, sheet: str) -> pd.DataFrame:
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
    frame = pd.read_parquet(path)
    if not isinstance(frame.index, pd.RangeIndex):
        frame = frame.rename_axis(index=str(frame.index.name or "")).reset_index()
    frame.columns = pd.Index([str(name) for name in frame.columns])
    return frame


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def _columns(path: Path, frame: pd.DataFrame, wanted: Sequence[str]) -> None:
    """Check that each column is there, once."""
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


def read_text_table(path: Path, columns: Sequence[str] = (), sheet: str = "") -> pd.DataFrame:
    """Read a table as text; missing cells are empty text or words that `is_missing` knows.

    Args:
        path: csv, tsv or parquet, gzipped or not; xlsx.
        columns: Columns that must be there.
        sheet: The sheet to read of an xlsx.

    Raises:
        InputError: If the file cannot be read or a column is not there.
    """
    try:
        if path.suffix.lower() == ".xlsx":
            frame = _read_excel(path, sheet)
        elif _is_parquet(path):
            frame = _read_parquet(path)
            frame = frame.astype(object).where(frame.notna(), "").astype(str)
        else:
            frame = _read_text_file(path, None)
    except _UNREADABLE as error:
        raise InputError(f"{path}: expected a table, found: {one_line(error)}") from error
    _columns(path, frame, columns)
    return frame[(frame != "").any(axis=1)].reset_index(drop=True)


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
            found = str(cells.iloc[row])
            raise InputError(
                f"{path}: row {ids[row]}, column {name!r}: expected a number, found {found!r}"
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
    try:
        if _is_parquet(path):
            frame = _read_parquet(path)
        else:
            # pandas names a blank header cell by its position
            blank = [f"Unnamed: {i}" for i, n in enumerate(_layout(path).header) if n == ""]
            frame = _read_text_file(path, blank[:1] if id_column == "" else [id_column])
    except _UNREADABLE as error:
        raise InputError(f"{path}: expected a table, found: {one_line(error)}") from error
    _columns(path, frame, [id_column])
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
