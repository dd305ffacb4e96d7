"""The options that commands share, each declared once, and those of a sweep as one value."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from benchmark.cli.console import Voice
from benchmark.cli.sweep_file import read_sweep
from benchmark.records.protocol import Control, Pruner, Tuning
from methods.base import Budget
from tasks.base import Protocol
from tasks.errors import InputError
from tasks.readouts import Readout

if TYPE_CHECKING:
    from benchmark.engine.runner import RunOptions

DATA_HELP = "A folder of cohorts, each with a cohort.toml; without it, the embedded cohorts."
RESULTS_HELP = "The results folder: records and predictions."
ResultsOption = Annotated[Path, typer.Option(help=RESULTS_HELP)]
DataOption = Annotated[Path | None, typer.Option(help=DATA_HELP)]
MethodsOption = Annotated[str, typer.Option(help="all, or names and globs between commas.")]
TasksOption = Annotated[str, typer.Option(help="all, KIND or KIND/COHORT/LABEL, globs allowed.")]
BudgetOption = Annotated[Budget, typer.Option(help="Sizes and epochs.")]
DeviceOption = Annotated[
    str, typer.Option(help="A torch device, cpu or cuda, or auto: a GPU where there is one.")
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="METHOD.FIELD=VALUE, over any budget; repeatable.")
]
EmbeddingsOption = Annotated[
    list[str] | None,
    typer.Option(help="NAME=FILE: embeddings that were made elsewhere, a row NAME; repeatable."),
]
BaselineOption = Annotated[
    str | None,
    typer.Option(
        help="The method that others are compared with; default mirror on each task, and plain "
        "features over cohorts."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Stable JSON instead of a table.")]
FormatOption = Annotated[str, typer.Option("--format", help="csv.")]


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """What `run` and `ablate` take beside methods and tasks, as it is typed; its help says what."""

    config: Annotated[
        Path | None,
        typer.Option(
            is_eager=True,
            callback=read_sweep,
            help="A TOML file of these options by their long names; what is typed wins.",
        ),
    ] = None
    cohorts: Annotated[str | None, typer.Option(help="Names between commas; default all.")] = None
    data: DataOption = None
    folds: Annotated[int, typer.Option(min=2, help="Outer folds.")] = 5
    repeats: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Deal the patients into folds so often, each time anew; default 3, and 1 of "
            "sites, split files and a test cohort.",
        ),
    ] = None
    split: Annotated[
        str | None,
        typer.Option(
            help="Folds of patients, of whole sites, or a split file: patient|site|FILE; default "
            "patient, and site for unions of cohorts."
        ),
    ] = None
    test_cohort: Annotated[
        str | None,
        typer.Option(help="Fit and probe on each other cohort, and test on this one, once."),
    ] = None
    pretrain_on: Annotated[
        str | None,
        typer.Option(
            help="all, or cohorts between commas: fit on the training patients of all of them "
            "together, then probe each by itself."
        ),
    ] = None
    seeds: Annotated[str, typer.Option(help="Repeats of the initialisation.")] = "0"
    budget: BudgetOption = Budget.DEFAULT
    settings: SetOption = None
    embeddings: EmbeddingsOption = None
    control: Annotated[
        Control | None, typer.Option(help="Break the outcomes on purpose; nothing must be found.")
    ] = None
    protocol: Annotated[
        Protocol,
        typer.Option(help="strict, or the published evaluation re-enacted, leaks included."),
    ] = Protocol.STRICT
    tune: Annotated[
        int,
        typer.Option(
            min=0, help="Configurations to judge inside the training patients before each fit."
        ),
    ] = 0
    pruner: Annotated[
        Pruner | None, typer.Option(help="Of --tune: end hopeless configurations early.")
    ] = None
    readout: Annotated[
        str | None,
        typer.Option(
            help="Judge another part of what methods give: head, mean, wsi, rna, or what they "
            "give untrained; with -64 behind, or own-64, that many principal components of it.",
        ),
    ] = None
    workers: Annotated[
        int | None, typer.Option(min=1, help="Trials at a time; default: as many as CPUs.")
    ] = None
    address: Annotated[
        str | None, typer.Option(help="An existing Ray cluster: auto, or HOST:PORT of its head.")
    ] = None
    results: ResultsOption = Path("results")
    tracking_uri: Annotated[str | None, typer.Option(help="An MLflow server or database.")] = None
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Do all again.")] = False
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Do failed again.")] = False
    device: DeviceOption = "cpu"
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Compute nothing; show what would run, and how long.")
    ] = False
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Show the tables at the end and failures alone.")
    ] = False
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="A line a trial: how it ended, what it took.")
    ] = False

    def options(self, methods: str, tasks: str) -> "RunOptions":
        """What is run.

        Args:
            methods: As of `RunOptions`, like `tasks`.
            tasks: Patterns.

        Raises:
            InputError: A text is not what it should be, or two options exclude each other.
        """
        from benchmark.engine.runner import RunOptions

        names = {field.name for field in fields(RunOptions)}
        same = {name: value for name, value in vars(self).items() if name in names}
        parsed: dict[str, Any] = {
            "seeds": _seeds(self.seeds),
            "settings": tuple(self.settings or ()),
            "embeddings": tuple(self.embeddings or ()),
            "tuning": _tuning(self.tune, self.pruner),
            "readout": _readout(self.readout),
        }
        return RunOptions(methods=methods, tasks=tasks, **same | parsed)

    @property
    def voice(self) -> Voice:
        """How much is said.

        Raises:
            InputError: Little and much at once.
        """
        if self.quiet and self.verbose:
            raise InputError("--quiet: expected no --verbose beside it, found both")
        return Voice.QUIET if self.quiet else Voice.VERBOSE if self.verbose else Voice.NORMAL


def with_sweep(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose parameter `sweep` stands for the options of `Sweep`."""
    shared = inspect.signature(Sweep, eval_str=True).parameters.values()
    own = inspect.signature(command, eval_str=True).parameters.values()

    @wraps(command)
    def called(**given: Any) -> None:
        sweep = Sweep(**{option.name: given.pop(option.name) for option in shared})
        command(**given, sweep=sweep)

    every = (*(one for one in own if one.name != "sweep"), *shared)
    named = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in every]
    called.__signature__ = inspect.Signature(named)  # type: ignore[attr-defined]
    return called


def check_format(form: str) -> None:
    """Refuse what is no format of a table on standard output."""
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


def names_in(text: str) -> tuple[str, ...]:
    """Names between commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip())
