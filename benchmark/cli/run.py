"""`mirror-bench run`: from a user's words to records on the disk."""

import os
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmark.analysis.tuning import gains
from benchmark.engine.cache import EmbeddingCache
from benchmark.engine.device import bfloat16_cost, check_device
from benchmark.engine.folds import outer_folds
from benchmark.engine.interrupt import first_interrupt_only
from benchmark.engine.overrides import configured
from benchmark.engine.plan import Control, Plan, Request, Trial, Tuning, longest_first, make_plan
from benchmark.records.segments import Line, Stamps
from benchmark.records.store import Store
from benchmark.show.sentences import gain_sentence, search_sentences
from benchmark.show.terminal import show
from methods.base import Budget, MethodSpec
from methods.registry import registry, select_methods
from methods.trainer import Precision, TorchConfig
from tasks.base import Protocol, Status, Task
from tasks.cache_dir import cache_dir
from tasks.data.cohort import SIDES, Cohort
from tasks.data.load import find_cohorts, load_cohort
from tasks.data.manifest import MANIFEST
from tasks.data.synthetic import embedded_cohorts
from tasks.errors import InputError, MachineError
from tasks.registry import REENACTED, select_tasks, under

SLOW_BFLOAT16 = 2.0
"""Times what float32 takes, from which on it is said."""


@dataclass(frozen=True)
class RunOptions:
    """The command line of `run`, parsed.

    Attributes:
        methods: `all`, or names and globs between commas.
        tasks: `all`, kinds, or KIND/COHORT/LABEL globs between commas.
        cohorts: Names between commas, or None for all that are found.
        data: A folder of cohorts, or None for the embedded ones.
        folds: Number of outer folds.
        split: `patient`, `site`, or a split file with folds of its own; None for patients, and
            whole sites of unions.
        seeds: Repeats of the initialisation.
        budget: Sizes and epochs.
        workers: Trials at a time, None for all CPUs of this machine or of the cluster.
        results: The results folder.
        device: A torch device.
        settings: Changes of the methods' configurations, each METHOD.FIELD=VALUE.
        repeats: How often the patients are dealt into folds anew.
        control: What to break on purpose, None for an honest run.
        protocol: How to ask the tasks.
        tuning: Search before each fit, None for the default configuration unjudged.
        address: A Ray cluster, or None.
        tracking_uri: An MLflow server or database, or None for a file in `results`.
        overwrite: Do again what is there.
        retry_failed: Do again what failed.
    """

    methods: str
    tasks: str
    cohorts: str | None
    data: Path | None
    folds: int
    split: str | None
    seeds: tuple[int, ...]
    budget: Budget
    workers: int | None
    results: Path
    device: str
    settings: tuple[str, ...] = ()
    repeats: int = 1
    control: Control | None = None
    protocol: Protocol = Protocol.STRICT
    tuning: Tuning | None = None
    address: str | None = None
    tracking_uri: str | None = None
    overwrite: bool = False
    retry_failed: bool = False


def run(options: RunOptions, console: Console) -> int:
    """Run what is missing, record it, and show the table.

    Returns:
        The exit code: 0, 1 if a trial failed, 130 after Ctrl-C.

    Raises:
        InputError: If the user's input is wrong; nothing has been computed then.
        MachineError: If the disk took no more records, after the account of those it took, or if
            Ray did not start.
    """
    return run_methods(select_methods(options.methods), options, console)


def run_methods(methods: Sequence[MethodSpec], options: RunOptions, console: Console) -> int:
    """As `run`, with the methods already chosen."""
    methods = configured(methods, options.settings)
    if options.tuning and options.protocol is not Protocol.STRICT:
        raise InputError(
            f"--tune: expected --protocol strict, found {options.protocol}, which asks what was "
            "published as it was published"
        )
    if options.methods == "all":
        for name, reason in registry().unavailable.items():
            console.print(f"Methods of {name} are unavailable: {reason}", markup=False)
    if options.address is None:
        check_device(options.device)  # a cluster's devices only its workers know
        say_what_bfloat16_costs(methods, options.budget, options.device, console)
    cohorts = _load(options, console)
    chosen = select_tasks(options.tasks, [cohort for _, cohort in cohorts])
    tasks = _asked(options.protocol, chosen, console)
    asked = {task.cohort for task in tasks}
    for folder, cohort in cohorts:
        if cohort.name in asked:
            _check_pairs(folder, cohort)
    folds = outer_folds(
        options.split,
        options.folds,
        (cohort for _, cohort in cohorts if cohort.name in asked),
        options.repeats,
    )
    for note in folds.notes:
        console.print(f"  {note}", highlight=False, markup=False)
    request = Request(
        methods,
        tasks,
        cohorts,
        folds,
        options.seeds,
        options.budget,
        options.control,
        options.protocol,
        options.tuning,
    )
    store = Store(options.results.resolve())

    def waiting() -> None:
        console.print("Another run is using this results folder; waiting for it to end.")

    with first_interrupt_only():
        with store.locked(waiting):
            history = store.history()
            plan = make_plan(
                request,
                history.attempts,
                overwrite=options.overwrite,
                retry_failed=options.retry_failed,
            )
            console.print(
                f"{len(methods)} methods, {len(tasks)} tasks, {len(cohorts)} cohorts, protocol "
                f"{', '.join(request.protocols)}: {plan.n_done} results recorded before, "
                f"{len(plan.trials)} trials to run."
            )
            trials = longest_first(plan.trials, history.seconds)
            ended = (
                _sweep(options, trials, request, store, history.finished, console)
                if trials
                else None
            )
        stopped = isinstance(ended, KeyboardInterrupt)
        code = _account(store, request, plan, console, interrupted=stopped)
    if isinstance(ended, MachineError):
        raise ended
    return code


