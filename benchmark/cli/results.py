"""`mirror-bench results`: the records as a table, merged, mended."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.console import open_console
from benchmark.cli.options import FormatOption, ResultsOption, check_format

results_app = typer.Typer(
    help="The records: as a table on standard output, or of several machines in one folder.",
    invoke_without_command=True,
)


@results_app.callback()
def results_table(
    context: typer.Context,
    results: ResultsOption = Path("results"),
    form: FormatOption = "csv",
) -> None:
    """The records, a row per (trial, task, metric), on standard output."""
    if context.invoked_subcommand is None:
        from benchmark.records.frames import TIDY
        from benchmark.records.store import existing_store
        from benchmark.show.escape import csv_frame

        check_format(form)
        csv_frame(existing_store(results).records()[list(TIDY)]).to_csv(sys.stdout, index=False)


@results_app.command("merge")
def merge_results(
    folders: Annotated[list[Path], typer.Argument(help="Results folders of several machines.")],
    output: Annotated[Path, typer.Option(help="The new results folder.")],
) -> None:
    """Put results of several machines into one folder; exit 1 if they contradict each other."""
    from benchmark.records.merge import merge

    raise typer.Exit(merge(folders, output, open_console()))


@results_app.command("repair")
def repair_results(results: ResultsOption = Path("results")) -> None:
    """Move aside what is damaged in a results folder, and say what was lost."""
    from benchmark.records.repair import repair
    from benchmark.records.store import existing_store

    with existing_store(results).locked(lambda: typer.echo("Another run is using it; waiting.")):
        lost = list(repair(results))
    for one in lost:
        typer.echo(str(one))
    typer.echo(
        f"{len(lost)} moved aside; the command that ran what was lost runs it again"
        if lost
        else f"{results}: everything can be read"
    )
