"""Compute against score in the page itself: points that say their values and lead to methods.

The figure for paper is `benchmark.show.figures.compute`; here every name is a pointer away, so that
points need no labels that keep out of each other's way, which took most of the time of a report.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from matplotlib.ticker import MaxNLocator

from benchmark.analysis.standings import RANKED, REFERENCE, Row, Standing
from benchmark.show.columns import directed, short_title
from benchmark.show.figures import pareto_front
from benchmark.show.html.grid import escape
from benchmark.show.numbers import seconds, with_interval
from benchmark.show.page_names import method_page

WIDTH, HEIGHT = 720, 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 16, 12, 44
_SHORTEST = 0.01
"""Seconds; a fit that took less is drawn here, as the axis is logarithmic."""


@dataclass(frozen=True)
class Chart:
    """A figure that is part of its page.

    Attributes:
        title: What it shows.
        text: How to read it.
        svg: The drawing.
    """

    title: str
    text: str
    svg: Markup


@dataclass(frozen=True)
class _Plane:
    """Places on the drawing: x on a logarithmic axis of decades, y on a linear one."""

    decades: tuple[int, int]
    scores: tuple[float, float]

    def x(self, cost: float) -> float:
        first, last = self.decades
        share = (float(np.log10(cost)) - first) / (last - first)
        return round(_LEFT + share * (WIDTH - _LEFT - _RIGHT), 1)

    def y(self, score: float) -> float:
        low, high = self.scores
        share = (min(max(score, low), high) - low) / (high - low)
        return round(HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM), 1)


def compute_chart(table: Standing, root: str) -> Chart | None:
    """Mean seconds of a fit against the score of each complete row; None without two.

    Args:
        table: A task under one protocol and budget.
        root: From the page to the root of the report.
    """
    rows = [
        row
        for row in table.rows
        if row.cells == table.cells
        and row.role != "ablation"
        and not np.isnan([row.score.mean, row.seconds]).any()
    ]
    if len(rows) < 2:
        return None
    plane = _plane(table, rows)
    title = f"Compute against score: {table.task}"
    parts = [*_axes(plane, directed(table.primary)), *_front(plane, table, rows)]
    parts += [_point(plane, row, root) for row in rows]
    svg = (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="group"'
        f' aria-label="{escape(title)}">{"".join(parts)}</svg>'
    )
    text = (
        "A point a method: its name and values appear under the pointer, and it leads to its page."
        " Lines: 95 % intervals over folds. Dashed: the self-supervised methods that no other one"
        " beats in score at the same cost or less, by their means alone. Squares: not ranked."
    )
    return Chart(title, text, Markup(svg))  # noqa: S704 (every text of others passed `escape`)


def _cost(row: Row) -> float:
    return max(row.seconds, _SHORTEST)


def _plane(table: Standing, rows: Sequence[Row]) -> _Plane:
    costs = np.log10([_cost(row) for row in rows])
    first, last = int(np.floor(costs.min())), int(np.ceil(costs.max()))
    ends = np.array([(row.score.low, row.score.mean, row.score.high) for row in rows])
    least, most = table.primary.bounds
    low, high = max(float(np.nanmin(ends)), least), min(float(np.nanmax(ends)), most)
    room = 0.05 * (high - low) or 0.01
    return _Plane((first, max(last, first + 1)), (low - room, high + room))


def _axes(plane: _Plane, measure: str) -> Iterator[str]:
    foot = HEIGHT - _BOTTOM
    for tick in MaxNLocator(6).tick_values(*plane.scores):
        if plane.scores[0] <= tick <= plane.scores[1]:
            y = plane.y(tick)
            yield f'<path class="guide" d="M{_LEFT} {y}H{WIDTH - _RIGHT}"/>'
            yield f'<text x="{_LEFT - 6}" y="{y + 4:g}" text-anchor="end">{tick:g}</text>'
    first, last = plane.decades
    for decade in range(first, last + 1):
        x = plane.x(10.0**decade)
        yield f'<path class="guide" d="M{x} {foot}v5"/>'
        yield f'<text x="{x}" y="{foot + 18}" text-anchor="middle">{10.0**decade:g}</text>'
    yield (
        f'<text x="{(WIDTH + _LEFT) / 2:g}" y="{HEIGHT - 6}" text-anchor="middle">seconds of a fit,'
        " mean over folds and seeds (logarithmic)</text>"
    )
    yield (
        f'<text transform="translate(12 {foot / 2:g}) rotate(-90)" text-anchor="middle">'
        f"{escape(measure)}</text>"
    )


def _front(plane: _Plane, table: Standing, rows: Sequence[Row]) -> Iterator[str]:
    ranked = [row for row in rows if row.role == RANKED]
    if not ranked:
        return
    cost = np.array([_cost(row) for row in ranked])
    score = np.array([row.score.mean for row in ranked])
    path = ""
    for i in pareto_front(cost, table.primary.sign * score):
        x, y = plane.x(float(cost[i])), plane.y(float(score[i]))
        path += f"H{x}V{y}" if path else f"M{x} {y}"
    yield f'<path class="front" d="{path}H{WIDTH - _RIGHT}"/>'


def _point(plane: _Plane, row: Row, root: str) -> str:
    x, y = plane.x(_cost(row)), plane.y(row.score.mean)
    style = "reference" if row.method == REFERENCE else "ranked" if row.role == RANKED else "beside"
    span = ""
    if not np.isnan(row.score.low):
        span = f'<path class="span" d="M{x} {plane.y(row.score.low)}V{plane.y(row.score.high)}"/>'
    sign = (
        f'<rect x="{x - 4:g}" y="{y - 4:g}" width="8" height="8"/>'
        if style == "beside"
        else f'<circle cx="{x}" cy="{y}" r="5"/>'
    )
    said = f"{row.method}: {with_interval(row.score)}, {seconds(row.seconds)} s a fit"
    said = f"{said} ({short_title(row.role).lower()})"
    return (
        f'<a class="{style}" href="{escape(root + method_page(row.method))}"'
        f' aria-label="{escape(said)}"><title>{escape(said)}</title>{span}{sign}</a>'
    )
