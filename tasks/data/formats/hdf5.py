"""HDF5 files of strangers: a dataset is read if its values are in the file, all of them."""

import math
from pathlib import Path

import h5py

from tasks.errors import InputError

LARGEST = 64 << 30
"""Bytes that one dataset may hold; a slide of a million patches of 1,536 features has 6 GB."""

_LARGEST_CHUNK = 1 << 30


def own_dataset(path: Path, file: h5py.File, key: str) -> h5py.Dataset | None:
    """A dataset of the file itself.

    A link to another file, a virtual dataset and external storage read what is elsewhere on the
    disk without a word; rows that were declared but never written read as zeros, whatever their
    number.

    Args:
        path: The file, for the error.
        file: The same, open.
        key: Name of the dataset, at the root.

    Returns:
        The dataset; None if there is no dataset of the name.

    Raises:
        InputError: Its values are in another file, are not all written, or are too many.
    """
    link = file.get(key, getlink=True)
    if isinstance(link, h5py.ExternalLink | h5py.SoftLink):
        where = f"{link.filename}:" if isinstance(link, h5py.ExternalLink) else ""
        raise InputError(f"{path}: expected `{key}` itself, found a link to {where}{link.path}")
    found = file.get(key)
    if not isinstance(found, h5py.Dataset):
        return None
    if found.is_virtual or found.external:
        raise InputError(f"{path}: expected `{key}` in this file, found that it is in others")
    if found.shape:
        _refuse_unwritten(path, key, found)
    return found


def _refuse_unwritten(path: Path, key: str, dataset: h5py.Dataset) -> None:
    shape = dataset.shape
    size = math.prod(shape) * dataset.dtype.itemsize
    shown = f"`{key}` of shape {list(shape)}"
    if size > LARGEST:
        raise InputError(
            f"{path}: expected at most {LARGEST >> 30} GiB in `{key}`, found {shown}: "
            f"{size / 2**30:.3g} GiB"
        )
    if dataset.chunks is None:
        if dataset.id.get_storage_size() < size:
            raise InputError(f"{path}: expected {shown} to be written, found nothing of it")
        return
    if math.prod(dataset.chunks) * dataset.dtype.itemsize > _LARGEST_CHUNK:
        raise InputError(
            f"{path}: expected chunks of at most {_LARGEST_CHUNK >> 30} GiB in `{key}`, "
            f"found {list(dataset.chunks)}"
        )
    there = dataset.id.get_num_chunks()
    declared = math.prod(-(-n // c) for n, c in zip(shape, dataset.chunks, strict=True))
    if there < declared:
        raise InputError(
            f"{path}: expected {shown} to be written, found {there} of its {declared} chunks"
        )
