"""The files of the leaderboard on the disk: written, or compared with what they should be."""

import os
from pathlib import Path

from benchmark.show.drawn import saved_figures
from benchmark.show.leaderboard import Leaderboard
from tasks.atomic import atomic_write
from tasks.errors import InputError


def link(folder: Path, output: Path) -> str:
    """How a page at `output` links to a folder."""
    relative = os.path.relpath(folder.absolute(), output.absolute().parent)
    return Path(relative).as_posix()


def write(board: Leaderboard, output: Path, folder: Path) -> None:
    """Write the front page and its tables; tables of an earlier one go.

    Args:
        board: What to write.
        output: The front page.
        folder: Of the tables; nothing but Markdown and csv is touched in it.

    Raises:
        InputError: They cannot be written.
    """
    try:
        for place in (folder, output.parent):
            place.mkdir(parents=True, exist_ok=True)
        for path in _stale(board, folder):
            path.unlink()
        for path, text in _files(board, output, folder).items():
            _write(path, text)
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
        before, mark, rest = path.read_text(encoding="utf-8").partition(begin)
        _, closing, after = rest.partition(end)
        if not mark or not closing:
            raise InputError(f"{path}: expected the lines {begin.strip()} and {end}, found none")
        _write(path, f"{before}{begin}\n{board.overview}\n\n{end}{after}")
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
    return {one.path: one.source for one in saved_figures(figures) if one.source}


def _write(path: Path, text: str) -> None:
    with atomic_write(path) as file:
        file.write(text.encode())


def _files(board: Leaderboard, output: Path, folder: Path) -> dict[Path, str]:
    return {output: board.front} | {folder / name: text for name, text in board.tables.items()}


def _stale(board: Leaderboard, folder: Path) -> list[Path]:
    ours = (path for ending in ("*.md", "*.csv") for path in folder.glob(ending))
    return sorted(path for path in ours if path.name not in board.tables)
