"""Compute against score: what a point of the score costs, and who is worth it."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter
from numpy.typing import ArrayLike, NDArray

from benchmark.analysis.standings import RANKED, REFERENCE, Measure, Row, Standing
from benchmark.show.columns import conditions, directed
from benchmark.show.figures.look import (
    BLUE,
    MUTED,
    ORANGE,
    VERMILION,
    canvas,
    caption,
    head,
    lay_out,
    look,
)
from benchmark.show.figures.point_names import name_points
from benchmark.show.figures.scale import interval_line

_SHORTEST = 0.01
"""Seconds; a fit that took less is drawn here, as the axis is logarithmic."""

_FEWEST_INCHES, _NAME_INCHES = 4.2, 0.14


def pareto_front(cost: ArrayLike, score: ArrayLike) -> NDArray[np.intp]:
    """Which methods no other beats in one of cost and score without losing in the other.

    Args:
        cost: Lower is better, shape [n].
        score: Higher is better, shape [n].

    Returns:
        Their indices by rising cost. Of methods equal in both, all.
    """
    cost, score = np.asarray(cost, dtype=np.float64), np.asarray(score, dtype=np.float64)
    no_worse = (cost <= cost[:, None]) & (score >= score[:, None])
    better = (cost < cost[:, None]) | (score > score[:, None])
    front = np.flatnonzero(~(no_worse & better).any(axis=1))
    return front[np.lexsort((-score[front], cost[front]))]


@look()
def compute(table: Standing) -> Figure:
    """Draw the mean seconds of a fit against the score of each complete row.

    Args:
        table: A task under one protocol and budget.

    Returns:
        Named points with their corrected intervals, and the Pareto front as steps.
    """
    whole = (row for row in table.rows if row.cells == table.cells)
    complete = [row for row in whole if row.role != "ablation"]
    rows = [row for row in complete if not np.isnan([row.score.mean, row.seconds]).any()]
    figure = canvas(max(_FEWEST_INCHES, _NAME_INCHES * len(rows)))
    axes = figure.subplots()
    cost = np.array([max(row.seconds, _SHORTEST) for row in rows])
    score = np.array([row.score.mean for row in rows])
    ranked = np.flatnonzero([row.role == RANKED for row in rows])
    front = ranked[pareto_front(cost[ranked], table.primary.sign * score[ranked])]
    on_front = set(front.tolist())
    for i, row in enumerate(rows):
        _point(axes, float(cost[i]), row, table.primary, on_front=i in on_front)
    axes.set_xscale("log")
    axes.set_xlim(*_decades(cost))
    axes.margins(y=0.08)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    if front.size:
        # Beyond the last of the front more seconds buy nothing: the step runs to the edge.
        _, edge = axes.get_xlim()
        axes.plot(
            [*cost[front], edge], [*score[front], score[front[-1]]],
            drawstyle="steps-post", color=VERMILION, lw=1.0, ls=(0, (4, 2)), zorder=2.5,
            label="Pareto front",
        )  # fmt: skip
    axes.set_xlabel("seconds of a fit, mean over folds and seeds (logarithmic)")
    axes.set_ylabel(f"{directed(table.primary)}\nmean with 95 % interval")
    head(figure, f"Compute against score: {table.task}", table.protocol)
    caption(
        figure,
        f"{conditions(table)}. Vertical lines: corrected intervals over folds. The dashed steps"
        " join the ranked methods (filled, bold) that no other ranked one beats in score at the"
        " same cost or less; they follow the means alone: a step within the intervals is none."
        " Squares: not ranked. Seconds are of the machines that ran the trials.",
    )
    lay_out(figure)
    name_points(axes, [row.method for row in rows], cost, score, on_front)
    return figure


def _decades(cost: NDArray[np.float64]) -> tuple[float, float]:
    """Limits with room about the costs, two decades at least: there are two ticks to read by."""
    low, high = np.log10([cost.min(), cost.max()]) if cost.size else np.zeros(2)
    room = max(1.0 - (high - low) / 2.0, 0.06 * (high - low))
    return float(10 ** (low - room)), float(10 ** (high + room))


def _point(axes: Axes, cost: float, row: Row, measure: Measure, *, on_front: bool) -> None:
    color, marker = (ORANGE, "D") if row.method == REFERENCE else (BLUE, "o")
    if row.role != RANKED:
        color, marker = MUTED, "s"
    low, high = row.score.low, row.score.high
    interval_line(axes, low, high, cost, measure, vertical=True, color=color, alpha=0.35, lw=0.9)
    axes.plot(
        cost, row.score.mean, marker, color=color, ms=5, mew=1.0,
        mfc=color if on_front else "white", zorder=3,
    )  # fmt: skip
