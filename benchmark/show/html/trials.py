"""What the pages tell of single trials: how each was made, what it scored, how to do it again."""

import math
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import pandas as pd

from benchmark.records.frames import COSTS, PREDICTION
from benchmark.records.protocol import FileFolds
from benchmark.records.schema import ScoreRecord, TaskRecord, TrialRecord
from benchmark.show.escape import plain
from tasks.base import Status

PATIENTS = 25
"""Rows of predictions that are shown of a trial and task; the command that gives all is named."""

EPOCHS = 60
"""Points of a curve, at most."""

_DIGITS = 5
_CELL = ["task", "method", "protocol", "budget", "n_folds", "fold", "seed"]

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


def command(trial: RecordedTrial) -> str:
    """The command line that computes a trial again and compares every score.

    Where the records cannot know a place on the reader's disk, a word in capitals stands for it.
    """
    line = trial.line
    words = ["mirror-bench", "rerun", shlex.quote(trial.key), "--results", "RESULTS"]
    if not line.planted:
        words += ["--data", "FOLDER-OF-COHORTS"]
    if isinstance(line.protocol.folds, FileFolds):
        words += ["--split", "SPLIT-FILE"]
    return " ".join(words)


def predicted(predictions: pd.DataFrame) -> dict[tuple[Any, ...], Json]:
    """(task, method, protocol, budget, n_folds, fold, seed) -> the first of its predictions."""
    found: dict[tuple[Any, ...], Json] = {}
    if predictions.empty:
        return found
    fixed = {*PREDICTION, "budget", "n_folds"} - {"patient"}
    for _, rows in predictions.groupby("task"):
        own = [c for c in rows.columns if c not in fixed and rows[c].notna().any()]
        cells = rows.groupby(_CELL, sort=False)
        totals = cells.size().to_dict()
        kept = cells.head(PATIENTS)
        texts = [[short(value) for value in kept[column].tolist()] for column in own]
        keys = zip(*(kept[name].tolist() for name in _CELL), strict=True)
        for key, *row in zip(keys, *texts, strict=True):
            table = found.setdefault(key, {"columns": own, "rows": [], "total": totals[key]})
            table["rows"].append(row)
    return found


def short(value: object) -> object:
    """A number of few digits, None where there is none; anything else as it is."""
    if isinstance(value, float):
        return None if not math.isfinite(value) else float(f"{value:.{_DIGITS}g}")
    return value if isinstance(value, (int, bool)) or value is None else str(value)


def curve(values: Sequence[float], first: int) -> Json:
    """What was told over epochs, of `EPOCHS` points at most, the first and the last among them.

    Args:
        values: One per epoch.
        first: The epoch of the first; 0 is before training.
    """
    n = len(values)
    points = min(n, EPOCHS)
    at = [round(i * (n - 1) / max(points - 1, 1)) for i in range(points)]
    return {"epochs": [i + first for i in at], "values": [short(float(values[i])) for i in at]}


def data(
    of_method: Sequence[RecordedTrial],
    predictions: dict[tuple[Any, ...], Json],
    pages: dict[tuple[Any, ...], str],
) -> Any:
    """What the page of a method loads to show its trials.

    Args:
        of_method: All trials of one method.
        predictions: From `predicted`.
        pages: (task, protocol, budget, n_folds) -> the task's page.
    """
    described = []
    for trial in of_method:
        line = trial.line
        table = (str(line.protocol), line.budget, line.n_folds)
        cell = (line.method, *table, line.fold, line.seed)
        described.append(
            {
                "key": trial.key,
                "facts": _facts(line),
                "config": line.config,
                "search": line.search.model_dump() if line.search else None,
                "versions": line.versions,
                "curves": {
                    **{f"loss: {name}": curve(values, 1) for name, values in line.losses.items()},
                    **{
                        name.replace("_", " "): curve(values, 0)
                        for name, values in line.geometry.items()
                    },
                },
                "command": command(trial),
                "tasks": [
                    {
                        **{
                            name: getattr(task, name)
                            for name in ("task", "status", "reason", "n_patients", "n_events")
                        },
                        "page": pages.get((task.task, *table), ""),
                        "scores": [_score(score) for score in task.scores],
                        "predictions": predictions.get((task.task, *cell)),
                    }
                    for task in trial.tasks
                ],
            }
        )
    return _clean({"trials": described})


def _clean(value: Any) -> Any:
    """The same with plain texts, which a page shows as they are."""
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, dict):
        return {plain(str(key)): _clean(item) for key, item in value.items()}
    return [_clean(item) for item in value] if isinstance(value, (list, tuple)) else value


def _facts(line: TrialRecord) -> Json:
    """What a trial is and what it cost, in the order in which it is shown."""
    names = ("cohort", "protocol", "budget", "fold", "n_folds", "seed", "attempt", "finished")
    costs = (*COSTS, "parameters", "step_flops")
    return (
        {name: getattr(line, name) for name in names}
        | {"protocol": str(line.protocol)}
        | {name: short(getattr(line, name)) for name in costs}
        | {name: getattr(line, name) for name in ("device", "data", "code")}
    )


def _score(score: ScoreRecord) -> list[object]:
    """Metric, direction, value and reason, in the order of the page's table."""
    direction = "higher" if score.higher_is_better else "lower"
    return [score.metric, direction, short(score.value), score.reason]
