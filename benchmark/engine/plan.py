"""The plan: methods x cohorts x folds x seeds become trials, each with its key."""

import hashlib
import itertools
import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmark.engine.fingerprint import code_fingerprint
from benchmark.engine.folds import Folds
from benchmark.records.protocol import Control, TrialProtocol, Tuning
from benchmark.records.store import Attempt
from methods.base import Budget, MethodSpec, Role
from methods.precomputed import PrecomputedConfig
from tasks.base import Protocol, Status, Task
from tasks.data.cohort import Cohort
from tasks.data.fold_expression import selecting_label
from tasks.data.precomputed import Given
from tasks.data.sources import POOL, Pool, Source
from tasks.data.splits import Split, split_fingerprint
from tasks.readouts import Part, Readout
from tasks.registry import all_tasks


@dataclass(frozen=True)
class Search:
    """A search for hyper-parameters inside the training patients (`benchmark.engine.search`).

    Attributes:
        tuning: How many configurations, and how.
        criterion: Name of the task whose primary metric judges them.
    """

    tuning: Tuning
    criterion: str


@dataclass(frozen=True)
class Pretraining:
    """Several cohorts on which methods are fitted together, before each is asked by itself.

    Attributes:
        names: Of the cohorts, sorted.
        source: Where they are read from.
        data: Fingerprint of all of them.
        split: The training patients of one fold of each, and the test patients.
    """

    names: tuple[str, ...]
    source: Pool
    data: str
    split: Split


@dataclass(frozen=True)
class Trial:
    """One fit, one embedding, every task scored on it.

    Attributes:
        key: Hash of everything that changes the number, of nothing else.
        fit: Hash of everything that changes the embeddings; trials that share it fit once.
        protocol: How its tasks are asked, of which folds, and what was broken on purpose.
        method: Name in the registry.
        config: The method's configuration, field by field; of a search, the first one tried.
        search: How a better configuration is sought, None if it is not.
        budget: Under which `config` was chosen.
        cohort: Name.
        source: Where the cohort is read from; not part of the key.
        embeddings: Where embeddings are read from that no cohort.toml declares; what is in them
            is part of the method's configuration.
        pretraining: What the method is fitted on, if not on the cohort's own training patients.
        split: The outer fold's patients.
        n_folds: Number of outer folds; of one deal, where the patients are dealt repeatedly.
        seed: The repeat; with method, cohort and fold it gives the seed of the fit.
        tasks: Names of the tasks to score, those already recorded left out.
        attempt: 1, or one more than the last attempt that is recorded.
        data: Fingerprint of the cohort, and of those that the method is fitted on.
        code: Fingerprint of the method's source.
    """

    key: str
    fit: str
    protocol: TrialProtocol
    method: str
    config: Mapping[str, Any]
    search: Search | None
    budget: Budget
    cohort: str
    source: Source
    embeddings: Given
    pretraining: Pretraining | None
    split: Split
    n_folds: int
    seed: int
    tasks: tuple[str, ...]
    attempt: int
    data: str
    code: str


@dataclass(frozen=True)
class Request:
    """What a user asked for.

    Attributes:
        methods: Declarations.
        tasks: Instances.
        cohorts: The loaded cohorts with their sources.
        folds: Outer folds of each cohort.
        seeds: Repeats.
        budget: Sizes and epochs.
        control: What to break on purpose, None for an honest run.
        protocol: How to ask the tasks.
        tuning: Search before each fit, None for the default configuration unjudged.
        readout: What of embeddings is judged, None for what methods hand over.
        pretraining: By fold, what to fit on; nothing where each cohort has a fit of its own.
        embeddings: Names and files that no cohort.toml declares.
    """

    methods: Sequence[MethodSpec]
    tasks: Sequence[Task]
    cohorts: Sequence[tuple[Source, Cohort]]
    folds: Folds
    seeds: Sequence[int]
    budget: Budget
    control: Control | None = None
    protocol: Protocol = Protocol.STRICT
    tuning: Tuning | None = None
    readout: Readout | None = None
    pretraining: Mapping[int, Pretraining] = field(default_factory=dict)
    embeddings: Given = ()

    def protocol_of(self, cohort: str) -> TrialProtocol:
        """A union's folds may be others than its members'."""
        pool = next((one.names for one in self.pretraining.values()), ())
        origin = self.folds.origins[cohort]
        return TrialProtocol(self.protocol, origin, self.tuning, self.control, self.readout, pool)

    @property
    def protocols(self) -> tuple[str, ...]:
        """Those of all cohorts, each once, as records have them."""
        return tuple(dict.fromkeys(str(self.protocol_of(name)) for name in self.folds.origins))


