"""A folder of slide embeddings as TRIDENT and TITAN write them: a vector a slide, a file each."""

from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.data.formats import torch_slides
from tasks.data.formats.format import Format, NumericTable
from tasks.data.formats.hdf5_slides import open_features
from tasks.errors import InputError

_SUFFIXES = (".h5", *torch_slides.SUFFIXES)
_FIRST = 8  # files; a slide of one patch has a vector as well


def _files(folder: Path) -> list[Path]:
    files = (path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)
    return sorted(path for path in files if not path.name.startswith("."))


def _shape(path: Path) -> tuple[int, ...]:
    """Of a file's features, which are not read."""
    if path.suffix.lower() in torch_slides.SUFFIXES:
        return tuple(torch_slides.features_of(path).shape)
    with open_features(path) as features:
        return tuple(features.shape or ())


def _is_vector(shape: tuple[int, ...]) -> bool:
    return len(shape) == 1 or (len(shape) == 2 and shape[0] == 1)


def _vector(path: Path) -> NDArray[np.float64]:
    shape = _shape(path)
    if not _is_vector(shape) or not shape[-1]:
        raise InputError(f"{path}: expected one vector [D] of numbers, found {list(shape)}")
    if path.suffix.lower() in torch_slides.SUFFIXES:
        values = torch_slides.features_of(path).double().numpy()
    else:
        with open_features(path) as features:
            values = np.asarray(features[()])
    if values.dtype.kind not in "fiu" or not np.isfinite(values).all():
        raise InputError(f"{path}: expected finite numbers, found another")
    return values.reshape(-1).astype(np.float64)


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
    """Whether the files of a folder, by the first ones that can be read, have a vector each."""
    if not path.is_dir():
        return False
    shapes = []
    for file in _files(path)[:_FIRST]:
        with suppress(InputError):
            shapes.append(_shape(file))
            if not _is_vector(shapes[-1]):
                return False
    return bool(shapes)


FORMAT = Format(
    "a folder of slide embeddings, a vector a slide",
    is_embeddings,
    vectors=_vectors,
    why_not='it is a modality of kind = "vector": path = "...", id = ""',
)
