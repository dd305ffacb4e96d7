"""`mirror-bench list`."""

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.console import print_rows
from benchmark.cli.options import DataOption, JsonOption

list_app = typer.Typer(help="What there is: methods, tasks, cohorts.", no_args_is_help=True)


@list_app.command("methods")
def list_methods(
    data: Annotated[
        Path | None, typer.Option(help="Cohorts whose embeddings, made elsewhere, are listed too.")
    ] = None,
    as_json: JsonOption = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="A card a method, as docs/methods.md has them.")
    ] = False,
) -> None:
    """The registered methods."""
    from benchmark.cli import listing

    if markdown:
        from benchmark.show.method_cards import page
        from methods.registry import registry

        typer.echo(page(registry().methods.values()), nl=False)
        return
    print_rows(listing.methods(data), as_json, listing.METHOD_COLUMNS)


@list_app.command("tasks")
def list_tasks(data: DataOption = None, as_json: JsonOption = False) -> None:
    """The task instances of the cohorts."""
    from benchmark.cli import listing

    print_rows(listing.tasks(data), as_json, listing.TASK_COLUMNS)


@list_app.command("cohorts")
def list_cohorts(
    data: DataOption = None,
    results: Annotated[
        Path | None, typer.Option(help="Those of a results folder, and how they can be had.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """The cohorts, their sizes and what they came with."""
    from benchmark.cli import listing

    rows = listing.cohorts(data) if results is None else listing.cohorts_of(results)
    print_rows(rows, as_json)
