"""Parquet files of a slide each: a row a patch, its features in one list or in a column each."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from numpy.typing import NDArray

from tasks.data.formats.files import reading
from tasks.data.formats.format import Format, Peek, SlideReader, float32
from tasks.errors import InputError

_PLACES = (("x", "y"), ("coord_x", "coord_y"), ("x_coord", "y_coord"))
_ROWS = 4096
_FEWEST = 8  # columns of features; a table of less beside places is another


def _is_list(kind: pa.DataType) -> bool:
    lists = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    lists = lists or pa.types.is_fixed_size_list(kind)
    return bool(lists and pa.types.is_floating(kind.value_type))


def _columns(schema: pa.Schema) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The columns of the features, one of lists or one each, and those of the places."""
    names = [name for name in schema.names if not name.startswith("__index_level")]
    lists = [name for name in names if _is_list(schema.field(name).type) and name != "coords"]
    if any(pa.types.is_string(schema.field(n).type) for n in names) or len(lists) > 1:
        return (), ()  # names of slides, so a table of several
    places = next((place for place in _PLACES if set(place) <= set(names)), ())
    if lists:
        return (lists[0],), places
    wide = [n for n in names if n not in places and pa.types.is_floating(schema.field(n).type)]
    return (tuple(wide), places) if places and len(wide) >= _FEWEST else ((), ())


def _matrix(path: Path, batch: pa.RecordBatch) -> NDArray[np.float32]:
    """The features of some rows."""
    if any(column.null_count for column in batch.columns):
        raise InputError(f"{path}: expected features of every patch, found empty cells")
    if not _is_list(batch.column(0).type):
        return float32(np.stack([column.to_numpy(False) for column in batch.columns], axis=1))
    values = batch.column(0).flatten().to_numpy(zero_copy_only=False)
    lengths = set(batch.column(0).value_lengths().to_pylist())
    if len(lengths) > 1:
        raise InputError(
            f"{path}: expected as many features of every patch, found {min(lengths)} and "
            f"{max(lengths)}"
        )
    return float32(values.reshape(batch.num_rows, -1))


def _chunks(path: Path, rows: int = _ROWS) -> Iterator[NDArray[np.float32]]:
    with reading(path, "a slide's features in Parquet"), pa.parquet.ParquetFile(path) as file:
        features, _ = _columns(file.schema_arrow)
        for batch in file.iter_batches(rows, columns=list(features)):
            if batch.num_rows:
                yield _matrix(path, batch)


def _peek(path: Path) -> Peek:
    with reading(path, "a slide's features in Parquet"), pa.parquet.ParquetFile(path) as file:
        n, (_, places) = file.metadata.num_rows, _columns(file.schema_arrow)
    first = next(_chunks(path, 1), None)
    return (
        Peek(n, 0, placed=bool(places))
        if first is None
        else Peek(n, first.shape[1], placed=bool(places))
    )


def _coordinates(path: Path) -> NDArray[np.float64] | None:
    with reading(path, "a slide's places in Parquet"), pa.parquet.ParquetFile(path) as file:
        _, places = _columns(file.schema_arrow)
        if not places:
            return None
        table = file.read(columns=list(places))
        return np.stack([table[name].to_numpy() for name in places], axis=1).astype(np.float64)


def _sniff(path: Path, head: bytes) -> bool:
    if not head.startswith(b"PAR1") or path.suffix.lower() != ".parquet":
        return False
    try:
        return bool(_columns(pa.parquet.read_schema(path))[0])
    except (OSError, pa.ArrowException):
        return False


FORMAT = Format(
    "Parquet of a slide's patches",
    _sniff,
    slide=SlideReader((".parquet",), _peek, _chunks, _coordinates),
    why_not='a folder of slides\' files goes into a modality of kind = "bag"',
)
