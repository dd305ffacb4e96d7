"""Files of a catalogue from a server of raw files: once, whole, and only as their hashes say."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pooch
import requests

from tasks.data.fetch.catalogue import RemoteFile

RETRIES = 2
"""Of a transfer that broke off; neither an absent nor a wrong file is asked for again."""

_TIMEOUT = 30.0  # seconds without a byte
_CHUNK = 1 << 16

Received = Callable[[RemoteFile, int], None]
"""Called with a file and how many of its bytes have come so far."""


class _RefusedError(Exception):
    """The server's answer is final. Not one of the types that pooch tries again."""


def is_there(file: RemoteFile, folder: Path) -> bool:
    """Whether a file lies in `folder` with the bytes that it must have."""
    path = folder / file.key
    return path.is_file() and bool(pooch.file_hash(str(path)) == file.sha256)


def _final(status: int) -> bool:
    """Whether asking again is pointless: the client's errors, but for "too many requests"."""
    return 400 <= status < 500 and status != 429


class _Downloader:
    """One file over HTTP, as pooch calls it."""

    def __init__(self, file: RemoteFile, received: Received) -> None:
        self._file = file
        self._received = received

    def __call__(self, url: str, output_file: str, pooch: object) -> None:
        """Write the answer's body to `output_file` if it is what it must be."""
        with (
            requests.get(url, stream=True, timeout=_TIMEOUT) as answer,
            Path(output_file).open("wb") as output,
        ):
            if _final(answer.status_code):
                raise _RefusedError(f"not at the source (HTTP {answer.status_code})")
            answer.raise_for_status()
            size = 0
            for chunk in answer.iter_content(_CHUNK):
                size += len(chunk)
                if size > self._file.size:  # an answer may have no end
                    raise _RefusedError(f"expected {self._file.size} bytes, found more")
                output.write(chunk)
                self._received(self._file, size)
        self._check(output_file, size)

    def _check(self, output_file: str, size: int) -> None:
        expected, found = self._file.sha256, pooch.file_hash(output_file)
        if found != expected:
            raise _RefusedError(
                f"expected {self._file.size} bytes of SHA-256 {expected}, found {size} of {found}"
            )


def download(
    files: Sequence[RemoteFile], source: str, folder: Path, scratch: Path, received: Received
) -> dict[RemoteFile, str]:
    """Bring files into `folder`, each below its key; those that are there are left alone.

    Args:
        files: What to bring.
        source: Address of the server; a file's key is appended.
        folder: Where a file goes once it is whole and its hash is right.
        scratch: An empty folder on the same disk.
        received: Hears how far it is.

    Returns:
        Why a file could not be had, by file.

    Raises:
        OSError: If a file cannot be written.
    """
    pooch.get_logger().setLevel("ERROR")  # what it says is said here
    registry = {file.key: f"sha256:{file.sha256}" for file in files}
    store = pooch.create(scratch, f"{source.rstrip('/')}/", registry=registry)
    store.retry_if_failed = RETRIES
    refused: dict[RemoteFile, str] = {}
    silent = ""
    for file in files:
        if is_there(file, folder):
            received(file, file.size)
            continue
        if silent:
            refused[file] = silent
            continue
        try:
            draft = store.fetch(file.key, downloader=_Downloader(file, received))
        except _RefusedError as error:
            refused[file] = str(error)
        except requests.ConnectionError as error:
            silent = refused[file] = f"no connection to {source} ({type(error).__name__})"
        except requests.RequestException as error:
            refused[file] = f"the transfer failed {RETRIES + 1} times ({_reason(error)})"
        else:
            target = folder / file.key
            target.parent.mkdir(parents=True, exist_ok=True)
            Path(draft).replace(target)
    return refused


def _reason(error: requests.RequestException) -> str:
    """A word or two: requests' own messages are long and name its insides."""
    if error.response is not None:
        return f"HTTP {error.response.status_code}"
    return type(error).__name__
