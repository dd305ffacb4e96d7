"""Calibration: of patients who were promised a survival, how many lived so long."""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sksurv.nonparametric import kaplan_meier_estimator

from benchmark.show.figures.look import (
    BLUE,
    GREEN,
    MUTED,
    ORANGE,
    VERMILION,
    canvas,
    caption,
    head,
    look,
    named,
)
from benchmark.show.numbers import interval, number
from tasks.base import Protocol
from tasks.metrics.calibration import Judged, calibration_slope, observed_to_expected
from tasks.metrics.time_to_event import Outcomes
from tasks.metrics.undefined import Undefined

GROUPS, FEWEST = 5, 20
"""Groups of patients by predicted survival, and the fewest patients of one."""

_SURVIVAL = re.compile(r"surv_(\d+)m")
_SIGNS = (("o", BLUE), ("D", ORANGE), ("s", GREEN), ("^", VERMILION))


@dataclass(frozen=True)
class Group:
    """Patients of alike predicted survival.

    Attributes:
        predicted: Their mean predicted survival.
        observed: Their survival by Kaplan and Meier.
        low: Lower end of its pointwise 95 % interval (log-log).
        high: Upper end.
    """

    predicted: float
    observed: float
    low: float
    high: float


def times(predictions: pd.DataFrame) -> tuple[int, ...]:
    """The months at which survival was predicted."""
    found = (_SURVIVAL.fullmatch(str(name)) for name in predictions.columns)
    return tuple(sorted(int(one[1]) for one in found if one))


def calibration_groups(predictions: pd.DataFrame, months: int) -> tuple[Group, ...]:
    """Test patients, each once, in groups of equal size by what they were promised.

    Args:
        predictions: A row per (fold, seed, patient) of one method on one task, with the columns
            patient, time_months, event and `surv_<months>m`; any order. A patient's predictions
            are averaged over seeds; dealt repeatedly, those of the first deal count.
        months: When.

    Returns:
        By predicted survival, rising; none where fewer than `FEWEST` patients a group have one,
        or nobody was followed so long.
    """
    patients = _once(predictions, f"surv_{months}m").sort_values(
        ["predicted", "patient"], kind="stable"
    )
    n = min(GROUPS, len(patients) // FEWEST)
    if n < 2 or patients["time"].max() < months:
        return ()
    parts = np.array_split(np.arange(len(patients)), n)
    return tuple(_group(patients.iloc[part], months) for part in parts)


def _once(predictions: pd.DataFrame, predicted: str) -> pd.DataFrame:
    """Fold, patient, event, time and what was predicted of each patient, in its first deal."""
    rows = predictions.dropna(subset=[predicted, "time_months", "event"])
    columns = {"predicted": (predicted, "mean"), "time": ("time_months", "first")}
    each = rows.groupby(["fold", "patient"]).agg(**columns, event=("event", "first"))
    return each.reset_index().drop_duplicates("patient")


def judged(predictions: pd.DataFrame) -> tuple[str, ...]:
    """What can reject a method's predictions: the slope, and events seen over events expected.

    Args:
        predictions: As `calibration_groups` takes them; `expected`, where it is there, is what
            `observed_to_expected` takes.

    Returns:
        A text each, with its interval; fewer where a number has no value.
    """
    found: list[str] = []
    if not (months := times(predictions)):
        return ()
    patients = _once(predictions, f"surv_{months[len(months) // 2]}m")
    folds = [
        (Outcomes(rows["time"].to_numpy(float), rows["event"].to_numpy(bool)), rows["predicted"])
        for _, rows in patients.groupby("fold")
    ]
    with suppress(Undefined):
        slope = calibration_slope([(test, 1.0 - survival.to_numpy()) for test, survival in folds])
        found.append(f"slope {_shown(slope)}")
    if "expected" in predictions:
        patients = _once(predictions, "expected")
        with suppress(Undefined):
            event, expected = patients["event"].to_numpy(bool), patients["predicted"].to_numpy()
            found.append(f"observed / expected {_shown(observed_to_expected(event, expected))}")
    return tuple(found)


def _shown(of: Judged) -> str:
    return f"{number(of.value, 2)} ({interval(of.low, of.high, digits=2)})"


def _group(patients: pd.DataFrame, months: int) -> Group:
    event = patients["event"].to_numpy(dtype=bool)
    time = patients["time"].to_numpy(dtype=np.float64)
    predicted = float(patients["predicted"].mean())
    if not event.any():  # whose interval divides by the number of events
        return Group(predicted, 1.0, np.nan, np.nan)
    t, survival, (low, high) = kaplan_meier_estimator(event, time, conf_type="log-log")
    at = int(np.searchsorted(t, months, side="right")) - 1
    if at < 0:
        return Group(predicted, 1.0, np.nan, np.nan)
    return Group(predicted, float(survival[at]), float(low[at]), float(high[at]))


@look()
def calibration(
    predictions: Mapping[str, pd.DataFrame], task: str, protocol: str = Protocol.STRICT
) -> Figure | None:
    """Draw predicted against observed survival, a panel a time.

    Args:
        predictions: Of each method, at most four, as `calibration_groups` takes them.
        task: On which task.
        protocol: Under which protocol.

    Returns:
        None where no time has groups.
    """
    months = sorted({m for rows in predictions.values() for m in times(rows)})
    found = {m: {name: calibration_groups(p, m) for name, p in predictions.items()} for m in months}
    shown = {m: of for m, of in found.items() if any(of.values())}
    if not shown:
        return None
    every = (g for of in shown.values() for groups in of.values() for g in groups)
    ends = np.array([(g.predicted, g.observed, g.low) for g in every])
    least = np.floor(10 * np.nanmin(ends)) / 10
    figure = canvas(3.3)
    panels = figure.subplots(1, len(shown), squeeze=False, sharey=True)[0]
    for panel, (month, of_method) in zip(panels, shown.items(), strict=True):
        panel.plot([0, 1], [0, 1], color=MUTED, lw=0.8, ls=":")
        for (name, groups), (marker, color) in zip(of_method.items(), _SIGNS, strict=False):
            x = [group.predicted for group in groups]
            for group in groups:
                panel.plot([group.predicted] * 2, [group.low, group.high], color=color, alpha=0.3)
            y = [group.observed for group in groups]
            panel.plot(x, y, marker, ls="-", lw=0.8, ms=4, color=color, label=named(name))
        panel.set_title(f"{month} months", loc="left")
        panel.set_xlim(least, 1)
        panel.set_ylim(least, 1.005)
        panel.set_aspect("equal")
    panels[0].set_ylabel("observed survival")
    panels[len(panels) // 2].set_xlabel("predicted survival, mean of a group")
    panels[0].legend(loc="lower right", handlelength=1.2)
    head(figure, f"Calibration: {task}", protocol)
    rejecting = [
        f" {named(name)}: {', '.join(texts)}."
        for name, rows in predictions.items()
        if (texts := judged(rows))
    ]
    caption(
        figure,
        f"Test patients of all folds, each once, in up to {GROUPS} groups of one size by predicted"
        " survival; observed: Kaplan-Meier, with its pointwise 95 % interval (log-log). On the"
        " dotted line a method promises what happens; above it, it is too gloomy. What tells nobody"
        " apart may be calibrated all the same: its groups lie close together. Slopes over folds,"
        " and events observed over expected, are 1 of right predictions (95 %)."
        f"{''.join(rejecting)}",
    )
    return figure
