"""`mirror-bench results repair`: what cannot be read is moved aside, and the rest stands."""

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmark.records.columnar import damaged_files
from benchmark.records.schema import FOLDERS, NewerError, Predictions, Record, TrialRecord
from benchmark.records.segments import (
    DECOMPRESSION,
    PLAIN,
    decoded,
    opened,
    segments,
    write_segment,
)
from tasks.atomic import atomic_write
from tasks.errors import InputError
from tasks.names import is_name

ASIDE = "damaged"
"""Folder of a results folder, in which what was moved keeps its place and name."""

_TRIAL = re.compile(rb'"trial": ?"([^"]*)"')


@dataclass(frozen=True)
class Lost:
    """What was moved aside.

    Attributes:
        file: Where it was.
        line: Its number there, None for the whole file or all that could not be unpacked.
        trial: Of which trial it was, empty if that cannot be read.
        reason: Why it cannot be read.
        aside: Where it is now.
    """

    file: Path
    line: int | None
    trial: str
    reason: str
    aside: Path

    def __str__(self) -> str:
        where = f"{self.file}: " if self.line is None else f"{self.file}: line {self.line}: "
        trial = f"of trial {self.trial}, " if self.trial else ""
        return f"{where}{trial}{self.reason}; moved to {self.aside}"


def repair(results: Path) -> Iterator[Lost]:
    """Move aside what cannot be read; again, it moves nothing. The folder must be locked.

    Raises:
        InputError: A newer mirror-bench wrote something of it, which is not damage.
        OSError: The disk took it not; what was not moved aside is where it was.
    """
    models: tuple[type[Record], ...] = (TrialRecord, Predictions)
    for name, model in zip(FOLDERS, models, strict=True):
        for path in segments(results / name):
            yield from _repaired(results, path, model)
    for path, reason in damaged_files(results / "predictions"):
        aside = _aside(results, path, path.read_bytes(), "whole")
        path.unlink()
        yield Lost(path, None, "", reason, aside)


def _repaired(results: Path, path: Path, model: type[Record]) -> Iterator[Lost]:
    whole: list[bytes] = []
    lost: list[Lost] = []
    try:
        with opened(path) as file:
            for number, text in enumerate(file, start=1):
                if not text.endswith(b"\n") and path.name.endswith(PLAIN):
                    whole.append(text)  # never finished, and passed over by every reader
                    continue
                try:
                    decoded(text, model)
                except NewerError as error:
                    raise InputError(f"{path}: line {number}: {error}") from error
                except ValueError as error:
                    aside = _aside(results, path, text, f"line-{number}")
                    lost.append(Lost(path, number, _trial(text), str(error), aside))
                else:
                    whole.append(text)
    except DECOMPRESSION as error:
        aside = _aside(results, path, path.read_bytes(), "whole")
        reason = f"expected a whole compressed file, found: {error}; {len(whole):,} lines are kept"
        lost.append(Lost(path, None, "", reason, aside))
    if lost:
        write_segment(path, whole)
    yield from lost


def _aside(results: Path, path: Path, content: bytes, what: str) -> Path:
    """Write what is damaged where it is in nobody's way; the same is written once."""
    folder = results / ASIDE / path.relative_to(results)
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / f"{what}-{zlib.crc32(content):08x}"
    with atomic_write(place) as file:
        file.write(content)
    return place


def _trial(text: bytes) -> str:
    match = _TRIAL.search(text)
    key = match[1].decode(errors="replace") if match else ""
    return key if is_name(key) else ""
