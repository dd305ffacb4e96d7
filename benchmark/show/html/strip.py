"""A row's score and interval as a small drawing, to one scale for all rows of a table."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmark.analysis.standings import REFERENCE, Row, Standing

WIDTH, _MARGIN = 160, 6
"""In units of the drawing."""


@dataclass(frozen=True)
class Strip:
    """Where things stand in the drawing, from 0 to `WIDTH`.

    Attributes:
        low: The lower end of the interval, None without one.
        high: Its upper end.
        mean: The score.
        reference: The reference's score, None without one.
    """

    low: float | None
    high: float | None
    mean: float
    reference: float | None


def scale(table: Standing) -> Callable[[Row], Strip | None]:
    """What draws the rows of a table; None for a row without a score."""
    values = [x for row in table.rows for x in (row.score.low, row.score.mean, row.score.high)]
    known = np.array([x for x in values if not np.isnan(x)])
    low, span = (known.min(), np.ptp(known) or 1.0) if known.size else (0.0, 1.0)

    def place(x: float) -> float | None:
        if np.isnan(x):
            return None
        return round(float(_MARGIN + (x - low) / span * (WIDTH - 2 * _MARGIN)), 1)

    reference = next((row.score.mean for row in table.rows if row.method == REFERENCE), np.nan)

    def draw(row: Row) -> Strip | None:
        mean = place(row.score.mean)
        if mean is None:
            return None
        return Strip(place(row.score.low), place(row.score.high), mean, place(reference))

    return draw
