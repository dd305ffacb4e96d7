"""A run as a value: what was asked is resolved, planned and computed; words belong to others."""

import os
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from benchmark.engine.cache import EmbeddingCache
from benchmark.engine.cohorts import asked, needed, pool_members, pretraining
from benchmark.engine.device import bfloat16_cost, chosen_device
from benchmark.engine.embeddings import declared_embeddings, parse_given
from benchmark.engine.folds import outer_folds
from benchmark.engine.interrupt import Interrupted
from benchmark.engine.machine import usable_cpus
from benchmark.engine.messages import Lost, Setting
from benchmark.engine.overrides import configured
from benchmark.engine.plan import Plan, Request, Trial, longest_first, make_plan
from benchmark.engine.sweep import sweeping
from benchmark.engine.tracking import Tracker, follow_moved_folder
from benchmark.records.protocol import Control, Tuning
from benchmark.records.schema import Predictions, TrialRecord
from benchmark.records.segments import Stamps
from benchmark.records.store import History, Store
from methods.base import Budget, MethodSpec
from methods.precomputed import precomputed_specs
from methods.registry import registry, select_methods
from methods.trainer import Precision, TorchConfig
from tasks.base import Protocol, Status, Task
from tasks.cache_dir import cache_dir
from tasks.checks.leaks.unfit_columns import refuse_unfit
from tasks.data.cohort import SIDES, Cohort
from tasks.data.load import NotAsDeclaredError, find_cohorts, load
from tasks.data.manifest import MANIFEST, read_manifest
from tasks.data.precomputed import Given
from tasks.data.splits import Dealing
from tasks.data.synthetic import embedded_cohorts
from tasks.errors import InputError, MachineError
from tasks.names import covered_parts, transfer_parts
from tasks.readouts import Part, Readout
from tasks.registry import PUBLISHED, check_kinds, select_tasks, under

SLOW_BFLOAT16 = 2.0
"""Times what float32 takes, from which on it is worth a word."""


@dataclass(frozen=True)
class RunOptions:
    """What to run, as the command line has it.

    Attributes:
        methods: `all`, or names and globs between commas.
        tasks: `all`, kinds, or KIND/COHORT/LABEL globs between commas.
        cohorts: Names between commas, or None for all in `data`.
        data: A folder of cohorts, or None for the embedded ones.
        test_cohort: Name of the cohort that those chosen are fitted for, and that alone is tested.
        pretrain_on: `all`, or names of cohorts between commas on which methods are fitted together.
        folds: Number of outer folds.
        repeats: How often the patients are dealt into folds anew; None for three times, but once
            in folds of whole sites, of a split file, or with a test cohort.
        split: `patient`, `site`, or a split file with folds of its own; None for patients, and
            whole sites of unions.
        seeds: Repeats of the initialisation.
        budget: Sizes and epochs.
        settings: Changes of the methods' configurations, each METHOD.FIELD=VALUE.
        embeddings: Embeddings that were made elsewhere and that no cohort.toml declares, each
            NAME=FILE.
        control: What to break on purpose, None for an honest run.
        protocol: How to ask the tasks.
        tuning: Search before each fit, None for the default configuration unjudged.
        readout: What of embeddings is judged, None for what methods hand over.
        workers: Trials at a time, None for all CPUs of this machine or of the cluster.
        address: A Ray cluster, or None.
        results: The results folder.
        tracking_uri: An MLflow server or database; None for that of the environment variable
            MLFLOW_TRACKING_URI, or else a file in `results`.
        overwrite: Do again what is there.
        retry_failed: Do again what failed.
        device: A torch device.
    """

    methods: str
    tasks: str
    cohorts: str | None = None
    data: Path | None = None
    test_cohort: str | None = None
    pretrain_on: str | None = None
    folds: int = 5
    repeats: int | None = None
    split: str | None = None
    seeds: tuple[int, ...] = (0,)
    budget: Budget = Budget.DEFAULT
    settings: tuple[str, ...] = ()
    embeddings: tuple[str, ...] = ()
    control: Control | None = None
    protocol: Protocol = Protocol.STRICT
    tuning: Tuning | None = None
    readout: Readout | None = None
    workers: int | None = None
    address: str | None = None
    results: Path = Path("results")
    tracking_uri: str | None = None
    overwrite: bool = False
    retry_failed: bool = False
    device: str = "cpu"


