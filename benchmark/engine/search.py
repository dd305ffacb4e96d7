"""`--tune N`: hyper-parameters chosen inside the training patients of one outer fold.

The same N for every method. The default configuration is the first candidate, and Optuna proposes
the others from the method's declared space; each is judged by inner folds of the training
patients. The search is handed a cohort that no test patient is in, so that none can be looked at.
"""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

import numpy as np
import optuna

from benchmark.engine.fitting import fit_and_embed
from benchmark.records.protocol import Pruner, Tuning
from methods.base import MethodSpec, Role
from methods.search_space import distribution, inside
from tasks.base import Task
from tasks.data.cohort import Cohort
from tasks.data.splits import make_splits
from tasks.seeds import derive_seed

INNER_FOLDS = 3

WARM_UP = 2
"""Candidates that are judged in full before the median of them prunes others."""

RUNGS = (1, 3, 9)
"""Ninths of its epochs after which hyperband judges a configuration, each time trained anew."""


@dataclass(frozen=True)
class Candidate:
    """A configuration that was considered.

    Attributes:
        config: All its fields.
        value: Mean of the criterion over the inner folds; None if one of them gave none.
        reason: Why not, else empty.
        seconds: Wall time of judging it.
        means: The mean so far after each inner fold, under hyperband that of all folds after each
            rung; of one that was judged in full or pruned.
    """

    config: Mapping[str, Any]
    value: float | None
    reason: str
    seconds: float
    means: tuple[float, ...] = ()


def training_cohort(cohort: Cohort, patients: tuple[str, ...]) -> Cohort:
    """The cohort as if these were all its patients, with what is known of them."""
    keep = set(patients)
    rows = np.array([patient in keep for patient in cohort.patients], dtype=bool)
    return replace(
        cohort.subset(patients),
        endpoints={name: e.subset(patients) for name, e in cohort.endpoints.items()},
        labels={name: label.subset(patients) for name, label in cohort.labels.items()},
        truth={name: values[rows] for name, values in cohort.truth.items()},
    )


def search(
    spec: MethodSpec,
    config: Mapping[str, Any],
    tuning: Tuning,
    train: Cohort,
    criterion: Task,
    axes: tuple[str | int, ...],
    device: str,
) -> tuple[Candidate, ...]:
    """Judge N configurations by inner cross-validation.

    Args:
        spec: The method.
        config: Its default configuration, the first candidate.
        tuning: Number of candidates, of which a method without a space has but the one, and what
            ends their judging early; the default one is always judged in full.
        train: The training patients alone (`training_cohort`).
        criterion: The task whose primary metric decides.
        axes: What the seeds of proposals and fits are derived from.
        device: A torch device.

    Returns:
        The candidates in the order in which they were tried.
    """
    space = {name: distribution(values) for name, values in sorted(spec.space.items())}
    higher = criterion.metrics[0].higher_is_better
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        direction="maximize" if higher else "minimize",
        sampler=optuna.samplers.TPESampler(seed=derive_seed("search", *axes) % 2**32),
        pruner=_pruner(tuning.pruner),
        study_name="-".join(map(str, axes)),  # by which hyperband deals its brackets
    )

    def judged(proposed: Mapping[str, Any], trial: optuna.trial.Trial | None) -> Candidate:
        return _judged(spec, proposed, tuning.pruner, train, criterion, axes, device, trial)

    first = judged(config, None)
    if not space:
        return (first,)
    if first.value is not None and all(inside(spec.space[k], config[k]) for k in space):
        study.add_trial(
            optuna.trial.create_trial(
                params={name: config[name] for name in space},
                distributions=space,
                value=first.value,
                intermediate_values={
                    stage.step: mean
                    for stage, mean in zip(_stages(config, tuning.pruner), first.means, strict=True)
                },
            )
        )
    tried = [first]
    while len(tried) < tuning.n:
        proposal = study.ask(space)
        proposed = {**config, **proposal.params}
        again = next((c for c in tried if c.config == proposed), None)
        candidate = (
            replace(again, seconds=0.0)  # a small space is soon exhausted
            if again is not None
            else judged(proposed, proposal)
        )
        tried.append(candidate)
        if candidate.value is not None:
            study.tell(proposal, candidate.value)
        elif candidate.means:
            study.tell(proposal, state=optuna.trial.TrialState.PRUNED)
        else:
            study.tell(proposal, state=optuna.trial.TrialState.FAIL)
    return tuple(tried)


