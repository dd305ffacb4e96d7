"""What a table of the leaderboard says of a method: its columns, declared."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from benchmark.analysis.standings import REFERENCE, Measure, Row, Standing
from benchmark.analysis.stats import Estimate
from benchmark.show.markdown import NONE, escape, grid, interval, number, p_value

ROLE_TITLES = {
    "self-supervised": "Self-supervised methods",
    "ablation": "Ablations: their parent with one part taken away or mended, not ranked",
    "control": "Floors and controls, not ranked",
    "supervised": "Supervised references: trained on the training patients' labels, not ranked",
}


@dataclass(frozen=True)
class Column:
    """A column of a table, as an entry.

    Attributes:
        header: What stands above it.
        cell: The text of a row.
        shown: Whether a table has it.
        right: Whether it is aligned to the right.
    """

    header: str
    cell: Callable[[Standing, Row], str]
    shown: Callable[[Standing], bool] = lambda table: True  # noqa: ARG005
    right: bool = True


def score(row: Row) -> str:
    """Mean ± standard deviation."""
    spread = "" if np.isnan(row.spread) else f" ± {number(row.spread)}"
    return number(row.score.mean) + spread


def mark(table: Standing, row: Row) -> str:
    """● the best, = tied with it, ⚠ incomplete with its count, or nothing."""
    if row.cells < table.cells:
        return f"⚠ {row.cells}/{table.cells}"
    if row is table.best:
        return "●"
    return "=" if row.tied else ""


def seconds(x: float) -> str:
    """Seconds of a fit, one digit below ten."""
    return number(x, 1 if x < 10 else 0)


def size(parameters: int | None) -> str:
    """A number of parameters, as 950, 12 k or 3.4 M."""
    if parameters is None:
        return NONE
    if parameters < 1_000:
        return str(parameters)
    return f"{parameters / 1e3:.0f} k" if parameters < 1_000_000 else f"{parameters / 1e6:.1f} M"


def directed(measure: Measure) -> str:
    """A metric's name and its direction."""
    return f"{measure.name} {'↑' if measure.higher_is_better else '↓'}"


def has_reference(table: Standing) -> bool:
    """Whether there is a method to compare with."""
    return table.has_reference


def has_patients(table: Standing) -> bool:
    """Whether any row has an interval over patients."""
    return any(not np.isnan(row.patients).any() for row in table.rows)


_BEFORE = (
    Column("", mark, right=False),
    Column("method", lambda _, row: f"`{row.method}`", right=False),
    Column("family", lambda _, row: escape(row.family), right=False),
)
_SCORE = (
    Column("95 % interval", lambda _, row: interval(row.score.low, row.score.high)),
    Column("over patients", lambda _, row: interval(*row.patients), has_patients),
    Column(
        f"Δ to {REFERENCE}",
        lambda _, row: number(row.difference.mean, sign=True),
        has_reference,
    ),
    Column(
        "of Δ",
        lambda _, row: interval(row.difference.low, row.difference.high, sign=True),
        has_reference,
    ),
    Column("p", lambda _, row: p_value(row.difference.p), has_reference),
    Column("could show", lambda _, row: number(row.smallest), has_reference),
)
_AFTER = (
    Column("fit, s", lambda _, row: seconds(row.seconds)),
    Column("parameters", lambda _, row: size(row.parameters)),
)
_COSTS = (
    Column("GFLOP/step", lambda _, row: NONE if row.flops is None else number(row.flops / 1e9, 2)),
    Column("memory, MB", lambda _, row: number(row.memory, 0)),
)


_BRIEF = (
    Column("95 % interval", lambda _, row: interval(row.score.low, row.score.high)),
    Column(
        f"Δ to {REFERENCE} (95 %)",
        lambda _, row: difference(row.difference),
        has_reference,
    ),
    Column("p", lambda _, row: p_value(row.difference.p), has_reference),
)


def difference(found: Estimate) -> str:
    """A difference with its interval."""
    span = "" if np.isnan(found.low) else f" ({interval(found.low, found.high, sign=True)})"
    return number(found.mean, sign=True) + span


def brief(table: Standing) -> tuple[Column, ...]:
    """The columns of the front page: a table at a glance."""
    primary = Column(f"{directed(table.primary)} ± sd", lambda _, row: score(row))
    every = (*_BEFORE[:2], primary, *_BRIEF, *_AFTER)
    return tuple(column for column in every if column.shown(table))


def columns(table: Standing) -> tuple[Column, ...]:
    """The columns by which a table compares."""
    primary = Column(f"{directed(table.primary)} ± sd", lambda _, row: score(row))
    every = (*_BEFORE, primary, *_SCORE, *_AFTER)
    return tuple(column for column in every if column.shown(table))


def details(table: Standing) -> tuple[Column, ...]:
    """The columns of what else was measured: a table's other metrics, and further costs."""
    others = tuple(_other(i, measure) for i, measure in enumerate(table.others))
    return (_BEFORE[1], *others, *_COSTS)


def _other(i: int, measure: Measure) -> Column:
    def cell(table: Standing, row: Row) -> str:
        mean, cells = row.others[i]
        partial = 0 < cells < row.cells
        return f"{number(mean)} ({cells}/{table.cells})" if partial else number(mean)

    return Column(directed(measure), cell)


def conditions(table: Standing) -> str:
    """What holds for every row of a table, in one line: protocol, budget, cohort, counts."""
    fewest, most = table.n_patients
    patients = f"{most:,} patients" if fewest == most else f"{fewest:,} to {most:,} patients"
    events = "" if table.n_events is None else f", {table.n_events:,} events"
    return (
        f"protocol {table.protocol} · budget {table.budget} · {table.cohort}: {patients}{events}"
        f" · {table.layout}"
    )


def rows_table(table: Standing, shown: Sequence[Column], rows: Sequence[Row]) -> str:
    """Rows of a table as markdown, a heading before each role where there are several."""
    several = len({row.role for row in rows}) > 1
    cells: list[tuple[str, ...]] = []
    for role, group in groupby(rows, key=lambda row: row.role):
        if several:
            title = f"*{ROLE_TITLES[role].split(':')[0]}*"
            names = [title if column.header == "method" else "" for column in shown]
            cells.append(tuple(names))
        cells += [tuple(column.cell(table, row) for column in shown) for row in group]
    header = tuple(column.header for column in shown)
    return grid(header, cells, tuple(column.right for column in shown))