class Listener:
    """Is told how a run goes on; whoever shows it overrides what it shows."""

    def methods_unavailable(self, reasons: Mapping[str, str]) -> None:
        """Of all methods that were asked for, these packages' could not be imported."""

    def bfloat16_is_slow(self, methods: Sequence[str], device: str, cost: float) -> None:
        """Methods compute in it, and the device takes `cost` times as long as in float32."""

    def embedded(self) -> None:
        """No data were given: the planted cohorts that come with the package are run."""

    def reading(self, folder: Path) -> None:
        """A cohort is read next."""

    def loaded(self, cohorts: Sequence[Cohort]) -> None:
        """All cohorts that are run were read."""

    def not_asked(self, protocol: Protocol, kinds: Sequence[str]) -> None:
        """Kinds that were chosen, which the protocol does not ask."""

    def waiting(self) -> None:
        """Another run holds the results folder."""

    def planned(self, request: Request, plan: Plan) -> None:
        """What will be computed, before it is."""

    def finished(self, record: TrialRecord) -> None:
        """A trial was recorded."""


@dataclass(frozen=True)
class Ran:
    """What came of a run.

    Attributes:
        request: What was to be run.
        plan: What of it was missing.
        store: Where the records are.
        interrupted: By what the run was ended early, if the user or the system did.
        error: What of the machine ended the run early, if anything did.
        tracking_uri: Where MLflow was told of it.
        tracking_lost: Why MLflow was not told everything, None if it was.
    """

    request: Request
    plan: Plan
    store: Store
    interrupted: Interrupted | None = None
    error: MachineError | None = None
    tracking_uri: str = ""
    tracking_lost: str | None = None

    @cached_property
    def records(self) -> pd.DataFrame:
        """What is recorded of the request now, a row per (trial, task, metric)."""
        return rows_of(self.request, self.store.records())

    @property
    def failed(self) -> pd.DataFrame:
        """A row per trial and task that failed, whenever that was."""
        records = self.records
        return records[records["status"] == Status.FAILED].drop_duplicates(["trial", "task"])

    @property
    def superseded(self) -> frozenset[str]:
        """Trials that were recorded before, and that other versions have since replaced."""
        return self.plan.done - set(self.records["trial"])


def rows_of(request: Request, records: pd.DataFrame) -> pd.DataFrame:
    """Those of a folder's records that a request asks for."""
    return records[
        records["task"].isin([task.name for task in request.tasks])
        & records["method"].isin([spec.name for spec in request.methods])
        & records["seed"].isin(list(request.seeds))
        & records["n_folds"].isin(list(request.folds.n_folds.values()))
        & records["protocol"].isin(request.protocols)
        & (records["budget"] == request.budget)
    ]


def run(options: RunOptions, listener: Listener | None = None) -> Ran:
    """Run what is missing and record it.

    An interrupt (`benchmark.engine.interrupt`) or a machine that fails ends the trials; what is
    finished is recorded, and the same options go on from it.

    Args:
        options: What to run.
        listener: Told how it goes on.

    Raises:
        InputError: If the user's input is wrong; nothing has been computed then.
    """
    listener = listener or Listener()
    request = resolve(options, listener)
    store = Store(options.results.resolve())
    with store.locked(listener.waiting):
        history = store.history()
        plan = make_plan(
            request,
            history.attempts,
            overwrite=options.overwrite,
            retry_failed=options.retry_failed,
        )
        listener.planned(request, plan)
        if not plan.trials:
            return Ran(request, plan, store)
        trials = longest_first(plan.trials, history.seconds)
        return _sweep(options, request, plan, trials, store, history, listener)


def device_of(options: RunOptions) -> str:
    """Where the trials of a run compute; errors as of `chosen_device`."""
    return chosen_device(options.device, on_cluster=options.address is not None)


