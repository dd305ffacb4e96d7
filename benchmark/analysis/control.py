"""Permuted labels: whether every method stays at chance where there is nothing to be found."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmark.analysis.standings import ROLES, Measure, Row, Standing
from benchmark.records.protocol import TrialProtocol
from tasks.base import Protocol

MOST = 4.0
"""Standard errors that a mean may lie from chance: by chance alone, one method in 16,000 does."""

FEWEST_DEALS = 3
"""Of outcomes, that a method is judged by."""

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
        values = self.deals(row)
        return fmean(values) if values else np.nan

    def deals(self, row: Row) -> list[float]:
        """The mean of the metric over the folds of each deal that has one."""
        place = (self.table.primary, *self.table.others).index(self.measure)
        return [value for value in row.deals[place] if not np.isnan(value)]


@dataclass(frozen=True)
class MethodCheck:
    """One method where outcomes were dealt anew.

    Attributes:
        method: Its name.
        role: What it is in the comparison.
        scores: Its score on each task of the check; NaN where it has none.
        means: By chance, that mean.
        tasks: Judging tasks that it has.
        deals: Of outcomes, over those tasks.
        z: Standard errors of its mean over deals from chance, as of a normal distribution; NaN
            below `FEWEST_DEALS`, or where all deals score the same.
    """

    method: str
    role: str
    scores: tuple[float, ...]
    means: tuple[tuple[float, float], ...]
    tasks: int
    deals: int
    z: float

    @property
    def at_chance(self) -> bool:
        """Whether its mean is as near to chance as it should be."""
        return not abs(self.z) > MOST


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
        return tuple(row for row in self.methods if row.deals >= FEWEST_DEALS)


def check_control(tables: Iterable[Standing]) -> ControlCheck | None:
    """Judge every method on the tasks whose outcomes were permuted; None if there are none."""
    tasks = tuple(_judged(table) for table in tables if is_control(table))
    if not tasks:
        return None
    roles: dict[str, str] = {}
    rows: dict[str, list[Row | None]] = defaultdict(lambda: [None] * len(tasks))
    for i, task in enumerate(tasks):
        for row in task.table.rows:
            roles[row.method] = row.role
            rows[row.method][i] = row
    named = sorted(roles.items(), key=lambda item: (ROLES.index(item[1]), item[0]))
    methods = (_checked(method, role, rows[method], tasks) for method, role in named)
    return ControlCheck(tasks, tuple(methods))


def _judged(table: Standing) -> Judged:
    measures = (table.primary, *table.others)
    known = next((measure for measure in measures if measure.chance is not None), None)
    judges = known is not None and table.kind not in WITHOUT_OUTCOMES
    return Judged(table, known if judges and known else table.primary, judges)


def _checked(
    method: str, role: str, rows: Sequence[Row | None], tasks: Sequence[Judged]
) -> MethodCheck:
    scores = tuple(
        np.nan if row is None else task.score(row) for task, row in zip(tasks, rows, strict=True)
    )
    of_chance: dict[float, list[float]] = defaultdict(list)
    off: list[float] = []
    for task, row, score in zip(tasks, rows, scores, strict=True):
        chance = task.measure.chance
        if row is not None and task.judges and chance is not None and not np.isnan(score):
            of_chance[chance].append(score)
            off += [value - chance for value in task.deals(row)]
    means = tuple((chance, fmean(values)) for chance, values in sorted(of_chance.items()))
    n_tasks = sum(map(len, of_chance.values()))
    return MethodCheck(method, role, scores, means, n_tasks, len(off), _z(np.array(off)))


def _z(off: NDArray[np.float64]) -> float:
    """Student's t of deviations from chance, as far out in a normal distribution."""
    if off.size < FEWEST_DEALS or np.ptp(off) == 0.0:
        return np.nan
    t = float(off.mean() / (off.std(ddof=1) / np.sqrt(off.size)))
    return float(np.sign(t) * stats.norm.isf(stats.t.sf(abs(t), off.size - 1)))
