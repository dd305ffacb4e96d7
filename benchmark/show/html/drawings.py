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
    retention,
    survival_figures,
    title_of,
)
from benchmark.show.figures.look import svg
from benchmark.show.html.charts import Chart
from benchmark.show.html.scatter import compute_chart
from benchmark.show.html.survival_chart import survival_chart
from benchmark.show.leaderboard import FIRST
from benchmark.show.page_names import slug


@dataclass(frozen=True)
class Drawing:
    """A figure on the disk.

    Attributes:
        path: Relative to the root of the report.
        title: What it shows.
        text: Its caption, for who cannot see it.
        width: In points, for the page to keep its place.
        height: Likewise.
        survival: Whether it is of survival.
    """

    path: str
    title: str
    text: str
    width: int
    height: int
    survival: bool = False


Drawn = Drawing | Chart
"""A figure of a page: a file, or part of the page itself."""


def of_task(
    table: Standing,
    kept: Sequence[Tradeoff],
    predicted: Predicted,
    root: Path,
) -> tuple[Drawn, ...]:
    """Compute against score, and under the plain protocol what is specific to the kind of a task.

    That is survival by the risks of the best method and how risks are calibrated, and retention
    against alignment. The forest is in the table of scores.

    Args:
        table: The task.
        kept: What every cohort's embeddings keep and align.
        predicted: From `survival_predictions`.
        root: The report's folder.
    """
    place = table.key
    chart = compute_chart(table, "../")
    found: list[Drawn] = [] if chart is None else [chart]
    if not table.plain:
        return tuple(found)
    found += [
        save_drawing(retention(one), root, slug("retention", *place))
        for one in kept
        if one.table.key == place
    ]
    best = table.best.method if table.best else SIMPLE
    if (rows := predicted.get((*place, best))) is not None:
        found.append(survival_chart(rows, best, table.task))
    found += [
        save_drawing(figure, root, slug(name, *place), survival=True)
        for name, figure in survival_figures(table, predicted, ())
    ]
    return tuple(found)


def of_survival(of_its_page: Sequence[Drawn]) -> tuple[Drawn, ...]:
    """What of a task's figures a cohort's page shows too, whose tables hold the forest."""
    return tuple(one for one in of_its_page if one.survival)


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


def save_drawing(figure: Figure, root: Path, name: str, *, survival: bool = False) -> Drawing:
    """Write a figure into the report."""
    path = root / "figures" / f"{name}.svg"
    path.parent.mkdir(exist_ok=True)
    title, text = title_of(figure), caption_of(figure)
    path.write_text(svg(figure), encoding="utf-8")
    width, height = (round(72 * inches) for inches in figure.get_size_inches())
    return Drawing(f"figures/{name}.svg", title, text, width, height, survival)
