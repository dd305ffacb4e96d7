"""Compute against score in the page itself: points that say their values and lead to methods.

The figure for paper is `benchmark.show.figures.compute`; here every name is a pointer away, so that
points need no labels that keep out of each other's way, which took most of the time of a report.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from benchmark.analysis.standings import RANKED, REFERENCE, Row, Standing
from benchmark.show.columns import directed, short_title
from benchmark.show.figures import pareto_front
from benchmark.show.html.charts import RIGHT, WIDTH, Chart, Plane, chart
from benchmark.show.html.grid import escape
from benchmark.show.numbers import seconds, with_interval
from benchmark.show.page_names import method_page

_HEIGHT, _FOOT = 380, 336
_SHORTEST = 0.01
"""Seconds; a fit that took less is drawn here, as the axis is logarithmic."""


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
    first, last = map(round, plane.xs)
    decades = [10.0**decade for decade in range(first, last + 1)]
    across = "seconds of a fit, mean over folds and seeds (logarithmic)"
    parts = [*plane.axes(decades, across, directed(table.primary)), *_front(plane, table, rows)]
    parts += [_point(plane, row, root) for row in rows]
    text = (
        "A point a method: its name and values appear under the pointer, and it leads to its page."
        " Lines: 95 % intervals over folds. Dashed: the self-supervised methods that no other one"
        " beats in score at the same cost or less, by their means alone. Squares: not ranked."
    )
    return chart(title, text, _HEIGHT, parts)


def _cost(row: Row) -> float:
    return max(row.seconds, _SHORTEST)


def _plane(table: Standing, rows: Sequence[Row]) -> Plane:
    costs = np.log10([_cost(row) for row in rows])
    first, last = int(np.floor(costs.min())), int(np.ceil(costs.max()))
    ends = np.array([(row.score.low, row.score.mean, row.score.high) for row in rows])
    least, most = table.primary.bounds
    low, high = max(float(np.nanmin(ends)), least), min(float(np.nanmax(ends)), most)
    room = 0.05 * (high - low) or 0.01
    ends_of_cost = (first, max(last, first + 1))
    return Plane(ends_of_cost, (low - room, high + room), _FOOT, lambda x: float(np.log10(x)))


def _front(plane: Plane, table: Standing, rows: Sequence[Row]) -> Iterator[str]:
    ranked = [row for row in rows if row.role == RANKED]
    if not ranked:
        return
    cost = np.array([_cost(row) for row in ranked])
    score = np.array([row.score.mean for row in ranked])
    path = ""
    for i in pareto_front(cost, table.primary.sign * score):
        x, y = plane.x(float(cost[i])), plane.y(float(score[i]))
        path += f"H{x}V{y}" if path else f"M{x} {y}"
    yield f'<path class="front" d="{path}H{WIDTH - RIGHT}"/>'


def _point(plane: Plane, row: Row, root: str) -> str:
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
