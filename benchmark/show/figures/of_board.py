"""The figures that stand beside the leaderboard, drawn from the same records."""

import re
from collections.abc import Iterator
from pathlib import Path

from matplotlib.figure import Figure

from benchmark.analysis.board import Board
from benchmark.analysis.findings import Findings
from benchmark.analysis.over_cohorts import primary_tables
from benchmark.analysis.standings import SIMPLE, Standing
from benchmark.show.drawn import saved_figures
from benchmark.show.figures import (
    Predicted,
    ablations,
    diagram_of_many,
    differences,
    forest,
    optimism,
    retention,
    scores,
    survival_figures,
    survival_predictions,
    tradeoffs,
)
from benchmark.show.figures.look import svg
from benchmark.show.leaderboard import FIRST
from tasks.suites import useful_kinds


def draw(board: Board, source: str, folder: Path) -> list[Path]:
    """Write the figures as SVG.

    Args:
        board: What was recorded.
        source: What they say that they were drawn from.
        folder: Made if it is not there; figures that an earlier call left and this one does not
            draw go.

    Returns:
        What was written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, figure in _figures(board):
        path = folder / f"{name}.svg"
        path.write_text(svg(figure, source), encoding="utf-8")
        written.append(path)
    for one in saved_figures(folder):
        if one.source and one.path not in written:
            one.path.unlink()
    return written


def _figures(board: Board) -> Iterator[tuple[str, Figure]]:
    for first in board.main[:1]:
        if figure := differences(Findings(first.kinds)):
            yield FIRST, figure
    predicted = survival_predictions(board.predictions)
    for one in board.kinds:
        if one.plain:
            sort = "planted" if one.planted else "real"
            if diagram := diagram_of_many(one):
                yield _name("ranks", one.kind, sort, one.budget, one.n_folds), diagram
    for every in (one for one in board.main if not one.planted):
        if map_ := scores(every.tables):
            yield _name("methods-on-tasks", every.budget, every.n_folds), map_
        for kind in useful_kinds():
            for table in primary_tables(kind, every.tables):
                yield from _of_primary(table, predicted)
    for traded in tradeoffs(table for one in board.main for table in one.tables):
        table = traded.table
        yield _name(table.task, table.budget, table.n_folds), retention(traded)
    if board.optimism:
        yield "optimism-gap", optimism(board.optimism)
    for parent, found in board.ablations.items():
        yield _name("ablations", parent), ablations(found, parent)


def _of_primary(table: Standing, predicted: Predicted) -> Iterator[tuple[str, Figure]]:
    """The forest and, where survival was predicted, the curves of plain features, calibration."""
    place = (table.task, table.budget, table.n_folds)
    yield _name("forest", *place), forest(table)
    for name, figure in survival_figures(table, predicted, [SIMPLE]):
        yield _name(name.removesuffix(f"-{SIMPLE}"), *place), figure


def _name(*parts: str | int) -> str:
    """A file name; the default budget and five folds go without saying."""
    words = [str(part).lower() for part in parts if part not in ("default", 5)]
    return re.sub(r"[^a-z0-9]+", "-", "-".join(words)).strip("-")
