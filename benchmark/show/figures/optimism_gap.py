"""The optimism gap: strict, honest and published evaluation of the same folds, and why."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from benchmark.analysis.optimism import Optimism
from benchmark.show.columns import directed
from benchmark.show.escape import plain
from benchmark.show.figures.look import (
    BLUE,
    GREEN,
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
from tasks.kinds.published.switches import HONEST, Switch

_ROW_INCHES, _LEGEND_INCHES, _LEGEND_COLUMNS = 0.3, 0.2, 7

_SIGNS = {
    Switch.BEST_EPOCH: ("P", VERMILION),
    Switch.INNER_EPOCH: ("p", VERMILION),
    Switch.ALL_BINS: ("^", BLUE),
    Switch.ALL_GENES: ("*", BLUE),
    Switch.TRAIN_GENES: ("X", BLUE),
    Switch.FRESH_PATCHES: ("h", GREEN),
    Switch.DROPOUT_ON: ("<", ORANGE),
    Switch.SLIDE_LEVEL: ("s", GREEN),
    Switch.DROP_LAST: ("D", ORANGE),
    Switch.WITH_REPLACEMENT: ("v", MUTED),
    Switch.SHARED_PATIENTS: (">", MUTED),
}
"""Marker and colour of each switch."""


@look()
def optimism(found: Sequence[Optimism]) -> Figure:
    """Draw a row of two panels per task: the scores of each method, and what made the difference.

    Args:
        found: Of one task or several, each with its variant, budget and folds; at least one.

    Returns:
        Left the score under `strict`, of the honest probe and as published; right the gap with
        its interval, and what each switch adds by itself.

    Raises:
        ValueError: There is nothing to draw.
    """
    if not found:
        raise ValueError("no optimism")
    groups: dict[tuple[str, str, str, int], list[Optimism]] = {}
    for one in found:
        groups.setdefault((one.task, one.variant, one.budget, one.n_folds), []).append(one)
    heights = [0.75 + _ROW_INCHES * len(rows) for rows in groups.values()]
    names = _named(found)
    legend_inches = _LEGEND_INCHES * -(-len(names) // _LEGEND_COLUMNS)
    figure = canvas(1.3 + legend_inches + sum(heights))
    grid = figure.add_gridspec(len(groups) + 1, 2, height_ratios=[legend_inches, *heights])
    signs = figure.add_subplot(grid[0, :])
    lefts, rights = (
        [figure.add_subplot(grid[i + 1, column]) for i in range(len(groups))] for column in (0, 1)
    )
    for left, right, ((task, variant, budget, n_folds), rows) in zip(
        lefts, rights, groups.items(), strict=True
    ):
        _scores(left, rows)
        _gaps(right, rows)
        # May reach over the right panel, which has no title.
        place = (task, variant, f"budget {budget}", f"{n_folds} folds")
        left.set_title(plain(" · ".join(filter(None, place))), loc="left")
    for panels in (lefts, rights):
        _share(panels, list(groups.values()))
    _legend(signs, [*lefts, *rights], names)
    head(figure, "Optimism of the published evaluation")
    caption(
        figure,
        "The same folds, evaluated three ways. Left: strict (with its own head), the"
        f" published probe evaluated honestly ({HONEST}), and the same probe as published (paper)."
        " Right: thick lines and bars are paper less honest with the 95 % interval of the corrected"
        " resampled t over folds; markers are what each departure adds by itself, which overlap and"
        " need not sum to the gap (all_genes is counted from train_genes, best_epoch from"
        " inner_epoch). Under permuted labels nothing is there to be found; the dotted line is"
        " chance.",
    )
    return figure


def _scores(panel: Axes, rows: Sequence[Optimism]) -> None:
    for y, row in enumerate(rows):
        panel.plot([row.honest, row.paper], [y, y], color=PALE, lw=2.5, zorder=1)
        panel.plot(row.strict, y, "|", color=MUTED, ms=11, mew=1.6, label="strict")
        panel.plot(row.honest, y, "o", color=BLUE, mfc="white", ms=5, mew=1.1, label=HONEST)
        panel.plot(row.paper, y, "o", color=VERMILION, ms=5, mew=1.1, label="paper")
    if (chance := rows[0].measure.chance) is not None:
        panel.axvline(chance, color=MUTED, lw=0.8, ls=":", zorder=0)
    panel.set_yticks(range(len(rows)), [named(row.method) for row in rows])
    panel.set_xlabel(f"{directed(rows[0].measure)}, mean over folds and seeds")
    panel.margins(x=0.08)
    _plain(panel, len(rows))


def _gaps(panel: Axes, rows: Sequence[Optimism]) -> None:
    panel.axvline(0.0, color=MUTED, lw=0.8, zorder=0)
    for y, row in enumerate(rows):
        if not np.isnan(row.gap.low):
            panel.plot([row.gap.low, row.gap.high], [y, y], color=PALE, lw=2.5, zorder=1)
        panel.plot(row.gap.mean, y, "|", color="black", ms=11, mew=2.0, label="gap", zorder=2)
        offsets = np.linspace(-0.22, 0.22, len(row.switches)) if len(row.switches) > 1 else [0.0]
        for (switch, alone), offset in zip(row.switches, offsets, strict=True):
            marker, color = _SIGNS[switch]
            panel.plot(
                alone.mean, y + offset, marker, color=color, ms=4.2, mew=0.0, label=switch, zorder=3
            )
    panel.set_yticks(range(len(rows)), [""] * len(rows))
    panel.set_xlabel(f"difference to {HONEST}")
    panel.margins(x=0.08)
    _plain(panel, len(rows))


def _plain(panel: Axes, n: int) -> None:
    panel.set_ylim(n - 0.4, -0.6)
    panel.xaxis.set_major_locator(MaxNLocator(5))
    panel.tick_params(axis="y", length=0)
    panel.spines["left"].set_visible(False)


def _share(panels: Sequence[Axes], rows: Sequence[Sequence[Optimism]]) -> None:
    """Give panels of one measure the limits that hold all of them: lengths compare."""
    measures = [of_task[0].measure for of_task in rows]
    for measure in set(measures):
        same = [panel for panel, its in zip(panels, measures, strict=True) if its == measure]
        limits = np.array([panel.get_xlim() for panel in same])
        for panel in same:
            panel.set_xlim(limits[:, 0].min(), limits[:, 1].max())


def _named(found: Sequence[Optimism]) -> list[str]:
    """What has a sign, in the order of the legend."""
    switches = {switch for one in found for switch, _ in one.switches}
    return ["strict", HONEST, "paper", "gap", *(s for s in Switch if s in switches)]


def _legend(signs: Axes, panels: Sequence[Axes], names: Sequence[str]) -> None:
    """One for all panels, above them: a sign each."""
    entries: dict[str, Line2D] = {}
    for line in (line for panel in panels for line in panel.get_lines()):
        entries.setdefault(str(line.get_label()), line)
    signs.set_axis_off()
    signs.legend(
        [entries[name] for name in names], names, loc="center left",
        ncols=min(len(names), _LEGEND_COLUMNS), columnspacing=0.9, handletextpad=0.2,
        handlelength=1.1, borderaxespad=0.0,
    )  # fmt: skip
