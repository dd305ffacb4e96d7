"""What the records answer of one cohort: what to use for each kind, and what stands beside it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmark.analysis.board import Board
from benchmark.analysis.control import is_control
from benchmark.analysis.every_pair import paired
from benchmark.analysis.findings import SIDES, Findings, KindFindings, Verdict, complete
from benchmark.analysis.over_cohorts import Comparison, primary_tables
from benchmark.analysis.standings import (
    CLINICAL,
    REFERENCE,
    SIMPLE,
    UNTRAINED,
    Row,
    Standing,
)
from benchmark.analysis.stats import Estimate
from tasks.suites import useful_kinds

BEST, SUPERVISED = "best without labels", "best supervised"
"""What no name says: the best of those that learn without labels, and of those that are told."""


@dataclass(frozen=True)
class Beside:
    """A method beside the one to use.

    Attributes:
        what: Its name, or `BEST` or `SUPERVISED`.
        row: Its scores.
        against: What it is better by than the one to use, with an interval that holds for all
            that stand beside at once; None for that one itself.
    """

    what: str
    row: Row
    against: Estimate | None

    @property
    def verdict(self) -> Verdict:
        """What the interval says of it."""
        if self.against is None or not (self.against.low > 0.0 or self.against.high < 0.0):
            return Verdict.OPEN
        return Verdict.BETTER if self.against.low > 0.0 else Verdict.WORSE


@dataclass(frozen=True)
class Answer:
    """What to use for one kind of task in one cohort.

    Attributes:
        table: The cohort's primary task of the kind.
        over: What was found of the kind over cohorts; None of one cohort alone.
        use: The method to use.
        beside: It and what it is held against, in the order in which they are shown.
    """

    table: Standing
    over: KindFindings | None
    use: Row
    beside: tuple[Beside, ...]

    def of(self, what: str) -> Beside | None:
        """One of those beside, by what it is or by its name."""
        found = (one for one in self.beside if what in (one.what, one.row.method))
        return next(found, None)


@dataclass(frozen=True)
class CohortAnswers:
    """A cohort.

    Attributes:
        cohort: Its name.
        answers: Of each kind that says what a method is worth, under the default protocol.
        tables: All of its tasks, whatever the protocol.
    """

    cohort: str
    answers: tuple[Answer, ...]
    tables: tuple[Standing, ...]

    @property
    def n_patients(self) -> int:
        """The most that any task tested."""
        return max(table.n_patients[1] for table in self.tables)


def by_cohort(board: Board) -> tuple[CohortAnswers, ...]:
    """Every cohort, the real ones first, those of most patients first."""
    tables: dict[str, list[Standing]] = {}
    for table in board.standings:
        if not is_control(table):
            tables.setdefault(table.cohort, []).append(table)
    found = (
        CohortAnswers(cohort, tuple(_answers(cohort, board.main)), tuple(of))
        for cohort, of in tables.items()
    )
    return tuple(
        sorted(found, key=lambda one: (one.tables[0].planted, -one.n_patients, one.cohort))
    )


def _answers(cohort: str, main: Sequence[Comparison]) -> Iterator[Answer]:
    """Of the first setting that asks each kind of the cohort."""
    for kind in useful_kinds():
        for of in main:
            own = [table for table in of.tables if table.cohort == cohort]
            answer = next((_answer(t, of) for t in primary_tables(kind, own)), None)
            if answer is not None:
                yield answer
                break


def _answer(table: Standing, of: Comparison) -> Answer | None:
    over = next((k for k in Findings(of.kinds).kinds if k.of.kind == table.kind), None)
    wanted = (over.use if over else "", SIMPLE, table.best.method if table.best else "")
    use = next((row for name in wanted if (row := complete(table, name)) is not None), None)
    if use is None:
        return None
    shown = list(_shown(table, use))
    return Answer(
        table,
        over,
        use,
        tuple(
            Beside(what, row, paired(table, row, use, max(1, len(shown) - 1)))
            for what, row in shown
        ),
    )


def _shown(table: Standing, use: Row) -> Iterator[tuple[str, Row]]:
    """What stands beside: each method once."""
    told = (r for r in table.rows if r.role == "supervised" and r.cells == table.cells)
    named = [(name, complete(table, name)) for name in (SIMPLE, *SIDES, CLINICAL)]
    named += [(BEST, table.best), (REFERENCE, complete(table, REFERENCE))]
    named += [(SUPERVISED, next(told, None)), (UNTRAINED, complete(table, UNTRAINED))]
    seen = {use.method}
    yield use.method, use
    for what, row in named:
        if row is not None and row.method not in seen:
            seen.add(row.method)
            yield what, row