def say_what_bfloat16_costs(
    methods: Sequence[MethodSpec], budget: Budget, device: str, console: Console
) -> None:
    """Say it where the device computes it slowly, for nothing else would show it."""
    configs = {spec.name: spec.config_for(budget) for spec in methods}
    rough = [
        name
        for name, config in configs.items()
        if isinstance(config, TorchConfig) and config.precision is Precision.BFLOAT16
    ]
    if rough and (cost := bfloat16_cost(device)) > SLOW_BFLOAT16:
        console.print(
            f"precision=bfloat16 ({', '.join(rough)}): this {device} computes it slowly, a matrix "
            f"product takes {cost:.0f} times as long as in float32.",
            highlight=False,
        )


def _asked(protocol: Protocol, chosen: Sequence[Task], console: Console) -> tuple[Task, ...]:
    """The chosen tasks as the protocol asks them; what it does not ask is said."""
    tasks = under(protocol, chosen)
    asked = {task.kind for task in tasks}
    left_out = list(dict.fromkeys(task.kind for task in chosen if task.kind not in asked))
    if not tasks:
        kinds = ", ".join(kind.kind for kind in REENACTED)
        raise InputError(
            f"--protocol {protocol}: expected tasks among {kinds}, found {', '.join(left_out)}"
        )
    if left_out:
        console.print(f"Protocol {protocol} does not ask, so not run: {', '.join(left_out)}.")
    return tasks


def _check_pairs(folder: Path, cohort: Cohort) -> None:
    """Refuse a cohort without a single pair, from which no method can learn."""
    for side in SIDES:
        if side not in cohort.modalities:
            raise InputError(
                f"{folder / MANIFEST}: expected [modalities.{side}] beside "
                f"[modalities.{', '.join(cohort.modalities)}], found none: methods learn from pairs"
            )
    if not cohort.complete():
        raise InputError(
            f"{folder}: expected patients with {' and '.join(SIDES)}, found none among "
            f"{len(cohort.patients)}"
        )


def _load(options: RunOptions, console: Console) -> list[tuple[Path, Cohort]]:
    if options.data is None:
        console.print("No --data given: running on the embedded planted (synthetic) cohorts.")
        folders: Sequence[Path] = embedded_cohorts(cache_dir())
    else:
        folders = find_cohorts(options.data)
    loaded = []
    for folder in folders:
        with console.status(f"reading {folder.name}"):
            loaded.append((folder.resolve(), load_cohort(folder)))
    repeated = [name for name, n in Counter(c.name for _, c in loaded).items() if n > 1]
    if repeated:
        name = repeated[0]
        places = ", ".join(folder.name for folder, cohort in loaded if cohort.name == name)
        raise InputError(
            f"{options.data}: expected cohorts of different names, found {name!r} in {places}"
        )
    if options.cohorts is not None:
        wanted = {name.strip() for name in options.cohorts.split(",")}
        there = {cohort.name for _, cohort in loaded}
        if wanted - there:
            raise InputError(
                f"unknown cohort {sorted(wanted - there)[0]!r}; found: {', '.join(sorted(there))}"
            )
        loaded = [(folder, cohort) for folder, cohort in loaded if cohort.name in wanted]
    for _, cohort in loaded:
        console.print(f"[bold]{cohort.name}[/bold]", highlight=False)
        for note in cohort.notes:
            console.print(f"  {note}", highlight=False, markup=False)
    return loaded


