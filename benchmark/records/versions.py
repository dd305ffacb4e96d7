"""Which results stand: a trial's last attempt, of data, tasks and methods the last version."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchmark.records.schema import TaskRecord, TrialRecord

Key = tuple[str, str]
"""(task, trial)."""


@dataclass(frozen=True, slots=True)
class Version:
    """Of what, and when, a (trial, task) pair was computed.

    Attributes:
        attempt: How often the trial had been tried.
        finished: When, as the store stamped it.
        table: What the pairs of one table share: task, protocol, budget, number of folds.
        fold: Its number.
        split: Fingerprint of the patients on both sides of it.
        method: Its name.
        data: Fingerprint of the cohort, and the task's version.
        code: The method's source and configuration.
    """

    attempt: int
    finished: str
    table: tuple[str, str, str, int]
    fold: int
    split: str
    method: str
    data: str
    code: str


def version_of(
    trial: TrialRecord, task: TaskRecord, once: Callable[[Any], Any] = lambda value: value
) -> Version:
    """The version of a recorded pair.

    Args:
        trial: Its line.
        task: Its entry there.
        once: Gives one object for all equal values, so that many versions take little memory.
    """
    return Version(
        trial.attempt,
        trial.finished,
        once((task.task, str(trial.protocol), trial.budget, trial.n_folds)),
        trial.fold,
        once(trial.split),
        once(trial.method),
        once(f"{trial.data}-{task.version}"),
        once(trial.made_by),
    )


def standing(pairs: Mapping[Key, Version]) -> set[Key]:
    """The pairs that stand: results of older data, tasks, folds or methods are superseded.

    Of a task (with its protocol, budget and number of folds) the data and the version that were
    scored last stand, of a fold the patients that were dealt into it last, and of a method its
    configuration and source that ran last: numbers of two versions are never mixed in one table.
    """
    left = _newest(pairs, lambda v: (v.table, v.data))
    left = _newest(left, lambda v: ((v.table, v.fold), v.split))
    return set(_newest(left, lambda v: ((v.table, v.method), v.code)))


def _newest(
    pairs: Mapping[Key, Version], described: Callable[[Version], tuple[Hashable, str]]
) -> Mapping[Key, Version]:
    """Within each group, the pairs of the version that finished last."""
    last: dict[Hashable, tuple[str, str]] = {}
    for pair in pairs.values():
        group, version = described(pair)
        last[group] = max(last.get(group, ("", "")), (pair.finished, version))
    stands = {group: version for group, (_, version) in last.items()}
    return {key: pair for key, pair in pairs.items() if stands[(of := described(pair))[0]] == of[1]}


def last_attempts(
    trials: Iterable[TrialRecord],
) -> Iterator[tuple[Key, TrialRecord, TaskRecord]]:
    """Every (trial, task) pair with its key, again whenever a later attempt of it turns up."""
    attempts: dict[Key, int] = {}
    for trial in trials:
        for task in trial.tasks:
            key = (task.task, trial.trial)
            if key not in attempts or trial.attempt > attempts[key]:
                attempts[key] = trial.attempt
                yield key, trial, task