@dataclass(frozen=True)
class Plan:
    """What a request comes to.

    Attributes:
        trials: Those that are missing.
        n_done: (trial, task) pairs that are there already.
        done: Keys of the trials of these pairs.
    """

    trials: tuple[Trial, ...]
    n_done: int
    done: frozenset[str]


def make_plan(
    request: Request,
    attempts: Mapping[tuple[str, str], Attempt],
    *,
    overwrite: bool,
    retry_failed: bool,
) -> Plan:
    """Lay out the trials of a request, less what the records have.

    Args:
        request: What to run.
        attempts: (trial key, task name) -> the last attempt.
        overwrite: Do again what is there.
        retry_failed: Do again what failed.

    Returns:
        The plan, its trials in an order of no consequence.
    """
    by_cohort: dict[str, list[Task]] = defaultdict(list)
    for task in request.tasks:
        by_cohort[task.cohort].append(task)
    trials, n_done, done = [], 0, set[str]()
    pools = {fold: _patients(POOL, of.data, of.split) for fold, of in request.pretraining.items()}
    for source, cohort in request.cohorts:
        tasks = by_cohort[cohort.name]
        if not tasks:
            continue
        own_data = cohort.fingerprint()
        data = data_fingerprint(own_data, request.pretraining)
        protocol = request.protocol_of(cohort.name)
        splits = request.folds.splits[cohort.name]
        own = {split.fold: _patients(cohort.name, own_data, split) for split in splits}
        for spec in request.methods:
            config = _config(spec, request, cohort)
            identity = {name: _identity(value) for name, value in config.items()}
            code = code_fingerprint(spec)
            groups = _by_target(tasks) if spec.role is Role.SUPERVISED else [tasks]
            for split, seed, group in itertools.product(splits, request.seeds, groups):
                axes = {
                    "method": spec.name,
                    "config": identity,
                    "code": code,
                    "seed": seed,
                }
                axes |= pools[split.fold] if pools else own[split.fold]
                axes |= _outcome_axes(request, spec, cohort, group[0])
                search = None
                if request.tuning is not None:
                    criterion = _criterion(spec, cohort, group[0])
                    search = Search(request.tuning, criterion.name)
                    axes |= {"search": asdict(search) | {"version": criterion.version}}
                asked = {"asked": own[split.fold]} if pools else {}
                key = trial_key(axes | asked | {"protocol": str(protocol)})
                missing, attempt = [], 1
                for task in group:
                    last = attempts.get((key, task.name))
                    if last is None:
                        missing.append(task.name)
                    elif (
                        overwrite
                        or last.version != task.version
                        or (retry_failed and last.status == Status.FAILED)
                    ):
                        missing.append(task.name)
                        attempt = max(attempt, last.number + 1)
                    else:
                        n_done += 1
                        done.add(key)
                if missing:
                    trials.append(
                        Trial(
                            key=key,
                            fit=trial_key(axes),
                            protocol=protocol,
                            method=spec.name,
                            config=config,
                            search=search,
                            budget=request.budget,
                            cohort=cohort.name,
                            source=source,
                            embeddings=request.embeddings,
                            pretraining=request.pretraining[split.fold] if pools else None,
                            split=split,
                            n_folds=request.folds.n_folds[cohort.name],
                            seed=seed,
                            tasks=tuple(sorted(missing)),
                            attempt=attempt,
                            data=data,
                            code=code,
                        )
                    )
    return Plan(tuple(trials), n_done, frozenset(done))


