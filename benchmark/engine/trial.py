"""One trial: fit once, embed once, score every task on the embeddings."""

import platform
import traceback
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from threadpoolctl import threadpool_limits

from benchmark.engine.cache import EmbeddingCache, Fit
from benchmark.engine.fitting import fit_and_embed
from benchmark.engine.plan import Search, Trial, protocol_name
from benchmark.engine.published import Refit
from benchmark.records.segments import Line
from methods.base import MethodSpec, Role, UnableError
from methods.registry import all_methods
from tasks.base import Outcome, Protocol, Score, Status, Task
from tasks.data.cohort import Cohort, Endpoint, Label
from tasks.data.controls import permuted
from tasks.data.fold_expression import label_told
from tasks.data.load import load_cohort
from tasks.data.splits import split_fingerprint
from tasks.kinds.published.departures import Departures, Published
from tasks.registry import all_tasks, under
from tasks.seeds import derive_seed

DEPENDENCIES = ("mirror-bench", "torch", "numpy", "scikit-learn", "scikit-survival")


def run_trial(trial: Trial, cache: Path, device: str) -> tuple[Line, list[Line]]:
    """Run a trial; whatever goes wrong in it becomes its reason, never an exception.

    Args:
        trial: What to run.
        cache: Folder of embeddings; a trial that was embedded before is not fitted again.
        device: A torch device.

    Returns:
        The record and the predictions, as `benchmark.records.store` stores them.
    """
    # One thread: sums are added in one order, whatever else the machine does.
    torch.set_num_threads(1)
    with threadpool_limits(1):
        cohort = _cohort(trial.folder)
        if trial.control is not None:
            cohort = permuted(cohort, trial.seed)
        spec = all_methods()[trial.method]
        tasks = _tasks(trial, cohort)
        config, sought = trial.config, None
        try:
            if trial.search is not None:
                config, sought = _sought(trial.search, trial, spec, cohort, device)
            target = tasks[0].target(cohort, trial.split) if spec.role is Role.SUPERVISED else None
            fit = _fit(trial, spec, config, cohort, target, EmbeddingCache(cache), device)
            published = None
            if trial.protocol is Protocol.PAPER:
                published = _published(trial, spec, cohort, target, fit, tasks, device)
        except UnableError as error:
            results = [_without(task, cohort, Status.SKIPPED, str(error)) for task in tasks]
            return _record(trial, spec, cohort, device, None, results), []
        except Exception as error:  # noqa: BLE001  a method may raise anything; it is its row
            reason = _reason(error)
            results = [_without(task, cohort, Status.FAILED, reason) for task in tasks]
            return _record(trial, spec, cohort, device, None, results), []
        results, predictions = [], []
        for task in tasks:
            try:
                if published is not None and isinstance(task, Published):
                    outcome = task.evaluate_all(published, cohort, trial.split)
                else:
                    outcome = task.evaluate(fit.embeddings, cohort, trial.split)
            except Exception as error:  # noqa: BLE001
                results.append(_without(task, cohort, Status.FAILED, _reason(error)))
                continue
            results.append(_scored(task, cohort, outcome))
            if outcome.predictions:
                predictions.append(
                    {
                        "trial": trial.key,
                        "attempt": trial.attempt,
                        "task": task.name,
                        "columns": dict(outcome.predictions),
                    }
                )
        return _record(trial, spec, cohort, device, fit, results) | {"search": sought}, predictions


def lost_record(trial: Trial, cohort: Cohort) -> Line:
    """The record of a trial that could not say itself what became of it."""
    reason = "the worker was lost (killed, out of memory, or its files changed), three times"
    results = [_without(task, cohort, Status.FAILED, reason) for task in _tasks(trial, cohort)]
    return _record(trial, all_methods()[trial.method], cohort, "", None, results)


def _tasks(trial: Trial, cohort: Cohort) -> list[Task]:
    """The instances that a trial scores."""
    asked = under(trial.protocol, all_tasks((cohort,)))
    return [task for task in asked if task.name in trial.tasks]


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
    fit = fit_and_embed(spec, config, cohort, trial.split, target, _seed(trial), device)
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
    return derive_seed("init", trial.method, trial.cohort, trial.split.fold, trial.seed)


