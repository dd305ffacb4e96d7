"""What stands on pages of its own: the control check, the optimism gap, ablations, maps."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from benchmark.analysis.board import Board
from benchmark.show import columns
from benchmark.show.drawn import saved_figures
from benchmark.show.figures import ablations, optimism
from benchmark.show.heatmap import HEATMAP_EXPLAINED, methods_on_tasks
from benchmark.show.html.drawings import Drawing, save_drawing
from benchmark.show.html.pages import Part, Topic
from benchmark.show.page_names import slug
from benchmark.show.sentences import OPTIMISM_EXPLAINED, ablations_explained, control_verdict
from benchmark.show.tables import View


def topics(board: Board, maps: Path, root: Path) -> tuple[Topic, ...]:
    """The pages that these records and figures have something for.

    Args:
        board: What was recorded.
        maps: Where `mirror-bench map` may have drawn embeddings.
        root: The report's folder.
    """
    return (
        *_heatmap(board),
        *_control(board),
        *_optimism(board, root),
        *_ablations(board, root),
        *_maps(maps, root),
    )


def _heatmap(board: Board) -> Iterator[Topic]:
    parts = []
    for one in board.main:
        cohorts = "Planted" if one.planted else "Real"
        title = f"{cohorts} cohorts, budget {one.budget}, {one.n_folds} folds"
        if (found := methods_on_tasks(one.tables, title)) is not None:
            parts.append(Part(title, None, found.seen(View.PAGE)))
    if parts:
        path = "methods-on-tasks.html"
        yield Topic(path, "Methods on tasks", HEATMAP_EXPLAINED, tuple(parts))


def _control(board: Board) -> Iterator[Topic]:
    if board.control is not None:
        part = Part("Scores", None, columns.control(board.control).seen(View.PAGE))
        title = "Control check: permuted labels"
        yield Topic("permuted-labels.html", title, control_verdict(board.control), (part,))


def _optimism(board: Board, root: Path) -> Iterator[Topic]:
    if board.optimism:
        parts = [Part("All tasks", save_drawing(optimism(board.optimism), root, "optimism-gap"))]
        tables = columns.optimism(board.optimism)
        parts += [Part(table.caption, None, table.seen(View.PAGE)) for table in tables]
        yield Topic("optimism-gap.html", "Optimism gap", OPTIMISM_EXPLAINED, tuple(parts))


def _ablations(board: Board, root: Path) -> Iterator[Topic]:
    for parent, found in board.ablations.items():
        name = slug(f"ablations-{parent}")
        parts = [Part("All tasks", save_drawing(ablations(found, parent), root, name))]
        tables = columns.ablations(found)
        parts += [Part(table.caption, None, table.seen(View.PAGE)) for table in tables]
        text = ablations_explained(parent)
        yield Topic(f"{name}.html", f"Ablations of {parent}", text, tuple(parts), parent)


def _maps(folder: Path, root: Path) -> Iterator[Topic]:
    """What `mirror-bench map` drew beside the records."""
    parts = []
    for one in saved_figures(folder):
        if one.path.name.startswith("map-"):
            target = f"figures/{slug(one.path.stem)}.svg"
            (root / "figures").mkdir(exist_ok=True)
            shutil.copyfile(one.path, root / target)
            drawing = Drawing(target, one.title, one.text, one.width, one.height)
            parts.append(Part(one.title, drawing))
    if parts:
        text = "Patients on the first two principal axes of a method's joint embeddings."
        yield Topic("maps.html", "Maps of embeddings", text, tuple(parts))
