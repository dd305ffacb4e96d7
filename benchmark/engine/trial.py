"""One trial: fit once, embed once, score every task on the embeddings."""

import math
import platform
import traceback
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from threadpoolctl import threadpool_limits

from benchmark.engine.cache import EmbeddingCache, Fit
from benchmark.engine.fitting import fit_and_embed
from benchmark.engine.plan import Search, Trial
from benchmark.engine.published import Refit
from benchmark.records.schema import (
    CandidateRecord,
    Predictions,
    ScoreRecord,
    SearchRecord,
    TaskRecord,
    TrialRecord,
)
from benchmark.records.segments import Stamps
from methods.base import MethodSpec, Role, UnableError
from methods.registry import find_method
from tasks.base import Outcome, Protocol, Score, Status, Task
from tasks.data.cohort import Cohort, Endpoint, Label
from tasks.data.controls import permuted
from tasks.data.fold_expression import selecting_label
from tasks.data.precomputed import Given
from tasks.data.sources import POOL, Pool, Source, load_pool, load_source
from tasks.data.splits import split_fingerprint
from tasks.kinds.published.departures import Departures, Published
from tasks.readouts import NoReadoutError, Part
from tasks.registry import all_tasks, under
from tasks.seeds import derive_seed

DEPENDENCIES = ("mirror-bench", "torch", "numpy", "scikit-learn", "scikit-survival")


def run_trial(trial: Trial, cache: Path, device: str) -> tuple[TrialRecord, list[Predictions]]:
    """Run a trial; whatever goes wrong in it becomes its reason, never an exception.

    Args:
        trial: What to run.
        cache: Folder of embeddings; a trial that was embedded before is not fitted again.
        device: A torch device.

    Returns:
        The record and the predictions of its tasks. The store stamps the time anew.
    """
    # One thread: sums are added in one order, whatever else the machine does.
    torch.set_num_threads(1)
    with threadpool_limits(1):
        cohort = _cohort(trial)
        spec = find_method(trial.method, cohort)
        tasks = _tasks(trial, cohort)
        config, searched = trial.config, None
        try:
            if trial.search is not None:
                config, searched = _searched(trial.search, trial, spec, cohort, device)
            _check_untrained(trial)
            target = None
            if spec.role is Role.SUPERVISED:
                if trial.pretraining is not None:
                    raise UnableError("fitted to an outcome of one cohort, not on several together")
                target = tasks[0].target(cohort, trial.split)
            fit = _fit(trial, spec, config, cohort, target, EmbeddingCache(cache), device)
            embeddings = fit.embeddings
            if trial.protocol.readout is not None:
                embeddings = trial.protocol.readout.of(embeddings, trial.split.train)
            published = None
            if trial.protocol.protocol is Protocol.PAPER:
                published = _published(trial, spec, cohort, target, fit, tasks, device)
        except (UnableError, NoReadoutError) as error:
            results = [_without(task, cohort, Status.SKIPPED, str(error)) for task in tasks]
            return _record(trial, spec, cohort, device, results), []
        except Exception as error:  # noqa: BLE001  a method may raise anything; it is its row
            reason = _reason(error)
            results = [_without(task, cohort, Status.FAILED, reason) for task in tasks]
            return _record(trial, spec, cohort, device, results), []
        results, predictions = [], []
        for task in tasks:
            try:
                if published is not None and isinstance(task, Published):
                    outcome = task.evaluate_all(published, cohort, trial.split)
                else:
                    outcome = task.evaluate(embeddings, cohort, trial.split)
                scored = _scored(task, cohort, outcome)
                if outcome.predictions:
                    predictions.append(_predictions(trial, task, outcome))
            except Exception as error:  # noqa: BLE001
                scored = _without(task, cohort, Status.FAILED, _reason(error))
            results.append(scored)
        return _record(trial, spec, cohort, device, results, fit, searched), predictions


def _check_untrained(trial: Trial) -> None:
    """Refuse to judge what is fitted all the same before it is trained."""
    readout = trial.protocol.readout
    if readout is not None and readout.part is Part.UNTRAINED and trial.config.get("epochs") != 0:
        raise NoReadoutError("the method has no epochs before which it could be judged")


def lost_record(trial: Trial, cohort: Cohort) -> TrialRecord:
    """The record of a trial that could not say itself what became of it."""
    reason = "the worker was lost (killed, out of memory, or its files changed), three times"
    results = [_without(task, cohort, Status.FAILED, reason) for task in _tasks(trial, cohort)]
    return _record(trial, find_method(trial.method, cohort), cohort, "", results)