def _config(spec: MethodSpec, request: Request, cohort: Cohort) -> dict[str, Any]:
    """What is fitted, field by field: nothing where it is judged before its first epoch."""
    own = spec.config_for(request.budget)
    config = asdict(own)
    if isinstance(own, PrecomputedConfig):
        made = cohort.embeddings.get(own.embeddings)
        config["content"] = made.vectors.fingerprint()[:16] if made else ""
    untrained = request.readout is not None and request.readout.part is Part.UNTRAINED
    # What is told the outcomes learns in its head; a trial says so of it.
    if untrained and spec.role is not Role.SUPERVISED and "epochs" in config:
        config["epochs"] = 0
    return config


def data_fingerprint(cohort: str, pretraining: Mapping[int, Pretraining]) -> str:
    """What a trial's numbers are computed from.

    Args:
        cohort: Fingerprint of its cohort.
        pretraining: What methods are fitted on beside it.
    """
    of_pool = next((of.data for of in pretraining.values()), None)
    return cohort if of_pool is None else trial_key({"cohort": cohort, "pool": of_pool})


def _patients(cohort: str, data: str, split: Split) -> dict[str, str]:
    """What tells those on whom something is fitted, or asked, from others."""
    return {"cohort": cohort, "data": data, "split": split_fingerprint((split,))}


def _outcome_axes(request: Request, spec: MethodSpec, cohort: Cohort, task: Task) -> dict[str, Any]:
    """What of the outcomes a fit depends on: a control breaks it, and protocols share it."""
    outcomes = {"protocol": str(TrialProtocol(control=request.control))}
    if spec.role is Role.SUPERVISED:
        return outcomes | {"label": task.label if task.supervises else None}
    return outcomes if selecting_label(cohort) else {}


def _criterion(spec: MethodSpec, cohort: Cohort, task: Task) -> Task:
    """What judges configurations, whichever tasks are asked: the first that the cohort allows.

    Of a supervised reference, the first that tells it the label it is fitted to.
    """
    available = all_tasks((cohort,))
    if spec.role is Role.SUPERVISED and task.supervises:
        available = tuple(t for t in available if t.supervises and t.label == task.label)
    return available[0]


def _by_target(tasks: Sequence[Task]) -> list[list[Task]]:
    """A supervised reference is fitted to a label: tasks that tell it the same one are a trial.

    Those that tell it none are one as well; they are skipped with that reason.
    """
    groups: dict[str | None, list[Task]] = defaultdict(list)
    for task in tasks:
        groups[task.label if task.supervises else None].append(task)
    return list(groups.values())


def longest_first(
    trials: Sequence[Trial], seconds: Mapping[tuple[str, str, str], float]
) -> tuple[Trial, ...]:
    """The order in which workers are idle least at the end; no number depends on it.

    Args:
        trials: In any order; of equal length, they keep it, but those of one fit stand together.
        seconds: (method, cohort, budget) -> what a trial took before; the others come first.
    """
    longest: dict[str, float] = {}
    first: dict[str, int] = {}
    for place, trial in enumerate(trials):
        expected = seconds.get((trial.method, trial.cohort, trial.budget), math.inf)
        longest[trial.fit] = max(longest.get(trial.fit, 0.0), expected)
        first.setdefault(trial.fit, place)
    return tuple(sorted(trials, key=lambda trial: (-longest[trial.fit], first[trial.fit])))


def _identity(value: object) -> object:
    """A file counts by what is in it, wherever it lies."""
    return hashlib.sha256(value.read_bytes()).hexdigest() if isinstance(value, Path) else value


def trial_key(axes: Mapping[str, Any]) -> str:
    """16 hexadecimal digits of the SHA-256 of the axes, whatever their order."""
    text = json.dumps(axes, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