def resolve(options: RunOptions, listener: Listener) -> Request:
    """Methods, cohorts, tasks and folds of a run; arguments and errors as of `run`."""
    check_kinds(options.tasks)
    given, folders = parse_given(options.embeddings), _folders(options, listener)
    made = precomputed_specs(declared_embeddings(folders, given))
    methods = configured(select_methods(options.methods, made), options.settings)
    _check_together(options)
    if options.methods == "all" and registry().unavailable:
        listener.methods_unavailable(registry().unavailable)
    device = device_of(options)
    if options.address is None:
        warn_of_bfloat16(methods, options.budget, device, listener)
    loaded = _load(options, folders, given, listener)
    members = pool_members(options.pretrain_on, loaded)
    cohorts = asked(options.cohorts, options.test_cohort, options.tasks, members, loaded)
    listener.loaded([cohort for _, cohort in cohorts])
    tasks = _tasks(options, [cohort for _, cohort in cohorts], listener)
    with_tasks = {task.cohort for task in tasks}
    used = {cohort.name: cohort for _, cohort in cohorts if cohort.name in with_tasks}
    used |= {cohort.name: cohort for _, cohort in members}
    parts = {part for name in used for part in transfer_parts(name) or (name,)}
    parts |= {of[0] for name in used if (of := covered_parts(name)) is not None}
    for folder, cohort in loaded:
        if cohort.name in parts:
            _check_pairs(folder, cohort)
    folds = outer_folds(options.split, options.folds, used.values(), options.repeats)
    return Request(
        methods,
        tasks,
        cohorts,
        folds,
        options.seeds,
        options.budget,
        options.control,
        options.protocol,
        options.tuning,
        options.readout,
        pretraining(members, folds),
        given,
    )


def _check_together(options: RunOptions) -> None:
    """Refuse options that exclude each other."""
    strict = options.protocol is Protocol.STRICT
    given = {
        "--tune": options.tuning,
        "--readout": options.readout,
        "--test-cohort": options.test_cohort,
        "--pretrain-on": options.pretrain_on,
    }
    option = next((name for name, value in given.items() if value), None)
    if not strict and option is not None:
        raise InputError(
            f"{option}: expected --protocol strict, found {options.protocol}, which asks what was "
            "published as it was published"
        )
    untrained = options.readout is not None and options.readout.part is Part.UNTRAINED
    if untrained and options.tuning is not None:
        raise InputError(
            f"--readout {options.readout}: expected no --tune beside what is judged before its "
            f"training, found {options.tuning}"
        )
    if options.pretrain_on is not None:
        for option, value in (("--test-cohort", options.test_cohort), ("--tune", options.tuning)):
            if value:
                raise InputError(f"{option}: expected none with --pretrain-on, found {value}")
        if options.split is not None and options.split not in tuple(Dealing):
            raise InputError(
                f"--split: expected {' or '.join(Dealing)} with --pretrain-on, whose cohorts have "
                f"the same number of folds, found {options.split!r}"
            )


def warn_of_bfloat16(
    methods: Sequence[MethodSpec], budget: Budget, device: str, listener: Listener
) -> None:
    """Tell where the device computes it slowly, for nothing else would show it."""
    configs = {spec.name: spec.config_for(budget) for spec in methods}
    rough = [
        name
        for name, config in configs.items()
        if isinstance(config, TorchConfig) and config.precision is Precision.BFLOAT16
    ]
    if rough and (cost := bfloat16_cost(device)) > SLOW_BFLOAT16:
        listener.bfloat16_is_slow(rough, device, cost)


def _tasks(options: RunOptions, cohorts: Sequence[Cohort], listener: Listener) -> tuple[Task, ...]:
    """The chosen tasks as the protocol asks them."""
    chosen = select_tasks(options.tasks, cohorts)
    tasks = under(options.protocol, chosen)
    kinds = {task.kind for task in tasks}
    left_out = list(dict.fromkeys(task.kind for task in chosen if task.kind not in kinds))
    if not tasks:
        expected = ", ".join(kind.kind for kind in PUBLISHED)
        raise InputError(
            f"--protocol {options.protocol}: expected tasks among {expected}, found "
            f"{', '.join(left_out)}"
        )
    if left_out:
        listener.not_asked(options.protocol, left_out)
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


