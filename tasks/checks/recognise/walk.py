"""The files below a folder, each once, whatever links there are."""

import os
import re
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from tasks.errors import InputError

_DEEPEST = 6
_MOST = 2000  # folders; a disk's root has more, and nobody means it
# gdc-client makes a folder of each file, and of its own logs
_OF_A_FILE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_LOGS = "logs"


def is_of_a_file(folder: Path) -> bool:
    """Whether gdc-client made a folder for one file."""
    return _OF_A_FILE.fullmatch(folder.name) is not None


def folders_below(folder: Path) -> Iterator[tuple[Path, tuple[Path, ...]]]:
    """Each folder, and the regular files in it; links are followed, but nowhere twice.

    Hidden files and folders are passed over, and what lies deeper than six folders.

    Raises:
        InputError: The folder cannot be read, or holds too many others.
    """
    seen: set[tuple[int, int]] = set()
    waiting = deque([(folder, 0)])
    n_folders = 0
    while waiting:
        current, depth = waiting.popleft()
        try:
            status = current.stat()
            entries = sorted(os.scandir(current), key=lambda entry: entry.name)
        except OSError as error:
            if current == folder:
                raise InputError(f"{folder}: expected a folder, found: {error.strerror}") from error
            continue
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        single = is_of_a_file(current)
        n_folders += not single
        if n_folders > _MOST:
            raise InputError(
                f"{folder}: expected a folder with one cohort's files, found more than {_MOST} "
                "folders in it"
            )
        visible = [entry for entry in entries if not entry.name.startswith(".")]
        yield current, tuple(current / entry.name for entry in visible if _is(entry, "file"))
        if depth < _DEEPEST:
            below = (e for e in visible if _is(e, "dir") and not (single and e.name == _LOGS))
            waiting += [(current / e.name, depth + 1) for e in below]


def _is(entry: "os.DirEntry[str]", kind: str) -> bool:
    try:
        return entry.is_file() if kind == "file" else entry.is_dir()
    except OSError:  # a loop of links
        return False
