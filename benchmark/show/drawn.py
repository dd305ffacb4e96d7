"""What the figures of a folder say of themselves, kept beside their pixels when they are saved."""

from dataclasses import dataclass
from pathlib import Path

from PIL import Image

DPI = 150
"""Of a PNG."""


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
    """The figures that this package saved there, SVG and PNG, by name."""
    found = (_saved(path) for path in sorted(folder.glob("*.png")))
    return tuple(one for one in found if one is not None)


def _saved(png: Path) -> Saved | None:
    try:
        with Image.open(png) as image:
            said = image.info
            width, height = (round(pixels * 72 / DPI) for pixels in image.size)
    except (OSError, ValueError, Image.DecompressionBombError):
        return None
    vector = png.with_suffix(".svg")
    if "Title" not in said or not vector.is_file():
        return None
    title, text, source = (str(said.get(k, "")) for k in ("Title", "Description", "Source"))
    return Saved(vector, title, text, source, width, height)
