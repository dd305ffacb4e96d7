"""Ablation deltas: what each change to a method did on each task, with its paired interval."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmark.analysis.ablations import Delta
from benchmark.analysis.standings import Measure
from benchmark.analysis.stats import Estimate
from benchmark.show.columns import directed
from benchmark.show.escape import plain
from benchmark.show.figures.look import BLUE, MUTED, canvas, caption, head, look, named
from benchmark.show.numbers import number

_ROW_INCHES = 0.2
_COLUMNS = 2


@dataclass(frozen=True)
class Ablation:
    """What a change to a method did to its score on one task.

    Attributes:
        task: KIND/COHORT/LABEL.
        parent: The method that was changed.
        method: The changed method.
        measure: Of the score, the task's first metric.
        n: Folds x seeds that both have; the difference is paired over them.
        difference: The changed method's score minus its parent's, NaN where there is none.
    """

    task: str
    parent: str
    method: str
    measure: Measure
    n: int
    difference: Estimate


def of_deltas(found: Sequence[Delta], parent: str) -> list[Ablation]:
    """What the figure draws: a panel a task, or one for each metric of a task that has several."""
    metrics = Counter(task for task, _ in {(delta.task, delta.measure) for delta in found})
    return [
        Ablation(
            delta.task if metrics[delta.task] == 1 else f"{delta.task}\n{delta.measure.name}",
            parent,
            delta.method,
            delta.measure,
            delta.folds * delta.seeds,
            delta.difference,
        )
        for delta in found
    ]


@look()
def ablations(deltas: Sequence[Ablation]) -> Figure:
    """Draw a panel per task with a row per ablation, in the order given.

    Args:
        deltas: Of one parent or several, on one task or several; at least one. Tasks that score
            by one measure share their axis, so that lengths compare between panels.

    Returns:
        The panels; an ablation that a task lacks keeps its row, empty.

    Raises:
        ValueError: There is nothing to draw.
    """
    if not deltas:
        raise ValueError("no ablations")
    tasks = list(dict.fromkeys(delta.task for delta in deltas))
    rows = list(dict.fromkeys((delta.parent, delta.method) for delta in deltas))
    columns = min(_COLUMNS, len(tasks))
    lines = -(-len(tasks) // columns)
    figure = canvas(0.9 + lines * (0.75 + _ROW_INCHES * len(rows)))
    panels = figure.subplots(lines, columns, squeeze=False).ravel()
    for panel in panels[len(tasks) :]:
        panel.set_visible(False)
    found = {(delta.task, delta.parent, delta.method): delta for delta in deltas}
    for i, (panel, task) in enumerate(zip(panels, tasks, strict=False)):
        shown = [found.get((task, *row)) for row in rows]
        _panel(panel, task, shown)
        names = [_name(row, rows) for row in rows] if i % columns == 0 else []
        panel.set_yticks(range(len(rows)), names or [""] * len(rows))
    _share(list(panels[: len(tasks)]), [d.measure for d in _first(deltas, tasks)])
    parents = list(dict.fromkeys(delta.parent for delta in deltas))
    head(figure, f"Ablations of {', '.join(parents)}")
    caption(
        figure,
        "Score of the changed method minus its parent's on the same folds and seeds, with the 95 %"
        " interval of the corrected resampled t. n: folds x seeds that both have. Filled: the"
        " interval leaves out zero, before any correction for the number of ablations.",
    )
    return figure


def _panel(panel: Axes, task: str, shown: Sequence[Ablation | None]) -> None:
    panel.axvline(0.0, color=MUTED, lw=0.8, zorder=0)
    for y, delta in enumerate(shown):
        if delta is None or np.isnan(delta.difference.mean):
            continue
        found = delta.difference
        if not np.isnan(found.low):
            panel.plot([found.low, found.high], [y, y], color=BLUE, lw=1.1)
        told = found.low > 0.0 or found.high < 0.0
        panel.plot(found.mean, y, "o", color=BLUE, ms=5, mew=1.1, mfc=BLUE if told else "white")
    measure = next(delta.measure for delta in shown if delta is not None)
    panel.set_title("\n".join(map(plain, task.split("\n"))), loc="left")
    panel.set_xlabel(f"difference in {directed(measure)}")
    panel.set_ylim(len(shown) - 0.4, -0.6)
    panel.tick_params(axis="y", length=0)
    panel.spines["left"].set_visible(False)
    numbers = panel.secondary_yaxis("right")
    numbers.set_yticks(range(len(shown)), [_numbers(delta) for delta in shown])
    numbers.tick_params(length=0, colors=MUTED, labelsize=6.5)
    numbers.spines["right"].set_visible(False)


def _numbers(delta: Ablation | None) -> str:
    if delta is None or np.isnan(delta.difference.mean):
        return "no score"
    return f"{number(delta.difference.mean, sign=True)}  n={delta.n}"


def _name(row: tuple[str, str], rows: Sequence[tuple[str, str]]) -> str:
    """The method; with its parent where there are several."""
    parent, method = row
    several = len({parent for parent, _ in rows}) > 1
    return named(f"{method} (of {parent})" if several else method)


def _first(deltas: Sequence[Ablation], tasks: Sequence[str]) -> list[Ablation]:
    return [next(delta for delta in deltas if delta.task == task) for task in tasks]


def _share(panels: Sequence[Axes], measures: Sequence[Measure]) -> None:
    """Give panels of one measure the limits that hold all of them."""
    for measure in set(measures):
        same = [panel for panel, its in zip(panels, measures, strict=True) if its == measure]
        limits = np.array([panel.get_xlim() for panel in same])
        for panel in same:
            panel.set_xlim(limits[:, 0].min(), limits[:, 1].max())
