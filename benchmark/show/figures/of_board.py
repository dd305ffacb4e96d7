"""The figures that stand beside the leaderboard, drawn from the same records."""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from matplotlib.figure import Figure

from benchmark.analysis.board import Board
from benchmark.show.drawn import saved_figures
from benchmark.show.figures import (
    ablations,
    diagram_of_many,
    forest,
    of_deltas,
    optimism,
    retention,
    save,
    tradeoffs,
)

_FORESTS = "survival/*/os"


def draw(board: Board, source: str, folder: Path) -> list[Path]:
    """Write the figures as SVG and PNG.

    Args:
        board: What was recorded.
        source: What they say that they were drawn from.
        folder: Made if it is not there; figures that an earlier call left and this one does not
            draw go.

    Returns:
        What was written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = [
        path for name, figure in _figures(board) for path in save(figure, folder, name, source)
    ]
    for one in saved_figures(folder):
        if one.source and one.path not in written:
            one.path.unlink()
            one.path.with_suffix(".png").unlink()
    return written


def _figures(board: Board) -> Iterator[tuple[str, Figure]]:
    for one in board.kinds:
        if one.protocol == "strict" and (diagram := diagram_of_many(one)):
            sort = "planted" if one.planted else "real"
            yield _name("ranks", one.kind, sort, one.budget, one.n_folds), diagram
    strict = [table for table in board.standings if table.protocol == "strict"]
    for table in strict:
        if fnmatchcase(table.task, _FORESTS) and not table.planted:
            yield _name("forest", table.task, table.budget, table.n_folds), forest(table)
    for traded in tradeoffs(strict):
        table = traded.table
        yield _name(table.task, table.budget, table.n_folds), retention(traded)
    if board.optimism:
        yield "optimism-gap", optimism(board.optimism)
    for parent, found in board.ablations.items():
        yield _name("ablations", parent), ablations(of_deltas(found, parent))


def _name(*parts: str | int) -> str:
    """A file name; the default budget and five folds go without saying."""
    words = [str(part).lower() for part in parts if part not in ("default", 5)]
    return re.sub(r"[^a-z0-9]+", "-", "-".join(words)).strip("-")
