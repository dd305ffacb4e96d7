"""Text tables, comma or tab separated, gzipped or not, as their tools write them."""

import csv
import io
import itertools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import pandas as pd

from tasks.data.formats.cells import shown
from tasks.data.formats.files import unpacked
from tasks.data.formats.format import Format, Wanted
from tasks.errors import InputError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# The header of a genome-wide table of a row a sample has two million characters.
_LONGEST_HEADER = 32 << 20
# Text shrinks to a third, a matrix of zeros to a hundredth of its size.
_UNCHECKED = 1 << 30
_MOST_PACKED = 300
_COMMA = re.compile(r"(?<![^;\t])-?\d+,\d+(?![^;\t\r\n])")
_POINT = re.compile(r"(?<![^;\t])-?\d+\.\d+(?![^;\t\r\n])")
_DECIMAL = re.compile(r"^(-?\d+),(\d+)$")
_AMOUNTS = frozenset({"normalized_count", "raw_count", "RPKM", "signal"})


@dataclass(frozen=True)
class _Layout:
    """How a text table is written: what pandas needs to read it, and its header as written.

    R's write.table gives the names of rows no header: `unnamed`, their column has a blank one here.
    Spreadsheets of much of Europe write 1,5 for one and a half: `comma`. Firehose repeats below the
    header what the numbers are: `twofold`.
    """

    header: tuple[str, ...]
    separator: str
    skip: int
    unnamed: bool = False
    comma: bool = False
    twofold: bool = False


def _layout(path: Path) -> _Layout:
    """Look at the first lines: cBioPortal puts `#` lines above the header, Xena writes tabs."""
    with _lines(path) as lines:
        skip = 0
        line = lines.readline(_LONGEST_HEADER)
        while line.startswith("#") and line.endswith("\n"):
            skip += 1
            line = lines.readline(_LONGEST_HEADER)
    if len(line) == _LONGEST_HEADER:
        raise InputError(f"{path}: expected a header line, found {line[:40]!r}... without an end")
    if not line.strip():
        raise InputError(f"{path}: expected a header line, found an empty file")
    separator = separator_of(line)
    with unpacked(path) as file:
        first = pd.read_csv(
            file,
            sep=separator,
            skiprows=skip,
            header=None,
            nrows=1,
            dtype=str,
            keep_default_na=False,
            encoding="utf-8-sig",
        )
    header = tuple(first.iloc[0])
    with _lines(path) as lines:
        for _ in range(skip + 1):
            lines.readline(_LONGEST_HEADER)
        second = lines.readline(_LONGEST_HEADER)
    cells = second.split(separator) if '"' not in second else _quoted(second, separator)
    unnamed = len(cells) == len(header) + 1 and bool(cells[0].strip() and cells[-1].strip())
    comma = separator != "," and bool(_COMMA.search(second)) and not _POINT.search(second)
    rest = {cell.strip() for cell in cells[1:]}
    twofold = len(cells) == len(header) > 2 and rest <= _AMOUNTS and len(rest) == 1
    header = ("", *header) if unnamed else header
    return _Layout(header, separator, skip, unnamed, comma, twofold)


def separator_of(line: str) -> str:
    """What stands between the cells of a header."""
    return "\t" if "\t" in line else ";" if ";" in line and "," not in line else ","