def best(candidates: tuple[Candidate, ...], higher_is_better: bool) -> Candidate:
    """The candidate that did best; the default of two equals, and if none has a value."""
    sign = 1 if higher_is_better else -1
    # max keeps the first of equals
    return max(candidates, key=lambda c: -math.inf if c.value is None else sign * c.value)


def _pruner(pruner: Pruner | None) -> optuna.pruners.BasePruner:
    if pruner is Pruner.MEDIAN:
        return optuna.pruners.MedianPruner(n_startup_trials=WARM_UP)
    if pruner is Pruner.ASHA:
        return optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=2)
    if pruner is Pruner.HYPERBAND:
        return optuna.pruners.HyperbandPruner(RUNGS[0], RUNGS[-1], RUNGS[1] // RUNGS[0])
    return optuna.pruners.NopPruner()


@dataclass(frozen=True)
class _Stage:
    """A part of judging a configuration, after which a pruner may end it.

    Attributes:
        step: As the pruner counts.
        config: What is trained: the configuration itself, or with fewer epochs.
        folds: On which inner folds.
        name: How far the judging has come with it.
    """

    step: int
    config: Mapping[str, Any]
    folds: tuple[int, ...]
    name: str


def _stages(config: Mapping[str, Any], pruner: Pruner | None) -> tuple[_Stage, ...]:
    """Fold by fold, or under hyperband rung by rung where there are epochs to have less of."""
    everyone = tuple(range(INNER_FOLDS))
    if pruner is not Pruner.HYPERBAND or config.get("epochs", 0) < RUNGS[-1]:
        return tuple(
            _Stage(fold, config, (fold,), f"{fold + 1} of {INNER_FOLDS} inner folds")
            for fold in everyone
        )
    return tuple(
        _Stage(
            rung, {**config, "epochs": epochs}, everyone, f"{epochs} of {config['epochs']} epochs"
        )
        for rung in RUNGS
        for epochs in (config["epochs"] * rung // RUNGS[-1],)
    )


def _judged(
    spec: MethodSpec,
    config: Mapping[str, Any],
    pruner: Pruner | None,
    train: Cohort,
    criterion: Task,
    axes: tuple[str | int, ...],
    device: str,
    trial: optuna.trial.Trial | None,
) -> Candidate:
    """Mean of the criterion over the inner folds; `trial` may end it early, by its pruner."""
    start = time.perf_counter()
    means: list[float] = []

    def without(reason: str, *, pruned: bool = False) -> Candidate:
        seconds = time.perf_counter() - start
        return Candidate(config, None, reason, seconds, tuple(means) if pruned else ())

    splits = make_splits(train, INNER_FOLDS)
    stages = _stages(config, pruner)
    values: dict[int, float] = {}
    for stage in stages:
        for fold in stage.folds:
            inner = splits[fold]
            target = criterion.target(train, inner) if spec.role is Role.SUPERVISED else None
            seed = derive_seed("search-init", *axes, fold)
            try:
                fit = fit_and_embed(spec, stage.config, train, inner, target, seed, device)
                score = criterion.evaluate(fit.embeddings, train, inner).scores[0]
            except Exception as error:  # noqa: BLE001  a configuration that fails is not chosen
                return without(" ".join(f"{type(error).__name__}: {error}".split()))
            if score.value is None:
                return without(score.reason)
            values[fold] = score.value
        means.append(fmean(values.values()))
        if trial is not None and stage is not stages[-1]:
            trial.report(means[-1], stage.step)
            if trial.should_prune():
                return without(f"pruned after {stage.name}", pruned=True)
    return Candidate(config, means[-1], "", time.perf_counter() - start, tuple(means))
