"""The top of the leaderboard: how methods fare over all tasks, and who cannot be told apart."""

from collections.abc import Sequence
from itertools import groupby
from statistics import median

import numpy as np

from benchmark.analysis.ranks import Mean, Ranking, placements, rankings, score_matrix
from benchmark.analysis.standings import ALPHA, FEWEST_TASKS, RANKED, REFERENCE, Row, Standing
from benchmark.analysis.stats import critical_difference, friedman
from benchmark.show.columns import ROLE_TITLES, directed
from benchmark.show.markdown import NONE, escape, grid, interval, number, p_value

FEWEST_METHODS = 3
"""Of two, Wilcoxon's test says all there is."""


def overview(tables: Sequence[Standing]) -> list[str]:
    """What tables of one protocol and budget show together, in words and as a table."""
    compared = [table for table in tables if len(table.ranked) > 1]
    if not compared:
        return []
    rows = rankings(compared)
    text = _sentences(compared, rows)
    if len(compared) < len(tables):
        text.append(
            f"Not counted, with fewer than two methods to rank: {len(tables) - len(compared)}."
        )
    return [" ".join(text) + "\n", _table((*rows, *placements(compared)), len(compared))]


def _sentences(tables: Sequence[Standing], rows: Sequence[Ranking]) -> list[str]:
    n_tasks = len(tables)
    many = f"{n_tasks} task{'s' if n_tasks > 1 else ''}"
    found = [f"**{many}, {len(rows)} ranked method{'s' if len(rows) > 1 else ''}.**"]
    same = [f"`{ranking.method}`" for ranking in rows if "a" in ranking.group]
    whole = sum(bool(ranking.group) for ranking in rows)
    if len(same) == whole > 1:
        found.append("**Over tasks no method can be told apart from another.**")
    elif same:
        found.append(
            f"**Over tasks, {len(same)} of {whole} cannot be told apart from the best mean rank"
            f" (group a): {', '.join(same)}.**"
        )
    found += _tests(tables)
    tied = [sum(row.tied for row in table.ranked) for table in tables]
    of = [len(table.ranked) for table in tables]
    found.append(
        f"Within a task, {number(median(tied), 0)} of {number(median(of), 0)} methods (medians over"
        " tasks) cannot be told apart from the best, itself counted."
    )
    for role, name in (("control", "floor or control"), ("supervised", "supervised reference")):
        if any(row.role == role for table in tables for row in table.rows):
            above = sum(_beats(table, role) for table in tables)
            found.append(f"A {name} scores above every ranked method in {above} of {many}.")
    return found


def _beats(table: Standing, role: str) -> bool:
    """Whether any complete row of a role has a better score than the best ranked one."""
    best = table.best
    sign = 1.0 if table.primary.higher_is_better else -1.0
    return best is not None and any(
        sign * row.score.mean > sign * best.score.mean
        for row in table.rows
        if row.role == role and row.cells == table.cells
    )


def _tests(tables: Sequence[Standing]) -> list[str]:
    """Whether the methods differ at all over tasks, and how far ranks have to lie apart."""
    methods, scores = score_matrix(tables)
    scores = scores[:, ~np.isnan(scores).any(axis=0)]
    if scores.shape[1] < FEWEST_METHODS:
        return []
    if len(tables) < FEWEST_TASKS:
        return [f"Fewer than {FEWEST_TASKS} tasks tell nobody apart over tasks."]
    test = friedman(scores)
    apart = critical_difference(scores.shape[1], test.n_tasks)
    found = f"Friedman's test that none differs, p {p_value(test.p)}"
    if test.p >= ALPHA:
        return [f"{found}: not shown that any method differs."]
    absent = len(methods) - scores.shape[1]
    left_out = f"; {absent} that lack a task have no group" if absent else ""
    return [
        f"{found}; mean ranks less than {number(apart, 2)} apart cannot be told apart (Nemenyi, of"
        f" the {scores.shape[1]} that have every task{left_out}). Tasks of one cohort share its"
        " patients, so that these tests see more evidence than there is."
    ]


