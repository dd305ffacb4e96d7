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
        method: Its name.
        data: Fingerprint of the cohort, and the task's version.
        code: The method's source and configuration.
    """

    attempt: int
    finished: str
    table: tuple[str, str, str, int]
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
        once(trial.method),
        once(f"{trial.data}-{task.version}"),
        once(trial.made_by),
    )


def standing(pairs: Mapping[Key, Version]) -> set[Key]:
    """The pairs that stand: results of older data, tasks or methods are superseded.

    Of a task (with its protocol, budget and number of folds) the data and the version that were
    scored last stand, and of a method its configuration and source that ran last: numbers of two
    versions are never mixed in one table.
    """
    of_data = _newest(pairs, {key: (v.table, v.data) for key, v in pairs.items()})
    left = {key: pairs[key] for key in of_data}
    return _newest(left, {key: ((v.table, v.method), v.code) for key, v in left.items()})


def _newest(
    pairs: Mapping[Key, Version], described: Mapping[Key, tuple[Hashable, str]]
) -> set[Key]:
    """Within each group, the pairs of the version that finished last."""
    last: dict[Hashable, tuple[str, str]] = {}
    for key, (group, version) in described.items():
        last[group] = max(last.get(group, ("", "")), (pairs[key].finished, version))
    return {key for key, (group, version) in described.items() if last[group][1] == version}


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
