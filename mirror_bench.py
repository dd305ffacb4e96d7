"""mirror-bench as a library: `import mirror_bench as mb`.

    mb.run(methods="pca,mean-concat", tasks="survival", budget="smoke", folds=3, seeds=[0])

What it takes and what it does is the command line's: a run computes what is missing in the results
folder (`results` below the current one, unless another is named) and never does a trial twice.
Tables are data frames of pandas. What is heavy is imported when it is first needed.
"""

import importlib.util
import sys
import warnings
from collections.abc import Iterable, Sequence
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from tasks.data.cohort import Cohort

__all__ = [
    "cohorts",
    "figures",
    "leaderboard",
    "load_cohort",
    "load_results",
    "main",
    "methods",
    "run",
    "tasks",
]
__version__ = version("mirror-bench")

_SCRIPT = "mirror-bench"

E = TypeVar("E", bound=StrEnum)


def _shadow() -> str | None:
    """Which of our packages Python takes from elsewhere, in one line; None if it takes ours."""
    here = Path(__file__).resolve().parent
    for name in ("tasks", "methods", "benchmark"):
        module = sys.modules.get(name)
        spec = importlib.util.find_spec(name) if module is None else module.__spec__
        places = [] if spec is None else [*(spec.submodule_search_locations or []), spec.origin]
        taken = [str(Path(place).resolve()) for place in places if place]
        if str(here / name) not in taken:
            return (
                f"mirror_bench: expected the package {name!r} of {here / name}, found "
                f"{taken[0] if taken else 'none'}, which comes first on Python's path"
            )
    return None


def main() -> None:
    """The command line, as the script `mirror-bench` runs it."""
    if _foreign is not None:
        sys.stderr.write(f"error: {_foreign}\n")
        sys.exit(2)
    from benchmark.cli.main import main as command_line

    command_line()


_foreign = _shadow()
if _foreign is not None and Path(sys.argv[0]).name != _SCRIPT:  # which says it without a traceback
    raise ImportError(_foreign)


def load_cohort(folder: str | Path) -> "Cohort":
    """Read a cohort.

    Args:
        folder: A folder with a `cohort.toml`, or the name of an embedded (planted) cohort.

    Raises:
        InputError: There is no such cohort, or its files are wrong; file, row and what was
            expected are in its message.
    """
    from tasks.cache_dir import cache_dir
    from tasks.data import load
    from tasks.data.synthetic import EMBEDDED, embedded_cohorts

    path = Path(folder)
    names = [planted.name for planted in EMBEDDED]
    if str(folder) in names and not path.exists():
        path = embedded_cohorts(cache_dir())[names.index(str(folder))]
    return load.load_cohort(path)


def methods() -> "pd.DataFrame":
    """A row per method: its family, role, modalities, parameters, what it is and where it is from.

    Methods of installed packages that cannot be imported are rows too, with their reason.
    """
    import pandas as pd

    from benchmark.cli import listing

    return pd.DataFrame(listing.methods())


def tasks(data: str | Path | None = None) -> "pd.DataFrame":
    """A row per task of the cohorts below `data`, or of the embedded ones."""
    import pandas as pd

    from benchmark.cli import listing

    return pd.DataFrame(listing.tasks(_path(data)))


def cohorts(data: str | Path | None = None) -> "pd.DataFrame":
    """A row per cohort below `data`, or per embedded one: sizes, modalities, outcomes, licence."""
    import pandas as pd

    from benchmark.cli import listing

    return pd.DataFrame(listing.cohorts(_path(data)))


