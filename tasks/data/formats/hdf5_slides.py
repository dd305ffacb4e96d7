"""HDF5 files of a slide each: TRIDENT, CLAM, UNI2-h (`features`) and STAMP (`feats`)."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from tasks.data.cohort import Features
from tasks.data.formats.cells import near
from tasks.data.formats.files import reading, require_file
from tasks.data.formats.format import Format, Peek, SlideReader, bag_layout, float32
from tasks.data.formats.hdf5 import own_dataset
from tasks.errors import InputError

KEYS = ("features", "feats")
_CHUNK_BYTES = 8 << 20


@contextmanager
def open_features(path: Path) -> Iterator[h5py.Dataset]:
    """The dataset of the features; whatever HDF5 says against the file names it."""
    require_file(path)
    # files on shared, read-only storage often cannot be locked
    with reading(path, "a whole HDF5 file"), h5py.File(path, "r", locking=False) as file:
        datasets = (own_dataset(path, file, key) for key in KEYS)
        features = next((dataset for dataset in datasets if dataset is not None), None)
        if features is None:
            keys = list(file)
            shown = ", ".join(keys[:8]) or "nothing"
            raise InputError(
                f"{path}: expected a dataset `features`, found {shown}{near('features', keys)}"
            )
        yield features


def _encoder(features: h5py.Dataset) -> str:
    """TRIDENT writes `encoder` beside the features, STAMP `extractor` beside the file."""
    places = ((features, "encoder"), (features.file, "extractor"), (features.file, "encoder"))
    return next((said for place, key in places if (said := _said(place, key))), "")


def _patches(features: h5py.Dataset, coords: h5py.Dataset | None) -> str:
    """TRIDENT writes both beside the coordinates, STAMP micrometres beside the file."""
    sizes: tuple[tuple[h5py.Dataset | h5py.File, str, str], ...] = (
        (features.file, "tile_size_um", " um"),
    )
    if coords is not None:
        sizes = ((coords, "target_magnification", "x"), (coords, "patch_size", " px"), *sizes)
    return " ".join(f"{said}{unit}" for place, key, unit in sizes if (said := _said(place, key)))


def _said(place: h5py.Dataset | h5py.File, key: str) -> str:
    said = place.attrs.get(key, "")
    text = said.decode() if isinstance(said, bytes) else str(said)
    return "" if text == "None" else text


def _peek(path: Path) -> Peek:
    with open_features(path) as features:
        n, width, _ = bag_layout(path, features.shape or (), features.dtype.kind)
        coords = own_dataset(path, features.file, "coords")
        return Peek(n, width, _encoder(features), coords is not None, _patches(features, coords))


def _chunks(path: Path) -> Iterator[NDArray[np.float32]]:
    with open_features(path) as features:
        n, width, leading = bag_layout(path, features.shape or (), features.dtype.kind)
        rows = max(1, _CHUNK_BYTES // max(1, 4 * width))
        for start in range(0, n, rows):
            part = np.s_[start : start + rows]
            yield float32(features[0, part] if leading else features[part])


def _pick(path: Path, rows: NDArray[np.intp], out: Features) -> bool:
    """Of HDF5 in chunks, reading all costs less than finding each row."""
    with open_features(path) as features:
        dtype, at = features.dtype, features.id.get_offset()
        n, width, _ = bag_layout(path, features.shape or (), dtype.kind)
        plain = features.id.get_storage_size() == features.size * dtype.itemsize
    if at is None or not plain:
        return False
    out[:] = np.memmap(path, dtype, "r", at, (n, width)).take(rows, axis=0)
    return True


def _coordinates(path: Path) -> NDArray[np.float64] | None:
    require_file(path)
    with reading(path, "readable `coords`"), h5py.File(path, "r", locking=False) as file:
        coords = own_dataset(path, file, "coords")
        if coords is None:
            return None
        return np.asarray(coords[()], dtype=np.float64)


FORMAT = Format(
    "HDF5",
    lambda _path, head: head.startswith(b"\x89HDF\r\n\x1a\n"),
    slide=SlideReader((".h5", ".hdf5"), _peek, _chunks, _coordinates, _pick),
    why_not='slides\' files go, as a folder, into a modality of kind = "bag"; of expression, '
    "AnnData (.h5ad) is read, anything else as csv, tsv or parquet",
)
