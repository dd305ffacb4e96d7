"""What searches tell: which hyper-parameters matter, and how soon the best was found."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark.records.schema import SearchRecord, TrialRecord

if TYPE_CHECKING:  # the leaderboard needs no method
    from methods.base import MethodSpec

FEWEST = 8
"""Judged configurations below which nothing is said of importance."""


@dataclass(frozen=True)
class Searched:
    """The searches of one method under one criterion, a search a fold and seed.

    Attributes:
        method: Name.
        criterion: The task that judged, and its metric.
        searches: How many.
        judged: Configurations that have a value, over all searches.
        importance: Share of the criterion's variance that a hyper-parameter explains (fANOVA,
            Hutter et al. 2014), largest first; empty where there is too little to tell.
        best: Mean over searches of the best value after one configuration, two and so on.
        seconds: Wall time of all searches.
    """

    method: str
    criterion: str
    searches: int
    judged: int
    importance: Mapping[str, float]
    best: tuple[float, ...]
    seconds: float


def searched(
    trials: Iterable[TrialRecord], specs: Mapping[str, "MethodSpec"]
) -> Iterator[Searched]:
    """Gather the searches of trials.

    Args:
        trials: Those with a search, of one protocol and budget.
        specs: The methods by name, for their spaces.
    """
    groups: dict[tuple[str, str], list[tuple[TrialRecord, SearchRecord]]] = defaultdict(list)
    for trial in trials:
        if (search := trial.search) is not None:
            groups[trial.method, f"{search.criterion} {search.metric}"].append((trial, search))
    for (method, criterion), group in sorted(groups.items()):
        searches = [search for _, search in group]
        primary = [
            score
            for task in group[0][0].tasks
            for score in task.scores
            if (task.task, score.metric) == (searches[0].criterion, searches[0].metric)
        ]
        higher = primary[0].higher_is_better if primary else True
        points = [point for search in searches for point in _points(search)]
        yield Searched(
            method,
            criterion,
            len(searches),
            len(points),
            _importance(points, specs[method]) if method in specs else {},
            _best(searches, higher),
            sum(search.seconds for search in searches),
        )


def _points(search: SearchRecord) -> list[tuple[dict[str, Any], float]]:
    """Configurations with their values less the search's mean: folds differ in what is easy."""
    known = [(c.config, c.value) for c in search.candidates if c.value is not None]
    if not known:
        return []
    mean = fmean(value for _, value in known)
    return [(config, value - mean) for config, value in known]


def _importance(
    points: Sequence[tuple[dict[str, Any], float]], spec: "MethodSpec"
) -> dict[str, float]:
    # Here and not above: Optuna costs a second that who imports this need not pay.
    import optuna  # noqa: PLC0415

    from methods.search_space import distribution, inside  # noqa: PLC0415

    space = {name: distribution(values) for name, values in sorted(spec.space.items())}
    study = optuna.create_study()
    for config, value in points:
        if set(config) == set(space) and all(inside(spec.space[k], config[k]) for k in space):
            trial = optuna.trial.create_trial(params=config, distributions=space, value=value)
            study.add_trial(trial)
    trials = study.get_trials(deepcopy=False)
    if len(trials) < FEWEST or len({trial.value for trial in trials}) == 1:
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))


def _best(searches: Sequence[SearchRecord], higher: bool) -> tuple[float, ...]:
    better = np.fmax if higher else np.fmin
    values = [[c.value for c in search.candidates] for search in searches]
    paths = np.full((len(values), max(map(len, values))), np.nan)
    for path, known in zip(paths, values, strict=True):
        path[: len(known)] = known  # None becomes NaN, which is worse than anything
    found = better.accumulate(paths, axis=1)
    return tuple(float(np.nanmean(column)) for column in found.T if not np.isnan(column).all())
