"""Compute against score: what a point of the score costs, and who is worth it."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter
from numpy.typing import ArrayLike, NDArray
from scipy import optimize

from benchmark.columns import conditions, directed
from benchmark.figures.look import (
    BLUE,
    INK,
    MUTED,
    ORANGE,
    PALE,
    VERMILION,
    canvas,
    caption,
    head,
    look,
    named,
)
from benchmark.standings import RANKED, REFERENCE, Row, Standing

_SHORTEST = 0.01
"""Seconds; a fit that took less is drawn here, as the axis is logarithmic."""

_LABEL_INCHES = 0.145
_LEADER = 1.04
"""Where the lines to the names end, in widths of the axes."""

_FRAME_INCHES = 1.6
"""Height of what is above and below the axes: title, ticks, caption."""


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
        Points with their corrected intervals, the Pareto front as steps, and every name on the
        right, in the order of the scores.
    """
    complete = [row for row in table.rows if row.cells == table.cells]
    rows = [row for row in complete if not np.isnan([row.score.mean, row.seconds]).any()]
    figure = canvas(max(3.4, _FRAME_INCHES + _LABEL_INCHES * len(rows)))
    axes = figure.subplots()
    sign = 1.0 if table.primary.higher_is_better else -1.0
    cost = np.array([max(row.seconds, _SHORTEST) for row in rows])
    score = np.array([row.score.mean for row in rows])
    ranked = np.flatnonzero([row.role == RANKED for row in rows])
    front = ranked[pareto_front(cost[ranked], sign * score[ranked])]
    on_front = set(front.tolist())
    for i, row in enumerate(rows):
        _point(axes, float(cost[i]), row, on_front=i in on_front)
    axes.set_xscale("log")
    axes.set_xlim(*_decades(cost))
    axes.margins(y=0.06)
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
    axes.set_ylabel(f"{directed(table.primary)}, mean with 95 % interval")
    gap = _LABEL_INCHES / (figure.get_figheight() - _FRAME_INCHES)
    _names(axes, rows, cost, score, on_front, gap)
    head(figure, f"Compute against score: {table.task}")
    caption(
        figure,
        f"{conditions(table)}. Vertical lines: corrected intervals over folds. The dashed steps"
        " join the ranked methods (filled, bold) that no other ranked one beats in score at the"
        " same cost or less; they follow the means alone: a step within the intervals is none."
        " Squares: not ranked. Seconds are of the machines that ran the trials.",
    )
    return figure


def _decades(cost: NDArray[np.float64]) -> tuple[float, float]:
    """Limits with room about the costs, two decades at least: there are two ticks to read by."""
    low, high = np.log10([cost.min(), cost.max()]) if cost.size else np.zeros(2)
    room = max(1.0 - (high - low) / 2.0, 0.06 * (high - low))
    return float(10 ** (low - room)), float(10 ** (high + room))


def _point(axes: Axes, cost: float, row: Row, *, on_front: bool) -> None:
    color, marker = (ORANGE, "D") if row.method == REFERENCE else (BLUE, "o")
    if row.role != RANKED:
        color, marker = MUTED, "s"
    if not np.isnan(row.score.low):
        axes.plot([cost, cost], [row.score.low, row.score.high], color=color, alpha=0.35, lw=0.9)
    axes.plot(
        cost, row.score.mean, marker, color=color, ms=5, mew=1.0,
        mfc=color if on_front else "white", zorder=3,
    )  # fmt: skip


def _names(
    axes: Axes,
    rows: Sequence[Row],
    cost: NDArray[np.float64],
    score: NDArray[np.float64],
    on_front: set[int],
    gap: float,
) -> None:
    """Every name in a column on the right, as near to the height of its point as all fit."""
    order = np.argsort(score, kind="stable")
    low, high = axes.get_ylim()
    heights = spread((score[order] - low) / (high - low), gap)
    for i, height in zip(order, heights, strict=True):
        chosen = int(i) in on_front
        axes.annotate(
            "", xy=(cost[i], score[i]), xytext=(_LEADER, height), textcoords="axes fraction",
            arrowprops={
                "arrowstyle": "-", "color": PALE, "lw": 0.6, "shrinkA": 0, "shrinkB": 3,
            },
            zorder=0.5,
        )  # fmt: skip
        axes.text(
            _LEADER + 0.01, height, named(rows[i].method), transform=axes.transAxes, va="center",
            fontsize=7, color=INK if chosen else MUTED,
            fontweight="bold" if chosen else "normal",
        )  # fmt: skip


def spread(heights: NDArray[np.float64], gap: float) -> NDArray[np.float64]:
    """Move labels apart, each as little as can be (least squares).

    Args:
        heights: Where they would stand, ascending, as shares of the axis.
        gap: That two must have at least; less where they do not all fit in [0, 1] with it.

    Returns:
        Ascending, within [0, 1].
    """
    n = heights.size
    gap = min(gap, 1.0 / max(n - 1, 1))
    steps = gap * np.arange(n)
    # With y = height - step the condition is that y ascends: isotonic regression.
    found = optimize.isotonic_regression(heights - steps).x
    return np.asarray(np.clip(found, 0.0, 1.0 - steps[-1]) + steps) if n else heights
