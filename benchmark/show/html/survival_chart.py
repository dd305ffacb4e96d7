"""Kaplan-Meier curves in the page itself: what each month says is under the pointer."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from sksurv.nonparametric import kaplan_meier_estimator

from benchmark.show.figures import RiskGroups, risk_groups
from benchmark.show.figures.look import stated
from benchmark.show.html.charts import LEFT, TOP, Chart, Plane, chart
from benchmark.show.html.grid import escape
from benchmark.show.numbers import count, interval, number

_HEIGHT, _FOOT = 436, 316
_STOPS = 36
"""Months, at most, of which something is said under the pointer."""

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Curve:
    """Survival of a group.

    Attributes:
        name: Of the group.
        style: Its class.
        times: Months of its patients, shape [n].
        t: Months of steps, from 0, rising.
        survival: From then on.
        low: Lower end of its interval (log-log); NaN where there is none.
        high: Upper end.
        events: In all.
    """

    name: str
    style: str
    times: _Floats
    t: _Floats
    survival: _Floats
    low: _Floats
    high: _Floats
    events: int

    def at(self, month: float) -> str:
        """What the curve says of a month."""
        followed = int((self.times >= month).sum())
        i = int(np.searchsorted(self.t, month, side="right")) - 1
        if month > self.t[-1]:
            return f"{self.name} followed no longer"
        ends = interval(float(self.low[i]), float(self.high[i]), digits=2)
        span = "" if np.isnan(self.low[i]) else f" ({ends})"
        return f"{self.name} {number(float(self.survival[i]), 2)}{span}, {followed:,} at risk"


def survival_chart(predictions: pd.DataFrame, method: str, task: str) -> Chart:
    """Survival of the patients that a method calls high and low risk.

    Args:
        predictions: As `risk_groups` takes them; at least one patient.
        method: Whose risks they are.
        task: On which task.
    """
    groups = risk_groups(predictions)
    plane = Plane((0.0, float(groups.time.max()) * 1.02 or 1.0), (0.0, 1.0), _FOOT)
    ticks = [t for t in MaxNLocator(7).tick_values(*plane.xs) if 0.0 <= t <= plane.xs[1]]
    curves = [*_curves(groups)]
    p = groups.p
    title = f"Kaplan-Meier curves of {method} on {task}"
    text = (
        f"{'No log-rank test' if np.isnan(p) else f'Log-rank {stated(p)}'}. Test patients of all"
        " folds, each once; high risk: above the median predicted risk of its fold, no label was"
        " used for that. Bands: pointwise 95 % intervals (log-log). Numbers below: at risk. A small"
        " p says that the groups differ, not that the method is better than another."
    )
    parts = [
        *plane.axes(ticks, "months", "share without the event"),
        *(part for curve in curves for part in _drawn(plane, curve)),
        *_named(curves),
        *_at_risk(plane, curves, ticks),
        *_stops(plane, curves),
    ]
    return chart(title, text, _HEIGHT, parts, survival=True)


def _curves(groups: RiskGroups) -> Iterator[_Curve]:
    for name, style, chosen in (
        ("low risk", "low", ~groups.high),
        ("high risk", "high", groups.high),
    ):
        if not chosen.any():
            continue
        event, time = groups.event[chosen], groups.time[chosen]
        if event.any():
            t, survival, (low, high) = kaplan_meier_estimator(event, time, conf_type="log-log")
        else:  # its intervals divide by the number of events
            t, survival = kaplan_meier_estimator(event, time)
            low = high = np.full(len(t), np.nan)
        begin = 1.0 if event.any() else np.nan
        first = (0.0, 1.0, begin, begin)
        steps = np.append(True, np.diff(np.append(1.0, survival)) != 0.0)
        steps[-1] = True  # only steps: a point at each censoring would be most of the drawing
        t, survival, low, high = (
            np.append(start, of)[steps]
            for start, of in zip(first, (t, survival, low, high), strict=True)
        )
        yield _Curve(name, style, time, t, survival, low, high, int(event.sum()))


def _steps(plane: Plane, t: Sequence[float] | _Floats, values: Sequence[float] | _Floats) -> str:
    """A path of steps, without the command that begins it."""
    path, (first, *rest) = "", zip(map(float, t), map(float, values), strict=True)
    path = f"{plane.x(first[0])} {plane.y(first[1])}"
    return path + "".join(f"H{plane.x(month)}V{plane.y(value)}" for month, value in rest)


def _back(plane: Plane, t: _Floats, values: _Floats) -> str:
    """The same steps from the last to the first."""
    path = f"L{plane.x(float(t[-1]))} {plane.y(float(values[-1]))}"
    for i in range(len(t) - 1, 0, -1):
        path += f"V{plane.y(float(values[i - 1]))}H{plane.x(float(t[i - 1]))}"
    return path


def _drawn(plane: Plane, curve: _Curve) -> Iterator[str]:
    there = ~np.isnan(curve.low)
    if there.any():
        t, low, high = curve.t[there], curve.low[there], curve.high[there]
        band = f"M{_steps(plane, t, high)}{_back(plane, t, low)}Z"
        yield f'<path class="band {curve.style}" d="{band}"/>'
    steps = _steps(plane, curve.t, curve.survival)
    yield f'<path class="steps {curve.style}" d="M{steps}"/>'


def _named(curves: Sequence[_Curve]) -> Iterator[str]:
    """What is drawn how, at the foot: curves may go anywhere above."""
    for i, curve in enumerate(curves):
        x, y = LEFT + 320 * i, _HEIGHT - 12
        said = f"{curve.name}: {count(len(curve.times), 'patient')}, {count(curve.events, 'event')}"
        yield f'<path class="steps {curve.style}" d="M{x} {y - 4}h28"/>'
        yield f'<text x="{x + 36}" y="{y}">{escape(said)}</text>'


def _at_risk(plane: Plane, curves: Sequence[_Curve], ticks: Sequence[float]) -> Iterator[str]:
    """How many are followed at least until each tick of the axis, a line a group."""
    for i, curve in enumerate(curves):
        y = _FOOT + 62 + 18 * i
        yield f'<text x="{LEFT - 14}" y="{y}" text-anchor="end">{curve.name.split()[0]}</text>'
        for tick in ticks:
            n = int((curve.times >= tick).sum())
            yield f'<text x="{plane.x(tick)}" y="{y}" text-anchor="middle">{n:,}</text>'


def _stops(plane: Plane, curves: Sequence[_Curve]) -> Iterator[str]:
    """Strips across the drawing, each of which says what the curves are in its middle."""
    stops = [m for m in MaxNLocator(_STOPS).tick_values(*plane.xs) if 0.0 <= m <= plane.xs[1]]
    half = (plane.x(stops[1]) - plane.x(stops[0])) / 2 if len(stops) > 1 else 10.0
    for month in stops:
        said = "; ".join(curve.at(month) for curve in curves)
        x = plane.x(month)
        yield (
            f'<g class="stop"><title>{month:g} months: {escape(said)}</title>'
            f'<rect x="{x - half:g}" y="{TOP}" width="{2 * half:g}" height="{_FOOT - TOP}"/>'
            f'<path d="M{x} {TOP}V{_FOOT}"/></g>'
        )
