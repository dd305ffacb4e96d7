"""The tables of a results folder, built in columns: a million rows in little memory."""

from array import array
from collections.abc import Iterable, Iterator
from itertools import chain
from operator import attrgetter
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.records.schema import Predictions, TaskRecord, TrialRecord
from benchmark.records.versions import Key, Version, standing, version_of

TIDY = (
    "task",
    "cohort",
    "method",
    "protocol",
    "fold",
    "seed",
    "metric",
    "value",
    "higher_is_better",
    "n_patients",
    "n_events",
    "status",
    "reason",
    "trial",
)
"""The columns of `mirror-bench results`, in their order."""

COSTS = ("fit_seconds", "embed_seconds", "peak_memory_mb")
"""What a trial cost: measured, and so never the same twice."""

TRAINING = ("last_gain", "effective_rank", "uniformity")
"""How a trial's training ended."""

OF_TRIAL = (
    "family",
    "role",
    "parent",
    "summary",
    "budget",
    "source",
    "licence",
    "encoder",
    "pretrained_on",
    "planted",
    "n_folds",
    "parameters",
    "step_flops",
    *TRAINING,
    *COSTS,
)
"""Columns that are fields of a trial's line, beside those of `TIDY`."""

DESCRIPTION = (
    *OF_TRIAL,
    "primary",
    "position",
    "chance",
    "low",
    "high",
    "notes",
    "circular",
)
"""Further columns, for the leaderboard."""

PREDICTION = ("task", "cohort", "method", "protocol", "fold", "seed", "patient")
"""The first columns of `mirror-bench predictions`; the task's own, budget and n_folds follow."""

_OF_LINE = ("cohort", "method", "protocol", "fold", "seed", "trial", *OF_TRIAL, "notes")
_OF_TASK = ("task", "n_patients", "n_events", "circular")
_BESIDE = ("cohort", "method", "protocol", "fold", "seed", "budget", "n_folds")
_OF_SCORE = ("metric", "higher_is_better", "status", "reason", "primary", "chance", "low", "high")
_KIND = attrgetter(*_OF_SCORE)
_NUMBERS = (*COSTS, *TRAINING, "chance", "low", "high")
_COUNTS = ("n_patients", "n_events", "parameters", "step_flops")
_ORDER = ("cohort", "task", "protocol", "budget", "method", "seed", "fold")


class _Shared:
    """One object for all equal values: what repeats a hundred thousand times is kept once."""

    def __init__(self) -> None:
        self._known: dict[Any, Any] = {}

    def __call__(self, value: Any) -> Any:
        return self._known.setdefault((type(value), value), value)


class ScoreTable:
    """Collects the scores of every (trial, task) pair; a score is its value and its kind."""

    def __init__(self) -> None:
        self._versions: dict[Key, Version] = {}
        self._place: dict[Key, int] = {}
        self._pairs: list[tuple[Any, ...]] = []
        self._starts = array("q", [0])
        self._values = array("d")
        self._kinds = array("i")
        self._kind: dict[tuple[Any, ...], int] = {}
        self._shared = _Shared()
        self._trial: TrialRecord | None = None
        self._of_trial: tuple[Any, ...] = ()

    def add(self, key: Key, trial: TrialRecord, task: TaskRecord) -> None:
        """Take a pair in; it replaces the earlier one of this key."""
        once = self._shared
        if trial is not self._trial:  # its tasks come one after the other
            self._trial = trial
            self._of_trial = tuple(map(once, _fields(trial, _OF_LINE)))
        self._versions[key] = version_of(trial, task, once)
        self._place[key] = len(self._pairs)
        self._pairs.append((*self._of_trial, *map(once, _fields(task, _OF_TASK))))
        for position, score in enumerate(task.scores):
            kind = (*_KIND(score), position)
            self._kinds.append(self._kind.setdefault(kind, len(self._kind)))
            self._values.append(np.nan if score.value is None else score.value)
        self._starts.append(len(self._values))

    def frame(self) -> pd.DataFrame:
        """A row per (trial, task, metric) of the pairs that stand, sorted."""
        keys = sorted(standing(self._versions))
        places = np.array([self._place[key] for key in keys], dtype=np.int64)
        columns = self._columns(places)
        starts = np.asarray(self._starts)
        counts = starts[places + 1] - starts[places]
        pair = np.repeat(np.arange(len(places)), counts)
        within = np.arange(len(pair)) - np.repeat(np.cumsum(counts) - counts, counts)
        at = starts[places][pair] + within
        kinds = np.asarray(self._kinds, dtype=np.int64)[at]
        of_kind = list(self._kind)
        metric = _ranks([kind[0] for kind in of_kind])[kinds]
        order = np.lexsort((pair, metric, *(_ranks(columns[n])[pair] for n in reversed(_ORDER))))
        pair, kinds, at = pair[order], kinds[order], at[order]
        scores = {
            name: _column(name, [_plain(kind[i]) for kind in of_kind]).take(kinds)
            for i, name in enumerate((*_OF_SCORE, "position"))
        } | {"value": np.asarray(self._values, dtype=np.float64)[at]}
        taken = {name: values.take(pair) for name, values in columns.items()}
        return pd.DataFrame({name: (scores | taken)[name] for name in (*TIDY, *DESCRIPTION)})

    def _columns(self, places: NDArray[np.int64]) -> dict[str, Any]:
        """What is the same for all scores of a pair, an entry a pair."""
        chosen = [self._pairs[place] for place in places]
        return {
            name: _column(name, [pair[i] for pair in chosen])
            for i, name in enumerate((*_OF_LINE, *_OF_TASK))
        }


