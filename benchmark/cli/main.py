"""The command line.

Commands import what they need when they are called: `--help` must not wait for pandas, nor
`leaderboard` for torch.
"""

import errno
import gc
import json
import sys
from collections.abc import Sequence
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmark.cli.console import open_console as _console
from benchmark.cli.data import data_app
from benchmark.engine.interrupt import Interrupted
from benchmark.records.protocol import Control, Pruner, Tuning
from methods.base import Budget
from tasks.base import Protocol
from tasks.data.splits import Dealing
from tasks.errors import InputError, MachineError
from tasks.readouts import Readout

if TYPE_CHECKING:
    from benchmark.records.store import Store


class Form(StrEnum):
    """What `leaderboard` writes."""

    MARKDOWN = "md"
    CSV = "csv"
    LATEX = "latex"


app = typer.Typer(
    help="Compare multi-modal self-supervised learning methods in computational pathology.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
DATA_HELP = "A folder of cohorts, each with a cohort.toml; without it, the embedded cohorts."
RESULTS_HELP = "The results folder: records and predictions."
ResultsOption = Annotated[Path, typer.Option(help=RESULTS_HELP)]
DataOption = Annotated[Path | None, typer.Option(help=DATA_HELP)]


MethodsOption = Annotated[str, typer.Option(help="all, or names and globs between commas.")]
TasksOption = Annotated[str, typer.Option(help="all, KIND or KIND/COHORT/LABEL, globs allowed.")]
CohortsOption = Annotated[str | None, typer.Option(help="Names between commas; default all.")]
FoldsOption = Annotated[int, typer.Option(min=2, help="Outer folds.")]
RepeatsOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Deal the patients into folds so often, each time anew; default 3, and 1 of sites, "
        "split files and a test cohort.",
    ),
]
SplitOption = Annotated[
    str | None,
    typer.Option(
        help="Folds of patients, of whole sites, or a split file: patient|site|FILE; default "
        "patient, and site for unions of cohorts."
    ),
]
SeedsOption = Annotated[str, typer.Option(help="Repeats of the initialisation.")]
BudgetOption = Annotated[Budget, typer.Option(help="Sizes and epochs.")]
WorkersOption = Annotated[
    int | None, typer.Option(min=1, help="Trials at a time; default: as many as CPUs.")
]
AddressOption = Annotated[
    str | None, typer.Option(help="An existing Ray cluster: auto, or HOST:PORT of its head.")
]
TrackingOption = Annotated[str | None, typer.Option(help="An MLflow server or database.")]
DeviceOption = Annotated[str, typer.Option(help="A torch device: cpu or cuda.")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="METHOD.FIELD=VALUE, over any budget; repeatable.")
]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Do all again.")]
RetryOption = Annotated[bool, typer.Option("--retry-failed", help="Do failed again.")]

