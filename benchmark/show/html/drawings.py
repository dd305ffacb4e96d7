"""Which figures the pages show, drawn and saved."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from benchmark.analysis.board import Board
from benchmark.analysis.findings import Findings
from benchmark.analysis.over_cohorts import KindComparison
from benchmark.analysis.standings import SIMPLE, Standing
from benchmark.show.figures import (
    Predicted,
    Tradeoff,
    caption_of,
    diagram_of_many,
    differences,
    forest,
    retention,
    survival_figures,
    title_of,
)
from benchmark.show.figures.look import svg
from benchmark.show.leaderboard import FIRST
from benchmark.show.page_names import slug

_OF_SURVIVAL = ("figures/kaplan-meier-", "figures/calibration-")


@dataclass(frozen=True)
class Drawing:
    """A figure on the disk.

    Attributes:
        path: Relative to the root of the report.
        title: What it shows.
        text: Its caption, for who cannot see it.
        width: In points, for the page to keep its place.
        height: Likewise.
    """

    path: str
    title: str
    text: str
    width: int
    height: int


def of_task(
    table: Standing,
    kept: Sequence[Tradeoff],
    predicted: Predicted,
    root: Path,
) -> tuple[Drawing, ...]:
    """What is specific to the kind of a task under the plain protocol.

    That is survival by the risks of the best method and how those are calibrated, and retention
    against alignment. The page itself draws the forest, in the table of scores, and the compute.

    Args:
        table: The task.
        kept: What every cohort's embeddings keep and align.
        predicted: From `survival_predictions`.
        root: The report's folder.
    """
    place = table.key
    if not table.plain:
        return ()
    found = [
        save_drawing(retention(one), root, slug("retention", *place))
        for one in kept
        if one.table.key == place
    ]
    curves = [table.best.method if table.best else SIMPLE]
    found += [
        save_drawing(figure, root, slug(name, *place))
        for name, figure in survival_figures(table, predicted, curves)
    ]
    return tuple(found)


def of_answer(table: Standing, of_its_page: Sequence[Drawing], root: Path) -> tuple[Drawing, ...]:
    """The forest of a task that a cohort's page answers, and what its own page draws of survival.

    Args:
        table: The task.
        of_its_page: From `of_task`.
        root: The report's folder.
    """
    own = [one for one in of_its_page if one.path.startswith(_OF_SURVIVAL)]
    return (save_drawing(forest(table), root, slug("forest", *table.key)), *own)


def first(board: Board, root: Path) -> Drawing | None:
    """What methods add to plain features, if there is anything to compare."""
    for of in board.main[:1]:
        if (figure := differences(Findings(of.kinds))) is not None:
            return save_drawing(figure, root, FIRST)
    return None


def over_cohorts(of: KindComparison, root: Path) -> Drawing | None:
    """The critical-difference diagram of a comparison, if there can be one.

    Args:
        of: Methods over cohorts.
        root: The report's folder.
    """
    figure = diagram_of_many(of)
    cohorts = "Planted cohorts" if of.planted else "Real cohorts"
    place = (of.kind, cohorts, of.protocol, of.budget, of.n_folds)
    return None if figure is None else save_drawing(figure, root, slug("ranks", *place))


def save_drawing(figure: Figure, root: Path, name: str) -> Drawing:
    """Write a figure into the report."""
    path = root / "figures" / f"{name}.svg"
    path.parent.mkdir(exist_ok=True)
    title, text = title_of(figure), caption_of(figure)
    path.write_text(svg(figure), encoding="utf-8")
    width, height = (round(72 * inches) for inches in figure.get_size_inches())
    return Drawing(f"figures/{name}.svg", title, text, width, height)
