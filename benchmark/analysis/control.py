"""Permuted labels: whether every method stays at chance where there is nothing to be found."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from benchmark.analysis.standings import ROLES, Standing
from benchmark.show.columns import directed
from benchmark.show.markdown import NONE, grid, number

CHANCE, ROOM = 0.5, 0.06
"""What concordance and areas under ROC curves are at chance, and how far a mean may lie from it."""

_AT_HALF = ("harrell_c", "uno_c", "auroc", "auc")


@dataclass(frozen=True)
class Checked:
    """One method where outcomes were dealt anew.

    Attributes:
        method: Its name.
        role: What it is in the comparison.
        scores: Of each task its mean over folds and seeds; nothing where it has none.
    """

    method: str
    role: str
    scores: dict[str, float]

    @property
    def mean(self) -> float:
        """Over the tasks that it has."""
        return fmean(self.scores.values())

    @property
    def at_chance(self) -> bool:
        """Whether that mean is as near to chance as it should be."""
        return abs(self.mean - CHANCE) <= ROOM


def is_control(table: Standing) -> bool:
    """Whether its outcomes were permuted, and asked about honestly.

    What a published protocol makes of them is its optimism.
    """
    first, *others = table.protocol.split("+")
    return first == "strict" and "permuted-labels" in others


def at_half(table: Standing) -> bool:
    """Whether chance is 0.5 in its first metric."""
    return any(name in table.primary.name for name in _AT_HALF)


def checked(tables: Sequence[Standing]) -> tuple[Checked, ...]:
    """Every method over the tasks whose chance is known, by role and name."""
    scores: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for table in tables:
        for row in table.rows:
            if at_half(table) and row.cells:
                scores[row.role, row.method][_place(table)] = row.score.mean
    found = (Checked(method, role, of_task) for (role, method), of_task in scores.items())
    return tuple(sorted(found, key=lambda c: (ROLES.index(c.role), c.method)))


def verdict(tables: Sequence[Standing]) -> str:
    """The check in one paragraph."""
    rows = checked(tables)
    n_tasks = len({place for row in rows for place in row.scores})
    outside = [row for row in rows if not row.at_chance]
    named = ", ".join(
        f"`{row.method}` {number(row.mean)} ({len(row.scores)} task"
        f"{'s' if len(row.scores) > 1 else ''})"
        for row in outside
    )
    said = f"outside: {named}" if outside else "none lies outside"
    return (
        f"Outcomes were dealt anew among the patients of {n_tasks} task"
        f"{'s' if n_tasks > 1 else ''}; nothing can be found honestly. Means of"
        f" **{len(rows) - len(outside)} of {len(rows)} methods** lie within {CHANCE} ± {ROOM};"
        f" {said}.\n"
    )


def check_table(tables: Sequence[Standing]) -> str:
    """Every method's mean over the tasks whose chance is known, and its score on every task."""
    means = {row.method: row for row in checked(tables)}
    scores = [{row.method: row.score.mean for row in table.rows} for table in tables]
    roles = {row.method: row.role for table in tables for row in table.rows}
    header = ("", "method", "mean", *map(_place, tables))
    cells = (
        (
            "⚠" if method in means and not means[method].at_chance else "",
            f"`{method}`",
            number(means[method].mean) if method in means else NONE,
            *(number(of_task.get(method, np.nan)) for of_task in scores),
        )
        for method in sorted(roles, key=lambda method: (ROLES.index(roles[method]), method))
    )
    return grid(header, cells, (False, False, *(True for _ in header[2:])))


def _place(table: Standing) -> str:
    """The task with what tells its tables apart."""
    return (
        f"{table.task} {directed(table.primary)} ({table.protocol}, {table.budget}, {table.layout})"
    )
