"""What was found over cohorts, as typed values: what is claimed, and what stays unproven.

A page claims many things at once. Its intervals hold together (Bonferroni over all claims of the
page), and each verdict is read from its interval alone: where nothing differs, a page claims a
difference at most once in twenty.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from statistics import fmean, median

from benchmark.analysis.over_cohorts import KindComparison
from benchmark.analysis.standings import (
    ALPHA,
    CLINICAL,
    RANKED,
    REFERENCE,
    SIMPLE,
    UNTRAINED,
    Row,
    Standing,
)
from benchmark.analysis.stats import Pooled
from benchmark.analysis.stats.hierarchical import ROPE

SIDES = ("rna-only", "wsi-only")
"""The plain features of one side alone."""


class Verdict(StrEnum):
    """What a claim says of a method and the one that it is compared with."""

    BETTER = "better"
    WORSE = "worse"
    ALIKE = "alike"
    OPEN = "open"


@dataclass(frozen=True)
class Claim:
    """A method against another one over the cohorts of a kind.

    Attributes:
        method: Its name.
        reference: The other's.
        found: The difference, positive where the method is better; its interval is one of those
            that hold together over the page.
    """

    method: str
    reference: str
    found: Pooled

    @property
    def verdict(self) -> Verdict:
        """Better or worse where the interval leaves out zero, alike where it lies within ROPE."""
        if self.found.low > 0.0:
            return Verdict.BETTER
        if self.found.high < 0.0:
            return Verdict.WORSE
        within = self.found.low >= -ROPE and self.found.high <= ROPE
        return Verdict.ALIKE if within else Verdict.OPEN


@dataclass(frozen=True)
class KindFindings:
    """What was found of a kind of task.

    Attributes:
        of: The methods over its cohorts.
        reference: What the others are held against: the plain features where they were run.
        methods: What learns without labels against it, the best first.
        supervised: What is told the outcomes of the training patients, likewise.
        clinical: Age, sex and stage against it; None where that was not run.
        training: The method that this project is about against its own encoders before training.
        sides: The plain features of both sides against those of each alone.
    """

    of: KindComparison
    reference: str
    methods: tuple[Claim, ...]
    supervised: tuple[Claim, ...]
    clinical: Claim | None
    training: Claim | None
    sides: tuple[Claim, ...]

    @property
    def claims(self) -> tuple[Claim, ...]:
        """All of them."""
        alone = (claim for claim in (self.clinical, self.training) if claim is not None)
        return (*self.methods, *self.supervised, *alone, *self.sides)

    @property
    def use(self) -> str:
        """What to use: the reference, unless a method was shown to be better."""
        first = next(iter(self.methods), None)
        proven = first is not None and first.verdict is Verdict.BETTER
        return first.method if first is not None and proven else self.reference

    @property
    def hidden(self) -> float:
        """The difference to the reference that a method may hide: half an interval, the median."""
        widths = [(claim.found.high - claim.found.low) / 2.0 for claim in self.methods]
        return median(widths) if widths else float("nan")

    def with_verdict(self, verdict: Verdict) -> tuple[Claim, ...]:
        """The methods of which one thing is said."""
        return tuple(claim for claim in self.methods if claim.verdict is verdict)

    def mean(self, method: str) -> float:
        """Its mean score over the cohorts; NaN if it is not complete in all of them."""
        rows = [complete(table, method) for table in self.of.tables]
        scores = [row.score.mean for row in rows if row is not None]
        return fmean(scores) if len(scores) == len(rows) else float("nan")


def complete(table: Standing, method: str) -> Row | None:
    """The row of a method that has a score in every cell."""
    return next((r for r in table.rows if r.method == method and r.cells == table.cells), None)


@dataclass(frozen=True)
class Findings:
    """What one page claims.

    Attributes:
        comparisons: Of one sort of cohorts, protocol, budget and folds, a kind each.
    """

    comparisons: tuple[KindComparison, ...]

    @cached_property
    def level(self) -> float:
        """Of an interval, so that all of the page's hold together."""
        return 1.0 - ALPHA / max(1, sum(1 for of in self.comparisons for _ in _questions(of)))

    @cached_property
    def kinds(self) -> tuple[KindFindings, ...]:
        """What was found of each kind that has anything to compare."""
        return tuple(_findings(of, self.level) for of in self.comparisons if any(_questions(of)))


def reference_of(of: KindComparison) -> str:
    """What methods are held against: what was asked for, the plain features, or the reference."""
    if (asked := of.tables[0].baseline) is not None:
        return asked
    return SIMPLE if any(entrant.method == SIMPLE for entrant in of.entrants) else REFERENCE


def _questions(of: KindComparison) -> Iterator[tuple[str, str]]:
    """Method and reference of each claim about a kind."""
    roles, to = {entrant.method: entrant.role for entrant in of.entrants}, reference_of(of)
    asked = [(name, to) for name, role in roles.items() if role in (RANKED, "supervised")]
    asked += [(CLINICAL, to), (REFERENCE, UNTRAINED), *((SIMPLE, side) for side in SIDES)]
    return (pair for pair in asked if of.pair(*pair).n)


def _findings(of: KindComparison, level: float) -> KindFindings:
    roles, to = {entrant.method: entrant.role for entrant in of.entrants}, reference_of(of)
    claims = [Claim(*pair, of.pair(*pair, level)) for pair in _questions(of)]

    def against(reference: str, methods: Sequence[str]) -> tuple[Claim, ...]:
        found = (c for c in claims if c.reference == reference and c.method in methods)
        return tuple(sorted(found, key=lambda c: (-c.found.delta, c.method)))

    def of_role(role: str) -> tuple[Claim, ...]:
        return against(to, [name for name, its in roles.items() if its == role])

    return KindFindings(
        of=of,
        reference=to,
        methods=of_role(RANKED),
        supervised=of_role("supervised"),
        clinical=next(iter(against(to, [CLINICAL])), None),
        training=next(iter(against(UNTRAINED, [REFERENCE])), None),
        sides=tuple(claim for side in SIDES for claim in against(side, [SIMPLE])),
    )
