"""What the figures of a folder say of themselves: the metadata that they were saved with."""

import html
import re
from dataclasses import dataclass
from pathlib import Path

_HEAD = 20_000
"""Characters of a file that hold its metadata."""

_SIZE = re.compile(r'<svg [^>]*width="([\d.]+)pt" height="([\d.]+)pt"')


@dataclass(frozen=True)
class Saved:
    """A figure on the disk.

    Attributes:
        path: Its SVG.
        title: What it shows.
        text: Its caption.
        source: What it was drawn from; empty where that was no leaderboard.
        width: In points.
        height: Likewise.
    """

    path: Path
    title: str
    text: str
    source: str
    width: int
    height: int


def saved_figures(folder: Path) -> tuple[Saved, ...]:
    """The figures that this package saved there, by name."""
    found = (_saved(path) for path in sorted(folder.glob("*.svg")))
    return tuple(one for one in found if one is not None)


def _saved(path: Path) -> Saved | None:
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(_HEAD)
    except (OSError, ValueError):
        return None
    size, title = _SIZE.search(text), _said(text, "title")
    if size is None or not title or "Matplotlib" not in text:
        return None
    width, height = (round(float(points)) for points in size.groups())
    return Saved(path, title, _said(text, "description"), _said(text, "source"), width, height)


def _said(text: str, what: str) -> str:
    found = re.search(rf"<dc:{what}>([^<]*)</dc:{what}>", text)
    return html.unescape(found[1]) if found else ""
