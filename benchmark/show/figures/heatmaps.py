"""Heatmaps of differences: what each part of a method is worth, and methods on tasks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from benchmark.analysis.ablations import Delta
from benchmark.analysis.standings import ALPHA, ROLES, SIMPLE, Standing
from benchmark.show.columns import asked, directed
from benchmark.show.escape import plain
from benchmark.show.figures.look import (
    BLUE,
    INK,
    MUTED,
    VERMILION,
    canvas,
    caption,
    head,
    look,
    named,
)
from benchmark.show.numbers import number

_ROW_INCHES, _NAME_INCHES, _FRAME_INCHES = 0.165, 0.062, 1.25
_STRONGEST = 0.1
"""Differences from here on have the strongest colour."""

_COLORS = LinearSegmentedColormap.from_list(
    "differences", [VERMILION, "white", BLUE]
).with_extremes(under="0.93")

_FEW = 18
"""Columns that leave room for numbers in the cells."""


@dataclass(frozen=True)
class Line:
    """A row of a map.

    Attributes:
        name: What it is of.
        differences: A value a column, positive where it is better; NaN where there is none.
        marked: Columns that stand out.
        title: Of the group that begins with it, or empty.
    """

    name: str
    differences: tuple[float, ...]
    marked: frozenset[int]
    title: str = ""


@look()
def ablations(found: Sequence[Delta], parent: str) -> Figure:
    """Draw a row a task and metric and a column a variant.

    Args:
        found: Of one parent; at least one.
        parent: The method that was changed.

    Raises:
        ValueError: There is nothing to draw.
    """
    if not found:
        raise ValueError("no ablations")
    variants = sorted({delta.method for delta in found})
    rows: dict[tuple[str, str, str], dict[str, Delta]] = {}
    for delta in found:
        rows.setdefault((delta.task, directed(delta.measure), delta.setting), {})[delta.method] = (
            delta
        )
    several = len({setting for _, _, setting in rows}) > 1
    lines = []
    for (task, measure, setting), of_variant in rows.items():
        shown = [of_variant.get(variant) for variant in variants]
        values = [np.nan if d is None else d.measure.sign * d.difference.mean for d in shown]
        told = {i for i, d in enumerate(shown) if d is not None and d.difference.p < ALPHA}
        name = "  ".join(filter(None, (task, measure, setting if several else "")))
        lines.append(Line(name, tuple(values), frozenset(told)))
    figure = _map(lines, [name.removeprefix(f"{parent}-") for name in variants])
    head(figure, f"Ablations of {parent}")
    tests = sum(not np.isnan(line.differences).all() for line in lines)
    caption(
        figure,
        f"Score of the variant minus that of {parent} on the same folds and seeds; positive (blue)"
        " is better, whatever the metric's direction. Framed: told apart with all variants of its"
        f" row tested at once (p < {ALPHA}). All others are not shown to matter, which"
        f" does not show that they do not. {tests} rows were tested, each by itself.",
    )
    return figure


@look()
def scores(tables: Sequence[Standing]) -> Figure | None:
    """Draw a row a task and a column a method: how far it is from plain features.

    Args:
        tables: Of one protocol, budget and number of folds, those of a kind together.

    Returns:
        None where no table has the plain features.
    """
    with_simple = [(t, row) for t in tables for row in t.rows if row.method == SIMPLE]
    if not with_simple:
        return None
    roles = {
        row.method: row.role for t in tables for row in t.rows
        if row.role != "ablation" and row.method != SIMPLE
    }  # fmt: skip
    methods = sorted(roles, key=lambda name: (ROLES.index(roles[name]), name))
    lines, kind = [], ""
    for table, simple in with_simple:
        scored = {r.method: r.score.mean for r in table.rows if r.cells == table.cells}
        sign = table.primary.sign
        values = tuple(sign * (scored.get(m, np.nan) - simple.score.mean) for m in methods)
        best = table.best.method if table.best else ""
        title = "" if table.kind == kind else asked(table)
        kind = table.kind
        lines.append(Line(table.task.partition("/")[2], values, _at(methods, best), title))
    starts = [i for i in range(1, len(methods)) if roles[methods[i]] != roles[methods[i - 1]]]
    figure = _map(lines, methods, starts)
    head(figure, f"Methods on tasks: score less that of {SIMPLE}")
    caption(
        figure,
        f"Colour: how far a method's score is above (blue) or below (orange) that of {SIMPLE}, the"
        f" plain features of both sides; from {_STRONGEST} on it is the strongest. Framed: the best"
        " of the self-supervised methods, which stand on the left; then floors and controls, then"
        " supervised references. Grey: no complete score. No interval is drawn: most of these"
        " differences are within theirs.",
    )
    return figure


def _at(methods: Sequence[str], method: str) -> frozenset[int]:
    return frozenset(i for i, name in enumerate(methods) if name == method)


def _map(lines: Sequence[Line], columns: Sequence[str], starts: Sequence[int] = ()) -> Figure:
    """The map: names of columns above, names of rows on the left, the scale of colours below."""
    titles = sum(bool(line.title) for line in lines)
    longest = max(len(named(column)) for column in columns)
    above = _NAME_INCHES * longest
    figure = canvas(_FRAME_INCHES + above + _ROW_INCHES * (len(lines) + titles))
    axes = figure.subplots()
    ticks, at = [], 0
    image = np.full((len(lines) + titles, len(columns)), np.nan)
    for line in lines:
        if line.title:
            axes.text(-0.5, at + 0.1, plain(line.title), fontsize=7, style="italic", color=MUTED,
                      va="center")  # fmt: skip
            at += 1
        # What is not there lies below the scale, whose colour for that is grey.
        image[at] = np.nan_to_num(np.clip(line.differences, -_STRONGEST, _STRONGEST), nan=-1.0)
        for x in line.marked:
            axes.add_patch(
                Rectangle((x - 0.5, at - 0.5), 1, 1, fill=False, ec=INK, lw=1.1, zorder=3)
            )
        if len(columns) <= _FEW:
            _numbers(axes, at, line)
        ticks.append(at)
        at += 1
    # An image: a path a cell would be most of the file.
    drawn = axes.imshow(
        np.ma.masked_invalid(image), cmap=_COLORS, vmin=-_STRONGEST, vmax=_STRONGEST,
        aspect="auto", interpolation="nearest",
    )  # fmt: skip
    for x in range(1, len(columns)):
        axes.axvline(x - 0.5, color="white", lw=0.5)
    for y in range(1, at):
        axes.axhline(y - 0.5, color="white", lw=0.5)
    for start in starts:
        axes.axvline(start - 0.5, color=MUTED, lw=1.0)
    axes.set_xlim(-0.5, len(columns) - 0.5)
    axes.set_ylim(at - 0.5, -0.5)
    axes.xaxis.tick_top()
    axes.set_xticks(range(len(columns)), [named(column) for column in columns], rotation=90)
    axes.set_yticks(ticks, [plain(line.name) for line in lines])
    axes.tick_params(length=0, labelsize=7)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    bar = figure.colorbar(
        drawn, ax=axes, orientation="horizontal", shrink=0.5, aspect=40, pad=0.01,
        ticks=[-_STRONGEST, 0.0, _STRONGEST],
    )  # fmt: skip
    bar.ax.tick_params(labelsize=7)
    bar.outline.set_visible(False)
    return figure


def _numbers(axes: Axes, y: int, line: Line) -> None:
    for x, value in enumerate(line.differences):
        if np.isnan(value):
            continue
        dark = abs(value) > 0.7 * _STRONGEST
        axes.text(
            x, y, number(value, sign=True).replace("0.", "."), ha="center", va="center",
            fontsize=5, color="white" if dark else INK,
            fontweight="bold" if x in line.marked else "normal",
        )  # fmt: skip
