"""Files before they are read: whether one may be opened at all, and what a library says of it."""

import gzip
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from tasks.errors import InputError

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_LONGEST = 300

Stamp = tuple[int, int]
"""Bytes and time of change of a file; of no inode, which other nodes of a cluster may see else."""


def stamp_of(status: os.stat_result) -> Stamp:
    """What tells a file from another that is put in its place."""
    return status.st_size, status.st_mtime_ns


def what_is_at(path: Path) -> str:
    """What a path leads to: `a file`, `a folder`, `a pipe`, ..., or why nothing is found there."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return str(error.strerror)
    except ValueError as error:  # a path with a zero byte in it
        return one_line(error)
    return next((words for test, words in _KINDS if test(mode)), "a file")


def require_file(path: Path) -> None:
    """Refuse what is no regular file: a pipe may never say anything, a device may never end.

    Raises:
        InputError: There is no file, or something else is there.
    """
    if (found := what_is_at(path)) != "a file":
        raise InputError(f"{path}: expected a file, found: {found}")


def one_line(error: BaseException) -> str:
    """The first line of an error's message, or its type if it has none."""
    text = str(error).strip()
    return text.splitlines()[0][:_LONGEST] if text else type(error).__name__


def unpacked(path: Path) -> BinaryIO:
    """A file's bytes, unpacked if they are gzipped, whatever its name; to be closed."""
    with path.open("rb") as file:
        is_packed = file.read(2) == b"\x1f\x8b"
    return cast("BinaryIO", gzip.open(path)) if is_packed else path.open("rb")


@contextmanager
def reading(path: Path, expected: str) -> Iterator[None]:
    """Turn whatever a library raises on a broken file into one line.

    Libraries raise anything there, from a KeyError to a RecursionError: hold nothing inside but
    their calls.

    Args:
        path: The file.
        expected: What it should be, for the error.

    Raises:
        InputError: The file could not be read.
    """
    try:
        yield
    except InputError:
        raise
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: expected {expected}, found byte 0x{error.object[error.start]:02x}, which is "
            "not UTF-8; save it as UTF-8"
        ) from error
    except Exception as error:
        raise InputError(f"{path}: expected {expected}, found: {one_line(error)}") from error