def _quoted(line: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error:
        return []


def _lines(path: Path) -> io.TextIOWrapper:
    return io.TextIOWrapper(unpacked(path), encoding="utf-8-sig", newline="")


def _parse(path: Path, layout: _Layout, **options: Any) -> pd.DataFrame:
    with unpacked(path) as file:
        frame: pd.DataFrame = pd.read_csv(
            io.BufferedReader(_Watched(path, file), 1 << 20),
            sep=layout.separator,
            skiprows=[*range(layout.skip + layout.unnamed), *([layout.skip + 1] * layout.twofold)],
            decimal="," if layout.comma else ".",
            header=None if layout.unnamed else "infer",
            encoding="utf-8-sig",
            **options,
        )
    return frame


class _Watched(io.RawIOBase):
    """The bytes of a text table on their way to the parser.

    A zero byte would end the parser's cell without a word. What unpacks a thousandfold is no table.
    """

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path = path
        self._file = file
        self._size = path.stat().st_size
        self._passed = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        data = self._file.read(memoryview(buffer).nbytes)
        if b"\0" in data:
            raise InputError(f"{self._path}: expected text, found a zero byte")
        self._passed += len(data)
        if self._passed > max(_UNCHECKED, _MOST_PACKED * self._size):
            raise InputError(
                f"{self._path}: expected a table, found {self._size} bytes that unpack to more "
                f"than {self._passed}"
            )
        memoryview(buffer)[: len(data)] = data
        return len(data)


def _refuse_short_rows(path: Path, layout: _Layout, n_rows: int | None) -> None:
    """Find a row of fewer cells than the header: the file was cut, or lost a separator.

    The parser fills such a row with missing cells, so it is looked at only where the last are.
    """
    with _lines(path) as lines:
        for _ in range(layout.skip + layout.unnamed):
            lines.readline()
        limit = csv.field_size_limit(_LONGEST_HEADER)
        try:
            rows = csv.reader(lines, delimiter=layout.separator)
            last = None if n_rows is None else n_rows + 1
            for position, row in enumerate(itertools.islice(rows, last)):
                if row and len(row) < len(layout.header):
                    raise InputError(
                        f"{path}: row {position}: expected {len(layout.header)} cells as in the "
                        f"header, found {len(row)}"
                    )
        finally:
            csv.field_size_limit(limit)


def _refuse_swallowed_rows(path: Path, layout: _Layout, frame: pd.DataFrame) -> None:
    """Find a cell that holds the end of one row and the start of another.

    A quote that is meant as a character opens a cell, the next one closes it, and the patients
    between them are gone without a word.
    """
    separators = len(layout.header) - 1
    for name, cells in frame.items():
        if not separators or pd.api.types.is_numeric_dtype(cells):
            continue
        for row, cell in enumerate(cells, start=1):
            if (
                isinstance(cell, str)
                and "\n" in cell
                and cell.count(layout.separator) >= separators
            ):
                raise InputError(
                    f"{path}: row {row}, column {str(name)[:40]!r}: expected a cell, found "
                    f"{cell.count(chr(10)) + 1} lines of cells between two quotes: {shown(cell)}"
                )


def _table(path: Path, wanted: Wanted) -> pd.DataFrame:
    """Read a csv or tsv; columns are the header as written, repeated names included."""
    layout = _layout(path)
    typed = wanted.text is not None
    options: dict[str, Any] = {"keep_default_na": typed, "na_filter": typed, "low_memory": False}
    if wanted.column is not None:
        if layout.header.count(wanted.column) != 1:
            return pd.DataFrame(columns=list(layout.header))  # whoever asks says what is wrong
        position = layout.header.index(wanted.column)
        frame = _parse(path, layout, dtype=str, usecols=[position], nrows=wanted.rows, **options)
        frame.columns = pd.Index([wanted.column])
        return frame
    text = [i for i, name in enumerate(layout.header) if name in (wanted.text or ())]
    # pandas names a blank header cell by its position, and R's has none
    names = [layout.header[i] or f"Unnamed: {i}" for i in text]
    dtype: Any = dict.fromkeys(text if layout.unnamed else names, str) if typed else str
    frame = _parse(path, layout, dtype=dtype, nrows=wanted.rows, **options)
    if layout.unnamed and wanted.text is not None and "" not in wanted.text:
        raise InputError(
            f"{path}: expected rows of {len(layout.header) - 1} cells as in the header, found "
            'more; where the first are names of rows, as R writes them, id = ""'
        )
    if frame.shape[1] != len(layout.header) or not isinstance(frame.index, pd.RangeIndex):
        raise InputError(
            f"{path}: expected rows of {len(layout.header)} cells as in the header, found more"
        )
    frame.columns = pd.Index(layout.header)
    if layout.comma:
        frame = frame.replace(_DECIMAL, r"\1.\2", regex=True)
    _refuse_swallowed_rows(path, layout, frame)
    last = frame.iloc[:, -1]
    if not wanted.ragged and (last.isna() | (last == "")).any():
        _refuse_short_rows(path, layout, wanted.rows)
    return frame


FORMAT = Format("text", lambda _path, head: bool(head) and b"\0" not in head, table=_table)
