"""Names of points: a column beside the axes, which no two share a place in."""

from collections.abc import Container, Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from scipy import optimize

from benchmark.show.figures.look import INK, MUTED, PALE, named

LABEL_INCHES = 0.145
"""Height of a name."""

_LEADER = 1.04
"""Where the lines to the names end, in widths of the axes."""


def name_column(
    axes: Axes,
    names: Sequence[str],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    gap: float,
    bold: Container[int],
) -> None:
    """Write every name in a column on the right, as near to the height of its point as all fit.

    Args:
        axes: With the points drawn and their limits final.
        names: One a point.
        x: Where the points are, in units of the data.
        y: Likewise.
        gap: Height of a name as a share of the axes.
        bold: Positions of the names that stand out.
    """
    order = np.argsort(y, kind="stable")
    low, high = axes.get_ylim()
    heights = spread((y[order] - low) / (high - low), gap)
    for i, height in zip(order, heights, strict=True):
        chosen = int(i) in bold
        axes.annotate(
            "", xy=(x[i], y[i]), xytext=(_LEADER, height), textcoords="axes fraction",
            arrowprops={
                "arrowstyle": "-", "color": PALE, "lw": 0.6, "shrinkA": 0, "shrinkB": 3,
            },
            zorder=0.5,
        )  # fmt: skip
        axes.text(
            _LEADER + 0.01, height, named(names[i]), transform=axes.transAxes, va="center",
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