def run(
    methods: str | Iterable[str],
    tasks: str | Iterable[str],
    *,
    data: str | Path | None = None,
    cohorts: str | Iterable[str] | None = None,
    results: str | Path = "results",
    folds: int = 5,
    repeats: int | None = None,
    split: str | None = None,
    test_cohort: str | None = None,
    pretrain_on: str | Iterable[str] | None = None,
    seeds: Sequence[int] = (0,),
    budget: str = "default",
    protocol: str = "strict",
    control: str | None = None,
    tune: int = 0,
    settings: Sequence[str] = (),
    embeddings: Sequence[str] = (),
    workers: int | None = None,
    address: str | None = None,
    device: str = "cpu",
    overwrite: bool = False,
    retry_failed: bool = False,
    progress: bool = True,
) -> "pd.DataFrame":
    """Run what is missing of methods x tasks, and record it.

    Args:
        methods: `all`, or names and globs, in a list or between commas.
        tasks: `all`, kinds or KIND/COHORT/LABEL, globs allowed, likewise.
        data: A folder of cohorts; None for the embedded, planted ones.
        cohorts: Names; None for all.
        results: The results folder; what it holds already is not computed again.
        folds: Outer folds.
        repeats: How often the patients are dealt into folds anew; None for three times, but once
            in folds of whole sites, of a split file, or with a test cohort.
        split: `patient`, `site`, or a split file.
        test_cohort: The one that is tested, once; the others are fitted on, one at a time.
        pretrain_on: `all`, or names of cohorts whose training patients are fitted on together.
        seeds: Repeats of the initialisation.
        budget: `smoke`, `default` or `paper`: sizes and epochs.
        protocol: `strict`, or `paper`, the published evaluation.
        control: `permuted-labels`, to break the outcomes on purpose.
        tune: Configurations to judge inside the training patients before each fit.
        settings: Changes of configurations, each METHOD.FIELD=VALUE.
        embeddings: Embeddings that were made elsewhere, each NAME=FILE, beside those that a
            cohort.toml declares.
        workers: Trials at a time; None for as many as there are CPUs.
        address: A Ray cluster; None for this machine.
        device: A torch device.
        overwrite: Do again what is there.
        retry_failed: Do again what failed.
        progress: Whether to show on standard error how it goes on.

    Returns:
        A row per trial, task and metric of what was asked, as `load_results` gives them.

    Raises:
        InputError: The input is wrong; nothing has been computed then.
        MachineError: The machine failed; what is finished is recorded.
    """
    from rich.console import Console

    from benchmark.cli.run import on_console
    from benchmark.engine import runner
    from benchmark.records.frames import TIDY
    from benchmark.records.protocol import Control, Tuning
    from methods.base import Budget
    from tasks.base import Protocol

    options = runner.RunOptions(
        methods=_listed(methods),
        tasks=_listed(tasks),
        cohorts=None if cohorts is None else _listed(cohorts),
        data=_path(data),
        folds=folds,
        repeats=repeats,
        split=split,
        test_cohort=test_cohort,
        pretrain_on=None if pretrain_on is None else _listed(pretrain_on),
        seeds=tuple(seeds),
        budget=_one_of(Budget, budget),
        settings=tuple(settings),
        embeddings=tuple(embeddings),
        control=None if control is None else _one_of(Control, control),
        protocol=_one_of(Protocol, protocol),
        tuning=Tuning(tune) if tune else None,
        workers=workers,
        address=address,
        results=Path(results),
        overwrite=overwrite,
        retry_failed=retry_failed,
        device=device,
    )
    # Told nothing, rich takes a quiet console in a notebook for one that may draw.
    console = Console(stderr=True, quiet=not progress, force_jupyter=None if progress else False)
    with on_console(console) as listener:
        ran = runner.run(options, listener)
    if ran.tracking_lost is not None:
        warnings.warn(f"MLflow lost part of this run: {ran.tracking_lost}", stacklevel=2)
    if ran.interrupted is not None:
        raise ran.interrupted
    if ran.error is not None:
        raise ran.error
    if len(ran.failed):
        warnings.warn(f"{len(ran.failed)} results failed; see status and reason", stacklevel=2)
    return ran.records[list(TIDY)].reset_index(drop=True)


def load_results(results: str | Path = "results") -> "pd.DataFrame":
    """The scores of a results folder: a row per trial, task and metric, as `mirror-bench results`.

    Raises:
        InputError: The folder holds no records, or they cannot be read.
    """
    from benchmark.records.frames import TIDY
    from benchmark.records.store import existing_store

    return existing_store(Path(results)).records()[list(TIDY)]


def leaderboard(
    results: str | Path = "results",
    *,
    tasks: str | Iterable[str] | None = None,
    methods: str | Iterable[str] | None = None,
    protocol: str | None = None,
    baseline: str | None = None,
) -> "pd.DataFrame":
    """A row per task and method of a results folder: score, intervals, rank, who is tied.

    It is the table of `mirror-bench leaderboard --format csv`.

    Args:
        results: The results folder.
        tasks: Kinds, or globs of KIND/COHORT/LABEL; None for all.
        methods: Names and globs; None for all.
        protocol: One protocol; None for all.
        baseline: The method that others are compared with; None for `mirror`.

    Raises:
        InputError: There are no records, or a filter leaves none.
    """
    from benchmark.analysis.board import Board

    board = Board.from_folder(Path(results), over_patients=False).against(baseline)
    return board.chosen(
        None if tasks is None else _listed(tasks),
        None if methods is None else _listed(methods),
        protocol,
    ).frame()


def figures(
    task: str,
    results: str | Path = "results",
    *,
    methods: str | Iterable[str] = (),
    protocol: str | None = None,
) -> "dict[str, Figure]":
    """What `report` draws of a task: the forest of all methods, and of survival more.

    Args:
        task: KIND/COHORT/LABEL.
        results: The results folder.
        methods: Whose Kaplan-Meier curves to draw, names.
        protocol: One protocol, where there are several.

    Returns:
        By name: `forest`; `calibration` and `kaplan-meier-METHOD` where risks were predicted.

    Raises:
        InputError: There are no records of it, or they make several tables.
    """
    from benchmark.analysis.board import Board
    from benchmark.show.figures import forest, survival_figures, survival_predictions
    from tasks.errors import InputError

    board = Board.from_folder(Path(results)).chosen(task, None, protocol)
    if len(board.standings) != 1:
        found = "; ".join(f"{one.task}, {one.protocol}, {one.budget}" for one in board.standings)
        raise InputError(f"figures: expected one task, protocol and budget, found {found}")
    (table,) = board.standings
    predicted = survival_predictions(board.predictions)
    names = _listed(methods).split(",")
    return {"forest": forest(table), **dict(survival_figures(table, predicted, names))}


def _path(path: str | Path | None) -> Path | None:
    return None if path is None else Path(path)


def _listed(names: str | Iterable[str]) -> str:
    """Names as the command line has them, between commas."""
    return names if isinstance(names, str) else ",".join(names)


def _one_of(kind: type[E], value: str) -> E:
    """The member of an enumeration with this value."""
    from tasks.errors import InputError

    try:
        return kind(value)
    except ValueError:
        known = ", ".join(str(member.value) for member in kind)
        raise InputError(f"{kind.__name__.lower()}: expected {known}, found {value!r}") from None


if __name__ == "__main__":
    main()
