"""Segments: files of JSON lines that a results folder is made of.

A run appends to plain segments of its own (`.jsonl`), each line as one write followed by fsync; a
torn last line is skipped by the reader. Merged results are whole from the start and compressed
(`.jsonl.xz`, `.jsonl.gz` once), a file a cohort and method, so that a method that ran again changes
its own file alone. All are read alike, line by line: a folder of 100,000 trials does not fit into
memory at once.

A line begins with its schema and ends with the CRC-32 of all before it, so that one changed digit
is noticed.
"""

import codecs
import errno
import gzip
import json
import lzma
import os
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, TypeVar, cast

from pydantic import ValidationError

from benchmark.records.columnar import read_columns
from benchmark.records.migration import migrated
from benchmark.records.schema import (
    SCHEMA,
    DamagedError,
    NewerError,
    Predictions,
    Record,
    TrialRecord,
    fault,
)
from tasks.atomic import atomic_write, sync_folder
from tasks.errors import InputError, MachineError

PLAIN, GZIP, COMPRESSED = ".jsonl", ".jsonl.gz", ".jsonl.xz"

_R = TypeVar("_R", bound=Record)

_HEAD = b'{"schema":%d,' % SCHEMA
_TAIL = re.compile(rb',"crc32":"([0-9a-f]{8})"\}\n')
_TAIL_LENGTH = len(b',"crc32":"00000000"}\n')


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

    def append(self, trial: TrialRecord, predictions: Sequence[Predictions]) -> None:
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


def read_records(results: Path) -> Iterator[TrialRecord]:
    """The trials of all segments of a results folder, by file name.

    Raises:
        DamagedError: A line is no trial, or a compressed segment is damaged.
        InputError: A line is of a newer schema.
    """
    return _read(results / "records", TrialRecord)


def read_predictions(results: Path) -> Iterator[Predictions]:
    """The predictions likewise, a trial and task at a time."""
    yield from _read(results / "predictions", Predictions)
    yield from read_columns(results / "predictions")


def segments(folder: Path) -> list[Path]:
    """The segments in `records/` or `predictions/`: those of runs and, in folders, merged ones."""
    endings = (PLAIN, GZIP, COMPRESSED)
    return sorted(path for path in folder.rglob("*") if path.name.endswith(endings))


def opened(path: Path) -> BinaryIO:
    """A segment to read lines of."""
    if path.name.endswith(COMPRESSED):
        return cast("BinaryIO", lzma.open(path))
    return cast("BinaryIO", gzip.open(path)) if path.name.endswith(GZIP) else path.open("rb")


def _read(folder: Path, model: type[_R]) -> Iterator[_R]:
    for path in segments(folder):
        with opened(path) as file:
            yield from _lines(path, file, model)


def write_segment(path: Path, lines: Iterable[Record | bytes]) -> None:
    """Write a whole segment, compressed if its name says so; whole or not at all.

    The same lines give the same bytes: a compressed file holds neither time nor name.

    Args:
        path: An older segment there is replaced.
        lines: Records, or predictions, or lines as they were read.

    Raises:
        OSError: The disk took it not.
    """
    with atomic_write(path) as raw:
        whole = (line if isinstance(line, bytes) else encoded(line) for line in lines)
        if path.name.endswith(COMPRESSED):
            with lzma.open(raw, "wb") as file:
                file.writelines(whole)
        elif path.name.endswith(GZIP):
            with gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed:
                packed.writelines(whole)
        else:
            raw.writelines(whole)


def encoded(line: Record) -> bytes:
    """A line as segments have it."""
    text = _HEAD + line.model_dump_json().encode()[1:-1]
    return b'%b,"crc32":"%08x"}\n' % (text, zlib.crc32(text))


def decoded(text: bytes, model: type[_R]) -> _R:
    """The inverse of `encoded`; lines of older schemas are migrated.

    An editor or a checkout may have put a byte-order mark before it, and a carriage return behind.

    Raises:
        ValueError: What is wrong with the line.
    """
    text = text.removeprefix(codecs.BOM_UTF8)
    text = text[:-2] + b"\n" if text.endswith(b"\r\n") else text
    head, tail = text[:-_TAIL_LENGTH], _TAIL.fullmatch(text[-_TAIL_LENGTH:])
    if tail is not None and zlib.crc32(head) != int(tail[1], 16):
        raise ValueError("expected what its checksum was made of, found other content")
    try:
        if tail is not None and head.startswith(_HEAD):
            return model.model_validate_json(b"{" + head[len(_HEAD) :] + b"}")
        return model.model_validate_json(json.dumps(migrated(_older(text))))
    except ValidationError as error:
        raise ValueError(fault(model, error)) from error


def _older(text: bytes) -> dict[str, object]:
    """A line of another schema than the present one, if it is older."""
    try:
        line = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        line = None
    if not isinstance(line, dict):
        raise ValueError(f"expected one trial as JSON, found {text[:40]!r}")
    schema = line.get("schema", 1)
    if schema == SCHEMA:
        raise ValueError("expected a checksum at its end, found none")
    if schema != 1 or "crc32" in line:
        raise NewerError(schema)
    return line


def _append(path: Path, lines: Sequence[Record]) -> None:
    text = b"".join(map(encoded, lines))
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
        sync_folder(path.parent)


def _refuse_constant(word: str) -> None:
    """JSON has no NaN and no Infinity, and no record was written with one."""
    raise ValueError(word)


DECOMPRESSION = (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError)
"""What a damaged compressed file raises."""


def _lines(path: Path, file: Iterable[bytes], model: type[_R]) -> Iterator[_R]:
    number = 0
    try:
        for number, text in enumerate(file, start=1):
            if not text.endswith(b"\n") and path.name.endswith(PLAIN):
                return  # The run was killed while it wrote this line: it was never finished.
            try:
                line = decoded(text, model)
            except NewerError as error:
                raise InputError(f"{path}: line {number}: {error}") from error
            except ValueError as error:
                raise DamagedError(path, f"line {number}: {error}") from error
            yield line
    except DECOMPRESSION as error:
        detail = f"line {number + 1}: expected a whole compressed file, found: {error}"
        raise DamagedError(path, detail) from error
