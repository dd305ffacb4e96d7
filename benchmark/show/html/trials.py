"""What the pages tell of single trials: how each was made, what it scored, how to do it again."""

import base64
import gzip
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from benchmark.records.frames import COSTS
from benchmark.records.schema import TaskRecord, TrialRecord
from benchmark.show.escape import plain
from benchmark.show.html.commands import rerun
from tasks.base import Status

EPOCHS = 60
"""Points of a curve, at most."""

_DIGITS = 5

Json = dict[str, Any]


@dataclass(frozen=True)
class RecordedTrial:
    """A trial with the tasks that stand.

    Attributes:
        line: As recorded at its last attempt.
        tasks: As recorded, in order of their names.
    """

    line: TrialRecord
    tasks: tuple[TaskRecord, ...]

    @property
    def key(self) -> str:
        """The trial's key."""
        return self.line.trial

    def count(self, status: Status) -> int:
        """How many tasks ended so."""
        return sum(task.status == status for task in self.tasks)


def recorded_trials(
    pairs: Iterable[tuple[TrialRecord, TaskRecord]],
) -> dict[str, tuple[RecordedTrial, ...]]:
    """Method -> its trials, from the pairs that `Store.results` gives."""

    def place(pair: tuple[TrialRecord, TaskRecord]) -> tuple[Any, ...]:
        line, task = pair
        setting = (str(line.protocol), line.budget, line.n_folds)
        return (line.method, line.cohort, *setting, line.seed, line.fold, line.trial, task.task)

    ordered = sorted(pairs, key=place)
    found: dict[str, list[RecordedTrial]] = {}
    for _, group in groupby(ordered, key=lambda pair: pair[0].trial):
        members = tuple(group)
        last = max((line for line, _ in members), key=lambda line: line.attempt)
        tasks = tuple(task for _, task in members)
        found.setdefault(last.method, []).append(RecordedTrial(last, tasks))
    return {method: tuple(found[method]) for method in sorted(found)}


def short(value: object) -> object:
    """A number of few digits, None where there is none; anything else as it is."""
    if isinstance(value, float):
        return None if not math.isfinite(value) else float(f"{value:.{_DIGITS}g}")
    return value if isinstance(value, (int, bool)) or value is None else str(value)


def curve(values: Sequence[float], first: int) -> list[Any]:
    """What was told over epochs, of `EPOCHS` points at most, the first and the last among them.

    Args:
        values: One per epoch, n of them.
        first: The epoch of the first; 0 is before training.

    Returns:
        first, n and the values at the points: of k points the i-th is of the epoch
        first + i (n - 1) // (k - 1).
    """
    n = len(values)
    points = min(n, EPOCHS)
    at = [i * (n - 1) // max(points - 1, 1) for i in range(points)]
    return [first, n, [short(float(values[i])) for i in at]]


class _Once:
    """What many trials have in common, each kept once and named by its place."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}
        self.values: list[Any] = []

    def place(self, value: Any) -> int:
        """Where it is, as plain texts, which a page shows as they are."""
        text = json.dumps(value)
        if text not in self._places:
            self._places[text] = len(self.values)
            self.values.append(_clean(value))
        return self._places[text]


def data(of_method: Sequence[RecordedTrial], pages: Mapping[tuple[Any, ...], str]) -> Json:
    """What the page of a method loads to show its trials.

    Args:
        of_method: All trials of one method.
        pages: (task, protocol, budget, n_folds) -> the task's page.

    Returns:
        `trials`, and `shared`: what several of them have in common. A trial and its tasks name the
        places of what they share by numbers: `setting`, `config`, `versions`, `of`, `metrics`.
    """
    once = _Once()
    trials = [_described(trial, pages, once) for trial in of_method]
    return {"shared": once.values, "trials": trials}


def packed(found: Json) -> str:
    """Data as a text of a tenth of its length, the same for the same data."""
    text = json.dumps(found, allow_nan=False, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def _described(trial: RecordedTrial, pages: Mapping[tuple[Any, ...], str], once: _Once) -> Json:
    line = trial.line
    table = (str(line.protocol), line.budget, line.n_folds)
    names = ("cohort", "protocol", "budget", "n_folds", "device", "data", "code")
    own = ("fold", "seed", "attempt", "finished")
    curves = {f"loss: {name}": curve(values, 1) for name, values in line.losses.items()} | {
        name.replace("_", " "): curve(values, 0) for name, values in line.geometry.items()
    }
    return {
        "key": trial.key,
        "setting": once.place(
            {name: getattr(line, name) for name in names} | {"protocol": table[0]}
        ),
        "facts": {name: getattr(line, name) for name in own}
        | {name: short(getattr(line, name)) for name in (*COSTS, "parameters", "step_flops")},
        "config": once.place(line.config),
        "search": _clean(line.search.model_dump()) if line.search else None,
        "versions": once.place(line.versions),
        "curves": _clean(curves),
        "command": rerun(trial.line),
        "tasks": [_task(task, pages.get((task.task, *table), ""), once) for task in trial.tasks],
    }


def _task(task: TaskRecord, page: str, once: _Once) -> Json:
    """A task of a trial; `reasons` are places in its shared `metrics`, and in what is shared."""
    metrics = [
        [score.metric, "higher" if score.higher_is_better else "lower"] for score in task.scores
    ]
    named = ("task", "status", "reason", "n_patients", "n_events")
    of = {name: getattr(task, name) for name in named} | {"page": page}
    return {
        "of": once.place(of),
        "metrics": once.place(metrics),
        "values": [short(score.value) for score in task.scores],
        "reasons": [[i, once.place(s.reason)] for i, s in enumerate(task.scores) if s.reason],
    }


def _clean(value: Any) -> Any:
    """The same with plain texts."""
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, dict):
        return {plain(str(key)): _clean(item) for key, item in value.items()}
    return [_clean(item) for item in value] if isinstance(value, (list, tuple)) else value
