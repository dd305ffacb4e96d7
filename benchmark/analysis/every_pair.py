"""Any two methods against each other: on every task, and over the cohorts of every kind."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from benchmark.analysis.findings import Findings
from benchmark.analysis.intervals import share_tested
from benchmark.analysis.over_cohorts import ENTERED, Comparison, KindComparison
from benchmark.analysis.standings import Row, Standing
from benchmark.analysis.stats import NOTHING, Estimate, Pooled, nadeau_bengio
from benchmark.analysis.stats.hierarchical import LEVEL
from benchmark.analysis.stats.resampled import corrected_errors
from benchmark.analysis.stats.simultaneous import critical_value


@dataclass(frozen=True)
class TaskPairs:
    """Every two complete methods on one task.

    Attributes:
        table: The task.
        methods: Those that are complete in it, ablations apart, by name; n of them.
        difference: What the one of a row is better by than the one of a column, whatever the
            metric's direction, [n, n].
        reach: Half the 95 % interval of each difference, by the corrected resampled t over folds
            for that pair alone, [n, n]; NaN where folds say nothing of it.
    """

    table: Standing
    methods: tuple[str, ...]
    difference: NDArray[np.float64]
    reach: NDArray[np.float64]


def of_task(table: Standing) -> TaskPairs:
    """Every two methods on a task."""
    rows = sorted(_complete(table), key=lambda row: row.method)
    folds = np.array([row.folds for row in rows])
    if not rows or folds.shape[1] < 2:
        unknown = np.full((len(rows), len(rows)), np.nan)
        means = np.array([row.score.mean for row in rows])
        difference = table.primary.sign * (means[:, None] - means[None, :])
        return TaskPairs(table, tuple(row.method for row in rows), difference, unknown)
    paired = table.primary.sign * (folds[:, None] - folds[None, :])
    errors = corrected_errors(paired, share_tested(table.n_folds))
    reach = np.where(errors > 0.0, critical_value(folds.shape[1], 1) * errors, np.nan)
    return TaskPairs(table, tuple(row.method for row in rows), paired.mean(axis=-1), reach)


def paired(table: Standing, row: Row, to: Row, family: int = 1) -> Estimate | None:
    """What one complete method is better by than another on one task.

    Args:
        table: The task.
        row: The method.
        to: The other one.
        family: Differences to `to` that are looked at together.

    Returns:
        None where one of them is not complete; positive is better, whatever the direction.
    """
    if row is to or {row.cells, to.cells} != {table.cells}:
        return None
    difference = table.primary.sign * np.subtract(row.folds, to.folds)
    return nadeau_bengio(difference, share_tested(table.n_folds), family)


@dataclass(frozen=True)
class KindPairs:
    """Every two methods over the cohorts of one kind.

    Attributes:
        of: The kind.
        methods: Those that are complete in a cohort, by name.
        pooled: Of each two of them in that order, first against second, the difference over
            cohorts; of no cohort where they share too few.
    """

    of: KindComparison
    methods: tuple[str, ...]
    pooled: tuple[Pooled, ...]

    def pair(self, first: str, second: str) -> Pooled:
        """What the first is better by, in the order of `methods`."""
        pairs = list(combinations(self.methods, 2))
        return self.pooled[pairs.index((first, second))] if (first, second) in pairs else NOTHING


def of_kind(of: KindComparison, level: float = LEVEL) -> KindPairs:
    """Every two methods over cohorts, by the hierarchical model, with intervals of this level."""
    methods = tuple(sorted(entrant.method for entrant in of.entrants))
    return KindPairs(of, methods, tuple(of.pair(*two, level) for two in combinations(methods, 2)))


def of_comparison(of: Comparison) -> tuple[tuple[TaskPairs, ...], tuple[KindPairs, ...]]:
    """Every two methods on the tasks and over the kinds of one setting.

    Over cohorts intervals are of the level at which all that the setting's page claims hold at
    once, so that no page says another verdict of the same pair.
    """
    level = Findings(of.kinds).level
    return tuple(_tasks(of.tables)), tuple(of_kind(kind, level) for kind in of.kinds)


def _tasks(tables: Iterable[Standing]) -> Iterator[TaskPairs]:
    """Those of tasks on which two methods can be compared."""
    found = map(of_task, tables)
    return (pairs for pairs in found if len(pairs.methods) > 1)


def _complete(table: Standing) -> Iterator[Row]:
    return (r for r in table.rows if r.role in ENTERED and r.cells == table.cells and r.cells)
