"""The columns of the tables of a task: what a cell says, and what it is sorted by."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmark.analysis.standings import REFERENCE, Measure, Row, Standing
from benchmark.show.columns import (
    directed,
    has_patients,
    has_reference,
    mark,
    score,
    seconds,
    size,
)
from benchmark.show.html.grid import Cell, Header, said, valued
from benchmark.show.html.page_names import method_page
from benchmark.show.html.strip import scale
from benchmark.show.markdown import NONE, interval, number, p_value

_MARKS = {"●": "● best", "=": "= tied"}


@dataclass(frozen=True)
class Column:
    """A column of a table, as an entry.

    Attributes:
        header: What stands above it.
        cell: Of a row.
        shown: Whether a table has it.
    """

    header: Header
    cell: Callable[[Standing, Row], Cell]
    shown: Callable[[Standing], bool] = lambda table: True  # noqa: ARG005


def marked(table: Standing, row: Row) -> Cell:
    """Whether the row is the best, tied with it, or incomplete; nothing for the others."""
    sign = mark(table, row)
    place = {"●": 0.0, "=": 1.0}.get(sign, 3.0 if sign else 2.0)
    return Cell(_MARKS.get(sign, sign), place)


def linked(row: Row) -> Cell:
    """The method, leading to its page."""
    return said(row.method, method_page(row.method))


def _number(
    header: str,
    cell: Callable[[Standing, Row], Cell],
    shown: Callable[[Standing], bool] = lambda table: True,  # noqa: ARG005
    *,
    descending: bool = False,
) -> Column:
    return Column(Header(header, "number", descending), cell, shown)


def _interval(low: float, high: float, *, sign: bool = False) -> Cell:
    return valued(interval(low, high, sign=sign), low)


_MARK = Column(Header("mark"), marked)
_METHOD = Column(Header("method", "name"), lambda _, row: linked(row))
_UNCERTAINTY = (
    _number("95 % interval", lambda _, row: _interval(row.score.low, row.score.high)),
    _number("over patients", lambda _, row: _interval(*row.patients), has_patients),
    _number(
        f"Δ to {REFERENCE}",
        lambda _, row: valued(number(row.difference.mean, sign=True), row.difference.mean),
        has_reference,
    ),
    _number(
        "95 % interval of Δ",
        lambda _, row: _interval(row.difference.low, row.difference.high, sign=True),
        has_reference,
    ),
    _number(
        "p of Δ", lambda _, row: valued(p_value(row.difference.p), row.difference.p), has_reference
    ),
    _number("folds x seeds", lambda table, row: valued(f"{row.cells}/{table.cells}", row.cells)),
)
_KIND = (
    Column(Header("role", choice=True), lambda _, row: said(row.role)),
    Column(Header("family", choice=True), lambda _, row: said(row.family)),
)
_COSTS = (
    _number("fit, s", lambda _, row: valued(seconds(row.seconds), row.seconds)),
    _number("parameters", lambda _, row: valued(size(row.parameters), row.parameters)),
    _number(
        "GFLOP/step",
        lambda _, row: valued(NONE if row.flops is None else number(row.flops / 1e9, 2), row.flops),
    ),
    _number("memory, MB", lambda _, row: valued(number(row.memory, 0), row.memory)),
)


def columns(table: Standing) -> tuple[Column, ...]:
    """The columns by which a table compares; intervals are drawn to one scale for all rows."""
    strip = scale(table)
    primary = _number(
        f"{directed(table.primary)} ± sd",
        lambda _, row: valued(score(row), row.score.mean),
        descending=table.primary.higher_is_better,
    )
    drawn = Column(
        Header("score and interval", "drawing"), lambda _, row: Cell("", strip=strip(row))
    )
    every = (_MARK, _METHOD, primary, drawn, *_UNCERTAINTY, *_KIND, *_COSTS)
    return tuple(column for column in every if column.shown(table))


def other_metrics(table: Standing) -> tuple[Column, ...]:
    """The columns of what else was measured."""
    return (_METHOD, *(_other(i, measure) for i, measure in enumerate(table.others)))


def over_tasks() -> tuple[Column, ...]:
    """The columns of one method over tasks, whose metrics differ."""
    metric = Column(Header("metric", choice=True), lambda table, _: said(directed(table.primary)))
    own = _number("score ± sd", lambda _, row: valued(score(row), row.score.mean))
    return (_MARK, metric, own, *_UNCERTAINTY)


def style(table: Standing, row: Row) -> str:
    """How a row stands out."""
    return {"●": "best", "=": "tied", "": ""}.get(mark(table, row), "incomplete")


def _other(i: int, measure: Measure) -> Column:
    def cell(table: Standing, row: Row) -> Cell:
        mean, cells = row.others[i]
        partial = 0 < cells < row.cells
        return valued(f"{number(mean)} ({cells}/{table.cells})" if partial else number(mean), mean)

    return _number(directed(measure), cell, descending=measure.higher_is_better)