JsonOption = Annotated[bool, typer.Option("--json", help="Stable JSON instead of a table.")]


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
def run(
    methods: MethodsOption,
    tasks: TasksOption,
    cohorts: CohortsOption = None,
    data: DataOption = None,
    folds: FoldsOption = 5,
    repeats: RepeatsOption = None,
    split: SplitOption = None,
    test_cohort: Annotated[
        str | None,
        typer.Option(help="Fit and probe on each other cohort, and test on this one, once."),
    ] = None,
    pretrain_on: Annotated[
        str | None,
        typer.Option(
            help="all, or cohorts between commas: fit on the training patients of all of them "
            "together, then probe each by itself."
        ),
    ] = None,
    seeds: SeedsOption = "0",
    budget: BudgetOption = Budget.DEFAULT,
    settings: SetOption = None,
    control: Annotated[
        Control | None, typer.Option(help="Break the outcomes on purpose; nothing must be found.")
    ] = None,
    protocol: Annotated[
        Protocol,
        typer.Option(help="strict, or the published evaluation re-enacted, leaks included."),
    ] = Protocol.STRICT,
    tune: Annotated[
        int,
        typer.Option(
            min=0,
            help="Configurations to judge inside the training patients before each fit.",
        ),
    ] = 0,
    pruner: Annotated[
        Pruner | None, typer.Option(help="Of --tune: end hopeless configurations early.")
    ] = None,
    readout: Annotated[
        str | None,
        typer.Option(
            help="Judge another part of what methods give: head, mean, wsi, rna, or what they "
            "give untrained; with -64 behind, or own-64, that many principal components of it.",
        ),
    ] = None,
    workers: WorkersOption = None,
    address: AddressOption = None,
    results: ResultsOption = Path("results"),
    tracking_uri: TrackingOption = None,
    overwrite: OverwriteOption = False,
    retry_failed: RetryOption = False,
    device: DeviceOption = "cpu",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Compute nothing; show what would run, and how long.")
    ] = False,
) -> None:
    """Run what is missing of methods x tasks, record it, and show the leaderboard."""
    from benchmark.cli.forecast import forecast
    from benchmark.cli.run import run as run_benchmark
    from benchmark.engine.runner import RunOptions

    options = RunOptions(
        methods=methods,
        settings=tuple(settings or ()),
        tasks=tasks,
        cohorts=cohorts,
        data=data,
        folds=folds,
        split=split,
        test_cohort=test_cohort,
        pretrain_on=pretrain_on,
        seeds=_seeds(seeds),
        budget=budget,
        control=control,
        tuning=_tuning(tune, pruner),
        readout=_readout(readout),
        repeats=repeats,
        protocol=protocol,
        workers=workers,
        address=address,
        results=results,
        tracking_uri=tracking_uri,
        overwrite=overwrite,
        retry_failed=retry_failed,
        device=device,
    )
    raise typer.Exit((forecast if dry_run else run_benchmark)(options, _console()))


@app.command()
def ablate(
    method: Annotated[
        str, typer.Argument(help="The method whose parts are taken away.")
    ] = "mirror",
    tasks: TasksOption = "survival",
    metrics: Annotated[
        str, typer.Option(help="Metrics to compare beside the primary ones, between commas.")
    ] = "",
    cohorts: CohortsOption = None,
    data: DataOption = None,
    folds: FoldsOption = 5,
    repeats: RepeatsOption = None,
    seeds: SeedsOption = "0",
    budget: BudgetOption = Budget.DEFAULT,
    workers: WorkersOption = None,
    results: ResultsOption = Path("results"),
    device: DeviceOption = "cpu",
) -> None:
    """Run a method and its ablations; the differences, their intervals and a figure."""
    from benchmark.cli.ablate import ablate as run_ablations
    from benchmark.engine.runner import RunOptions

    options = RunOptions(
        methods=method,
        tasks=tasks,
        cohorts=cohorts,
        data=data,
        folds=folds,
        repeats=repeats,
        split=Dealing.PATIENT,
        seeds=_seeds(seeds),
        budget=budget,
        workers=workers,
        results=results,
        device=device,
    )
    raise typer.Exit(run_ablations(method, _names(metrics), options, _console()))


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

    with _console().status(f"embedding {cohort.name} with {method}"):
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
    trial: Annotated[str, typer.Argument(help="The key of a recorded trial, or its beginning.")],
    data: DataOption = None,
    results: ResultsOption = Path("results"),
    split: Annotated[
        str | None, typer.Option(help="The split file, where the folds came from one.")
    ] = None,
) -> None:
    """Compute a recorded trial again; exit 1 if a score differs in a single bit."""
    from benchmark.engine.rerun import rerun as rerun_trial

    existing_store(results)
    raise typer.Exit(rerun_trial(trial, results, data, split, _console()))


@app.command()
def audit(
    path: Annotated[Path, typer.Argument(help="Split files, a table, a cohort or cohorts.")],
    as_json: JsonOption = False,
) -> None:
    """What leaks in split files, cohorts and tables; exit 1 if something does."""
    from benchmark.cli.audit import audit as run_audit

    raise typer.Exit(run_audit(path, as_json, _console()))


@app.command("new-method")
def new_method(
    name: Annotated[str, typer.Argument(help="For example my-method.")],
    output: Annotated[Path, typer.Option(help="The folder to write to.")] = Path(),
) -> None:
    """Write a method in one file, to start from."""
    from benchmark.cli.new_method import write_method

    typer.echo(write_method(name, output))