def _table(rows: Sequence[Ranking], n_tasks: int) -> str:
    kinds = tuple(dict.fromkeys(kind for row in rows for kind, _ in row.kinds))
    kinds = kinds if len(kinds) > 1 else ()
    header = (
        "groups",
        "method",
        "mean rank (95 %)",
        *kinds,
        "tasks",
        "wins",
        "best or tied",
        f"p against {REFERENCE}",
    )
    cells = []
    for role, group in groupby(rows, key=lambda row: row.role):
        if role != RANKED:
            title = f"*{ROLE_TITLES[role].split(':')[0]}: the ranks that they would have*"
            cells.append(("", title, *[""] * (len(header) - 2)))
        cells += [_cells(row, kinds, n_tasks) for row in group]
    return grid(header, cells, (False, False, *(True for _ in header[2:])))


def _cells(row: Ranking, kinds: Sequence[str], n_tasks: int) -> tuple[str, ...]:
    of_kind = dict(row.kinds)
    return (
        row.group or (NONE if row.role == RANKED else ""),
        f"`{row.method}`",
        _ranked(row.overall),
        *(_ranked(of_kind[kind]) if kind in of_kind else NONE for kind in kinds),
        f"{row.tasks}/{n_tasks}",
        str(row.wins),
        f"{row.best}/{row.tasks}" if row.role == RANKED else NONE,
        p_value(row.p),
    )


def _ranked(mean: Mean) -> str:
    low, high = mean.interval
    # A rank below 1 there is not: the interval ends where ranks do.
    span = "" if np.isnan(low) else f" ({number(max(low, 1.0), 1)} to {number(high, 1)})"
    return number(mean.rank, 1) + span


def task_lines(tables: Sequence[Standing]) -> str:
    """A line per task: who is best, who cannot be told apart from it, what floors reach."""
    header = (
        "task",
        "patients",
        "events",
        "metric",
        "best",
        "score (95 %)",
        "cannot be told apart from the best",
        f"`{REFERENCE}`",
        "best floor or control",
        "best supervised",
    )
    cells = (_line(table) for table in tables)
    numbers = ("patients", "events")
    return grid(header, cells, tuple(name in numbers for name in header))


def _line(table: Standing) -> tuple[str, ...]:
    best = table.best
    reference = next((row for row in table.rows if row.method == REFERENCE), None)
    events = NONE if table.n_events is None else f"{table.n_events:,}"
    return (
        f"{table.task}{' ⚠ circular' if table.circular else ''}",
        f"{table.n_patients[1]:,}",
        events,
        directed(table.primary),
        f"`{best.method}`" if best else NONE,
        _score(best),
        _tied(table),
        _score(reference),
        _best_of(table, "control"),
        _best_of(table, "supervised"),
    )


def _score(row: Row | None) -> str:
    if row is None or np.isnan(row.score.mean):
        return NONE
    low, high = row.score.low, row.score.high
    return number(row.score.mean) + ("" if np.isnan(low) else f" ({interval(low, high)})")


def _best_of(table: Standing, role: str) -> str:
    """The first complete row of a role; rows are ordered best first."""
    rows = (row for row in table.rows if row.role == role and row.cells == table.cells)
    row = next(rows, None)
    return NONE if row is None else f"`{row.method}` {number(row.score.mean)}"


def _tied(table: Standing) -> str:
    best = table.best
    others = [row for row in table.ranked if row is not best]
    tied, apart = ([r.method for r in others if r.tied is same] for same in (True, False))
    if best is None or not others:
        return NONE
    if not apart:
        return f"all {len(others)} others" if len(others) > 1 else f"`{others[0].method}`"
    if not tied:
        return "nobody"
    if len(tied) <= len(apart):
        return f"{len(tied)} of {len(others)}: {_names(tied)}"
    return f"{len(tied)} of {len(others)}: all but {_names(apart)}"


def _names(methods: Sequence[str]) -> str:
    return ", ".join(f"`{escape(method)}`" for method in methods)
