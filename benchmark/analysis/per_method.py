"""Where one method stands: its place over cohorts, what it wins and loses, what its parts do."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from benchmark.analysis.ablations import Delta
from benchmark.analysis.board import Board
from benchmark.analysis.every_pair import paired
from benchmark.analysis.findings import Findings, Verdict, complete, reference_of
from benchmark.analysis.over_cohorts import Comparison, KindComparison
from benchmark.analysis.standings import ALPHA, RANKED, REFERENCE, SIMPLE, UNTRAINED, Standing
from benchmark.analysis.stats import Estimate, Pooled
from tasks.suites import useful_kinds

KEPT = "retention"
"""The kind of task that says what an embedding keeps of its input."""


@dataclass(frozen=True)
class Place:
    """A method over the cohorts of a kind.

    Attributes:
        of: The kind.
        place: 1 for the best mean rank of those that learn without labels; None without a rank.
        among: Of how many.
        rank: Its mean rank among all methods, whatever their role.
        first: The best of those that learn without labels.
        to_first: What it is better by than that one, with an interval of the level at which all
            that the first page claims hold at once: no page says another verdict of the same pair.
        reference: What methods are held against.
        to_reference: Likewise.
        to_untrained: What the reference method is better by than itself before training; of no
            cohort for others.
        ahead: In how many of the cohorts it scores higher than the first.
        cohorts: Of how many where both are complete.
    """

    of: KindComparison
    place: int | None
    among: int
    rank: float
    first: str
    to_first: Pooled
    reference: str
    to_reference: Pooled
    to_untrained: Pooled
    ahead: int
    cohorts: int


@dataclass(frozen=True)
class Duel:
    """A method against what it is held against, on one task.

    Attributes:
        table: The task.
        against: What it is better by, with the interval of this pair alone.
    """

    table: Standing
    against: Estimate

    @property
    def verdict(self) -> Verdict:
        """What the interval says."""
        if self.against.low > 0.0:
            return Verdict.BETTER
        return Verdict.WORSE if self.against.high < 0.0 else Verdict.OPEN


@dataclass(frozen=True)
class MethodStanding:
    """All of it.

    Attributes:
        method: Its name.
        role: What it is in the comparison.
        places: Of each kind over cohorts, in the first setting of real cohorts, or of planted ones.
        held_against: Name of the other method of the duels.
        duels: On every task of that setting.
        kept: What it keeps of what each side alone shows, and what the other one does: means over
            cohorts; None where that was not measured of both.
        parts: What its variants change, of the first metric of any task of the default protocol.
    """

    method: str
    role: str
    places: tuple[Place, ...]
    held_against: str
    duels: tuple[Duel, ...]
    kept: tuple[float, float] | None
    parts: tuple[Delta, ...]

    def with_verdict(self, verdict: Verdict) -> tuple[Duel, ...]:
        """The duels of which one thing is said."""
        return tuple(duel for duel in self.duels if duel.verdict is verdict)

    @property
    def useful_parts(self) -> tuple[Delta, ...]:
        """Those on tasks that say what a method is worth."""
        return tuple(d for d in self.parts if d.task.split("/")[0] in useful_kinds())

    @property
    def probed_parts(self) -> tuple[Delta, ...]:
        """Those on probes."""
        return tuple(d for d in self.parts if d.task.split("/")[0] not in useful_kinds())


def told_apart(parts: Sequence[Delta]) -> tuple[Delta, ...]:
    """The variants that differ from what they vary, the largest difference first."""
    clear = (delta for delta in parts if delta.difference.p < ALPHA)
    return tuple(sorted(clear, key=lambda d: (-abs(d.difference.mean), d.task, d.method)))


def standing_of(method: str, role: str, board: Board) -> MethodStanding | None:
    """Where a method stands in the first setting of the board; None if it is not there."""
    of = next((one for one in board.main if any(_has(t, method) for t in one.tables)), None)
    if of is None:
        return None
    to = reference_of(of.kinds[0]) if of.kinds else SIMPLE
    to = REFERENCE if to == method else to
    parts = tuple(d for d in board.ablations.get(method, ()) if _primary(d, board.main))
    level = Findings(of.kinds).level
    places = tuple(_place(method, kind, to, level) for kind in of.kinds)
    return MethodStanding(
        method, role, places, to, tuple(_duels(method, to, of)), _kept(method, to, of), parts
    )


def first_of(of: KindComparison) -> str:
    """The best mean rank of what learns without labels; empty if none has a rank."""
    ranked = (e for e in of.entrants if e.role == RANKED and not np.isnan(e.rank))
    return next((entrant.method for entrant in ranked), "")


def _has(table: Standing, method: str) -> bool:
    return any(row.method == method for row in table.rows)


def _primary(delta: Delta, main: Sequence[Comparison]) -> bool:
    """Whether it is of the metric that a table of the default protocol is ordered by."""
    return any(
        delta.task == table.task
        and delta.measure.name == table.primary.name
        and delta.setting == f"{of.protocol}, budget {of.budget}, {of.n_folds} folds"
        for of in main
        for table in of.tables
    )


def _place(method: str, of: KindComparison, to: str, level: float) -> Place:
    ranked = [e for e in of.entrants if e.role == RANKED and not np.isnan(e.rank)]
    own = next((e for e in of.entrants if e.method == method), None)
    first = first_of(of)
    rank = np.nan if own is None else own.rank
    both = [
        of.measure.sign * (a.score.mean - b.score.mean)
        for table in of.tables
        if (a := complete(table, method)) is not None and (b := complete(table, first)) is not None
    ]
    return Place(
        of,
        next((i for i, entrant in enumerate(ranked, 1) if entrant.method == method), None),
        len(ranked),
        float(rank),
        first,
        of.pair(method, first, level),
        to,
        of.pair(method, to, level),
        of.pair(method, UNTRAINED if method == REFERENCE else "", level),
        sum(difference > 0 for difference in both),
        len(both),
    )


def _duels(method: str, to: str, of: Comparison) -> Iterator[Duel]:
    for table in of.tables:
        ours, other = complete(table, method), complete(table, to)
        if ours is not None and other is not None:
            against = paired(table, ours, other)
            if against is not None:
                yield Duel(table, against)


def _kept(method: str, to: str, of: Comparison) -> tuple[float, float] | None:
    tables: Sequence[Standing] = [
        t for t in of.tables if t.kind == KEPT and "_r2" in t.primary.name
    ]
    pairs = [
        (a.score.mean, b.score.mean)
        for table in tables
        if (a := complete(table, method)) is not None and (b := complete(table, to)) is not None
    ]
    return (fmean(a for a, _ in pairs), fmean(b for _, b in pairs)) if pairs else None
