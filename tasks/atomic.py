"""Files that are there as a whole or not at all, whenever the power goes."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

UNFINISHED = ".tmp"
"""How the name of a file ends that is being written; what a kill leaves bears it too."""


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """A binary file that takes the place of `path` when the block ends; after an error nothing.

    Both the file and its folder are on the disk when the block has ended.

    Raises:
        OSError: The disk or the folder took it not; what was at `path` is still there.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, suffix=UNFINISHED)
    unfinished = Path(name)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123  a descriptor, not a path
            yield file
            file.flush()
            os.fsync(file.fileno())
        unfinished.chmod(0o666 & ~_umask())
        unfinished.replace(path)
        sync_folder(path.parent)
    finally:
        unfinished.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Put a folder's list of names on the disk, where its file system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
