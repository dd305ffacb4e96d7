"""The control check in words."""

from collections.abc import Sequence

import numpy as np

from benchmark.analysis.control import CHANCE, ROOM, Place, checked, place
from benchmark.analysis.standings import ROLES, Standing
from benchmark.show.columns import directed
from benchmark.show.markdown import NONE, grid, number


def verdict(tables: Sequence[Standing]) -> str:
    """The check in one paragraph."""
    rows = checked(tables)
    n_tasks = len({where for row in rows for where in row.scores})
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
    header = ("", "method", "mean", *(place_title(place(table)) for table in tables))
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


def place_title(where: Place) -> str:
    """The task with what tells its tables apart."""
    task, measure, protocol, budget, layout = where
    return f"{task} {directed(measure)} ({protocol}, {budget}, {layout})"
