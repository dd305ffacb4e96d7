"""`mirror-bench ablate`: what each part of a method is worth, on each task, with its interval."""

from collections.abc import Sequence
from difflib import get_close_matches

from rich.console import Console
from rich.table import Table

from benchmark.analysis.ablations import Delta, deltas
from benchmark.analysis.standings import ALPHA
from benchmark.cli.run import run
from benchmark.engine.runner import RunOptions
from benchmark.records.store import Store
from benchmark.show.ablation_tables import COLUMNS, markdown, titled
from benchmark.show.figures import ablations, of_deltas, save
from methods.registry import variants
from tasks.base import Protocol
from tasks.errors import InputError
from tasks.registry import METRICS


def ablate(parent: str, metrics: Sequence[str], options: RunOptions, console: Console) -> int:
    """Run a method with its ablations, show the differences, and write them beside the records.

    Writes `ablations/PARENT.md`, `.svg` and `.png` in the results folder.

    Returns:
        The exit code of the run.

    Raises:
        InputError: If the user's input is wrong; nothing has been computed then.
    """
    if unknown := [name for name in metrics if name not in METRICS]:
        near = get_close_matches(unknown[0], METRICS, n=3) or sorted(METRICS)
        raise InputError(
            f"--metrics: expected metrics of tasks, such as {', '.join(near)}, found {unknown[0]!r}"
        )
    code = run(options, console, variants(parent))
    if code > 128:  # interrupted
        return code
    records = Store(options.results).records()
    of_run = records[
        (records["budget"] == options.budget)
        & (records["n_folds"] == options.folds)
        & (records["protocol"] == Protocol.STRICT)
    ]
    differences = deltas(of_run, parent, metrics)
    if not differences:
        console.print("Nothing to compare.")
        return code or 1
    show(differences, parent, console)
    folder = options.results / "ablations"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{parent}.md").write_text(markdown(differences, parent), encoding="utf-8")
    save(ablations(of_deltas(differences, parent)), folder, parent)
    console.print(f"Wrote {folder / parent}.md, .svg and .png", highlight=False)
    return code


def show(differences: Sequence[Delta], parent: str, console: Console) -> None:
    """Print a table per task and metric."""
    for title, group in titled(differences):
        table = Table(box=None, pad_edge=False, header_style="dim", title_justify="left")
        for name, _ in COLUMNS:
            table.add_column(name, justify="left" if name == "variant" else "right", no_wrap=True)
        for delta in group:
            clear = delta.difference.p < ALPHA
            table.add_row(*(c(delta) for _, c in COLUMNS), style="bold" if clear else "")
        console.print(f"\n[bold]{title}[/bold]  (Δ to {parent})", highlight=False)
        console.print(table)
