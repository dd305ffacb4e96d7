"""Figures that are part of their page: drawn in its colours, values under the pointer."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from markupsafe import Markup
from matplotlib.ticker import MaxNLocator

from benchmark.show.html.grid import escape

WIDTH, RIGHT, LEFT, TOP = 720, 16, 58, 12
"""Of every chart: its width, and what lies between its edges and its axes."""


@dataclass(frozen=True)
class Chart:
    """A figure that is part of its page.

    Attributes:
        title: What it shows.
        text: How to read it.
        svg: The drawing.
        survival: Whether it is of survival.
    """

    title: str
    text: str
    svg: Markup
    survival: bool = False


@dataclass(frozen=True)
class Plane:
    """Places on a drawing, of what lies between the ends of both axes.

    Attributes:
        xs: The ends of the horizontal axis, after `scale`.
        ys: Those of the vertical axis.
        foot: How far down the horizontal axis lies.
        scale: Of the horizontal axis.
    """

    xs: tuple[float, float]
    ys: tuple[float, float]
    foot: int
    scale: Callable[[float], float] = float

    def x(self, value: float) -> float:
        """Where a value lies from the left."""
        low, high = self.xs
        return round(LEFT + (self.scale(value) - low) / (high - low) * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        """Where a value lies from above; what is beyond an end lies on it."""
        low, high = self.ys
        share = (min(max(value, low), high) - low) / (high - low)
        return round(self.foot - share * (self.foot - TOP), 1)

    def axes(self, ticks: Iterable[float], across: str, up: str) -> Iterator[str]:
        """Both axes with their names; the vertical one chooses its own ticks.

        Args:
            ticks: Of the horizontal axis.
            across: Its name.
            up: The name of the vertical axis.
        """
        for tick in MaxNLocator(6).tick_values(*self.ys):
            if self.ys[0] <= tick <= self.ys[1]:
                y = self.y(tick)
                yield f'<path class="guide" d="M{LEFT} {y}H{WIDTH - RIGHT}"/>'
                yield f'<text x="{LEFT - 6}" y="{y + 4:g}" text-anchor="end">{tick:g}</text>'
        for tick in ticks:
            x = self.x(tick)
            yield f'<path class="guide" d="M{x} {self.foot}v5"/>'
            yield f'<text x="{x}" y="{self.foot + 18}" text-anchor="middle">{tick:g}</text>'
        yield (
            f'<text x="{(WIDTH + LEFT) / 2:g}" y="{self.foot + 36}" text-anchor="middle">'
            f"{escape(across)}</text>"
        )
        yield (
            f'<text transform="translate(12 {self.foot / 2:g}) rotate(-90)" text-anchor="middle">'
            f"{escape(up)}</text>"
        )


def chart(
    title: str, text: str, height: int, parts: Iterable[str], *, survival: bool = False
) -> Chart:
    """A chart of parts that are SVG, every text of others in them passed `escape`.

    Args:
        title: What it shows.
        text: How to read it.
        height: In units of the drawing.
        parts: What is drawn.
        survival: Whether it is of survival; its parts are no links then.
    """
    role = "img" if survival else "group"
    svg = (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {height}" role="{role}"'
        f' aria-label="{escape(title)}">{"".join(parts)}</svg>'
    )
    return Chart(title, text, Markup(svg), survival)  # noqa: S704 (as said above)
