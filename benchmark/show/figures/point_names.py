"""Names at points: each as near to its own as there is room, on top of nothing."""

from collections.abc import Container, Iterator, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.text import Text
from numpy.typing import NDArray

from benchmark.show.figures.look import INK, MUTED, PALE, named

_POINT, _AIR, _RINGS, _DIRECTIONS = 5.0, 2.0, 60, 24
"""Room of a point and between names, and the places that are tried; in points but the last two."""


def name_points(
    axes: Axes,
    names: Sequence[str],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    bold: Container[int],
) -> None:
    """Write every name beside its point, with a line to it where it has to stand off.

    Args:
        axes: With the points drawn, their limits final, and the figure laid out.
        names: One a point.
        x: Where the points are, in units of the data.
        y: Likewise.
        bold: Positions of the names that stand out.
    """
    unit = axes.figure.dpi / 72.0
    points = axes.transData.transform(np.column_stack([x, y]))
    inside = np.array(axes.get_window_extent().extents)
    taken = [np.concatenate([p - _POINT * unit / 2, p + _POINT * unit / 2]) for p in points]
    # The crowded first: who has room finds some later too.
    near = np.sort(np.linalg.norm(points[:, None] - points[None], axis=2), axis=1)
    for i in np.argsort(near[:, : min(4, len(points))].sum(axis=1), kind="stable"):
        chosen = int(i) in bold
        text = axes.text(
            x[i], y[i], named(names[i]), fontsize=6.5, color=INK if chosen else MUTED,
            fontweight="bold" if chosen else "normal", zorder=4,
        )  # fmt: skip
        size = np.array(text.get_window_extent().size) + _AIR * unit
        box = next(_free(points[i], size, unit, inside, taken))
        taken.append(box)
        _place(axes, text, box, points[i], _AIR * unit)


def _free(
    point: NDArray[np.float64],
    size: NDArray[np.float64],
    unit: float,
    inside: NDArray[np.float64],
    taken: Sequence[NDArray[np.float64]],
) -> Iterator[NDArray[np.float64]]:
    """Places about a point that nothing has, the nearest first, at last one beside it."""
    others = np.array(taken)
    for ring in range(_RINGS):
        for angle in np.arange(_DIRECTIONS) * (2 * np.pi / _DIRECTIONS):
            direction = np.array([np.cos(angle), np.sin(angle)])
            centre = point + direction * (size / 2 + (_POINT / 2 + 3.0 * ring) * unit)
            box = np.concatenate([centre - size / 2, centre + size / 2])
            if (box[:2] < inside[:2]).any() or (box[2:] > inside[2:]).any():
                continue
            apart = (box[2:] <= others[:, :2]) | (box[:2] >= others[:, 2:])
            if apart.any(axis=1).all():
                yield box
    yield np.concatenate([point, point + size])


def _place(
    axes: Axes, text: Text, box: NDArray[np.float64], point: NDArray[np.float64], air: float
) -> None:
    into = axes.transData.inverted()
    x, y = into.transform(box[:2] + air / 2)
    text.set_position((x, y))
    nearest = np.clip(point, box[:2], box[2:])
    if np.linalg.norm(nearest - point) > 2 * _POINT:
        ends = into.transform([point, nearest])
        axes.plot(*ends.T, color=PALE, lw=0.6, zorder=0.5)