list_app = typer.Typer(help="What there is: methods, tasks, cohorts.", no_args_is_help=True)
app.add_typer(list_app, name="list")
app.add_typer(data_app, name="data")


@list_app.command("methods")
def list_methods(
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
    _print_rows(listing.methods(), as_json, listing.METHOD_COLUMNS)


@list_app.command("tasks")
def list_tasks(data: DataOption = None, as_json: JsonOption = False) -> None:
    """The task instances of the cohorts."""
    from benchmark.cli import listing

    _print_rows(listing.tasks(data), as_json, listing.TASK_COLUMNS)


@list_app.command("cohorts")
def list_cohorts(data: DataOption = None, as_json: JsonOption = False) -> None:
    """The cohorts, their sizes and what they came with."""
    from benchmark.cli import listing

    _print_rows(listing.cohorts(data), as_json)


@app.command()
def leaderboard(
    results: ResultsOption = Path("results"),
    output: Annotated[Path, typer.Option(help="The file.")] = Path("leaderboard.md"),
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 if the file is not up to date.")
    ] = False,
    tasks: Annotated[str | None, typer.Option(help="Kinds or globs of tasks; default all.")] = None,
    methods: Annotated[str | None, typer.Option(help="Names and globs; default all.")] = None,
    protocol: Annotated[str | None, typer.Option(help="Of one protocol; default all.")] = None,
    form: Annotated[Form, typer.Option("--format", help="csv and latex go to the screen.")] = (
        Form.MARKDOWN
    ),
    figures: Annotated[
        bool, typer.Option("--figures", help="Draw the figures of the results folder again too.")
    ] = False,
    excerpt: Annotated[
        Path | None,
        typer.Option(help="A page to put the overview into, between its marks `leaderboard`."),
    ] = None,
) -> None:
    """Regenerate leaderboard.md and the tables that it links to, from the records alone.

    A selection, csv and LaTeX go to the screen.
    """
    selected = (tasks, methods, protocol) != (None, None, None)
    whole = {"--check": check, "--figures": figures, "--excerpt": excerpt is not None}
    asked = [option for option, given in whole.items() if given]
    if asked and (selected or form is not Form.MARKDOWN):
        raise InputError(
            f"{asked[0]}: expected the whole board in markdown, found a selection of it"
        )
    from benchmark.analysis.board import Board
    from benchmark.show import files as board_files
    from benchmark.show.export import latex, sheet
    from benchmark.show.leaderboard import FIRST, render

    markdown = form is Form.MARKDOWN
    board = Board.from_folder(results, over_patients=markdown).chosen(tasks, methods, protocol)
    if not markdown:
        typer.echo(latex(board) if form is Form.LATEX else sheet(board), nl=False)
        return
    folder, drawn_in = results / "tables", results / "figures"
    first = drawn_in / f"{FIRST}.svg"
    figure = board_files.link(first, output) if figures or first.is_file() else ""
    pages = render(board, board_files.link(folder, output), figure)
    if selected:
        typer.echo(pages.whole, nl=False)
        return
    if check:
        wrong = board_files.differing(pages, output, folder, drawn_in)
        for path in wrong:
            typer.echo(f"{path} is not what the records of {results} give", err=True)
        if wrong:
            raise typer.Exit(1)
        typer.echo(f"{output} and {folder} are what the records of {results} give")
        return
    board_files.write(pages, output, folder)
    typer.echo(f"wrote {output} and {len(pages.tables)} pages of tables in {folder}")
    if excerpt is not None:
        board_files.excerpt(pages, excerpt)
        typer.echo(f"wrote the overview into {excerpt}")
    if figures:
        from benchmark.show.figures.of_board import draw

        drawn = draw(board, pages.source, drawn_in)
        typer.echo(f"wrote {len(drawn)} files in {drawn_in}")


@app.command()
def report(
    results: ResultsOption = Path("results"),
    output: Annotated[Path, typer.Option(help="The folder to write.")] = Path("report"),
    serve: Annotated[
        bool, typer.Option("--serve", help="Show it on this machine's loopback until Ctrl-C.")
    ] = False,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Of --serve; 0 for any that is free.")
    ] = 0,
) -> None:
    """Write the page: one folder to explore the results in a browser, without a network."""
    from benchmark.show.html import write_report
    from benchmark.show.html.serve import serve as show

    store = existing_store(results)
    with _console().status(f"writing {output}"):
        write_report(store, output)
    typer.echo(f"wrote {output / 'index.html'}")
    if serve:
        show(output, port, lambda address: typer.echo(f"showing it at {address}; Ctrl-C ends it"))


