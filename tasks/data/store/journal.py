"""What was written of a store that is not whole yet: a file beside it, a line a slide."""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from io import BufferedRandom
from pathlib import Path

from tasks.data.store.layout import Checksums
from tasks.errors import InputError


@dataclass(frozen=True)
class Written:
    """A slide that is in the store.

    Attributes:
        source_size: Bytes of its file as it was read.
        stamp: When the file was changed last, ns.
        checksums: Of what was read and written.
    """

    source_size: int
    stamp: int
    checksums: Checksums


class Journal:
    """The open journal of one store; nobody else writes that store meanwhile."""

    def __init__(self, path: Path, file: BufferedRandom) -> None:
        self._path = path
        self._file = file

    def read(self, layout: str) -> list[Written]:
        """The slides written so far, in order; none if they were written for another layout."""
        self._file.seek(0)
        head, *lines = self._file.read().split(b"\n")[:-1] or [b""]  # a kill leaves half a line
        if head != layout.encode():
            return []
        try:
            rows = [json.loads(line) for line in lines]
            return [
                Written(row["source_size"], row["stamp"], Checksums(**row["checksums"]))
                for row in rows
            ]
        except (ValueError, TypeError, KeyError):
            return []

    def begin(self, layout: str, written: list[Written]) -> None:
        """Say anew what is written."""
        self._file.seek(0)
        self._file.truncate()
        self._file.write(layout.encode() + b"\n")
        for slide in written:
            self.add(slide)
        self._file.flush()

    def add(self, slide: Written) -> None:
        """One more slide is written."""
        self._file.write(json.dumps(asdict(slide)).encode() + b"\n")
        self._file.flush()

    def remove(self) -> None:
        """There is nothing to go on with any more."""
        self._path.unlink(missing_ok=True)


@contextmanager
def open_journal(output: Path) -> Iterator[Journal]:
    """The journal of a store, locked.

    Raises:
        InputError: Another process writes the same store.
    """
    path = output.with_name(f".{output.name}.journal")
    path.touch()
    with path.open("r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"{output}: expected one import at a time, found another one that writes it"
            ) from None
        yield Journal(path, file)
