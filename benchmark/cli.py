"""The command line."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmark.leaderboard import render
from benchmark.plan import Control
from benchmark.records import TIDY, Store
from methods.base import Budget
from tasks.errors import InputError

app = typer.Typer(
    help="Compare multi-modal self-supervised learning methods in computational pathology.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
DATA_HELP = "A folder of cohorts, each with a cohort.toml; without it, the embedded cohorts."
RESULTS_HELP = "The results folder: records and predictions."
ResultsOption = Annotated[Path, typer.Option(help=RESULTS_HELP)]
DataOption = Annotated[Path | None, typer.Option(help=DATA_HELP)]


@app.command()
def run(
    methods: Annotated[str, typer.Option(help="all, or names and globs between commas.")],
    tasks: Annotated[str, typer.Option(help="all, KIND or KIND/COHORT/LABEL, globs allowed.")],
    cohorts: Annotated[str | None, typer.Option(help="Names between commas; default all.")] = None,
    data: DataOption = None,
    folds: Annotated[int, typer.Option(min=2, help="Outer folds.")] = 5,
    seeds: Annotated[str, typer.Option(help="Repeats of the initialisation.")] = "0,1,2",
    budget: Annotated[Budget, typer.Option(help="Sizes and epochs.")] = Budget.DEFAULT,
    control: Annotated[
        Control | None, typer.Option(help="Break the outcomes on purpose; nothing must be found.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Trials at a time.")] = None,
    address: Annotated[str | None, typer.Option(help="An existing Ray cluster.")] = None,
    results: ResultsOption = Path("results"),
    tracking_uri: Annotated[str | None, typer.Option(help="An MLflow server or database.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Do all again.")] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Do failed again.")] = False,
    device: Annotated[str, typer.Option(help="A torch device: cpu or cuda.")] = "cpu",
) -> None:
    """Run what is missing of methods x tasks, record it, and show the leaderboard."""
    # Commands import what they need: `leaderboard` must not wait for torch.
    from benchmark.run import RunOptions, default_workers  # noqa: PLC0415
    from benchmark.run import run as run_benchmark  # noqa: PLC0415

    code = run_benchmark(
        RunOptions(
            methods=methods,
            tasks=tasks,
            cohorts=cohorts,
            data=data,
            folds=folds,
            seeds=_seeds(seeds),
            budget=budget,
            control=control,
            workers=workers or default_workers(),
            address=address,
            results=results,
            tracking_uri=tracking_uri,
            overwrite=overwrite,
            retry_failed=retry_failed,
            device=device,
        ),
        _console(),
    )
    raise typer.Exit(code)


list_app = typer.Typer(help="What there is: methods, tasks, cohorts.", no_args_is_help=True)
app.add_typer(list_app, name="list")
JsonOption = Annotated[bool, typer.Option("--json", help="Stable JSON instead of a table.")]


@list_app.command("methods")
def list_methods(as_json: JsonOption = False) -> None:
    """The registered methods."""
    from benchmark import listing  # noqa: PLC0415

    _print_rows(listing.methods(), as_json)


@list_app.command("tasks")
def list_tasks(data: DataOption = None, as_json: JsonOption = False) -> None:
    """The task instances of the cohorts."""
    from benchmark import listing  # noqa: PLC0415

    _print_rows(listing.tasks(data), as_json)


@list_app.command("cohorts")
def list_cohorts(data: DataOption = None, as_json: JsonOption = False) -> None:
    """The cohorts, their sizes and what they came with."""
    from benchmark import listing  # noqa: PLC0415

    _print_rows(listing.cohorts(data), as_json)


@app.command()
def leaderboard(
    results: ResultsOption = Path("results"),
    output: Annotated[Path, typer.Option(help="The file.")] = Path("leaderboard.md"),
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 if the file is not up to date.")
    ] = False,
) -> None:
    """Regenerate leaderboard.md from the records alone."""
    store = _existing(results)
    text = render(store.records(), store.predictions())
    if check:
        found = output.read_text(encoding="utf-8") if output.is_file() else None
        if found != text:
            typer.echo(f"{output} is not what the records of {results} give", err=True)
            raise typer.Exit(1)
        typer.echo(f"{output} is what the records of {results} give")
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"{output}: expected a file that can be written, found: {error.strerror}"
        ) from error
    typer.echo(f"wrote {output}")


FormatOption = Annotated[str, typer.Option("--format", help="csv.")]


@app.command("results")
def results_table(results: ResultsOption = Path("results"), form: FormatOption = "csv") -> None:
    """The records, a row per (trial, task, metric), on standard output."""
    _check_format(form)
    _existing(results).records()[list(TIDY)].to_csv(sys.stdout, index=False)


@app.command("predictions")
def predictions_table(results: ResultsOption = Path("results"), form: FormatOption = "csv") -> None:
    """The test predictions, a row per (trial, task, patient), on standard output."""
    _check_format(form)
    _existing(results).predictions().to_csv(sys.stdout, index=False)


def main() -> None:
    """Entry point: a wrong input or option is one line on standard error and exit code 2."""
    try:
        sys.exit(app(standalone_mode=False))
    except InputError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)
    except typer.TyperException as error:
        # Without a message it is a command without arguments, whose help has been shown.
        if message := " ".join(error.format_message().split()):
            typer.echo(f"error: {message}", err=True)
        sys.exit(2)
    except BrokenPipeError:
        sys.exit(0)


def _console() -> Console:
    """The terminal; 100 columns where the output is a file or a pipe."""
    console = Console()
    return console if console.is_terminal else Console(width=100)


def _existing(results: Path) -> Store:
    if not (results / "records").is_dir():
        raise InputError(f"{results}: expected a results folder with records/, found none")
    return Store(results)


def _check_format(form: str) -> None:
    if form != "csv":
        raise InputError(f"--format: expected csv, found {form!r}")


def _seeds(text: str) -> tuple[int, ...]:
    try:
        seeds = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"--seeds: expected integers between commas, found {text!r}") from None
    if len(set(seeds)) < len(seeds):
        raise InputError(f"--seeds: expected each seed once, found {text!r}")
    return seeds


def _print_rows(rows: list[dict[str, object]], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=None, header_style="bold")
    for name in rows[0] if rows else ():
        table.add_column(name)
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    _console().print(table)
