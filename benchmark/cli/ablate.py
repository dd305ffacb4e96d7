"""`mirror-bench ablate`: what each part of a method is worth, on each task, with its interval."""

from collections.abc import Sequence
from difflib import get_close_matches

from rich.console import Console
from rich.text import Text

from benchmark.analysis.ablations import deltas
from benchmark.cli.run import run
from benchmark.engine.runner import RunOptions
from benchmark.records.store import Store
from benchmark.show import columns
from benchmark.show.escape import plain
from benchmark.show.figures import ablations, save
from benchmark.show.leaderboard import ablation_page
from benchmark.show.terminal import grid
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
    tables = columns.ablations(differences)
    for table in tables:
        title = Text(plain(table.caption), style="bold").append(f"  (Δ to {parent})", "not bold")
        console.print("\n", title, sep="")
        console.print(grid(table))
    folder = options.results / "ablations"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{parent}.md").write_text(ablation_page(tables, parent), encoding="utf-8")
    save(ablations(differences, parent), folder, parent)
    console.print(f"Wrote {folder / parent}.md, .svg and .png", highlight=False)
    return code
