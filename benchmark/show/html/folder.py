"""The folder of the report: made beside its place, then put there as a whole."""

import json
import shutil
import tempfile
from collections.abc import Sequence
from importlib.resources import as_file, files
from pathlib import Path

import pandas as pd

from benchmark.analysis.control import is_control
from benchmark.analysis.deduplicate import deduplicate
from benchmark.analysis.intervals import patient_intervals
from benchmark.analysis.missing import missing_scores, of_comparisons
from benchmark.analysis.ranks import rankings
from benchmark.analysis.standings import Standing, standings
from benchmark.records.store import Store
from benchmark.show.figures import tradeoffs
from benchmark.show.html import drawings
from benchmark.show.html.findings import findings
from benchmark.show.html.page_names import method_data, method_page
from benchmark.show.html.pages import Pages, Section, Setting, page_of
from benchmark.show.html.trials import Trial, data, predicted, trials
from tasks.errors import InputError

MANIFEST = "files.txt"
"""Lists what a report wrote, a path a line: what a later one may take away."""


def write_report(store: Store, output: Path) -> None:
    """Write the report of a results folder.

    Its bytes depend on the records and the versions of the software alone. It is put in its place
    when it is whole; an earlier report there is replaced.

    Args:
        store: The results.
        output: The folder; absent, empty, or an earlier report to which nothing was added.

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
            _fill(made, store)
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


def _fill(root: Path, store: Store) -> None:
    records, predictions, by_method = store.records(), store.predictions(), trials(store.results())
    scores = deduplicate(records)
    tables = standings(scores, patient_intervals(predictions)) if len(records) else ()
    missing = missing_scores(scores, tables)
    pages = Pages()
    for name in ("data", "methods", "tasks"):
        (root / name).mkdir()
    with as_file(files("benchmark.show.html") / "assets") as assets:
        shutil.copytree(assets, root / "assets")
    further = findings(scores, tables, store.folder / "figures", root)
    for finding in further:
        _write(root, finding.path, pages.finding(finding))
    _write(root, "missing.html", pages.missing(missing))
    sections, lost = _sections(tables, root), of_comparisons(missing, tables)
    more = len(missing) - len(lost)
    _write(root, "index.html", pages.index(sections, further, by_method, lost, more))
    risks, kept = drawings.survival_predictions(predictions), tradeoffs(tables)
    for table in tables:
        figures = drawings.of_task(table, kept, risks, root)
        _write(root, page_of(table), pages.task(table, figures, missing))
    _write_methods(root, pages, by_method, tables, predictions)
    _write(root, MANIFEST, "".join(f"{path}\n" for path in _paths(root)))


def _write_methods(
    root: Path,
    pages: Pages,
    by_method: dict[str, tuple[Trial, ...]],
    tables: Sequence[Standing],
    predictions: pd.DataFrame,
) -> None:
    first = predicted(predictions)
    where = {(t.task, t.protocol, t.budget, t.n_folds): page_of(t) for t in tables}
    for method, own in by_method.items():
        _write(root, method_page(method), pages.method(method, own, tables))
        text = json.dumps(data(own, first, where), allow_nan=False, separators=(",", ":"))
        # A script, as pages on the disk may not read other files. ASCII: nothing in it can end it.
        _write(root, method_data(method), f"mirrorBench.load({text});\n")


def _sections(tables: Sequence[Standing], root: Path) -> list[Section]:
    """Real cohorts, then planted ones; permuted labels are a check, which has a page of its own."""
    found = []
    for title, embedded in (("Real cohorts", False), ("Planted cohorts", True)):
        section = [t for t in tables if t.embedded is embedded and not is_control(t)]
        settings = sorted(
            {(table.protocol, table.budget, table.n_folds) for table in section},
            key=lambda setting: (setting[0] != "strict", setting),
        )
        if section:
            cohorts = sorted({(table.cohort, table.source, table.licence) for table in section})
            of_settings = (_setting(title, section, *setting, root) for setting in settings)
            found.append(Section(title, tuple(cohorts), tuple(of_settings)))
    return found


def _setting(
    title: str, section: Sequence[Standing], protocol: str, budget: str, n_folds: int, root: Path
) -> Setting:
    place = (protocol, budget, n_folds)
    chosen = tuple(t for t in section if (t.protocol, t.budget, t.n_folds) == place)
    drawing = drawings.over_tasks(chosen, root, title, protocol, budget, str(n_folds))
    compared = [table for table in chosen if len(table.ranked) > 1]
    return Setting(protocol, budget, n_folds, chosen, rankings(compared), drawing)


def _write(root: Path, path: str, text: str) -> None:
    (root / path).write_text(text, encoding="utf-8")
