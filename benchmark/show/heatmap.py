"""Methods on tasks, as a table whose cells are coloured by what a method adds to plain features."""

from collections.abc import Mapping, Sequence

import numpy as np

from benchmark.analysis.standings import ROLES, SIMPLE, Row, Standing
from benchmark.show.columns import asked, page_of
from benchmark.show.numbers import number, with_interval
from benchmark.show.tables import BROWSER, Column, Table, filtered, grouped

STRONGEST, SHADES = 0.1, 5
"""A difference from here on has the strongest of so many shades, either way."""

_Line = tuple[Standing, Mapping[str, Row]]

HEATMAP_EXPLAINED = (
    "Score of each method less that of the one that the table names, positive where it is better,"
    " whatever the direction of the metric: blue above, orange below, strongest from"
    f" {STRONGEST:g} on. Under the pointer: the score with its interval. Most of these differences"
    " are within their intervals: a cell alone shows nothing."
)


def methods_on_tasks(tables: Sequence[Standing], caption: str) -> Table[_Line] | None:
    """A row a task, a column a method, those of a role together; ablations have pages of their own.

    Args:
        tables: Of one protocol, budget and number of folds.
        caption: What the table is of.

    Returns:
        None where no table has the method that others are compared with.
    """
    to = next((t.baseline for t in tables if t.baseline), SIMPLE)
    lines: list[_Line] = [
        (t, {row.method: row for row in t.rows if row.cells == t.cells}) for t in tables
    ]
    shown = [line for line in lines if to in line[1]]
    if not shown:
        return None
    roles = {row.method: row.role for t, _ in shown for row in t.rows if row.role != "ablation"}
    order = sorted(roles, key=lambda name: (ROLES.index(roles[name]), name))
    columns: tuple[Column[_Line], ...] = (
        Column("task", lambda line: line[0].task, kind="name", link=lambda line: page_of(line[0])),
        filtered("cohort", lambda line: line[0].cohort),
        filtered("label", lambda line: "circular" if line[0].circular else "not circular"),
        *(_of_method(name, to) for name in order if name != to),
    )
    groups = grouped(shown, lambda line: asked(line[0]), str)
    return Table(f"{caption}: score less that of {to}", columns, groups, by="kind")


def _of_method(method: str, to: str) -> Column[_Line]:
    def added(line: _Line) -> float:
        table, rows = line
        row = rows.get(method)
        if row is None:
            return np.nan
        return table.primary.sign * (row.score.mean - rows[to].score.mean)

    def text(line: _Line) -> str:
        return number(added(line), 2, sign=True).replace("0.", ".")

    def hint(line: _Line) -> str:
        table, rows = line
        row = rows.get(method)
        score = "no complete score" if row is None else with_interval(row.score)
        return f"{method} on {table.task}: {score}; {to}: {with_interval(rows[to].score)}"

    return Column(
        method, text, added, "number", BROWSER, descending=True, shade=lambda x: shade(added(x)),
        hint=hint,
    )  # fmt: skip


def shade(added: float) -> int:
    """From -`SHADES` to `SHADES`; 0 without a difference that could be seen."""
    return 0 if np.isnan(added) else round(SHADES * float(np.clip(added / STRONGEST, -1.0, 1.0)))
