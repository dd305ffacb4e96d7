"""Permuted labels: whether every method stays at chance where there is nothing to be found."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from benchmark.analysis.standings import ROLES, Measure, Standing
from benchmark.records.protocol import TrialProtocol
from tasks.base import Protocol

CHANCE, ROOM = 0.5, 0.06
"""What concordance and areas under ROC curves are at chance, and how far a mean may lie from it."""

_AT_HALF = ("harrell_c", "uno_c", "auroc", "auc")


Place = tuple[str, Measure, str, str, str]
"""Task, its first metric, protocol, budget and layout: what tells tables apart."""


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
    scores: dict[Place, float]

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
    protocol = TrialProtocol.parse(table.protocol)
    return protocol.protocol is Protocol.STRICT and protocol.control is not None


def at_half(table: Standing) -> bool:
    """Whether chance is 0.5 in its first metric."""
    return any(name in table.primary.name for name in _AT_HALF)


def checked(tables: Sequence[Standing]) -> tuple[Checked, ...]:
    """Every method over the tasks whose chance is known, by role and name."""
    scores: dict[tuple[str, str], dict[Place, float]] = defaultdict(dict)
    for table in tables:
        for row in table.rows:
            if at_half(table) and row.cells:
                scores[row.role, row.method][place(table)] = row.score.mean
    found = (Checked(method, role, of_task) for (role, method), of_task in scores.items())
    return tuple(sorted(found, key=lambda c: (ROLES.index(c.role), c.method)))


def place(table: Standing) -> Place:
    """The task with what tells its tables apart."""
    return table.task, table.primary, table.protocol, table.budget, table.layout