def _tasks(trial: Trial, cohort: Cohort) -> list[Task]:
    """The instances that a trial scores."""
    tasks = under(trial.protocol.protocol, all_tasks((cohort,)))
    return [task for task in tasks if task.name in trial.tasks]


def _fit(
    trial: Trial,
    spec: MethodSpec,
    config: Mapping[str, Any],
    cohort: Cohort,
    target: Endpoint | Label | None,
    cache: EmbeddingCache,
    device: str,
) -> Fit:
    """Fit and embed, or take it from the cache."""
    # A later attempt was asked for, and means fitting again; what a search chose is no part of the
    # key, and its record needs the search anyway.
    cached = cache.read(trial.fit) if trial.attempt == 1 and trial.search is None else None
    if cached is not None:
        return cached
    split = trial.split
    if trial.pretraining is not None:
        together = _loaded_together(trial.pretraining.source, trial.embeddings)
        cohort = _seen(together[0], trial)
        split = trial.pretraining.split
    fit = fit_and_embed(spec, config, cohort, split, target, _seed(trial), device)
    cache.write(trial.fit, fit)
    return fit


def _published(
    trial: Trial,
    spec: MethodSpec,
    cohort: Cohort,
    target: Endpoint | Label | None,
    honest: Fit,
    tasks: list[Task],
    device: str,
) -> Departures:
    """What the published pipeline embeds beside the honest embeddings."""
    labels = {task.gene_label(cohort) for task in tasks if isinstance(task, Published)}
    refit = Refit(trial, spec, trial.config, target, _seed(trial), device)
    return refit.departures(honest.embeddings, cohort, sorted(labels))


def _seed(trial: Trial) -> int:
    cohort = trial.cohort if trial.pretraining is None else POOL
    return derive_seed("init", trial.method, cohort, trial.split.fold, trial.seed)


def _searched(
    sought: Search, trial: Trial, spec: MethodSpec, cohort: Cohort, device: str
) -> tuple[Mapping[str, Any], SearchRecord]:
    """The configuration that a search chose, and the search itself."""
    # Here and not above: workers that search for nothing need not wait for Optuna.
    from benchmark.engine.search import best, search, training_cohort  # noqa: PLC0415

    tasks = under(trial.protocol.protocol, all_tasks((cohort,)))
    (criterion,) = (task for task in tasks if task.name == sought.criterion)
    axes = (trial.method, trial.cohort, trial.split.fold, trial.seed)
    train = training_cohort(cohort, trial.split.train)
    candidates = search(spec, trial.config, sought.tuning, train, criterion, axes, device)
    metric = criterion.metrics[0]
    chosen = best(candidates, metric.higher_is_better)
    return chosen.config, SearchRecord(
        criterion=criterion.name,
        metric=metric.name,
        chosen=candidates.index(chosen),
        seconds=sum(candidate.seconds for candidate in candidates),
        candidates=tuple(
            CandidateRecord(
                config={name: _plain(candidate.config[name]) for name in sorted(spec.space)},
                value=candidate.value,
                reason=candidate.reason,
                seconds=candidate.seconds,
            )
            for candidate in candidates
        ),
    )


def _cohort(trial: Trial) -> Cohort:
    """What the tasks are asked of."""
    if trial.pretraining is None:
        return _seen(_loaded(trial.source, trial.embeddings), trial)
    together = _loaded_together(trial.pretraining.source, trial.embeddings)
    return _seen(together[1][trial.source], trial)


def _seen(cohort: Cohort, trial: Trial) -> Cohort:
    """With outcomes dealt anew where the trial is a control."""
    return cohort if trial.protocol.control is None else permuted(cohort, trial.seed)


@lru_cache(maxsize=2)
def _loaded(source: Source, embeddings: Given) -> Cohort:
    """A worker keeps the last cohorts' tables; bags stay on the disk."""
    return load_source(source, embeddings)


@lru_cache(maxsize=1)
def _loaded_together(pool: Pool, embeddings: Given) -> tuple[Cohort, Mapping[Source, Cohort]]:
    """All of a pool: one after the other, they are asked of each fit."""
    return load_pool(pool, embeddings)


