"""`mirror-bench ablate`: what each part of a method is worth, on each task, with its interval."""

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from rich.console import Console
from rich.text import Text

from benchmark.analysis.ablations import Delta, deltas
from benchmark.cli.console import Voice
from benchmark.cli.run import run
from benchmark.engine.runner import Ran, RunOptions
from benchmark.show import columns
from benchmark.show.escape import plain
from benchmark.show.figures import ablations, save
from benchmark.show.leaderboard import ablation_page
from benchmark.show.terminal import grid
from tasks.errors import InputError
from tasks.registry import METRICS


def ablate(
    parent: str,
    metrics: Sequence[str],
    options: RunOptions,
    console: Console,
    voice: Voice = Voice.NORMAL,
) -> int:
    """Run a method with its ablations, show the differences, and write them beside the records.

    Writes `ablations/PARENT.md`, `.svg` and `.png` in the results folder.

    Args:
        parent: The method.
        metrics: Those to compare beside the primary ones.
        options: What to run: the method and its ablations.
        console: Where to show it.
        voice: How much is said of how it goes on.

    Returns:
        The exit code of the run; 1 if there is nothing to compare.

    Raises:
        InputError: If the user's input is wrong; nothing has been computed then.
    """
    if unknown := [name for name in metrics if name not in METRICS]:
        near = get_close_matches(unknown[0], METRICS, n=3) or sorted(METRICS)
        raise InputError(
            f"--metrics: expected metrics of tasks, such as {', '.join(near)}, found {unknown[0]!r}"
        )
    differences: list[Delta] = []

    def compare(ran: Ran) -> None:
        differences.extend(deltas(ran.records, parent, metrics))
        _show(differences, parent, options.results, console)

    code = run(options, console, voice, compare)
    return code or int(not differences)


def _show(differences: Sequence[Delta], parent: str, results: Path, console: Console) -> None:
    if not differences:
        console.print("Nothing to compare.")
        return
    tables = columns.ablations(differences)
    for table in tables:
        title = Text(plain(table.caption), style="bold").append(f"  (Δ to {parent})", "not bold")
        console.print("\n", title, sep="")
        console.print(grid(table, console.width))
    folder = results / "ablations"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{parent}.md").write_text(ablation_page(tables, parent), encoding="utf-8")
    save(ablations(differences, parent), folder, parent)
    console.print(f"Wrote {folder / parent}.md, .svg and .png", highlight=False)
