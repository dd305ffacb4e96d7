"""How the methods fare over cohorts: a comparison a kind of task, by one primary task a cohort."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from benchmark.analysis.intervals import share_tested
from benchmark.analysis.standings import DIGITS, ROLES, Measure, Row, Standing
from benchmark.analysis.stats import (
    NOTHING,
    Pooled,
    block_ranks,
    critical_difference,
    pooled,
)
from benchmark.analysis.stats.hierarchical import LEVEL
from benchmark.analysis.stats.resampled import corrected_error
from tasks.suites import apart, primary_task, useful_kinds

FEWEST_COHORTS = 2
"""That a difference over cohorts needs."""

FEWEST_FOR_GROUPS = 6
"""Cohorts from which mean ranks can tell methods apart."""

ENTERED = tuple(role for role in ROLES if role != "ablation")
"""Roles that stand in a comparison: ablations have one of their own."""


@dataclass(frozen=True)
class Entrant:
    """A method in a comparison over cohorts.

    Attributes:
        method: Its name.
        role: What it is: only the self-supervised compete, the others show what that is worth.
        rank: Its mean rank over the cohorts, 1 the best, among the methods that are complete in all
            of them; NaN if it is not.
        cohorts: In how many it is complete.
        group: Letters of the groups that it belongs to: mean ranks of methods that share one are no
            further apart than chance would put them; empty without a rank, or below
            `FEWEST_FOR_GROUPS` cohorts.
    """

    method: str
    role: str
    rank: float
    cohorts: int
    group: str


@dataclass(frozen=True)
class KindComparison:
    """Methods over the cohorts of one kind of task that says what they are worth.

    Attributes:
        kind: Of the tasks.
        planted: Whether the cohorts are planted ones.
        protocol: Of every table.
        budget: Likewise.
        n_folds: Likewise.
        tables: The primary task of each cohort, by cohort; no two share patients.
    """

    kind: str
    planted: bool
    protocol: str
    budget: str
    n_folds: int
    tables: tuple[Standing, ...]
    _pairs: dict[tuple[str, str, float], Pooled] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @property
    def plain(self) -> bool:
        """Whether they are of the default protocol, whatever the number of deals."""
        return self.tables[0].plain

    @property
    def cohorts(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(table.cohort for table in self.tables)

    @property
    def tasks(self) -> tuple[str, ...]:
        """Their primary tasks."""
        return tuple(table.task for table in self.tables)

    @property
    def measure(self) -> Measure:
        """What every task is judged by."""
        return self.tables[0].primary

    @cached_property
    def entrants(self) -> tuple[Entrant, ...]:
        """The methods that are complete in a cohort, best mean rank first, those without last."""
        roles = {name: row.role for rows in self._rows for name, row in rows.items()}
        counts = {name: sum(name in rows for rows in self._rows) for name in roles}
        ranks, groups = dict(zip(self._whole, self._ranks.mean(axis=0), strict=True)), self._groups
        entrants = [
            Entrant(
                name,
                role,
                round(float(ranks.get(name, np.nan)), DIGITS),
                counts[name],
                groups.get(name, ""),
            )
            for name, role in roles.items()
        ]
        return tuple(sorted(entrants, key=lambda e: (np.isnan(e.rank), e.rank, e.method)))

    @cached_property
    def apart(self) -> float:
        """Mean ranks further apart than this differ; infinite below `FEWEST_FOR_GROUPS` cohorts."""
        if len(self.tables) < FEWEST_FOR_GROUPS or len(self._whole) < 2:
            return np.inf
        return critical_difference(self._ranks)

    def pair(self, method: str, reference: str, level: float = LEVEL) -> Pooled:
        """What a method is better by than another, over the cohorts where both are complete.

        Positive is better, whatever the metric's direction; nothing over fewer than
        `FEWEST_COHORTS` cohorts.

        Args:
            method: Its name.
            reference: The other's.
            level: Of the interval.
        """
        asked = (method, reference, level)
        if (known := self._pairs.get(asked)) is None:
            known = self._pairs[asked] = self._pooled(*asked)
        return known

    def _pooled(self, method: str, reference: str, level: float) -> Pooled:
        shared = [rows for rows in self._rows if method in rows and reference in rows]
        if method == reference or len(shared) < FEWEST_COHORTS:
            return NOTHING
        differences = np.array(
            [np.subtract(rows[method].folds, rows[reference].folds) for rows in shared]
        )
        errors = [corrected_error(folds, share_tested(self.n_folds)) for folds in differences]
        return pooled(self.measure.sign * differences.mean(axis=1), errors, level=level)

    @cached_property
    def _rows(self) -> tuple[dict[str, Row], ...]:
        """Of each cohort the complete rows by method."""
        return tuple(
            {
                row.method: row
                for row in table.rows
                if row.role in ENTERED and row.cells == table.cells and len(row.folds) > 1
            }
            for table in self.tables
        )

    @cached_property
    def _whole(self) -> list[str]:
        """The methods that are complete in every cohort."""
        return sorted(set.intersection(*(set(rows) for rows in self._rows)))

    @cached_property
    def _ranks(self) -> NDArray[np.float64]:
        """Of those, [cohorts, methods]."""
        scores = [[rows[name].score.mean for name in self._whole] for rows in self._rows]
        return block_ranks(self.measure.sign * np.array(scores))

    @cached_property
    def _groups(self) -> dict[str, str]:
        """Letters of the groups of methods that mean ranks cannot tell apart, the best first."""
        if np.isinf(self.apart):
            return {}
        ranks = self._ranks.mean(axis=0)
        order = np.argsort(ranks, kind="stable")
        found: dict[str, str] = {}
        furthest, letter = 0, ord("a")
        for start, first in enumerate(order):
            members = [j for j in order[start:] if ranks[j] - ranks[first] <= self.apart]
            if start + len(members) <= furthest:
                continue  # within the group before
            furthest = start + len(members)
            for j in members:
                found[self._whole[j]] = found.get(self._whole[j], "") + chr(letter)
            letter += 1
        return found


@dataclass(frozen=True)
class Comparison:
    """Tables of one sort of cohorts, protocol, budget and folds.

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
    def plain(self) -> bool:
        """Whether they are of the default protocol, whatever the number of deals."""
        return self.tables[0].plain

    @cached_property
    def kinds(self) -> tuple[KindComparison, ...]:
        """Of each kind that says what a method is worth, the methods over two cohorts or more."""
        setting = (self.planted, self.protocol, self.budget, self.n_folds)
        every = (
            KindComparison(k, *setting, primary_tables(k, self.tables)) for k in useful_kinds()
        )
        return tuple(
            one for one in every if len(one.tables) >= FEWEST_COHORTS and len(one.entrants) > 1
        )


def primary_tables(kind: str, tables: Iterable[Standing]) -> tuple[Standing, ...]:
    """The table of each cohort's primary task."""
    clean: dict[str, dict[str, Standing]] = defaultdict(dict)
    for table in tables:
        if table.kind == kind and not table.circular:
            clean[table.cohort][table.task.rsplit("/", maxsplit=1)[1]] = table
    chosen = {
        cohort: of_label[label]
        for cohort, of_label in clean.items()
        if (label := primary_task(kind, cohort, of_label)) is not None
    }
    return tuple(chosen[cohort] for cohort in sorted(apart(chosen)))


def comparisons(tables: Iterable[Standing]) -> tuple[Comparison, ...]:
    """The tables that belong together: real cohorts first, the default protocol first."""
    groups: dict[tuple[bool, bool, str, str, int], list[Standing]] = defaultdict(list)
    for t in tables:
        groups[t.planted, not t.plain, t.protocol, t.budget, t.n_folds].append(t)
    return tuple(
        Comparison(
            planted, protocol, budget, n_folds, tuple(sorted(group, key=lambda table: table.task))
        )
        for (planted, _, protocol, budget, n_folds), group in sorted(groups.items())
    )
