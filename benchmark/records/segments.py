"""Segments: files of JSON lines that a results folder is made of.

A run appends to plain segments of its own (`.jsonl`), each line as one write followed by fsync; a
torn last line is skipped by the reader. Merged results are whole from the start and may be
compressed (`.jsonl.gz`). Both are read alike, line by line: a folder of 100,000 trials does not fit
into memory at once.
"""

import errno
import gzip
import json
import os
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmark.records.schema import fault
from tasks.errors import InputError, MachineError

Line = dict[str, Any]
"""One JSON line; `benchmark.engine.trial` writes its fields."""

PLAIN, COMPRESSED = ".jsonl", ".jsonl.gz"


class UnwritableError(MachineError):
    """A record could not be written; every one before it is there, and nothing of this one."""


class Stamps:
    """Times that only go forward, whatever the clock does and on whichever machine a trial ran.

    Which version of a method or of data stands is decided by them: a clock that was set back must
    not let an older one win. Folders that are merged are ordered by their clocks.

    Args:
        last: The latest time that is recorded, empty if nothing is.
    """

    def __init__(self, last: str) -> None:
        self._last = datetime.fromisoformat(last) if last else datetime.min.replace(tzinfo=UTC)

    def next(self) -> str:
        """Now, or a millisecond after the last one where that is later."""
        self._last = max(datetime.now(UTC), self._last + timedelta(milliseconds=1))
        return self._last.isoformat(timespec="milliseconds")


class Writer:
    """Appends finished trials to one segment.

    Args:
        folder: The results folder, with `records/` and `predictions/` in it.
        segment: File name used in both.
    """

    def __init__(self, folder: Path, segment: str) -> None:
        self._records = folder / "records" / segment
        self._predictions = folder / "predictions" / segment

    def append(self, trial: Line, predictions: list[Line]) -> None:
        """Write a finished trial; when this returns, it is on the disk.

        Raises:
            UnwritableError: The disk took it not, or not as a whole.
        """
        try:
            if predictions:
                _append(self._predictions, predictions)
            _append(self._records, [trial])
        except OSError as error:
            raise UnwritableError(
                f"{self._records.parent.parent}: expected room for one more record, "
                f"found: {error.strerror}; what is recorded is whole, and the same command goes "
                "on from it"
            ) from error


def read_segments(folder: Path) -> Iterator[Line]:
    """The lines of all segments of a folder, by file name.

    Raises:
        InputError: A line is no trial, or a compressed segment is damaged.
    """
    segments = [path for path in folder.glob("*") if path.name.endswith((PLAIN, COMPRESSED))]
    for path in sorted(segments):
        compressed = path.name.endswith(COMPRESSED)
        with gzip.open(path, "rb") if compressed else path.open("rb") as file:
            yield from _lines(path, file, torn_is_error=compressed)


def write_segment(path: Path, lines: Iterable[Line]) -> None:
    """Write a whole segment, compressed if its name ends in `.jsonl.gz`; whole or not at all.

    The same lines give the same bytes: a compressed file holds neither time nor name.

    Args:
        path: An older segment there is replaced.
        lines: Records, or predictions.

    Raises:
        InputError: If it cannot be written.
    """
    unfinished = None
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
        unfinished = Path(name)
        with open(descriptor, "wb") as raw:  # noqa: PTH123  a descriptor, not a path
            if path.name.endswith(COMPRESSED):
                with gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as file:
                    file.writelines(_text(line) for line in lines)
            else:
                raw.writelines(_text(line) for line in lines)
            raw.flush()
            os.fsync(raw.fileno())
        unfinished.chmod(0o644)
        unfinished.replace(path)
    except OSError as error:
        raise InputError(
            f"{path}: expected a file that can be written, found: {error.strerror}"
        ) from error
    finally:
        if unfinished is not None:
            unfinished.unlink(missing_ok=True)


def _text(line: Line) -> bytes:
    return (json.dumps(line, allow_nan=False) + "\n").encode()


def _append(path: Path, lines: list[Line]) -> None:
    text = b"".join(_text(line) for line in lines)
    created = not path.exists()
    with path.open("ab", buffering=0) as file:
        start = file.tell()
        try:
            if file.write(text) != len(text):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # it took a part
            os.fsync(file.fileno())
        except OSError:
            file.truncate(start)
            raise
    if created:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _refuse_constant(word: str) -> None:
    """JSON has no NaN and no Infinity, and no record was written with one."""
    raise ValueError(word)


def _lines(path: Path, file: Iterable[bytes], *, torn_is_error: bool) -> Iterator[Line]:
    number = 0
    try:
        for number, text in enumerate(file, start=1):
            if not text.endswith(b"\n") and not torn_is_error:
                return  # The run was killed while it wrote this line: it was never finished.
            try:
                line = json.loads(text, parse_constant=_refuse_constant)
            except (ValueError, RecursionError):
                line = None
            if not isinstance(line, dict):
                raise InputError(
                    f"{path}: line {number}: expected one trial as JSON, found {text[:40]!r}"
                )
            if wrong := fault(line):
                raise InputError(f"{path}: line {number}: {wrong}")
            yield line
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(
            f"{path}: line {number + 1}: expected a whole gzip file, found: {error}"
        ) from error
