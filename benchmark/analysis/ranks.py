"""How the ranked methods fare over several tasks."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from benchmark.analysis.standings import (
    ALPHA,
    DIGITS,
    FEWEST_TASKS,
    RANKED,
    REFERENCE,
    ROLES,
    Standing,
)
from benchmark.analysis.stats import (
    critical_difference,
    friedman,
    holm,
    nadeau_bengio,
    task_ranks,
    wilcoxon,
)

PLACED = ("control", "supervised")
"""Roles that are set apart, with the ranks that they would have; ablations have their parent."""

FEWEST_FOR_INTERVAL = 3
"""Tasks that an interval of a mean rank needs."""


@dataclass(frozen=True)
class Mean:
    """A mean rank with its interval.

    Attributes:
        rank: 1 is the best; NaN over no task.
        interval: 95 % of that mean over tasks, by Student's t; NaN over fewer than three.
    """

    rank: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class Ranking:
    """How a method fares over several tasks.

    Attributes:
        method: Its name.
        role: What it is in the comparison.
        overall: Its mean rank over the tasks where it is complete, among the complete ranked.
        kinds: The same over the tasks of each kind where it has any.
        tasks: How many tasks those are.
        wins: Tasks in which it has the best score.
        best: Tasks in which it is the best or tied with it.
        group: Letters of the groups that it belongs to: methods that share one cannot be told
            apart over tasks; empty for those that are not complete in every task.
        p: Signed-rank test of its differences to the reference over tasks, Holm-adjusted; NaN
            over fewer than `FEWEST_TASKS`.
    """

    method: str
    role: str
    overall: Mean
    kinds: tuple[tuple[str, Mean], ...]
    tasks: int
    wins: int
    best: int
    group: str
    p: float


def score_matrix(tables: Sequence[Standing]) -> tuple[list[str], NDArray[np.float64]]:
    """The ranked methods by name and their scores, higher is better, [tasks, methods].

    NaN where a method is not complete in a task.
    """
    methods = sorted({row.method for t in tables for row in t.rows if row.role == RANKED})
    scores = np.full((len(tables), len(methods)), np.nan)
    for i, table in enumerate(tables):
        for row in table.ranked:
            scores[i, methods.index(row.method)] = table.primary.sign * row.score.mean
    return methods, scores


def _mean(ranks: NDArray[np.float64], last: int) -> Mean:
    """Of ranks from 1 to the last one, over tasks as if those of one cohort were independent."""
    known = ranks[~np.isnan(ranks)]
    if known.size < FEWEST_FOR_INTERVAL:
        rank = round(float(known.mean()), DIGITS) if known.size else np.nan
        return Mean(rank, (np.nan, np.nan))
    found = nadeau_bengio(known, 0.0).within((1.0, float(last)), known.size)
    low, high = round(found.low, DIGITS), round(found.high, DIGITS)
    return Mean(round(found.mean, DIGITS), (low, high))


def _means(
    ranks: NDArray[np.float64], of_kind: NDArray[np.str_], last: int
) -> tuple[Mean, tuple[tuple[str, Mean], ...]]:
    found = ((str(kind), _mean(ranks[of_kind == kind], last)) for kind in dict.fromkeys(of_kind))
    return _mean(ranks, last), tuple(
        (kind, mean) for kind, mean in found if not np.isnan(mean.rank)
    )


def letters(methods: Sequence[str], scores: NDArray[np.float64]) -> dict[str, str]:
    """Which methods cannot be told apart over tasks: those that share a letter.

    Nemenyi's test after Friedman's. If Friedman's does not say that any differ, or the tasks are
    fewer than `FEWEST_TASKS`, all are one group.

    Args:
        methods: Names.
        scores: Higher is better, [tasks, methods]; a method that lacks a task gets no letter.

    Returns:
        Letters by method, those of the best group first.
    """
    whole = np.flatnonzero(~np.isnan(scores).any(axis=0))
    if whole.size < 2:
        return {}
    test = friedman(scores[:, whole])
    ranks = test.mean_ranks
    order = np.argsort(ranks, kind="stable")
    limit = np.inf
    if test.n_tasks >= FEWEST_TASKS and test.p < ALPHA:
        limit = critical_difference(whole.size, test.n_tasks, ALPHA)
    found: dict[str, str] = {}
    furthest, letter = 0, ord("a")
    for start, first in enumerate(order):
        members = [j for j in order[start:] if ranks[j] - ranks[first] < limit or j == first]
        if start + len(members) <= furthest:
            continue  # within the group before
        furthest = start + len(members)
        for j in members:
            name = methods[whole[j]]
            found[name] = found.get(name, "") + chr(letter)
        letter += 1
    return found


def rankings(tables: Iterable[Standing]) -> tuple[Ranking, ...]:
    """How the ranked fare over tables of one protocol and budget, best first."""
    tables = tuple(tables)
    methods, scores = score_matrix(tables)
    tied = Counter(row.method for table in tables for row in table.ranked if row.tied)
    wins = Counter(table.best.method for table in tables if table.best)
    ranks = task_ranks(scores)
    groups = letters(methods, scores)
    of_kind = np.array([table.kind for table in tables])
    p = np.full(len(methods), np.nan)
    if REFERENCE in methods:
        differences = scores - scores[:, [methods.index(REFERENCE)]]
        for j, method in enumerate(methods):
            shared = differences[~np.isnan(differences[:, j]), j]
            if method != REFERENCE and shared.size >= FEWEST_TASKS:
                p[j] = wilcoxon(shared)
    adjusted = holm(p)
    rows = (
        Ranking(
            method,
            RANKED,
            *_means(ranks[:, j], of_kind, len(methods)),
            tasks=int((~np.isnan(scores[:, j])).sum()),
            wins=wins[method],
            best=tied[method],
            group=groups.get(method, ""),
            p=round(float(adjusted[j]), DIGITS),
        )
        for j, method in enumerate(methods)
    )
    return _best_first(rows)


def placements(tables: Iterable[Standing]) -> tuple[Ranking, ...]:
    """The ranks that methods which are not ranked would have, each alone among the ranked."""
    tables = tuple(tables)
    of_kind = np.array([table.kind for table in tables])
    last = 1 + max((len(table.ranked) for table in tables), default=0)
    others = {row.method: row.role for t in tables for row in t.rows if row.role in PLACED}
    found = []
    for method, role in others.items():
        placed = np.array([_placed(table, method) for table in tables])
        overall, kinds = _means(placed, of_kind, last)
        n = int((~np.isnan(placed)).sum())
        wins = int((placed == 1.0).sum())
        found.append(Ranking(method, role, overall, kinds, n, wins, wins, "", np.nan))
    return tuple(sorted(_best_first(found), key=lambda ranking: ROLES.index(ranking.role)))


def _placed(table: Standing, method: str) -> float:
    """1 and a rank for every ranked method with a better score, half of one for an equal score."""
    row = next((r for r in table.rows if r.method == method and r.cells == table.cells), None)
    if row is None or not table.ranked:
        return np.nan
    sign = table.primary.sign
    ahead = np.array([sign * (ranked.score.mean - row.score.mean) for ranked in table.ranked])
    return 1.0 + float((ahead > 0.0).sum()) + float((ahead == 0.0).sum()) / 2.0


def _best_first(rows: Iterable[Ranking]) -> tuple[Ranking, ...]:
    return tuple(sorted(rows, key=lambda r: (np.isnan(r.overall.rank), r.overall.rank, r.method)))


@dataclass(frozen=True)
class Difference:
    """Whether the ranked methods of a comparison differ over its tasks at all.

    Attributes:
        p: Of Friedman's test that they do not.
        apart: The critical difference of mean ranks, by Nemenyi's test.
        methods: How many have every task, which the tests are of.
        absent: How many lack one.
    """

    p: float
    apart: float
    methods: int
    absent: int


@dataclass(frozen=True)
class Comparison:
    """Methods over several tasks: tables of one sort of cohorts, protocol, budget and folds.

    Attributes:
        planted: Whether the cohorts are planted ones.
        protocol: Of every table.
        budget: Likewise.
        n_folds: Likewise.
        tables: A task each, by name.
    """

    planted: bool
    protocol: str
    budget: str
    n_folds: int
    tables: tuple[Standing, ...]

    @property
    def compared(self) -> tuple[Standing, ...]:
        """The tables with two methods to rank or more."""
        return tuple(table for table in self.tables if len(table.ranked) > 1)

    @cached_property
    def rankings(self) -> tuple[Ranking, ...]:
        """How the ranked fare, best first."""
        return rankings(self.compared)

    @cached_property
    def placements(self) -> tuple[Ranking, ...]:
        """The ranks that the others would have."""
        return placements(self.compared)

    @cached_property
    def difference(self) -> Difference | None:
        """The test over tasks; None with fewer than two methods that have every task."""
        methods, scores = score_matrix(self.compared)
        whole = scores[:, ~np.isnan(scores).any(axis=0)]
        if whole.shape[1] < 2:
            return None
        test = friedman(whole)
        apart = critical_difference(whole.shape[1], test.n_tasks)
        return Difference(test.p, apart, whole.shape[1], len(methods) - whole.shape[1])

    def above_the_best(self, role: str) -> int | None:
        """Tasks in which a complete method of a role beats every ranked one; None without any."""
        if not any(row.role == role for table in self.compared for row in table.rows):
            return None
        return sum(_beats(table, role) for table in self.compared)


def _beats(table: Standing, role: str) -> bool:
    best, sign = table.best, table.primary.sign
    return best is not None and any(
        sign * row.score.mean > sign * best.score.mean
        for row in table.rows
        if row.role == role and row.cells == table.cells
    )


def comparisons(tables: Iterable[Standing]) -> tuple[Comparison, ...]:
    """The tables that belong together: real cohorts first, `strict` first."""
    groups: dict[tuple[bool, bool, str, str, int], list[Standing]] = {}
    for t in tables:
        place = (t.planted, t.protocol != "strict", t.protocol, t.budget, t.n_folds)
        groups.setdefault(place, []).append(t)
    return tuple(
        Comparison(
            planted, protocol, budget, n_folds, tuple(sorted(group, key=lambda table: table.task))
        )
        for (planted, _, protocol, budget, n_folds), group in sorted(groups.items())
    )
