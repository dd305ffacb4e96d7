"""The critical-difference diagram: mean ranks over tasks, and which of them differ."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from benchmark.analysis.ranks import score_matrix
from benchmark.analysis.standings import ALPHA, FEWEST_TASKS, Standing
from benchmark.analysis.stats import critical_difference, friedman, nemenyi
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
    stated,
)
from benchmark.show.numbers import number

_TRUSTED_TASKS = 10
"""Below, Demsar (2006) warns, the tests over tasks say little."""

_LINE_INCHES = 0.16


@look()
def critical_difference_diagram(tables: Sequence[Standing]) -> Figure:
    """Draw mean ranks over tasks; a bar joins methods that Nemenyi's test cannot tell apart.

    Args:
        tables: Of one protocol and budget, a task each. Only methods that are complete in all of
            them are ranked, as the test needs; the caption names the others.

    Returns:
        The best rank on the left, the critical difference as a ruler above.

    Raises:
        ValueError: There are fewer than two such methods.

    Source:
        Demsar, JMLR 7 (2006), section 3.2.2 and figure 1.
    """
    # It takes two seconds to import, which no table should wait for.
    from scikit_posthocs import critical_difference_diagram as draw  # noqa: PLC0415

    every, scores = score_matrix(tables)
    whole = np.flatnonzero(~np.isnan(scores).any(axis=0))
    methods = [every[i] for i in whole]
    left_out = [name for name in every if name not in methods]
    test = friedman(scores[:, whole])
    ranks = pd.Series(test.mean_ranks, index=methods)
    different = pd.DataFrame(
        nemenyi(test.mean_ranks, test.n_tasks), index=ranks.index, columns=ranks.index
    )
    limit = critical_difference(len(methods), test.n_tasks, ALPHA)
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
    _ruler(axes, limit, len(methods))
    lowest, highest = axes.get_ylim()
    figure.set_figheight(0.9 + _LINE_INCHES * (highest - lowest))
    head(figure, f"Mean rank over {_tasks(test.n_tasks)}")
    caption(figure, _caption(test.n_tasks, test.p, limit, left_out))
    lay_out(figure)
    return figure


def diagram_of_many(tables: Sequence[Standing]) -> Figure | None:
    """The diagram, or None unless the tasks are enough to tell the first method from the last.

    They are from `FEWEST_TASKS`, where the critical difference is less than ranks can differ.

    Args:
        tables: Of one protocol and budget, a task each; those with one method to rank are left out.
    """
    compared = [table for table in tables if len(table.ranked) > 1]
    shared = [{row.method for row in table.ranked} for table in compared]
    n = len(set.intersection(*shared)) if shared else 0
    if len(compared) < FEWEST_TASKS or n < 2 or critical_difference(n, len(compared)) >= n - 1:
        return None
    return critical_difference_diagram(compared)


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


def _caption(n_tasks: int, p: float, limit: float, left_out: Sequence[str]) -> str:
    few = (
        f" Below {_TRUSTED_TASKS} tasks these tests see only large differences."
        if n_tasks < _TRUSTED_TASKS
        else ""
    )
    absent = f" Not in every task, so not ranked: {', '.join(left_out)}." if left_out else ""
    return (
        f"1 is the best. Friedman's test over {_tasks(n_tasks)}: {stated(p)}. A bar joins"
        f" methods that Nemenyi's test cannot tell apart (p ≥ {ALPHA}): they rank closer than the"
        f" critical difference, {number(limit, 2)}.{few}{absent}"
    )


def _tasks(n: int) -> str:
    return f"{n} task{'s' if n > 1 else ''}"
