"""Embeddings that somebody made elsewhere: an identifier and a vector of one width in each row.

csv, tsv and parquet (a column a feature, or one column of lists), HDF5 and npz (a matrix and its
identifiers, or an array a slide), npy with the identifiers in a text file beside it, and whatever
else is read as vectors: AnnData, a folder of slide embeddings. Never a pickle.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from tasks.data.formats.cells import near, shown
from tasks.data.formats.files import reading, require_file
from tasks.data.formats.hdf5 import own_dataset
from tasks.data.formats.known_formats import format_of
from tasks.errors import InputError

MATRICES = ("embeddings", "embedding", "features", "feats", "joint")
"""Names of the matrix, the first that is there, of files that hold several."""

_PICKLES = (".pt", ".pth", ".pkl", ".pickle", ".joblib")
_CONVERT = (
    "it may run anything when it is loaded, so it never is; where you trust it, save the matrix "
    "[n, width] and the n identifiers with numpy.savez(FILE, embeddings=.., ids=..), or a table as "
    "csv or parquet"
)


@dataclass(frozen=True)
class EmbeddingTable:
    """Embeddings as a file has them.

    Attributes:
        ids: The identifier of each row, as written; no two are the same.
        features: Names of the columns.
        values: float32 [n rows, width], finite.
        empty: How many rows had no number at all, as `embed` writes them, and were left out.
    """

    ids: tuple[str, ...]
    features: tuple[str, ...]
    values: NDArray[np.float32]
    empty: int = 0


def read_embedding_table(
    path: Path, id_column: str | None, drop: Sequence[str], is_id: Callable[[str], bool]
) -> EmbeddingTable:
    """Read a file of embeddings.

    Args:
        path: The file, or a folder of a file a slide.
        id_column: Of csv, tsv and parquet, the column of the identifiers; None for the only column
            of text that holds some.
        drop: Columns that are no features.
        is_id: Whether a text is an identifier of the cohort's sort.

    Raises:
        InputError: It is a pickle, cannot be read, or has not one finite vector of one width for
            each of several different identifiers.
    """
    suffix = path.suffix.lower()
    if suffix in _PICKLES:
        raise InputError(f"{path}: expected a table of embeddings, found a pickle: {_CONVERT}")
    found = format_of(path)
    ids: Sequence[str]
    features: Sequence[str]
    if path.is_dir() or (suffix not in _READERS and found is not None and found.vectors):
        if found is None or found.vectors is None:
            raise InputError(
                f"{path}: expected a file of embeddings or a folder of one vector a slide, found "
                "a folder of other files"
            )
        table = found.vectors(path, id_column or "", "")
        ids, features, values = table.ids, table.columns, table.values
    elif suffix in _READERS:
        require_file(path)
        ids, features, values = _READERS[suffix](path)
    else:
        require_file(path)
        if found is not None and found.table is None:
            raise found.refused(path, "a table of embeddings")
        return _checked(path, *_of_columns(path, id_column, drop, is_id))
    if drop:
        raise InputError(f"{path}: drop: expected a table of named columns, found none")
    return _checked(path, ids, features, values)


def _checked(
    path: Path, ids: Sequence[str], features: Sequence[str], values: NDArray[Any]
) -> EmbeddingTable:
    """Rows that are finite, and each of an identifier of its own."""
    ids = [text.strip() for text in ids]
    if not ids or not len(features):
        raise InputError(
            f"{path}: expected rows and columns of numbers, found {len(ids)} rows and "
            f"{len(features)} columns"
        )
    seen: set[str] = set()
    for row, text in enumerate(ids, start=1):
        if not text:
            raise InputError(f"{path}: row {row}: expected an identifier, found nothing")
        if text in seen:
            raise InputError(
                f"{path}: row {row}: expected each identifier once, found {text} again"
            )
        seen.add(text)
    if len(names := set(features)) < len(features):
        twice = next(name for name in names if list(features).count(name) > 1)
        raise InputError(f"{path}: expected different columns, found {twice!r} several times")
    with np.errstate(over="ignore"):  # what float32 cannot hold is as useless as an infinity
        narrow = np.ascontiguousarray(values, dtype=np.float32)
    # a row's sum is finite only if its cells are, and costs no table of booleans
    rows = np.flatnonzero(~np.isfinite(narrow.sum(axis=1, dtype=np.float64)))
    empty = rows[np.isnan(narrow[rows]).all(axis=1)]
    rows = np.setdiff1d(rows, empty)
    if len(rows):
        row = int(rows[0])
        column = int(np.flatnonzero(~np.isfinite(narrow[row]))[0])
        raise InputError(
            f"{path}: row {ids[row][:60]}, column {features[column]!r}: expected a finite number, "
            f"found {narrow[row, column]}"
        )
    if not len(empty):
        return EmbeddingTable(tuple(ids), tuple(features), narrow)
    gone = set(empty.tolist())
    kept = [row for row in range(len(ids)) if row not in gone]
    rest = tuple(ids[row] for row in kept)
    return EmbeddingTable(rest, tuple(features), narrow[kept], len(empty))


def _of_columns(
    path: Path, id_column: str | None, drop: Sequence[str], is_id: Callable[[str], bool]
) -> tuple[list[str], list[str], NDArray[Any]]:
    """A table: a column of identifiers, and one a feature, or one of lists."""
    table = _arrow(path)
    names = [str(name) for name in table.column_names]
    for name in drop:
        if name not in names:
            raise InputError(f"{path}: drop: expected a column, found {name!r}{near(name, names)}")
    position = _id_position(path, table, names, id_column, drop, is_id)
    ids = table.column(position).cast(pa.string()).to_pylist()
    others = [j for j in range(len(names)) if j != position]
    counting = [j for j in others if _counts(names[j], table.column(j))]
    others = [j for j in others if j not in counting and names[j] not in drop]
    lists = [j for j in others if pa.types.is_nested(table.column(j).type)]
    texts = [str(text or "") for text in ids]
    if lists:
        if len(lists) > 1 or len(others) > 1:
            listed = ", ".join(repr(names[j]) for j in others[:8])
            raise InputError(
                f"{path}: expected one column of lists beside the identifiers, found {listed}; "
                "drop = [..] beside the path in cohort.toml leaves columns out"
            )
        cells = table.column(lists[0]).to_pylist()
        values = _stacked(path, dict(enumerate(cells)), lambda row: f"row {texts[row][:60]}")
        return texts, [f"feature_{j}" for j in range(values.shape[1])], values
    values = np.empty((len(ids), len(others)), dtype=np.float32)
    for k, j in enumerate(others):
        values[:, k] = _numbers(path, texts, names[j], table.column(j))
    return texts, [names[j] for j in others], values


def _arrow(path: Path) -> pa.Table:
    """A csv, a tsv (told by its first line) or parquet, typed by what the cells are."""
    with reading(path, "a table of embeddings"):
        if path.suffix.lower() == ".parquet":
            return pyarrow.parquet.read_table(path)
        with pa.input_stream(str(path), compression="detect") as stream:
            tabs = b"\t" in stream.read(4096).split(b"\n")[0]
        return pyarrow.csv.read_csv(
            path, parse_options=pyarrow.csv.ParseOptions(delimiter="\t" if tabs else ",")
        )


def _id_position(
    path: Path,
    table: pa.Table,
    names: Sequence[str],
    id_column: str | None,
    drop: Sequence[str],
    is_id: Callable[[str], bool],
) -> int:
    if id_column is not None:
        if names.count(id_column) == 1:
            return names.index(id_column)
        found = ", ".join(map(repr, names[:8])) + (", ..." if len(names) > 8 else "")
        raise InputError(
            f"{path}: id: expected a column {id_column!r}, found {found}{near(id_column, names)}"
        )
    texts = [
        j for j, name in enumerate(names) if name not in drop and _is_text(table.column(j).type)
    ]
    # of several texts, that whose cells are identifiers
    held = (
        [j for j in texts if all(map(is_id, _first(table.column(j))))] if len(texts) > 1 else texts
    )
    if len(held) != 1:
        listed = ", ".join(repr(names[j]) for j in (held or texts)[:8]) or "none"
        raise InputError(
            f'{path}: expected one column of identifiers, found {listed}; id = ".." beside '
            "the path in cohort.toml names it"
        )
    return held[0]


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _first(column: pa.ChunkedArray, n: int = 20) -> list[str]:
    return [str(cell or "") for cell in column.slice(0, n).to_pylist()]


def _counts(name: str, column: pa.ChunkedArray) -> bool:
    """Whether a column is an index that pandas or R wrote without a name."""
    if not pa.types.is_integer(column.type) or column.null_count:
        return False
    if name.startswith("__index_level_"):  # of a table whose rows were sorted, in any order
        return True
    blank = not name.strip() or name.startswith("Unnamed: ")
    return blank and bool((np.diff(column.to_numpy()) > 0).all())


def _numbers(
    path: Path, ids: Sequence[str], name: str, column: pa.ChunkedArray
) -> NDArray[np.floating]:
    kind = column.type
    if pa.types.is_null(kind) or column.null_count:
        row = next(i for i, cell in enumerate(column.to_pylist()) if cell is None)
        raise InputError(
            f"{path}: row {ids[row][:60]}, column {name[:40]!r}: expected a finite number, found "
            "nothing"
        )
    if pa.types.is_floating(kind) or pa.types.is_integer(kind):
        return np.asarray(column.to_numpy())
    for row, cell in enumerate(column.to_pylist()):
        try:
            float(cell)
        except (TypeError, ValueError):
            raise InputError(
                f"{path}: row {ids[row][:60]}, column {name[:40]!r}: expected a number, found "
                f"{shown(cell)}; drop = [..] beside the path in cohort.toml leaves a column out"
            ) from None
    raise InputError(f"{path}: column {name[:40]!r}: expected numbers, found {kind}")


def _stacked(
    path: Path, vectors: Mapping[Any, Any], place: Callable[[Any], str]
) -> NDArray[np.floating]:
    """Vectors [D] or [1, D] of one width as rows."""
    rows: list[NDArray[Any]] = []
    for key, cells in vectors.items():
        vector = np.asarray([] if cells is None else cells)
        vector = vector[0] if vector.ndim == 2 and len(vector) == 1 else vector
        if vector.ndim != 1 or vector.dtype.kind not in "fiu" or not len(vector):
            raise InputError(
                f"{path}: {place(key)}: expected one vector [D] of numbers, found "
                f"{list(vector.shape)} of {vector.dtype}"
            )
        if rows and len(vector) != len(rows[0]):
            raise InputError(
                f"{path}: {place(key)}: expected {len(rows[0])} numbers as in the first row, found "
                f"{len(vector)}"
            )
        rows.append(vector)
    return np.stack(rows) if rows else np.empty((0, 0), np.float32)


Read = tuple[Sequence[str], Sequence[str], NDArray[Any]]


def _of_arrays(path: Path, arrays: Mapping[str, Any]) -> Read:
    """A matrix and its identifiers by their shapes, or an array a slide under its name.

    Args:
        path: The file, for errors.
        arrays: Whatever has `shape`, `dtype` and can be indexed by `[()]`, by name.
    """
    matrices = [name for name, one in arrays.items() if one.ndim == 2 and one.dtype.kind in "fiu"]
    named = [name for name in MATRICES if name in matrices]
    matrix = next(iter(named), matrices[0] if len(matrices) == 1 else None)
    texts = {
        name: len(one) for name, one in arrays.items() if one.ndim == 1 and one.dtype.kind in "USO"
    }
    if matrix is not None and texts:
        values = np.asarray(arrays[matrix][()])
        held = [name for name, n in texts.items() if n == len(values)]
        if len(held) != 1:
            found = ", ".join(f"{name} [{n}]" for name, n in texts.items())
            raise InputError(
                f"{path}: expected one array of {len(values)} identifiers beside {matrix!r}, found "
                f"{found}"
            )
        return _strings(arrays[held[0]]), [f"feature_{j}" for j in range(values.shape[1])], values
    if (
        arrays
        and not texts
        and all(one.ndim <= 2 and one.dtype.kind in "fiu" for one in arrays.values())
    ):
        if len(arrays) == 1 and matrix is not None and len(arrays[matrix]) > 1:
            raise InputError(
                f"{path}: expected identifiers beside {matrix!r}, an array of as many texts, found "
                "none"
            )
        values = _stacked(path, {key: one[()] for key, one in arrays.items()}, repr)
        return list(arrays), [f"feature_{j}" for j in range(values.shape[1])], values
    found = ", ".join(f"{name} {list(one.shape)}" for name, one in list(arrays.items())[:8])
    raise InputError(
        f"{path}: expected a matrix `embeddings` [n, width] and an array of n identifiers, or a "
        f"vector a slide under its name, found {found or 'nothing'}"
    )


def _strings(array: Any) -> list[str]:
    cells = array.asstr()[()] if isinstance(array, h5py.Dataset) else array
    return [str(cell) for cell in cells.tolist()]


def _hdf5(path: Path) -> Read:
    with reading(path, "a whole HDF5 file"), h5py.File(path, "r", locking=False) as file:
        found = {key: own_dataset(path, file, key) for key in file}
        return _of_arrays(path, {key: one for key, one in found.items() if one is not None})


def _npz(path: Path) -> Read:
    with reading(path, "an npz archive of arrays"), np.load(path, allow_pickle=False) as file:
        arrays = {}
        for key in file.files:
            try:
                arrays[key] = file[key]
            except ValueError as error:  # an array of objects is a pickle
                raise InputError(
                    f"{path}: {key}: expected numbers or texts, found pickled objects: {_CONVERT}"
                ) from error
    return _of_arrays(path, arrays)


def _npy(path: Path) -> Read:
    beside = path.with_suffix(".txt")
    require_file(beside)
    with reading(beside, "identifiers, one a line, in UTF-8"):
        ids = beside.read_text(encoding="utf-8-sig").split("\n")
    while ids and not ids[-1].strip():
        ids.pop()
    with reading(path, "a matrix [n, width] in NumPy's format, without pickled objects"):
        values = np.load(path, allow_pickle=False)
    if values.ndim != 2 or values.dtype.kind not in "fiu" or len(values) != len(ids):
        raise InputError(
            f"{path}: expected numbers [{len(ids)}, width], a row for each line of {beside.name}, "
            f"found {list(values.shape)} of {values.dtype}"
        )
    return ids, [f"feature_{j}" for j in range(values.shape[1])], values


_READERS: Mapping[str, Callable[[Path], Read]] = {
    ".h5": _hdf5,
    ".hdf5": _hdf5,
    ".npz": _npz,
    ".npy": _npy,
}
