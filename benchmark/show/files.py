"""The files of the leaderboard on the disk: written, or compared with what they should be."""

import os
import re
from pathlib import Path

from benchmark.show.leaderboard import Leaderboard
from tasks.errors import InputError

_SOURCE = re.compile(r"leaderboard [0-9a-f]{16}")


def link(folder: Path, output: Path) -> str:
    """How a page at `output` links to a folder."""
    relative = os.path.relpath(folder.absolute(), output.absolute().parent)
    return Path(relative).as_posix()


def write(board: Leaderboard, output: Path, folder: Path) -> None:
    """Write the front page and its tables; tables of an earlier one go.

    Args:
        board: What to write.
        output: The front page.
        folder: Of the tables; nothing else but markdown is touched in it.

    Raises:
        InputError: They cannot be written.
    """
    try:
        for place in (folder, output.parent):
            place.mkdir(parents=True, exist_ok=True)
        for path in _stale(board, folder):
            path.unlink()
        for path, text in _files(board, output, folder).items():
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"{error.filename or output}: expected a file that can be written, found:"
            f" {error.strerror}"
        ) from error


def excerpt(board: Leaderboard, path: Path) -> None:
    """Put the overview of the first section into a page, between its two marks.

    Raises:
        InputError: The page cannot be read or written, or has not both marks.
    """
    begin, end = "<!-- leaderboard -->\n", "<!-- /leaderboard -->"
    try:
        text = path.read_text(encoding="utf-8")
        if begin not in text or end not in text.partition(begin)[2]:
            raise InputError(f"{path}: expected the lines {begin.strip()} and {end}, found none")
        shown = board.front.partition("\n### Over tasks")[2].partition("\n\n")[2]
        before, _, rest = text.partition(begin)
        after = rest.partition(end)[2]
        shown = shown.partition("**Task by task**")[0].strip()
        path.write_text(f"{before}{begin}\n{shown}\n\n{end}{after}", encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"{path}: expected a page that can be written, found: {error.strerror}"
        ) from error


def differing(board: Leaderboard, output: Path, folder: Path, figures: Path) -> list[Path]:
    """The files that are not what they should be: absent, other, or of an earlier leaderboard.

    Figures need not be there; those that are have to be drawn from this leaderboard.
    """
    wrong = [
        path
        for path, text in _files(board, output, folder).items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]
    old = [path for path, source in drawn_by(figures).items() if source != board.source]
    return [*wrong, *_stale(board, folder), *old]


def drawn_by(figures: Path) -> dict[Path, str]:
    """The figures of a folder that `leaderboard` drew, and what each says that it was drawn from.

    Others, for example maps of embeddings, say nothing of the kind.
    """
    found = {p: _SOURCE.search(p.read_text(encoding="utf-8")) for p in figures.glob("*.svg")}
    return {path: match.group() for path, match in sorted(found.items()) if match}


def _files(board: Leaderboard, output: Path, folder: Path) -> dict[Path, str]:
    return {output: board.front} | {folder / name: text for name, text in board.tables.items()}


def _stale(board: Leaderboard, folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.md") if path.name not in board.tables)
