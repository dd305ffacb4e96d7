"""The critical-difference diagram: mean ranks over cohorts, and which of them differ."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from benchmark.analysis.over_cohorts import FEWEST_FOR_GROUPS, KindComparison
from benchmark.analysis.standings import ALPHA
from benchmark.show.figures.look import (
    INK,
    MUTED,
    VERMILION,
    canvas,
    caption,
    head,
    lay_out,
    look,
    named,
)
from benchmark.show.numbers import count, number

_LINE_INCHES = 0.16


@look()
def critical_difference_diagram(of: KindComparison) -> Figure:
    """Draw mean ranks over cohorts; a bar joins methods that are not told apart.

    Only methods that are complete in every cohort have a rank; the caption names the others.

    Returns:
        The best rank on the left, the critical difference as a ruler above.

    Raises:
        ValueError: There are fewer than two such methods, or too few cohorts.

    Source:
        Demsar, JMLR 7 (2006), figure 1.
    """
    # It takes two seconds to import, which no table should wait for.
    from scikit_posthocs import critical_difference_diagram as draw  # noqa: PLC0415

    ranks = pd.Series({row.method: row.rank for row in of.entrants if not np.isnan(row.rank)})
    left_out = [row.method for row in of.entrants if np.isnan(row.rank)]
    if np.isinf(of.apart):
        raise ValueError(
            f"expected two methods or more and {FEWEST_FOR_GROUPS} cohorts, found {len(ranks)} and"
            f" {len(of.tables)}"
        )
    apart = np.abs(np.subtract.outer(ranks.to_numpy(), ranks.to_numpy())) > of.apart
    different = pd.DataFrame(np.where(apart, 0.0, 1.0), index=ranks.index, columns=ranks.index)
    figure = canvas(1.0)
    axes = figure.subplots()
    drawn = draw(
        ranks,
        different,
        ax=axes,
        alpha=ALPHA,
        label_fmt_left="{label}  {rank:.2f} ",
        label_fmt_right=" {rank:.2f}  {label}",
        label_props={"fontsize": 7.5},
        elbow_props={"color": MUTED, "linewidth": 0.8},
        marker_props={"color": INK, "s": 12, "clip_on": False},
        crossbar_props={"color": VERMILION, "linewidth": 2.5},
    )
    for label in drawn["labels"]:
        label.set_color(INK)
        # Shortened only now: the package tells methods apart by their names.
        label.set_text("  ".join(named(part) for part in label.get_text().split("  ")))
    for (bar,) in drawn["crossbars"]:
        # The package joins methods in the order of a set, which differs from run to run.
        bar.set_xdata(np.sort(bar.get_xdata()))
    _ruler(axes, of.apart, len(ranks))
    lowest, highest = axes.get_ylim()
    figure.set_figheight(0.9 + _LINE_INCHES * (highest - lowest))
    cohorts = count(len(of.tables), "cohort")
    head(figure, f"{of.kind}: mean rank over {cohorts}")
    caption(figure, _caption(cohorts, of.apart, left_out))
    lay_out(figure)
    return figure


def diagram_of_many(of: KindComparison) -> Figure | None:
    """The diagram, or None unless the cohorts are enough to tell the first method from the last."""
    ranks = [row.rank for row in of.entrants if not np.isnan(row.rank)]
    return critical_difference_diagram(of) if of.apart < len(ranks) - 1 else None


def _ruler(axes: Axes, limit: float, worst: int) -> None:
    """The axis of ranks, and above it the critical difference to scale."""
    lowest, _ = axes.get_ylim()
    axes.set_ylim(lowest, 3.6)
    axes.set_xlim(0.95, max(worst, 1.0 + limit) + 0.05)
    even = MaxNLocator(8, integer=True).tick_values(1, worst)
    axes.set_xticks([1, *(rank for rank in even if 1 < rank <= worst)])
    axes.spines["top"].set_visible(True)
    axes.spines["top"].set_bounds(1, worst)
    axes.errorbar(
        1.0 + limit / 2.0, 2.4, xerr=limit / 2.0, color=VERMILION, lw=1.2, capsize=3, capthick=1.2
    )
    axes.text(1.0, 2.75, f"critical difference {number(limit, 2)}", fontsize=7.5, va="bottom")


def _caption(cohorts: str, limit: float, left_out: Sequence[str]) -> str:
    absent = f" Not in every cohort, so not ranked: {', '.join(left_out)}." if left_out else ""
    return (
        f"1 is the best. Over {cohorts}, a primary task each. A bar joins methods that cannot be"
        " told apart: their mean ranks differ by no more than the critical difference,"
        f" {number(limit, 2)}, which methods relabelled within each cohort exceed in"
        f" {ALPHA:.0%} of cases.{absent}"
    )