FormatOption = Annotated[str, typer.Option("--format", help="csv.")]


results_app = typer.Typer(
    help="The records: as a table on standard output, or of several machines in one folder.",
    invoke_without_command=True,
)
app.add_typer(results_app, name="results")


@results_app.callback()
def results_table(
    context: typer.Context,
    results: ResultsOption = Path("results"),
    form: FormatOption = "csv",
) -> None:
    """The records, a row per (trial, task, metric), on standard output."""
    if context.invoked_subcommand is None:
        from benchmark.records.frames import TIDY
        from benchmark.show.escape import csv_frame

        _check_format(form)
        csv_frame(existing_store(results).records()[list(TIDY)]).to_csv(sys.stdout, index=False)


@results_app.command("merge")
def merge_results(
    folders: Annotated[list[Path], typer.Argument(help="Results folders of several machines.")],
    output: Annotated[Path, typer.Option(help="The new results folder.")],
) -> None:
    """Put results of several machines into one folder; exit 1 if they contradict each other."""
    from benchmark.records.merge import merge

    raise typer.Exit(merge(folders, output, _console()))


@results_app.command("repair")
def repair_results(results: ResultsOption = Path("results")) -> None:
    """Move aside what is damaged in a results folder, and say what was lost."""
    from benchmark.records.repair import repair

    with existing_store(results).locked(lambda: typer.echo("Another run is using it; waiting.")):
        lost = list(repair(results))
    for one in lost:
        typer.echo(str(one))
    typer.echo(
        f"{len(lost)} moved aside; the command that ran what was lost runs it again"
        if lost
        else f"{results}: everything can be read"
    )


@app.command("predictions")
def predictions_table(results: ResultsOption = Path("results"), form: FormatOption = "csv") -> None:
    """The test predictions, a row per (trial, task, patient), on standard output."""
    from benchmark.show.escape import csv_frame

    _check_format(form)
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


def existing_store(results: Path) -> "Store":
    """The store of a results folder that has to be there.

    Raises:
        InputError: It is not.
    """
    if not (results / "records").is_dir():
        raise InputError(f"{results}: expected a results folder with records/, found none")
    from benchmark.records.store import Store

    return Store(results)


def _check_format(form: str) -> None:
    if form != "csv":
        raise InputError(f"--format: expected csv, found {form!r}")


def _seeds(text: str) -> tuple[int, ...]:
    try:
        seeds = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"--seeds: expected integers between commas, found {text!r}") from None
    if not all(0 <= seed < 2**63 for seed in seeds):
        raise InputError(f"--seeds: expected integers from 0 to 2^63 - 1, found {text!r}")
    if len(set(seeds)) < len(seeds):
        raise InputError(f"--seeds: expected each seed once, found {text!r}")
    return seeds


def _tuning(n: int, pruner: Pruner | None) -> Tuning | None:
    if pruner is not None and not n:
        raise InputError(f"--pruner {pruner}: expected --tune N beside it, found none")
    return Tuning(n, pruner) if n else None


def _readout(text: str | None) -> Readout | None:
    try:
        return Readout.parse(text) if text is not None else None
    except ValueError as error:
        raise InputError(f"--readout: {error}") from error


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _print_rows(
    rows: list[dict[str, object]], as_json: bool, columns: Sequence[str] | None = None
) -> None:
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    columns = columns or tuple(rows[0] if rows else ())
    # The first column is a name to be typed: whole, whatever gives way.
    for place, name in enumerate(columns):
        widest = max((len(str(row[name])) for row in rows), default=0) if place == 0 else None
        justify = "right" if name == "parameters" else "left"
        table.add_column(name, justify=justify, min_width=widest)  # type: ignore[arg-type]
    for row in rows:
        table.add_row(*(_cell(row[name]) for name in columns))
    _console().print(table)
