"""Files of a catalogue from where they are: once, whole, and only as their hashes say."""

import hashlib
import queue
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Protocol

import requests

from tasks.data.fetch.catalogue import RemoteFile

RETRIES = 4
"""Of a transfer that broke off, or of a server that is busy; neither an absent nor a wrong file is
asked for again."""

CONNECTIONS = 8
"""To one server at a time."""

LONGEST_WAIT = 900.0
"""Seconds that a server may ask to wait; who asks for more is left alone until the next command."""

_TIMEOUT = 30.0  # seconds without a byte
_LAST_WRITE = 0.2  # seconds for a thread to end; one that waits for a server is left alone
_CHUNK = 1 << 16
_BUSY = (429, 503)

Received = Callable[[int], None]
"""Called with a number of bytes that have come; below zero if they were of no use."""


class _RefusedError(Exception):
    """This file cannot be had from here."""


class _UnreachableError(Exception):
    """Nothing can be had from here."""


class _AgainError(Exception):
    """The transfer failed, and may succeed later.

    Attributes:
        wait: Seconds that the server asks everybody to wait; None if it does not say.
        busy: Whether the server has too much to do.
        silent: Whether it did not answer at all.
    """

    def __init__(
        self, reason: str, wait: float | None = None, *, busy: bool = False, silent: bool = False
    ) -> None:
        super().__init__(reason)
        self.wait, self.busy, self.silent = wait, busy, silent


class Source(Protocol):
    """Where files come from."""

    def chunks(self, file: RemoteFile) -> Generator[bytes, None, None]:
        """The bytes of a file, piece by piece."""
        ...


class Server:
    """A server of raw files; each thread keeps one connection to it.

    Attributes:
        address: A file's key is appended to it.
    """

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        self._own = threading.local()

    def chunks(self, file: RemoteFile) -> Generator[bytes, None, None]:
        """The bytes of a file, piece by piece."""
        if not hasattr(self._own, "session"):
            self._own.session = requests.Session()
        session: requests.Session = self._own.session
        try:
            answer = session.get(f"{self.address}/{file.key}", stream=True, timeout=_TIMEOUT)
        except requests.RequestException as error:
            silent = isinstance(error, requests.ConnectionError)
            raise _AgainError(type(error).__name__, silent=silent) from error
        with answer:
            _check_status(answer)
            try:
                yield from answer.iter_content(_CHUNK)
            except requests.RequestException as error:
                raise _AgainError(type(error).__name__) from error

    def __str__(self) -> str:
        return self.address


def _check_status(answer: requests.Response) -> None:
    status, retry_after = answer.status_code, answer.headers.get("Retry-After")
    if status in _BUSY or retry_after is not None:
        raise _AgainError(f"HTTP {status}", _seconds(retry_after), busy=True)
    if 400 <= status < 500:
        raise _RefusedError(f"not at the source (HTTP {status})")
    if status != 200:
        raise _AgainError(f"HTTP {status}")


def _seconds(retry_after: str | None) -> float | None:
    """What a server says of when to come again: seconds, or a date."""
    if retry_after is None:
        return None
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except ValueError:
        return None


