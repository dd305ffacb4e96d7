"""Permuted labels: whether every method stays at chance where there is nothing to be found."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from benchmark.analysis.standings import ROLES, Measure, Row, Standing
from benchmark.records.protocol import TrialProtocol
from tasks.base import Protocol

ROOM = 0.06
"""How far a mean over tasks may lie from chance."""

WITHOUT_OUTCOMES = ("retrieval", "retention")
"""Kinds of task that no outcome enters: permuting outcomes changes nothing there."""


def is_control(table: Standing) -> bool:
    """Whether its outcomes were permuted, and asked about honestly.

    What a published protocol makes of them is its optimism.
    """
    protocol = TrialProtocol.parse(table.protocol)
    return protocol.protocol is Protocol.STRICT and protocol.control is not None


@dataclass(frozen=True)
class Judged:
    """A task whose outcomes were dealt anew, and the metric that is looked at.

    Attributes:
        table: The task.
        measure: The first of its metrics that has a chance; the first of all where none has.
        judges: Whether methods are judged by it: its chance is known, and outcomes enter it.
    """

    table: Standing
    measure: Measure
    judges: bool

    def score(self, row: Row) -> float:
        """The mean of the metric over folds and seeds; NaN where there is none."""
        if self.measure == self.table.primary:
            return row.score.mean
        return row.others[self.table.others.index(self.measure)][0]


@dataclass(frozen=True)
class MethodCheck:
    """One method where outcomes were dealt anew.

    Attributes:
        method: Its name.
        role: What it is in the comparison.
        scores: Its score on each task of the check; NaN where it has none.
        means: By chance, that mean.
        tasks: Judging tasks that it has.
    """

    method: str
    role: str
    scores: tuple[float, ...]
    means: tuple[tuple[float, float], ...]
    tasks: int

    @property
    def at_chance(self) -> bool:
        """Whether every mean is as near to chance as it should be."""
        return all(abs(mean - chance) <= ROOM for chance, mean in self.means)


@dataclass(frozen=True)
class ControlCheck:
    """What the tasks with permuted outcomes show.

    Attributes:
        tasks: In the order of the tables.
        methods: By role and name.
    """

    tasks: tuple[Judged, ...]
    methods: tuple[MethodCheck, ...]

    @property
    def judging(self) -> tuple[Judged, ...]:
        """The tasks that say something."""
        return tuple(task for task in self.tasks if task.judges)

    @property
    def judged(self) -> tuple[MethodCheck, ...]:
        """The methods that they say it of."""
        return tuple(row for row in self.methods if row.means)


def check_control(tables: Iterable[Standing]) -> ControlCheck | None:
    """Judge every method on the tasks whose outcomes were permuted; None if there are none."""
    tasks = tuple(_judged(table) for table in tables if is_control(table))
    if not tasks:
        return None
    roles: dict[str, str] = {}
    scores: dict[str, list[float]] = defaultdict(lambda: [np.nan] * len(tasks))
    for i, task in enumerate(tasks):
        for row in task.table.rows:
            roles[row.method] = row.role
            scores[row.method][i] = task.score(row)
    named = sorted(roles.items(), key=lambda item: (ROLES.index(item[1]), item[0]))
    methods = (_checked(method, role, scores[method], tasks) for method, role in named)
    return ControlCheck(tasks, tuple(methods))


def _judged(table: Standing) -> Judged:
    measures = (table.primary, *table.others)
    known = next((measure for measure in measures if measure.chance is not None), None)
    judges = known is not None and table.kind not in WITHOUT_OUTCOMES
    return Judged(table, known if judges and known else table.primary, judges)


def _checked(
    method: str, role: str, scores: Sequence[float], tasks: Sequence[Judged]
) -> MethodCheck:
    of_chance: dict[float, list[float]] = defaultdict(list)
    for task, score in zip(tasks, scores, strict=True):
        if task.judges and task.measure.chance is not None and not np.isnan(score):
            of_chance[task.measure.chance].append(score)
    means = tuple((chance, fmean(values)) for chance, values in sorted(of_chance.items()))
    return MethodCheck(method, role, tuple(scores), means, sum(map(len, of_chance.values())))
