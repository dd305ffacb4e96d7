"""Retention against alignment: what embeddings keep of one modality alone, and of both."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmark.analysis.standings import RANKED, REFERENCE, UNTRAINED, Measure, Row, Standing
from benchmark.analysis.stats import Estimate
from benchmark.show.columns import directed
from benchmark.show.figures.look import (
    BLUE,
    MUTED,
    ORANGE,
    canvas,
    caption,
    head,
    lay_out,
    look,
)
from benchmark.show.figures.point_names import name_points

_FEWEST_INCHES, _NAME_INCHES = 4.2, 0.14
_KEPT, _TRUE_KEPT, _TRUE_SHARED = "private_r2", "truth_private_r2", "truth_shared_r2"


@dataclass(frozen=True)
class Kept:
    """One method: what it keeps and what it aligns.

    Attributes:
        method: Its name.
        role: What it is in the comparison.
        private: Of content that only one modality knows.
        shared: Of what both know; its interval is NaN where only the mean was compared.
    """

    method: str
    role: str
    private: Estimate
    shared: Estimate


@dataclass(frozen=True)
class Tradeoff:
    """Retention and alignment on one cohort.

    Attributes:
        table: The task of retention.
        alignment: The task of alignment, if it is another one.
        private: Measure of retention.
        shared: Measure of alignment.
        rows: The methods that have both in every fold and seed.
    """

    table: Standing
    alignment: str | None
    private: Measure
    shared: Measure
    rows: tuple[Kept, ...]


def tradeoffs(tables: Iterable[Standing]) -> tuple[Tradeoff, ...]:
    """Pair retention with alignment.

    Of a planted cohort's true factors both are in one table. Otherwise alignment is retrieval on
    the same cohort, protocol, budget and folds.
    """
    tables = tuple(tables)
    retrieval = {_setting(table): table for table in tables if table.kind == "retrieval"}
    found = []
    for table in tables:
        others = [measure.name for measure in table.others]
        if table.primary.name == _TRUE_KEPT and _TRUE_SHARED in others:
            i = others.index(_TRUE_SHARED)
            pairs = [(row, _mean(row.others[i][0])) for row in _complete(table)]
            found.append(_tradeoff(table, None, table.others[i], pairs))
        elif table.primary.name == _KEPT and (other := retrieval.get(_setting(table))):
            scores = {row.method: row.score for row in _complete(other)}
            pairs = [(r, scores[r.method]) for r in _complete(table) if r.method in scores]
            found.append(_tradeoff(table, other.task, other.primary, pairs))
    return tuple(one for one in found if len(one.rows) > 1)


def _setting(table: Standing) -> tuple[str, str, str, int]:
    return table.cohort, table.protocol, table.budget, table.n_folds


def _complete(table: Standing) -> list[Row]:
    """Complete rows; ablations have a figure of their own."""
    return [r for r in table.rows if r.cells == table.cells and r.role != "ablation"]


def _mean(x: float) -> Estimate:
    return Estimate(x, np.nan, np.nan, np.nan)


def _tradeoff(
    table: Standing, alignment: str | None, shared: Measure, pairs: list[tuple[Row, Estimate]]
) -> Tradeoff:
    rows = tuple(
        Kept(row.method, row.role, row.score, other)
        for row, other in pairs
        if not np.isnan([row.score.mean, other.mean]).any()
    )
    return Tradeoff(table, alignment, table.primary, shared, rows)


@look()
def retention(tradeoff: Tradeoff) -> Figure:
    """Draw what each method keeps of one modality alone against what it keeps or finds of both.

    Args:
        tradeoff: Of one cohort.

    Returns:
        A point a method with its intervals; dashed lines through the untrained encoders.
    """
    rows = tradeoff.rows
    figure = canvas(max(_FEWEST_INCHES, _NAME_INCHES * len(rows)))
    axes = figure.subplots()
    for row in rows:
        _point(axes, row)
    axes.margins(x=0.1, y=0.08)
    axes.set_xlabel(f"alignment: {directed(tradeoff.shared)}, mean over folds and seeds")
    axes.set_ylabel(f"retention: {directed(tradeoff.private)}, mean")
    table = tradeoff.table
    tasks = " and ".join(filter(None, (table.task, tradeoff.alignment)))
    head(figure, f"Retention against alignment: {table.cohort}", table.protocol)
    caption(
        figure,
        f"{tasks} · protocol {table.protocol} · budget {table.budget} · {table.n_folds} folds."
        " Further up, an embedding keeps more of what only one modality shows; further right, more"
        " of what both show. Filled: self-supervised; squares: floors, controls and supervised"
        " references. Lines: 95 % intervals over folds, where compared."
        f" Dashed: {UNTRAINED}, the untrained encoders of {REFERENCE}:"
        " what lies within the intervals about them, training has not been shown to give.",
    )
    x, y = (np.array([getattr(row, side).mean for row in rows]) for side in ("shared", "private"))
    bold = {i for i, row in enumerate(rows) if row.method in (REFERENCE, UNTRAINED)}
    lay_out(figure)
    name_points(axes, [row.method for row in rows], x, y, bold)
    return figure


def _point(axes: Axes, row: Kept) -> None:
    color, marker = (ORANGE, "D") if row.method == REFERENCE else (BLUE, "o")
    if row.role != RANKED:
        color, marker = MUTED, "s"
    x, y = row.shared, row.private
    if not np.isnan(y.low):
        axes.plot([x.mean, x.mean], [y.low, y.high], color=color, alpha=0.3, lw=0.8)
    if not np.isnan(x.low):
        axes.plot([x.low, x.high], [y.mean, y.mean], color=color, alpha=0.3, lw=0.8)
    if row.method == UNTRAINED:
        axes.axvline(x.mean, color=MUTED, lw=0.7, ls=(0, (4, 3)), zorder=0)
        axes.axhline(y.mean, color=MUTED, lw=0.7, ls=(0, (4, 3)), zorder=0)
    axes.plot(
        x.mean, y.mean, marker, color=color, ms=4.5, mew=0.9,
        mfc=color if row.role == RANKED else "white", zorder=3,
    )  # fmt: skip
