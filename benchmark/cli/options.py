"""The options that commands share, each declared once."""

from pathlib import Path
from typing import Annotated

import typer

from benchmark.records.protocol import Pruner, Tuning
from methods.base import Budget
from tasks.errors import InputError
from tasks.readouts import Readout

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
FormatOption = Annotated[str, typer.Option("--format", help="csv.")]


def check_format(form: str) -> None:
    """Refuse what is no format of a table on standard output."""
    if form != "csv":
        raise InputError(f"--format: expected csv, found {form!r}")


def seeds_of(text: str) -> tuple[int, ...]:
    """The seeds of `--seeds`."""
    try:
        seeds = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"--seeds: expected integers between commas, found {text!r}") from None
    if not all(0 <= seed < 2**63 for seed in seeds):
        raise InputError(f"--seeds: expected integers from 0 to 2^63 - 1, found {text!r}")
    if len(set(seeds)) < len(seeds):
        raise InputError(f"--seeds: expected each seed once, found {text!r}")
    return seeds


def tuning_of(n: int, pruner: Pruner | None) -> Tuning | None:
    """The search of `--tune` and `--pruner`."""
    if pruner is not None and not n:
        raise InputError(f"--pruner {pruner}: expected --tune N beside it, found none")
    return Tuning(n, pruner) if n else None


def readout_of(text: str | None) -> Readout | None:
    """The part of embeddings that `--readout` names."""
    try:
        return Readout.parse(text) if text is not None else None
    except ValueError as error:
        raise InputError(f"--readout: {error}") from error


def names_in(text: str) -> tuple[str, ...]:
    """Names between commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip())
