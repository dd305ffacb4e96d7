"""The folder of the report: made beside its place, then put there as a whole."""

import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from importlib.resources import as_file, files
from pathlib import Path
from types import MappingProxyType

from benchmark.analysis.board import Board
from benchmark.analysis.per_cohort import by_cohort
from benchmark.analysis.per_method import standing_of
from benchmark.records.store import Store
from benchmark.show.columns import page_of
from benchmark.show.declared import Declarations
from benchmark.show.figures import survival_predictions, tradeoffs
from benchmark.show.html import drawings
from benchmark.show.html.answer_pages import answer_pages
from benchmark.show.html.downloads import prediction_sheets, score_sheets
from benchmark.show.html.drawings import Drawn
from benchmark.show.html.pages import Pages, everything_missing
from benchmark.show.html.topics import topics
from benchmark.show.html.trials import data, packed, recorded_trials
from benchmark.show.page_names import method_data, method_page, task_data
from benchmark.show.references import entries, keys
from tasks.errors import InputError

MANIFEST = "files.txt"
"""Lists what a report wrote, a path a line: what a later one may take away."""


Told = Callable[[str, int, int], None]
"""Called with what is done next, how many pages are done, and of how many; 0 while unknown."""


def write_report(
    store: Store,
    output: Path,
    baseline: str | None = None,
    told: Told = lambda doing, done, total: None,  # noqa: ARG005
    declared: Declarations = MappingProxyType({}),
) -> None:
    """Write the report of a results folder.

    Its bytes depend on the records and the versions of the software alone. It is put in its place
    when it is whole; an earlier report there is replaced.

    Args:
        store: The results.
        output: The folder; absent, empty, or an earlier report to which nothing was added.
        baseline: The method that others are compared with, None for the usual one.
        told: Of the progress.
        declared: What methods say of themselves, which records do not hold.

    Raises:
        InputError: If the folder holds something else or cannot be written.
    """
    output = output.absolute()
    _check_free(output)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}-") as scratch:
            made = Path(scratch) / "report"
            made.mkdir()
            _fill(made, store, baseline, told, declared)
            _check_free(output)
            if output.exists():
                output.rename(Path(scratch) / "earlier")
            made.rename(output)
    except OSError as error:
        raise InputError(
            f"{output}: expected a folder that can be written, found: {error.strerror}"
        ) from error


def _check_free(output: Path) -> None:
    """Refuse a place that holds what no report wrote."""
    if not output.exists():
        return
    if not output.is_dir():
        raise InputError(f"{output}: expected a folder, found a file")
    manifest = output / MANIFEST
    listed = manifest.read_text(encoding="utf-8").splitlines() if manifest.is_file() else []
    strange = sorted(set(_paths(output)) - {*listed, MANIFEST} if listed else _paths(output))
    if strange:
        raise InputError(
            f"{output}: expected an empty folder or an earlier report, found {strange[0]}"
        )


def _paths(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir())


def _fill(
    root: Path, store: Store, baseline: str | None, told: Told, declared: Declarations
) -> None:
    told("reading records", 0, 0)
    store = store.read_once()
    board, by_method = Board.of(store).against(baseline), recorded_trials(store.results())
    told("comparing methods", 0, 0)
    total = len(board.standings) + len(by_method)
    told("drawing the overview", 0, total)
    pages = Pages()
    for name in ("data", "methods", "tasks"):
        (root / name).mkdir()
    with as_file(files("benchmark.show.html") / "assets") as assets:
        shutil.copytree(assets, root / "assets")
    parents = {method: own[-1].line.parent for method, own in by_method.items()}
    cited = json.dumps({"keys": keys(parents.items()), "entries": dict(entries())})
    _write(root, "assets/references.js", f"mirrorBench.references = {cited};\n")
    further = topics(board, store.folder / "figures", root)
    for topic in (*further, everything_missing(board)):
        _write(root, topic.path, pages.topic(topic))
    ranks = {
        one: drawing
        for one in board.kinds
        if (drawing := drawings.over_cohorts(one, root)) is not None
    }
    first = drawings.first(board, root)
    cohorts = by_cohort(board)
    _write(root, "index.html", pages.index(board, ranks, further, by_method, first, cohorts))
    risks = survival_predictions(board.predictions)
    kept = tradeoffs(board.standings)
    sheets = {
        "scores": score_sheets(board.scores),
        "predictions": prediction_sheets(board.predictions),
    }
    figures_of: dict[str, Sequence[Drawn]] = {}
    for done, table in enumerate(board.standings):
        told(table.task, done, total)
        figures = drawings.of_task(table, kept, risks, root)
        figures_of[page_of(table)] = figures
        offered = {}
        for what, by_table in sheets.items():
            if (sheet := by_table.get(table.key)) is not None:
                offered[what] = (task_data(what, *table.key), len(sheet))
                (root / offered[what][0]).write_bytes(sheet)
        _write(root, page_of(table), pages.task(table, figures, board.missing, offered))
    for path, text in answer_pages(board, cohorts, further, figures_of, pages):
        _write(root, path, text)
    where = {table.key: page_of(table) for table in board.standings}
    of_parts = {topic.parent: topic for topic in further if topic.parent}
    for done, (method, own) in enumerate(by_method.items(), start=len(board.standings)):
        told(method, done, total)
        standing = standing_of(method, own[-1].line.role, board)
        page = pages.method(
            method, own, board.standings, standing, of_parts.get(method), declared.get(method)
        )
        _write(root, method_page(method), page)
        # A script, as pages on the disk may not read other files.
        _write(root, method_data(method), f'mirrorBench.load("{packed(data(own, where))}");\n')
    _write(root, MANIFEST, "".join(f"{path}\n" for path in _paths(root)))


def _write(root: Path, path: str, text: str) -> None:
    (root / path).write_text(text, encoding="utf-8")
