"""Sheets of Excel's books."""

import zipfile
from pathlib import Path

import pandas as pd

from tasks.data.formats.format import Format, Wanted
from tasks.errors import InputError

# An archive may unpack to more than a memory holds, out of next to nothing.
_LARGEST_BOOK = 256 << 20


def _table(path: Path, wanted: Wanted) -> pd.DataFrame:
    """The sheet of the wanted name, or the only one there is, as text."""
    if wanted.text is not None:
        raise InputError(f"{path}: expected csv, tsv or parquet, found an xlsx: save it as csv")
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
        sheet = wanted.sheet if wanted.sheet in names or len(names) != 1 else names[0]
        if sheet not in names:
            raise InputError(f"{path}: expected a sheet {sheet}, found {', '.join(names)}")
        frame = book.parse(sheet, dtype=str, keep_default_na=False, na_filter=False)
    return frame.astype(str)[: wanted.rows]


FORMAT = Format(
    "an Excel book",
    lambda path, _head: path.suffix.lower() in (".xlsx", ".xlsm"),
    table=_table,
)
