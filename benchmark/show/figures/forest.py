"""The forest plot of a task: every method's score with its interval, and who is tied."""

from dataclasses import dataclass
from itertools import groupby

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmark.analysis.standings import ALPHA, RANKED, Row, Standing
from benchmark.show.columns import conditions, directed
from benchmark.show.figures.look import BLUE, MUTED, ORANGE, canvas, caption, head, look, named
from benchmark.show.figures.scale import interval_line
from benchmark.show.numbers import interval, number

_ROW_INCHES = 0.19

_HEADINGS = {
    RANKED: "self-supervised",
    "precomputed": "trained elsewhere",
    "control": "floors and controls",
    "supervised": "supervised",
}


@look()
def forest(table: Standing) -> Figure:
    """Draw the score of each method of a table with its intervals, in the table's order.

    Args:
        table: A task under one protocol and budget.

    Returns:
        A row a method, under a heading for each role where there are several: its mean, the
        corrected interval over folds, and behind it the interval over patients where there is
        one; the numbers stand on the right.
    """
    lines = _lines(table)
    figure = canvas(1.75 + _ROW_INCHES * len(lines))
    axes = figure.subplots()
    for y, line in enumerate(lines):
        if isinstance(line, Row) and not np.isnan(line.score.mean):
            _draw(axes, y, line, _sign(table, line), table)
    if table.primary.chance is not None:
        axes.axvline(table.primary.chance, color=MUTED, lw=0.9, ls=":", zorder=0, label="chance")
    axes.set_ylim(len(lines) - 0.4, -0.6)
    axes.margins(x=0.03)
    axes.set_yticks(
        range(len(lines)), [named(line.method) if isinstance(line, Row) else line for line in lines]
    )
    for line, label in zip(lines, axes.get_yticklabels(), strict=True):
        if not isinstance(line, Row):
            label.set_fontstyle("italic")
            label.set_color(MUTED)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(f"{directed(table.primary)}, mean over folds and seeds")
    numbers = axes.secondary_yaxis("right")
    numbers.set_yticks(
        range(len(lines)),
        [_numbers(table, line) if isinstance(line, Row) else "" for line in lines],
    )
    numbers.tick_params(length=0, colors=MUTED)
    numbers.spines["right"].set_visible(False)
    _legend(axes)
    head(figure, table.task, table.protocol)
    caption(figure, _caption(table))
    return figure


def _lines(table: Standing) -> list[Row | str]:
    """The rows but ablations, with a heading before each role where there are several."""
    lines: list[Row | str] = []
    shown = [row for row in table.rows if row.role != "ablation"]
    several = len({row.role for row in shown}) > 1
    for role, rows in groupby(shown, key=lambda row: row.role):
        lines += [_HEADINGS[role]] if several else []
        lines += rows
    return lines


@dataclass(frozen=True)
class _Sign:
    """How a row is drawn, and what that says."""

    label: str
    marker: str
    color: str
    filled: bool


def _sign(table: Standing, row: Row) -> _Sign:
    if row.cells < table.cells:
        return _Sign("incomplete, not ranked", "x", MUTED, filled=False)
    if row.role != RANKED:
        return _Sign("not ranked", "s", MUTED, filled=False)
    color, marker = (ORANGE, "D") if row is table.reference else (BLUE, "o")
    if row.tied:
        return _Sign("tied with the best", marker, color, filled=True)
    return _Sign("told apart from the best", marker, color, filled=False)


def _draw(axes: Axes, y: int, row: Row, sign: _Sign, table: Standing) -> None:
    low, high = row.patients
    if not np.isnan(low):
        axes.plot(
            [low, high], [y, y], color=sign.color, alpha=0.3, lw=5, solid_capstyle="butt",
            label="95 % interval over patients",
        )  # fmt: skip
    interval_line(
        axes, row.score.low, row.score.high, y, table.primary, color=sign.color, lw=1.1,
        label="95 % interval over folds",
    )  # fmt: skip
    axes.plot(
        row.score.mean, y, sign.marker, color=sign.color, ms=5, mew=1.1, ls="none",
        mfc=sign.color if sign.filled else "white", label=sign.label,
    )  # fmt: skip
    if row is table.reference:
        axes.axvline(
            row.score.mean, color=ORANGE, lw=0.9, ls=(0, (4, 3)), zorder=0,
            label=f"score of {row.method}",
        )  # fmt: skip


def _numbers(table: Standing, row: Row) -> str:
    if np.isnan(row.score.mean):
        return "no score"
    missing = "" if row.cells == table.cells else f"  {row.cells}/{table.cells}"
    span = "" if np.isnan(row.score.low) else f"  ({interval(row.score.low, row.score.high)})"
    return f"{number(row.score.mean)}{span}{missing}"


def _legend(axes: Axes) -> None:
    """One entry for each sign that is drawn, above the rows; of no method's colour."""
    entries = {}
    for handle in axes.get_lines():
        label = str(handle.get_label())
        if not label.startswith("_") and label not in entries:
            entries[label] = _neutral(handle)
    axes.legend(
        entries.values(), entries.keys(), loc="lower left", bbox_to_anchor=(0, 1), ncols=3,
        borderaxespad=0.2, columnspacing=1.4, handletextpad=0.5,
    )  # fmt: skip


def _neutral(line: Line2D) -> Line2D:
    if line.get_linestyle() in ("--", ":"):
        return line
    entry = Line2D([], [])
    entry.update_from(line)
    entry.set_color(MUTED)
    entry.set_markeredgecolor(MUTED)
    if line.get_marker() == "D":
        entry.set_marker("o")
    if line.get_markerfacecolor() != "white":
        entry.set_markerfacecolor(MUTED)
    return entry


_CUT = " Arrows: the interval passes the end of the metric's scale."


def _passes(table: Standing) -> bool:
    """Whether an interval is cut."""
    least, most = table.primary.bounds
    return any(row.score.low < least or row.score.high > most for row in table.rows)


def _caption(table: Standing) -> str:
    tied, ranked = sum(row.tied for row in table.ranked), len(table.ranked)
    return (
        f"{conditions(table)}. Thin lines: 95 % intervals of the corrected resampled t over folds;"
        f" broad bars, where drawn: over resamples of the test patients of the fitted methods."
        f" {tied} of {ranked} ranked methods cannot be told apart from the best of them, itself"
        f" counted (filled; p ≥ {ALPHA} of all at once): do not order them by their scores."
        f"{_CUT if _passes(table) else ''}"
    )
