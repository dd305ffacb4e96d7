"""The command line.

Commands import what they need when they are called: `--help` must not wait for pandas, nor
`leaderboard` for torch.
"""

import errno
import gc
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.console import open_console
from benchmark.cli.data import data_app
from benchmark.cli.lists import list_app
from benchmark.cli.options import (
    BaselineOption,
    BudgetOption,
    DataOption,
    DeviceOption,
    EmbeddingsOption,
    FormatOption,
    JsonOption,
    MethodsOption,
    ResultsOption,
    SetOption,
    Sweep,
    TasksOption,
    check_format,
    names_in,
    with_sweep,
)
from benchmark.cli.regenerate import leaderboard
from benchmark.cli.results import results_app
from benchmark.engine.interrupt import Interrupted
from methods.base import Budget
from tasks.errors import InputError, MachineError

app = typer.Typer(
    help="Compare multi-modal self-supervised learning methods in computational pathology.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"mirror-bench {version('mirror-bench')}")
        raise typer.Exit


@app.callback()
def everywhere(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_show_version, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Options beside a command; what the program is, its help says already."""


@app.command()
@with_sweep
def run(methods: MethodsOption, tasks: TasksOption, sweep: Sweep) -> None:
    """Run what is missing of methods x tasks, record it, and show the leaderboard."""
    from benchmark.cli.forecast import forecast
    from benchmark.cli.run import run as run_benchmark

    options, voice = sweep.options(methods, tasks), sweep.voice
    if sweep.dry_run:
        raise typer.Exit(forecast(options, open_console(), voice))
    raise typer.Exit(run_benchmark(options, open_console(), voice))


@app.command()
@with_sweep
def ablate(
    sweep: Sweep,
    method: Annotated[
        str, typer.Argument(help="The method whose parts are taken away.")
    ] = "mirror",
    tasks: TasksOption = "survival",
    metrics: Annotated[
        str, typer.Option(help="Metrics to compare beside the primary ones, between commas.")
    ] = "",
) -> None:
    """Run a method and its ablations; the differences, their intervals and a figure."""
    from benchmark.cli.ablate import ablate as run_ablations
    from benchmark.cli.forecast import forecast
    from methods.registry import variants

    methods = ",".join(spec.name for spec in variants(method))
    options, voice = sweep.options(methods, tasks), sweep.voice
    if sweep.dry_run:
        raise typer.Exit(forecast(options, open_console(), voice))
    raise typer.Exit(run_ablations(method, names_in(metrics), options, open_console(), voice))


@app.command()
def embed(
    method: Annotated[str, typer.Argument(help="A method.")],
    cohort: Annotated[Path, typer.Option(help="A cohort's folder, with its cohort.toml.")],
    output: Annotated[Path, typer.Option(help="The HDF5 file to write.")] = Path("embeddings.h5"),
    checkpoint: Annotated[
        Path | None, typer.Option(help="Published MIRROR weights; nothing is fitted then.")
    ] = None,
    budget: BudgetOption = Budget.DEFAULT,
    settings: SetOption = None,
    device: DeviceOption = "cpu",
) -> None:
    """Embed every patient of a cohort, for a use of your own."""
    from benchmark.cli.embed import embed_to_file

    with open_console().status(f"embedding {cohort.name} with {method}"):
        shape = embed_to_file(
            method, cohort, output, checkpoint, tuple(settings or ()), budget, device
        )
    typer.echo(f"wrote {output}: {shape[0]} patients x {shape[1]}")


@app.command("map")
def map_embeddings(
    embeddings: Annotated[Path, typer.Argument(help="A file that embed wrote.")],
    cohort: Annotated[Path, typer.Option(help="The cohort's folder, with its cohort.toml.")],
    label: Annotated[str | None, typer.Option(help="One of its labels; default the first.")] = None,
    output: Annotated[Path, typer.Option(help="The folder to write to.")] = Path(),
) -> None:
    """Draw embeddings on two principal axes, by label and by tissue-source site."""
    from benchmark.cli.map import draw_map

    for path in draw_map(embeddings, cohort, label, output):
        typer.echo(f"wrote {path}")


@app.command()
def rerun(
    trial: Annotated[
        str | None, typer.Argument(help="The key of a recorded trial, or its beginning.")
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option(min=1, help="Instead of one trial so many, drawn by lot from all recorded."),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="Of --sample: the lot; default what the records themselves give."),
    ] = None,
    data: DataOption = None,
    results: ResultsOption = Path("results"),
    split: Annotated[
        str | None, typer.Option(help="The split file, where the folds came from one.")
    ] = None,
    embeddings: EmbeddingsOption = None,
) -> None:
    """Compute recorded trials again; exit 1 if a score differs in a single bit."""
    from benchmark.engine.embeddings import parse_given
    from benchmark.engine.rerun import rerun as rerun_trial
    from benchmark.engine.rerun import rerun_sample

    console, given = open_console(), parse_given(embeddings or ())
    if sample is not None and trial is None:
        raise typer.Exit(rerun_sample(sample, seed, results, data, split, console, given))
    if trial is None or sample is not None or seed is not None:
        raise InputError("rerun: expected a TRIAL, or --sample N, which --seed belongs to")
    raise typer.Exit(rerun_trial(trial, results, data, split, console, given))


@app.command()
def submit(
    results: Annotated[Path, typer.Argument(help="A results folder of yours.")],
    output: Annotated[Path, typer.Option(help="A new folder, for a pull request.")],
    who: Annotated[str, typer.Option(help="Your name, as it shall stand there.")],
    board: Annotated[
        Path, typer.Option(help="The results that yours are to stand beside, where there are any.")
    ] = Path("results"),
) -> None:
    """Check results and make them ready for a pull request; exit 2 says what speaks against it."""
    from benchmark.cli import submit as submission

    same = board.resolve() == results.resolve()
    beside = board if (board / "records").is_dir() and not same else None
    refused = submission.reasons(results, beside)
    for reason in refused:
        typer.echo(f"refused: {_one_line(reason)}", err=True)
    if refused:
        raise typer.Exit(2)
    n = submission.submit(results, output, who)
    typer.echo(f"wrote {output}: {n:,} trials, compared with {beside or 'no board'}")


@app.command()
def audit(
    path: Annotated[Path, typer.Argument(help="Split files, a table, a cohort or cohorts.")],
    as_json: JsonOption = False,
) -> None:
    """What leaks in split files, cohorts and tables; exit 1 if something does."""
    from benchmark.cli.audit import audit as run_audit

    raise typer.Exit(run_audit(path, as_json, open_console()))


@app.command("new-method")
def new_method(
    name: Annotated[str, typer.Argument(help="For example my-method.")],
    output: Annotated[Path, typer.Option(help="The folder to write to.")] = Path(),
) -> None:
    """Write a method in one file, to start from."""
    from benchmark.cli.new_method import write_method

    typer.echo(write_method(name, output))


app.add_typer(list_app, name="list")
app.add_typer(data_app, name="data")
app.command()(leaderboard)


@app.command()
def report(
    results: ResultsOption = Path("results"),
    output: Annotated[Path, typer.Option(help="The folder to write.")] = Path("report"),
    baseline: BaselineOption = None,
    serve: Annotated[
        bool, typer.Option("--serve", help="Show it on this machine's loopback until Ctrl-C.")
    ] = False,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Of --serve; 0 for any that is free.")
    ] = 0,
) -> None:
    """Write the page: one folder to explore the results in a browser, without a network."""
    from benchmark.cli.declarations import declarations
    from benchmark.cli.report_progress import progress
    from benchmark.records.store import existing_store
    from benchmark.show.html import write_report
    from benchmark.show.html.serve import serve as show

    store = existing_store(results)
    with progress() as told:
        write_report(store, output, baseline, told, declarations())
    typer.echo(f"wrote {output / 'index.html'}")
    if serve:
        show(output, port, lambda address: typer.echo(f"showing it at {address}; Ctrl-C ends it"))


app.add_typer(results_app, name="results")


@app.command("predictions")
def predictions_table(results: ResultsOption = Path("results"), form: FormatOption = "csv") -> None:
    """The test predictions, a row per (trial, task, patient), on standard output."""
    from benchmark.records.store import existing_store
    from benchmark.show.escape import csv_frame

    check_format(form)
    csv_frame(existing_store(results).predictions()).to_csv(sys.stdout, index=False)


_FAILING_MACHINE = {errno.ENOSPC, errno.EDQUOT, errno.EIO}


def main() -> None:
    """Entry point: a wrong input or option is one line on standard error and exit code 2."""
    try:
        sys.exit(app(standalone_mode=False))
    except InputError as error:
        typer.echo(f"error: {_one_line(str(error))}", err=True)
        sys.exit(2)
    except typer.TyperException as error:
        # Without a message it is a command without arguments, whose help has been shown.
        if message := " ".join(error.format_message().split()):
            typer.echo(f"error: {message}", err=True)
        sys.exit(2)
    except MachineError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(1)
    except typer.Abort as abort:  # where there is nothing to end
        stopped = abort.__cause__
        sys.exit(stopped.code if isinstance(stopped, Interrupted) else 130)
    except BrokenPipeError:
        sys.exit(0)
    except OSError as error:
        if error.filename is None:
            raise
        typer.echo(f"error: {_one_line(f'{error.filename}: {error.strerror}')}", err=True)
        sys.exit(1 if error.errno in _FAILING_MACHINE else 2)
    finally:
        gc.freeze()  # or Python looks through all that torch and MLflow loaded once more: seconds


def _one_line(message: str) -> str:
    """A message with names and cells of strangers in it, as one line that commands no terminal."""
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in message)
    longest = 2000
    return line if len(line) <= longest else f"{line[: longest // 2]} ... {line[-longest // 2 :]}"
