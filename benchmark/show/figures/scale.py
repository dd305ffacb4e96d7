"""Intervals that end where a metric's scale does: no score beyond it, however wide the interval."""

import numpy as np
from matplotlib.axes import Axes

from benchmark.analysis.standings import Measure


def interval_line(
    axes: Axes,
    low: float,
    high: float,
    at: float,
    measure: Measure,
    *,
    vertical: bool = False,
    **look: object,
) -> bool:
    """Draw an interval, cut with an arrow where it passes an end of the scale.

    Args:
        axes: Where.
        low: Lower end; nothing is drawn for NaN.
        high: Upper end.
        at: Its place on the other axis.
        measure: Of the interval.
        vertical: Whether it runs upwards.
        look: Of the line, as matplotlib takes it.

    Returns:
        Whether it was cut.
    """
    if np.isnan(low):
        return False
    least, most = measure.bounds
    span, place = [max(low, least), min(high, most)], [at, at]
    axes.plot(*((place, span) if vertical else (span, place)), **look)  # type: ignore[arg-type]
    markers = ("v", "^") if vertical else ("<", ">")
    cut = (low < least, high > most)
    for end, marker, passes in zip(span, markers, cut, strict=True):
        if passes:
            point = (at, end) if vertical else (end, at)
            style = {name: look[name] for name in ("color", "alpha") if name in look}
            axes.plot(*point, marker, ms=3, mew=0, clip_on=False, **style)  # type: ignore[arg-type]
    return any(cut)
