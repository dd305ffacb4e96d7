"""A folder of slide embeddings as TRIDENT writes them: a vector a slide, a file each."""

from pathlib import Path

import h5py
import numpy as np

from tasks.data.formats.files import reading
from tasks.data.formats.format import Format, NumericTable
from tasks.data.formats.hdf5 import own_dataset
from tasks.data.formats.hdf5_slides import KEYS
from tasks.errors import InputError

_SUFFIX = ".h5"


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob(f"*{_SUFFIX}") if not path.name.startswith("."))


def _vector(path: Path) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    with reading(path, "a whole HDF5 file"), h5py.File(path, "r", locking=False) as file:
        found = [own_dataset(path, file, key) for key in KEYS]
        values = next((np.asarray(one[()]) for one in found if one is not None), None)
    if values is None:
        raise InputError(f"{path}: expected a dataset `features`, found none")
    vector = values.reshape(-1) if values.ndim == 2 and len(values) == 1 else values
    if vector.ndim != 1 or not len(vector) or vector.dtype.kind not in "fiu":
        raise InputError(f"{path}: expected one vector [D] of numbers, found {list(values.shape)}")
    if not np.isfinite(vector).all():
        raise InputError(f"{path}: expected finite numbers, found another")
    return vector.astype(np.float64)


def _vectors(folder: Path, _id: str, _quantity: str) -> NumericTable:
    files = _files(folder)
    rows = []
    for path in files:
        rows.append(_vector(path))
        if len(rows[-1]) != len(rows[0]):
            raise InputError(
                f"{path}: expected {len(rows[0])} features as in {files[0].name}, found "
                f"{len(rows[-1])}"
            )
    names = tuple(f"feature_{j}" for j in range(len(rows[0])))
    return NumericTable(tuple(path.name for path in files), names, np.stack(rows))


def is_embeddings(path: Path, _head: bytes = b"") -> bool:
    """Whether the files of a folder, by the first one, have a vector each."""
    if not path.is_dir() or not (files := _files(path)):
        return False
    try:
        _vector(files[0])
    except InputError:
        return False
    return True


FORMAT = Format(
    "a folder of slide embeddings, a vector a slide",
    is_embeddings,
    vectors=_vectors,
    why_not='it is a modality of kind = "vector": path = "...", id = ""',
)
