"""The look that all figures share, and how they are saved: for print, the same bytes every time."""

import re
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO, StringIO
from pathlib import Path

import matplotlib as mpl
import seaborn as sns
from matplotlib.figure import Figure
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from benchmark.show.escape import plain
from benchmark.show.numbers import p_value
from tasks.base import Protocol

WIDTH = 6.5
"""Inches between the margins of a page of A4 or letter."""

INK, MUTED, PALE = "0.1", "0.4", "0.8"
"""Greys of what matters, of what explains, and of guides."""

BLUE, ORANGE, GREEN, VERMILION = (sns.color_palette("colorblind").as_hex()[i] for i in (0, 1, 2, 3))
"""Of seaborn's colour-blind palette; a second sign (marker, dash, fill) always says the same."""

_NAME_CHARACTERS, _TITLE_CHARACTERS, _CAPTION_CHARACTERS = 35, 70, 118
_PNG_COLORS, _DPI = 128, 150
_LAYOUTS = 4

_PLACES = re.compile(r' (?:d|transform|points|x|y|x1|y1|x2|y2|cx|cy|r|width|height)="[^"]*"')
_DIGITS = re.compile(r"(\d\.\d\d)\d+")


@contextmanager
def look() -> Iterator[None]:
    """Draw in the house's style, whatever the user's own settings are; also a decorator."""
    style = {
        **mpl.rcParamsDefault,
        **sns.axes_style("ticks"),
        **sns.plotting_context("paper"),
        # Matplotlib brings the first along, so that every machine lays out alike; readers of an
        # SVG without it see Verdana, as wide, or what is narrower.
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],
        "font.size": 8,
        "axes.titlesize": 9,
        "axes.labelsize": 8,
        "xtick.labelsize": 7.5,
        "ytick.labelsize": 7.5,
        "legend.fontsize": 7.5,
        "legend.frameon": False,
        "legend.title_fontsize": 8,
        "figure.titlesize": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.linewidth": 0.8,
        "xtick.major.size": 3,
        "xtick.major.width": 0.8,
        "svg.hashsalt": "mirror-bench",
        # A dollar in a name begins no formula.
        "text.parse_math": False,
        # Text stays text: to be searched and read aloud, and a quarter of the size of outlines.
        "svg.fonttype": "none",
    }
    # The backend is no matter of style, and restoring it would import pyplot's.
    style = {name: value for name, value in style.items() if not name.startswith("backend")}
    with mpl.rc_context(style):
        yield


def canvas(height: float) -> Figure:
    """An empty figure of `WIDTH` x height inches that lays itself out."""
    return Figure(figsize=(WIDTH, height), layout="constrained")


def title_of(figure: Figure) -> str:
    """The title in one line."""
    return figure.get_suptitle().replace("-\n", "-").replace("\n", " ")


def head(figure: Figure, title: str, protocol: str = Protocol.STRICT) -> None:
    """The title, in the upper left corner; it names a protocol that is not the strict one."""
    title = title if protocol == Protocol.STRICT else f"{title} · protocol {protocol}"
    wrapped = textwrap.fill(plain(title), _TITLE_CHARACTERS)
    figure.suptitle(wrapped, x=0.01, ha="left", fontweight="bold")


def caption(figure: Figure, text: str) -> None:
    """What a reader needs to read the figure without the page around it, along the foot."""
    text = plain(text)
    for sign in "≥<=":
        text = text.replace(f" {sign} ", f"\N{NO-BREAK SPACE}{sign}\N{NO-BREAK SPACE}")
    wrapped = textwrap.fill(text, _CAPTION_CHARACTERS)
    figure.supxlabel(wrapped, x=0.01, ha="left", fontsize=7, color=MUTED, linespacing=1.35)


def lay_out(figure: Figure) -> None:
    """Lay out again until labels that move with the data, inside the axes or out, are in sight."""
    engine = figure.get_layout_engine()
    for _ in range(_LAYOUTS):
        if engine is not None:
            engine.execute(figure)


def named(method: str) -> str:
    """A method's name, its middle left out where it would take the figure's width."""
    method = plain(method)
    if len(method) <= _NAME_CHARACTERS:
        return method
    half = (_NAME_CHARACTERS - 1) // 2
    return f"{method[:half]}…{method[-half:]}"


def stated(p: float) -> str:
    """A p value as a part of a sentence."""
    text = p_value(p)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def caption_of(figure: Figure) -> str:
    """The caption as one line, for readers who cannot see the figure; empty without one."""
    return " ".join(figure.get_supxlabel().split())


def svg(figure: Figure, source: str = "") -> str:
    """A figure as SVG, the same bytes for the same figure and version of matplotlib.

    Args:
        figure: Any of this package.
        source: What it was drawn from, kept as metadata.
    """
    title, description = title_of(figure), caption_of(figure)
    metadata = {"Date": None, "Title": title, "Description": description, "Source": source or None}
    buffer = StringIO()
    with look():
        figure.savefig(buffer, format="svg", metadata=metadata)
    # A hundredth of a point is beyond every printer; the digits behind it are most of the file.
    return _PLACES.sub(lambda found: _DIGITS.sub(r"\1", found.group()), buffer.getvalue())


def save(figure: Figure, folder: Path, name: str) -> tuple[Path, Path]:
    """Write a figure as `name.svg` and `name.png`.

    The bytes depend on the figure and on the version of matplotlib alone: no date, no random
    identifiers.

    Args:
        figure: Any of this package.
        folder: Made if it is not there.
        name: File name without its ending.

    Returns:
        The paths of the SVG and the PNG.
    """
    folder.mkdir(parents=True, exist_ok=True)
    vector, raster = folder / f"{name}.svg", folder / f"{name}.png"
    vector.write_text(svg(figure), encoding="utf-8")
    buffer = BytesIO()
    with look():
        figure.savefig(buffer, format="png", dpi=_DPI)
    information = PngInfo()
    for key, value in {"Title": title_of(figure), "Description": caption_of(figure)}.items():
        information.add_text(key, value)
    # Few inks: a palette holds them in a third of the bytes.
    with Image.open(buffer) as image:
        few = image.convert("RGB").quantize(
            _PNG_COLORS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE
        )
        few.save(raster, optimize=True, pnginfo=information)
    return vector, raster