def _folders(options: RunOptions, listener: Listener) -> Sequence[Path]:
    if options.data is not None:
        return find_cohorts(options.data)
    listener.embedded()
    return embedded_cohorts(cache_dir())


def _load(
    options: RunOptions, folders: Sequence[Path], given: Given, listener: Listener
) -> list[tuple[Path, Cohort]]:
    named = [(read_manifest(folder).name, folder) for folder in folders]
    repeated = [name for name, n in Counter(name for name, _ in named).items() if n > 1]
    if repeated:
        name = repeated[0]
        places = ", ".join(folder.name for other, folder in named if other == name)
        raise InputError(
            f"{options.data}: expected cohorts of different names, found {name!r} in {places}"
        )
    asked_for = (options.cohorts, options.test_cohort, options.pretrain_on, options.tasks)
    try:
        wanted = needed(*asked_for, {name for name, _ in named})
    except InputError as error:
        if options.data is not None:
            raise
        raise InputError(f"{error}; --data DIR says where other cohorts are") from error
    loaded = []
    for name, folder in named:
        if name in wanted:
            listener.reading(folder)
            try:
                read = load(folder, given)
            except NotAsDeclaredError as error:
                refuse_unfit(error.as_read)  # such a column may be what contradicts
                raise
            refuse_unfit(read.as_read)
            loaded.append((folder.resolve(), read.cohort))
    return loaded


def _sweep(
    options: RunOptions,
    request: Request,
    plan: Plan,
    trials: Sequence[Trial],
    store: Store,
    history: History,
    listener: Listener,
) -> Ran:
    """Run the trials, in their order; records bear later times than those before."""
    # Here and not above: it costs seconds that a run with nothing to do need not pay.
    from benchmark.engine.trial import lost_record  # noqa: PLC0415

    uri, artifacts = options.tracking_uri or os.environ.get("MLFLOW_TRACKING_URI"), None
    if not uri:
        database = store.folder / "mlflow.db"
        uri, artifacts = f"sqlite:///{database}", (store.folder / "mlartifacts").as_uri()
        follow_moved_folder(database, artifacts)
    parameters = {
        "methods": options.methods,
        "tasks": options.tasks,
        "budget": options.budget,
        "protocol": ", ".join(request.protocols),
    }
    cache = store.folder / "cache"
    EmbeddingCache(cache).sweep_out()
    writer, stamps = store.writer(), Stamps(history.finished)
    cohorts = {cohort.name: cohort for _, cohort in request.cohorts}
    workers = options.workers
    if workers is None and options.address is None:
        workers = min(usable_cpus(), len(trials))
    tracker = None
    interrupted: Interrupted | None = None
    error: MachineError | None = None
    try:
        with (
            tempfile.TemporaryDirectory(
                prefix="mirror-bench-", ignore_cleanup_errors=True
            ) as scratch,
            sweeping(
                trials,
                Setting(Path(scratch), cache, workers, device_of(options), options.address),
            ) as outcomes,
        ):
            tracker = Tracker(uri, artifacts, parameters)
            for outcome in outcomes:
                if isinstance(outcome, Lost):
                    record = lost_record(outcome.trial, cohorts[outcome.trial.cohort])
                    predictions: list[Predictions] = []
                else:
                    record, predictions = outcome.record, outcome.predictions
                record = record.model_copy(update={"finished": stamps.next()})
                writer.append(record, predictions)
                tracker.log(record, predictions)
                listener.finished(record)
    except Interrupted as stop:
        interrupted = stop
    except MachineError as failure:
        error = failure
    lost = None
    if tracker is not None:
        tracker.close(60 if interrupted is None and error is None else 3)
        lost = tracker.lost
    return Ran(request, plan, store, interrupted, error, uri, lost)