class PredictionTable:
    """Collects the predictions of the pairs that stand; equal columns are kept once.

    Args:
        pairs: Every pair with its trial's line and its task's.
    """

    def __init__(self, pairs: Iterable[tuple[Key, TrialRecord, TaskRecord]]) -> None:
        self._shared = _Shared()
        self._texts: dict[tuple[Any, ...], NDArray[Any]] = {}
        versions: dict[Key, Version] = {}
        described: dict[Key, tuple[Any, ...]] = {}
        for key, trial, task in pairs:
            versions[key] = version_of(trial, task, self._shared)
            described[key] = tuple(map(self._shared, _fields(trial, _BESIDE)))
        stands = standing(versions)
        self._attempts = {key: versions[key].attempt for key in stands}
        self._described = {key: described[key] for key in stands}
        self._columns: dict[Key, dict[str, NDArray[Any]]] = {}

    def add(self, part: Predictions) -> None:
        """Take a line in if its pair stands; a merge may have left it twice, with equal copies."""
        key = (part.task, part.trial)
        if self._attempts.get(key) == part.attempt:
            self._columns[key] = {
                self._shared(name): self._array(column) for name, column in part.columns.items()
            }

    def _array(self, column: Any) -> NDArray[Any]:
        values = np.asarray(column)
        if values.dtype.kind in "biuf":
            return values
        texts = tuple(column)  # names of patients: the same ones for every method and seed
        return self._texts.setdefault(texts, np.array(texts, dtype=object))

    def frame(self) -> pd.DataFrame:
        """A row per (trial, task, test patient), sorted."""
        if not self._columns:
            return pd.DataFrame(columns=list(PREDICTION))
        keys = sorted(self._columns)
        parts = [self._columns[key] for key in keys]
        counts = np.array([len(part["patient"]) for part in parts], dtype=np.int64)
        described = {
            name: np.repeat(_typed([self._described[key][i] for key in keys]), counts)
            for i, name in enumerate(_BESIDE)
        } | {"task": np.repeat(_typed([task for task, _ in keys]), counts)}
        own = {
            name: _joined([part.get(name) for part in parts], counts)
            for name in dict.fromkeys(("patient", *chain.from_iterable(parts)))
        }
        first = PREDICTION[:-1]
        last = [name for name in _BESIDE if name not in first]
        frame = pd.DataFrame(
            {n: described[n] for n in first} | own | {n: described[n] for n in last}
        )
        return frame.sort_values(list(PREDICTION), ignore_index=True, kind="stable")


def _joined(parts: list[NDArray[Any] | None], counts: NDArray[np.int64]) -> Any:
    """One column of all parts, NaN where a part has none."""
    none = np.float32(np.nan)
    texts = any(part is not None and part.dtype.kind == "O" for part in parts)
    filled = [
        np.full(n, none, dtype=object if texts else np.float32) if part is None else part
        for part, n in zip(parts, counts.tolist(), strict=True)
        if n
    ]
    joined = np.concatenate(filled) if filled else np.empty(0)
    return joined.tolist() if texts else joined


def _fields(record: TrialRecord | TaskRecord, names: Iterable[str]) -> Iterator[Any]:
    """What tables have of a record: texts, truths and numbers; several texts become its lines."""
    return (_plain(getattr(record, name)) for name in names)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return "\n".join(value)
    return value if value is None or isinstance(value, (bool, int, float)) else str(value)


def _column(name: str, values: list[Any]) -> Any:
    if name in _COUNTS:
        return pd.array(values, dtype="Int64")
    if name in _NUMBERS:
        return np.array(values, dtype=np.float64)  # None becomes NaN
    return _typed(values)


def _typed(values: list[Any]) -> NDArray[Any]:
    """Whole numbers and truths as such, everything else as it is."""
    if values and isinstance(values[0], (bool, int)):
        return np.array(values)
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def _ranks(values: Iterable[Any]) -> NDArray[np.int64]:
    """The place of each value among the sorted ones, equal for equals."""
    values = list(values)
    place = {value: i for i, value in enumerate(sorted(set(values)))}
    return np.array([place[value] for value in values], dtype=np.int64)