def _sought(
    wanted: Search, trial: Trial, spec: MethodSpec, cohort: Cohort, device: str
) -> tuple[Mapping[str, Any], Line]:
    """The configuration that a search chose, and the search as its record tells it."""
    # Here and not above: workers that search for nothing need not wait for Optuna.
    from benchmark.engine.search import best, search, training_cohort  # noqa: PLC0415

    asked = under(trial.protocol, all_tasks((cohort,)))
    (criterion,) = (task for task in asked if task.name == wanted.criterion)
    axes = (trial.method, trial.cohort, trial.split.fold, trial.seed)
    train = training_cohort(cohort, trial.split.train)
    candidates = search(spec, trial.config, wanted.tuning, train, criterion, axes, device)
    metric = criterion.metrics[0]
    chosen = best(candidates, metric.higher_is_better)
    return chosen.config, {
        "criterion": criterion.name,
        "metric": metric.name,
        "chosen": candidates.index(chosen),
        "seconds": sum(candidate.seconds for candidate in candidates),
        "candidates": [
            {
                "config": {name: candidate.config[name] for name in sorted(spec.space)},
                "value": candidate.value,
                "reason": candidate.reason,
                "seconds": candidate.seconds,
            }
            for candidate in candidates
        ],
    }


@lru_cache(maxsize=2)
def _cohort(folder: Path) -> Cohort:
    """A worker keeps the last cohorts' tables; bags stay on the disk."""
    return load_cohort(folder)


def _reason(error: Exception) -> str:
    """One line: the error and the place in our code that raised it."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    text = " ".join(str(error).split()) or "no message"
    return f"{type(error).__name__}: {text} ({Path(frame.filename).name}:{frame.lineno})"


def _scored(task: Task, cohort: Cohort, outcome: Outcome) -> Line:
    statuses = {score.status for score in outcome.scores}
    primary = outcome.scores[0]
    return {
        **_identity(task, cohort),
        "status": Status.OK if Status.OK in statuses else primary.status,
        "reason": "" if Status.OK in statuses else primary.reason,
        "n_patients": outcome.n_patients,
        "n_events": outcome.n_events,
        "scores": [_score(score, task) for score in outcome.scores],
    }


def _without(task: Task, cohort: Cohort, status: Status, reason: str) -> Line:
    scores = [Score(metric, None, status, reason) for metric in task.metrics]
    return {
        **_identity(task, cohort),
        "status": status,
        "reason": reason,
        "n_patients": None,
        "n_events": None,
        "scores": [_score(score, task) for score in scores],
    }


def _identity(task: Task, cohort: Cohort) -> Line:
    label = cohort.labels.get(task.label)
    return {
        "task": task.name,
        "version": task.version,
        "circular": (label.derived_from or "") if label is not None else "",
    }


def _score(score: Score, task: Task) -> Line:
    return {
        "metric": score.metric.name,
        "value": score.value,
        "higher_is_better": score.metric.higher_is_better,
        "primary": score.metric == task.metrics[0],
        "status": score.status,
        "reason": score.reason,
    }


def _record(
    trial: Trial,
    spec: MethodSpec,
    cohort: Cohort,
    device: str,
    fit: Fit | None,
    results: list[Line],
) -> Line:
    return {
        "trial": trial.key,
        "attempt": trial.attempt,
        "method": spec.name,
        "family": spec.family,
        "role": _role(spec, cohort),
        "parent": spec.parent,
        "summary": spec.summary,
        "config": {k: str(v) if isinstance(v, Path) else v for k, v in trial.config.items()},
        "budget": trial.budget,
        "search": None,
        "protocol": protocol_name(
            trial.protocol,
            trial.folds,
            trial.control,
            trial.search.tuning if trial.search else None,
        ),
        "cohort": cohort.name,
        "source": cohort.source,
        "licence": cohort.licence,
        "notes": list(cohort.notes),
        "fold": trial.split.fold,
        "split": split_fingerprint((trial.split,)),
        "n_folds": trial.n_folds,
        "seed": trial.seed,
        "data": trial.data,
        "code": trial.code,
        "versions": _versions(),
        "device": device,
        "fit_seconds": fit.fit_seconds if fit else None,
        "embed_seconds": fit.embed_seconds if fit else None,
        "parameters": fit.parameters if fit else None,
        "step_flops": fit.step_flops if fit else None,
        "peak_memory_mb": fit.peak_memory_mb if fit else None,
        "losses": dict(fit.losses) if fit else {},
        "genes": list(fit.genes) if fit else [],
        "tasks": results,
    }


def _role(spec: MethodSpec, cohort: Cohort) -> Role:
    """Who learns from genes that were selected by a label has been told labels."""
    told = "rna" in spec.sides and label_told(cohort)
    return Role.SUPERVISED if told and spec.role is Role.SELF_SUPERVISED else spec.role


@lru_cache(maxsize=1)
def _versions() -> dict[str, str]:
    # Once a worker: looking them up takes longer than a trivial trial's fit.
    return {"python": platform.python_version()} | {name: version(name) for name in DEPENDENCIES}