def _sweep(
    options: RunOptions,
    trials: Sequence[Trial],
    request: Request,
    store: Store,
    last: str,
    console: Console,
) -> KeyboardInterrupt | MachineError | None:
    """Run the trials; what ended it early, if anything did.

    Records bear later times than `last`.
    """
    # Here and not above: Ray and MLflow cost seconds that a run with nothing to do need not pay.
    from benchmark.engine.sweep import run_sweep  # noqa: PLC0415
    from benchmark.engine.tracking import Tracker  # noqa: PLC0415
    from benchmark.engine.trial import lost_record  # noqa: PLC0415

    uri, artifacts = options.tracking_uri, None
    if uri is None:
        uri = f"sqlite:///{store.folder / 'mlflow.db'}"
        artifacts = (store.folder / "mlartifacts").as_uri()
    tracker = Tracker(
        uri,
        artifacts,
        {
            "methods": options.methods,
            "tasks": options.tasks,
            "budget": options.budget,
            "protocol": ", ".join(request.protocols),
        },
    )
    cache = store.folder / "cache"
    EmbeddingCache(cache).sweep_out()
    writer, stamps = store.writer(), Stamps(last)
    cohorts = {cohort.name: cohort for _, cohort in request.cohorts}
    ended: KeyboardInterrupt | MachineError | None = None
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with (
        tempfile.TemporaryDirectory(prefix="mirror-bench-", ignore_cleanup_errors=True) as scratch,
        Progress(*columns, console=console) as progress,
    ):
        bar = progress.add_task("starting workers", total=len(trials))

        def keep(record: Line, predictions: list[Line]) -> None:
            record = record | {"finished": stamps.next()}
            writer.append(record, predictions)
            tracker.log(record, predictions)
            progress.update(bar, advance=1, description=f"{record['method']} {record['cohort']}")

        def lost(trial: Trial) -> None:
            keep(lost_record(trial, cohorts[trial.cohort]), [])

        try:
            run_sweep(
                trials,
                keep,
                lost,
                folder=Path(scratch),
                cache=cache,
                workers=options.workers or (None if options.address else _cpus()),
                device=options.device,
                address=options.address,
            )
        except (KeyboardInterrupt, MachineError) as error:
            ended = error
    tracker.close(60 if ended is None else 5)
    if tracker.lost:
        console.print(f"MLflow ({uri}) lost part of this sweep; no record is lost: {tracker.lost}")
    return ended


def _account(
    store: Store, request: Request, plan: Plan, console: Console, *, interrupted: bool
) -> int:
    records = store.records()
    asked = records[
        records["task"].isin([task.name for task in request.tasks])
        & records["method"].isin([spec.name for spec in request.methods])
        & records["seed"].isin(list(request.seeds))
        & records["n_folds"].isin(list(request.folds.n_folds.values()))
        & (records["budget"] == request.budget)
    ]
    if request.tuning is not None:
        _show_searches(store, asked, request, request.tuning, console)
    asked = asked[asked["protocol"].isin(request.protocols)]
    show(asked, console)
    if superseded := plan.done - set(asked["trial"]):
        console.print(
            f"{len(superseded)} trials asked for were recorded before, but their methods, data or"
            " tasks have since run in another configuration or version, which is what the table"
            " shows; --overwrite does them again."
        )
    if interrupted:
        console.print(
            "Interrupted. What is finished is recorded; the same command goes on from it."
        )
        return 130
    failed = asked[asked["status"] == Status.FAILED].drop_duplicates(["trial", "task"])
    if len(failed):
        console.print(f"{len(failed)} results failed; --retry-failed tries them again:")
        for (method, reason), group in failed.groupby(["method", "reason"]):
            console.print(f"  {method} ({len(group)}): {reason}", markup=False)
        return 1
    return 0


def _show_searches(
    store: Store, records: pd.DataFrame, request: Request, tuning: Tuning, console: Console
) -> None:
    """What the searches improved on the default configuration, and what they tell."""
    # Here and not above: Optuna costs a second that a run without a search need not pay.
    from benchmark.analysis.searches import searched  # noqa: PLC0415

    plain = replace(request, tuning=None).protocols
    found = [
        gain
        for tuned, untuned in zip(request.protocols, plain, strict=True)
        for gain in gains(records, tuned, untuned)
    ]
    lines = [f"  {gain_sentence(gain)}" for gain in found]
    if not found:
        lines.append("  not recorded yet; the same command without --tune does that")
    trials = set(records.loc[records["protocol"].isin(request.protocols), "trial"])
    standing = {line["trial"]: line for line, _ in store.results() if line["trial"] in trials}
    with_search = [line for line in standing.values() if line["search"] is not None]
    lines.append("\nWhat the searches tell:")
    for of_method in searched(with_search, {spec.name: spec for spec in request.methods}):
        lines += [f"  {text}" for text in search_sentences(of_method)]
    console.print(f"\nSearch among {tuning.n} configurations, against the default one:")
    for line in lines:
        console.print(line, highlight=False, markup=False)


def _cpus() -> int:
    """As many as this process may use."""
    return len(os.sched_getaffinity(0))