class Folder:
    """Files that are there already: below their keys, or all in the folder itself by their names.

    Attributes:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def chunks(self, file: RemoteFile) -> Generator[bytes, None, None]:
        """The bytes of a file, piece by piece."""
        path = next((p for p in (self.path / file.key, self.path / file.name) if p.is_file()), None)
        if path is None:
            raise _RefusedError(f"not in {self.path}")
        try:
            with path.open("rb") as opened:
                while chunk := opened.read(_CHUNK):
                    yield chunk
        except OSError as error:
            raise _RefusedError(f"{path}: {error.strerror}") from error

    def __str__(self) -> str:
        return str(self.path)


def is_there(file: RemoteFile, path: Path) -> bool:
    """Whether a file has the bytes that it must have."""
    if not path.is_file() or path.stat().st_size != file.size:
        return False
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest() == file.sha256


class _Transfer:
    """Brings files from one source, one after the other in each of a few threads."""

    def __init__(
        self, places: Mapping[RemoteFile, Path], source: Source, scratch: Path, received: Received
    ) -> None:
        self.ended = threading.Event()
        self.outcomes: queue.SimpleQueue[tuple[RemoteFile, str | Exception]] = queue.SimpleQueue()
        self._places = places
        self._source = source
        self._scratch = scratch
        self._received = received
        self._waiting: queue.SimpleQueue[RemoteFile] = queue.SimpleQueue()
        self._unreachable = ""
        self._resume = 0.0  # on the monotonic clock: nobody asks before
        for file in places:
            self._waiting.put(file)

    def work(self) -> None:
        """Bring files until there are no more."""
        while not self.ended.is_set():
            try:
                file = self._waiting.get_nowait()
            except queue.Empty:
                return
            try:
                self.outcomes.put((file, self._brought(file)))
            except Exception as error:  # noqa: BLE001 - raised again by whoever waits for it
                self.outcomes.put((file, error))

    def _brought(self, file: RemoteFile) -> str:
        """Why a file could not be had; nothing if it is there."""
        if is_there(file, self._places[file]):
            self._received(file.size)
            return ""
        tries = 0
        while not self._unreachable:
            while (left := self._resume - time.monotonic()) > 0:
                if self.ended.wait(left):
                    return "interrupted"
            try:
                self._bring(file)
            except _RefusedError as error:
                return str(error)
            except _AgainError as error:
                tries += 1
                wait = 2.0 ** (tries - 1) if error.wait is None else error.wait
                if wait > LONGEST_WAIT:
                    self._unreachable = (
                        f"{self._source} asks to wait {wait:.0f} s; the same command goes on then"
                    )
                elif tries > RETRIES and error.silent:
                    self._unreachable = f"no connection to {self._source} ({error})"
                elif tries > RETRIES:
                    return f"the transfer failed {tries} times ({error})"
                elif error.busy:
                    self._resume = max(self._resume, time.monotonic() + wait)
                else:
                    self.ended.wait(wait)
            else:
                return ""
        return self._unreachable

    def _bring(self, file: RemoteFile) -> None:
        draft = self._scratch / f"{threading.get_ident()}"
        digest, size = hashlib.sha256(), 0
        try:
            with draft.open("wb") as output, closing(self._source.chunks(file)) as chunks:
                for chunk in chunks:
                    size += len(chunk)
                    self._received(len(chunk))
                    if self.ended.is_set():
                        raise _RefusedError("interrupted")
                    if size > file.size:  # an answer may have no end
                        raise _RefusedError(f"expected {file.size} bytes, found more")
                    output.write(chunk)
                    digest.update(chunk)
            found = digest.hexdigest()
            if found != file.sha256:
                raise _RefusedError(
                    f"expected {file.size} bytes of SHA-256 {file.sha256}, found {size} of {found}"
                )
        except Exception:
            self._received(-size)
            draft.unlink(missing_ok=True)
            raise
        place = self._places[file]
        place.parent.mkdir(parents=True, exist_ok=True)
        draft.replace(place)


def download(
    places: Mapping[RemoteFile, Path], source: Source, scratch: Path, received: Received
) -> dict[RemoteFile, str]:
    """Bring files to their places; those that are there already, and right, are left alone.

    Args:
        places: Where each goes, once it is whole and its hash is right.
        source: Where they come from.
        scratch: A folder on the same disk for what is not whole.
        received: Hears how far it is, from several threads.

    Returns:
        Why a file could not be had, by file, in the order of `places`.

    Raises:
        OSError: If a file cannot be written.
    """
    transfer = _Transfer(places, source, scratch, received)
    # daemons: they hold nothing that has to be put in order, and may wait long for a server
    threads = [threading.Thread(target=transfer.work, daemon=True) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    outcomes: dict[RemoteFile, str] = {}
    try:
        for _ in places:
            file, outcome = transfer.outcomes.get()
            if isinstance(outcome, Exception):
                raise outcome
            outcomes[file] = outcome
    finally:
        transfer.ended.set()
        for thread in threads:
            thread.join(_LAST_WRITE)
    return {file: outcomes[file] for file in places if outcomes[file]}
