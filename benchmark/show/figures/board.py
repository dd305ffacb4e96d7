"""The figures that stand beside the leaderboard, drawn from the same records."""

import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from benchmark.analysis.ablations import deltas
from benchmark.analysis.deduplicate import deduplicate
from benchmark.analysis.intervals import Intervals
from benchmark.analysis.optimism import optimism as optimism_of
from benchmark.analysis.standings import standings
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
from benchmark.show.files import drawn_by
from benchmark.show.leaderboard import STRICT, Leaderboard

_FORESTS = "survival/*/os"


def draw(
    board: Leaderboard, records: pd.DataFrame, intervals: Intervals, folder: Path
) -> list[Path]:
    """Write the figures as SVG and PNG.

    Args:
        board: What `render` made of the records.
        records: A row per (trial, task, metric).
        intervals: Over patients.
        folder: Made if it is not there; figures that an earlier call left and this one does not
            draw go.

    Returns:
        What was written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = [
        path
        for name, figure in _figures(records, intervals)
        for path in save(figure, folder, name, board.source)
    ]
    for path in drawn_by(folder):
        if path not in written:
            path.unlink()
            path.with_suffix(".png").unlink(missing_ok=True)
    return written


def _figures(records: pd.DataFrame, intervals: Intervals) -> Iterator[tuple[str, Figure]]:
    scores = deduplicate(records)
    tables = standings(scores, intervals)
    strict = [table for table in tables if table.protocol == STRICT]
    for title, embedded in (("real", False), ("planted", True)):
        chosen = [table for table in strict if table.embedded is embedded]
        for setting in sorted({(table.budget, table.n_folds) for table in chosen}):
            same = [table for table in chosen if (table.budget, table.n_folds) == setting]
            if diagram := diagram_of_many(same):
                yield _name("ranks", title, *setting), diagram
    for table in strict:
        if Path(table.task).match(_FORESTS) and not table.embedded:
            yield _name("forest", table.task, table.budget, table.n_folds), forest(table)
    for one in tradeoffs(strict):
        yield _name(one.tasks.split(" ")[0], *one.setting[1:]), retention(one)
    if gap := optimism_of(scores):
        yield "optimism-gap", optimism(gap)
    parents = scores.loc[scores["role"] == "ablation", "parent"].dropna()
    for parent in sorted(parents.unique()):
        if found := deltas(scores[scores["protocol"] == STRICT], parent):
            yield _name("ablations", parent), ablations(of_deltas(found, parent))


def _name(*parts: str | int) -> str:
    """A file name; the default budget and five folds go without saying."""
    said = [str(part).lower() for part in parts if part not in ("default", 5)]
    return re.sub(r"[^a-z0-9]+", "-", "-".join(said)).strip("-")