def _reason(error: Exception) -> str:
    """One line: the error and the place in our code that raised it."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    words = str(error).encode(errors="backslashreplace").decode()  # file names may be no text
    text = " ".join(words.split()) or "no message"
    return f"{type(error).__name__}: {text} ({Path(frame.filename).name}:{frame.lineno})"


def _plain(value: Any) -> Any:
    """A field of a configuration as JSON has it."""
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, (Path, StrEnum)) else value


def _predictions(trial: Trial, task: Task, outcome: Outcome) -> Predictions:
    return Predictions(
        trial=trial.key,
        attempt=trial.attempt,
        task=task.name,
        columns=dict(outcome.predictions),
    )


def _scored(task: Task, cohort: Cohort, outcome: Outcome) -> TaskRecord:
    ok = any(score.status is Status.OK for score in outcome.scores)
    primary = outcome.scores[0]
    return TaskRecord(
        task=task.name,
        version=task.version,
        circular=_circular(task, cohort),
        status=Status.OK if ok else primary.status,
        reason="" if ok else primary.reason,
        n_patients=outcome.n_patients,
        n_events=outcome.n_events,
        scores=tuple(_score(score, task) for score in outcome.scores),
    )


def _without(task: Task, cohort: Cohort, status: Status, reason: str) -> TaskRecord:
    return TaskRecord(
        task=task.name,
        version=task.version,
        circular=_circular(task, cohort),
        status=status,
        reason=reason,
        n_patients=None,
        n_events=None,
        scores=tuple(_score(Score(m, None, status, reason), task) for m in task.metrics),
    )


def _circular(task: Task, cohort: Cohort) -> str:
    """The modality that the task's label was called from, empty if none."""
    label = cohort.labels.get(task.label)
    return (label.derived_from or "") if label is not None else ""


def _score(score: Score, task: Task) -> ScoreRecord:
    low, high = score.metric.bounds
    return ScoreRecord(
        metric=score.metric.name,
        value=score.value,
        higher_is_better=score.metric.higher_is_better,
        primary=score.metric == task.metrics[0],
        status=score.status,
        reason=score.reason,
        chance=score.metric.chance,
        low=low if math.isfinite(low) else None,
        high=high if math.isfinite(high) else None,
    )


def _record(
    trial: Trial,
    spec: MethodSpec,
    cohort: Cohort,
    device: str,
    results: Sequence[TaskRecord],
    fit: Fit | None = None,
    search: SearchRecord | None = None,
) -> TrialRecord:
    return TrialRecord(
        trial=trial.key,
        attempt=trial.attempt,
        method=spec.name,
        family=spec.family,
        role=_role(spec, cohort),
        parent=spec.parent,
        summary=spec.summary,
        config={name: _plain(value) for name, value in trial.config.items()},
        budget=trial.budget,
        search=search,
        protocol=trial.protocol,
        cohort=cohort.name,
        source=cohort.source,
        licence=cohort.licence,
        encoder=cohort.encoder,
        pretrained_on=cohort.pretrained_on,
        planted=cohort.planted,
        notes=(*_pretrained(trial), *cohort.notes),
        fold=trial.split.fold,
        split=split_fingerprint((trial.split,)),
        n_folds=trial.n_folds,
        seed=trial.seed,
        data=trial.data,
        code=trial.code,
        versions=_versions(),
        device=device,
        fit_seconds=fit.fit_seconds if fit else None,
        embed_seconds=fit.embed_seconds if fit else None,
        parameters=fit.parameters if fit else None,
        step_flops=fit.step_flops if fit else None,
        peak_memory_mb=fit.peak_memory_mb if fit else None,
        losses=_curves(fit.losses) if fit else {},
        geometry=_curves(fit.geometry) if fit else {},
        genes=tuple(fit.genes) if fit else (),
        tasks=tuple(results),
        finished=Stamps("").next(),
    )


def _curves(values: Mapping[str, list[float]]) -> dict[str, tuple[float, ...]]:
    return {name: tuple(curve) for name, curve in values.items()}


def _pretrained(trial: Trial) -> tuple[str, ...]:
    if trial.pretraining is None:
        return ()
    names = ", ".join(trial.pretraining.names)
    return (f"methods are fitted on the training patients of {names}, heads on the cohort's own",)


def _role(spec: MethodSpec, cohort: Cohort) -> Role:
    """Who learns from genes that were selected by a label has been told labels."""
    saw_labels = "rna" in spec.sides and selecting_label(cohort)
    return Role.SUPERVISED if saw_labels and spec.role is Role.SELF_SUPERVISED else spec.role


@lru_cache(maxsize=1)
def _versions() -> dict[str, str]:
    # Once a worker: looking them up takes longer than a trivial trial's fit.
    return {"python": platform.python_version()} | {name: version(name) for name in DEPENDENCIES}
