"""AnnData (.h5ad), as scanpy and HEST write expression: a row an observation, a column a gene."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from tasks.data.formats.cells import near
from tasks.data.formats.files import reading
from tasks.data.formats.format import Format, NumericTable
from tasks.data.formats.hdf5 import own_dataset
from tasks.errors import InputError

_MOST_CELLS = 1 << 31


def _vectors(path: Path, id_column: str, quantity: str) -> NumericTable:
    """`X`, or the layer that is called like the quantity, by the names of `obs` and `var`."""
    with reading(path, "AnnData in HDF5"), h5py.File(path, "r", locking=False) as file:
        for group in ("obs", "var"):
            if not isinstance(file.get(group), h5py.Group):
                found = ", ".join(list(file)[:8]) or "nothing"
                raise InputError(f"{path}: expected AnnData with X, obs and var, found {found}")
        ids = _names(path, file, "obs", id_column)
        columns = _names(path, file, "var", "")
        where = "X" if quantity in ("", "X") else f"layers/{quantity}"
        values = _matrix(path, file, where, (len(ids), len(columns)))
    return NumericTable(ids, columns, values)


def _names(path: Path, file: h5py.File, group: str, column: str) -> tuple[str, ...]:
    """A column of `obs` or `var`, or its index, as text."""
    key = column or file[group].attrs.get("_index", "_index")
    key = key.decode() if isinstance(key, bytes) else str(key)
    found = file[group].get(key)
    if isinstance(found, h5py.Group) and {"codes", "categories"} <= set(found):
        categories = _texts(found["categories"][()])
        codes = found["codes"][()]
        if len(codes) and not 0 <= codes.min() <= codes.max() < len(categories):
            raise InputError(f"{path}: expected a value of {group} {key!r} for all, found gaps")
        return tuple(categories[code] for code in codes)
    if not isinstance(found, h5py.Dataset) or found.ndim != 1:
        there = [name for name in file[group] if not name.startswith("__")]
        listed = ", ".join(there[:8])
        hint = near(key, there) or '; id = "" takes the index' if column else ""
        raise InputError(f"{path}: expected {group} {key!r}, found {listed or 'nothing'}{hint}")
    return tuple(_texts(found[()]))


def _texts(values: NDArray[Any]) -> list[str]:
    return [value.decode() if isinstance(value, bytes) else str(value) for value in values]


def _matrix(path: Path, file: h5py.File, where: str, shape: tuple[int, int]) -> NDArray[np.float64]:
    dataset, found = own_dataset(path, file, where), file.get(where)
    if shape[0] * shape[1] > _MOST_CELLS:
        raise InputError(f"{path}: expected at most {_MOST_CELLS} cells, found {list(shape)}")
    if isinstance(found, h5py.Group) and {"data", "indices", "indptr"} <= set(found):
        values = _sparse(path, found, where, shape)
    elif dataset is not None:
        values = np.asarray(dataset[()], dtype=np.float64)
    else:
        layers = file.get("layers")
        there = ["X", *(layers if isinstance(layers, h5py.Group) else ())]
        raise InputError(f"{path}: expected quantity {where!r}, found {', '.join(there[:8])}")
    if values.shape != shape:
        raise InputError(
            f"{path}: expected {where} of shape {list(shape)} as obs and var say, found "
            f"{list(values.shape)}"
        )
    if np.isinf(values).any():
        row, column = (int(k) for k in np.argwhere(np.isinf(values))[0])
        place, cell = f"{where}[{row}, {column}]", values[row, column]
        raise InputError(f"{path}: {place}: expected a finite number, found {cell}")
    return values


def _sparse(
    path: Path, group: h5py.Group, where: str, shape: tuple[int, int]
) -> NDArray[np.float64]:
    """Compressed by rows (csr) or by columns (csc), as the group says."""
    kind = group.attrs.get("encoding-type", group.attrs.get("h5sparse_format", "csr_matrix"))
    kind = kind.decode() if isinstance(kind, bytes) else str(kind)
    by_rows = kind.startswith("csr")
    data, indices, starts = (group[key][()] for key in ("data", "indices", "indptr"))
    major, minor = shape if by_rows else shape[::-1]
    whole = (
        len(starts) == major + 1
        and len(data) == len(indices)
        and (starts[0], starts[-1]) == (0, len(data))
        and (np.diff(starts) >= 0).all()
        and (not len(indices) or 0 <= indices.min() <= indices.max() < minor)
    )
    if not whole:
        raise InputError(
            f"{path}: expected {where} to be a whole {kind}, found parts that do not fit"
        )
    values = np.zeros((major, minor))
    values[np.repeat(np.arange(major), np.diff(starts)), indices] = data
    return values if by_rows else values.T


def _quantities(path: Path) -> tuple[str, ...]:
    with reading(path, "AnnData in HDF5"), h5py.File(path, "r", locking=False) as file:
        layers = file.get("layers")
        return ("X", *(layers if isinstance(layers, h5py.Group) else ()))


FORMAT = Format(
    "AnnData",
    lambda path, head: path.suffix.lower() == ".h5ad" and head.startswith(b"\x89HDF"),
    vectors=_vectors,
    why_not='its matrix is expression: [modalities.rna] path = "...", id = "" for the index of obs',
    quantities=_quantities,
)
