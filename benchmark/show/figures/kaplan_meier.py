"""Kaplan-Meier curves of the patients that a method calls high and low risk."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sksurv.compare import compare_survival
from sksurv.nonparametric import kaplan_meier_estimator
from sksurv.util import Surv

from benchmark.show.figures.look import BLUE, MUTED, VERMILION, canvas, caption, head, look, stated
from tasks.base import Protocol

_Dash = tuple[float, tuple[float, ...] | None]

_GROUPS: tuple[tuple[str, str, _Dash], ...] = (
    ("low risk", BLUE, (0, None)),
    ("high risk", VERMILION, (0, (4, 1.5))),
)


@dataclass(frozen=True)
class RiskGroups:
    """Test patients of all folds, each once, split by predicted risk.

    Attributes:
        high: Whether the risk lies above the median of the fold, shape [n].
        event: Whether it happened, shape [n].
        time: Months to event or censoring, shape [n].
        seeds: Whose predictions were averaged.
        folds: That the patients come from.
    """

    high: NDArray[np.bool_]
    event: NDArray[np.bool_]
    time: NDArray[np.float64]
    seeds: int
    folds: int

    @property
    def p(self) -> float:
        """Of the log-rank test; NaN where one group is empty or nothing happened."""
        if self.high.all() or not self.high.any() or not self.event.any():
            return float("nan")
        _, p = compare_survival(Surv.from_arrays(self.event, self.time), self.high)
        return float(p)


def risk_groups(predictions: pd.DataFrame) -> RiskGroups:
    """Split the test patients of one method on one task by their predicted risk.

    Risks of two folds come from two models and do not compare, so each fold is split at its own
    median. A patient's risk is its rank in the fold, averaged over seeds: every patient counts
    once, however many seeds there are.

    Args:
        predictions: A row per (fold, seed, patient) with the columns fold, seed, patient, risk,
            time_months and event, of one task, method, protocol and budget; any order.
    """
    rows = predictions.dropna(subset=["risk", "time_months", "event"])
    rows = rows.assign(rank=rows.groupby(["fold", "seed"])["risk"].rank(pct=True))
    patients = (
        rows.groupby(["fold", "patient"])
        .agg(rank=("rank", "mean"), time=("time_months", "first"), event=("event", "first"))
        .reset_index()
        .drop_duplicates("patient")  # dealt repeatedly, of the first deal
    )
    median = patients.groupby("fold")["rank"].transform("median")
    # Rounded, so that the last bit of a mean of ranks does not split equal risks.
    return RiskGroups(
        high=(patients["rank"].round(9) > median.round(9)).to_numpy(dtype=bool),
        event=patients["event"].to_numpy(dtype=bool),
        time=patients["time"].to_numpy(dtype=np.float64),
        seeds=int(rows["seed"].nunique()),
        folds=int(patients["fold"].nunique()),
    )


@look()
def kaplan_meier(
    groups: RiskGroups, method: str, task: str, protocol: str = Protocol.STRICT
) -> Figure:
    """Draw the survival of both groups with its intervals and the numbers at risk.

    Args:
        groups: From `risk_groups`; at least one patient.
        method: Whose risks they are, for the title.
        task: On which task.
        protocol: Under which protocol.

    Returns:
        The curves with 95 % log-log intervals and the log-rank p; below, how many of each group
        are still followed.
    """
    figure = canvas(4.1)
    curves, numbers = figure.subplots(
        2, 1, sharex=True, gridspec_kw={"height_ratios": [8, 1.2], "hspace": 0.02}
    )
    for (name, color, dash), chosen in zip(_GROUPS, (~groups.high, groups.high), strict=True):
        if chosen.any():
            event, time = groups.event[chosen], groups.time[chosen]
            label = f"{name}: {chosen.sum():,} patients, {event.sum():,} events"
            _curve(curves, event, time, color=color, dash=dash, label=label)
    curves.set_ylim(0.0, 1.02)
    curves.set_xlim(0.0, float(groups.time.max()) * 1.02)
    curves.set_ylabel("share without the event")
    p = groups.p
    curves.legend(  # above the axes, as curves may go anywhere below
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=2,
        borderaxespad=0.2,
        title="no log-rank test" if np.isnan(p) else f"log-rank {stated(p)}",
        alignment="left",
    )
    _at_risk(numbers, groups, curves.get_xticks())
    head(figure, f"{method} on {task}", protocol)
    seeds = f", ranks averaged over {groups.seeds} seeds" if groups.seeds > 1 else ""
    where = f"all {groups.folds} folds, each once" if groups.folds > 1 else "the one split"
    caption(
        figure,
        f"Test patients of {where}. High risk: above the median"
        f" predicted risk of the test patients of its fold{seeds}, equal risks below; no label was"
        " used for the split."
        " Bands: pointwise 95 % intervals (log-log). Crosses: censored. A small p says that the"
        " groups differ, not that the method is better than another.",
    )
    return figure


def _curve(
    axes: Axes,
    event: NDArray[np.bool_],
    time: NDArray[np.float64],
    *,
    color: str,
    dash: _Dash,
    label: str,
) -> None:
    if event.any():
        t, survival, band = kaplan_meier_estimator(event, time, conf_type="log-log")
    else:  # its intervals divide by the number of events
        t, survival = kaplan_meier_estimator(event, time)
        band = None
    t, survival = np.append(0.0, t), np.append(1.0, survival)
    # Only steps: a point at each censoring would be most of the file.
    steps = np.append(True, np.diff(survival) != 0.0)
    steps[-1] = True
    axes.step(t[steps], survival[steps], where="post", color=color, ls=dash, lw=1.3, label=label)
    if band is not None:
        low, high = np.column_stack([[1.0, 1.0], band])
        axes.fill_between(
            t[steps], low[steps], high[steps], step="post", color=color, alpha=0.15, lw=0
        )
    censored = np.unique(time[~event].round())
    at = survival[np.searchsorted(t, censored, side="right") - 1]
    axes.plot(censored, at, "+", color=color, ms=4, mew=0.6, alpha=0.7)


def _at_risk(axes: Axes, groups: RiskGroups, ticks: NDArray[np.float64]) -> None:
    """How many are followed at least until each tick of the axis, a line a group."""
    shown = [tick for tick in ticks if 0.0 <= tick <= axes.get_xlim()[1]]
    for y, ((_, color, _), chosen) in enumerate(
        zip(_GROUPS, (~groups.high, groups.high), strict=True)
    ):
        for tick in shown:
            count = int((groups.time[chosen] >= tick).sum())
            axes.text(tick, y, f"{count:,}", ha="center", va="center", fontsize=7, color=color)
    axes.set_ylim(1.6, -0.6)
    axes.set_yticks([0, 1], [name for name, _, _ in _GROUPS])
    axes.tick_params(axis="y", length=0, pad=14)
    axes.spines["left"].set_visible(False)
    axes.set_title("at risk", loc="left", fontsize=7, color=MUTED, pad=2)
    axes.set_xlabel("months")
