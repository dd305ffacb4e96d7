"""The store of results: append-only, one line a finished trial, and the tables read from it.

A results folder holds `records/*.jsonl` and `predictions/*.jsonl`. Each run appends to segments of
its own, a trial's predictions first and its record last, each as one write followed by fsync: a
trial is in the store as a whole or not at all, whenever the power goes. A torn last line is
skipped by the reader. Everything else (tables, leaderboards) is derived from these files.
"""

import errno
import fcntl
import json
import os
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import pandas as pd

from tasks.errors import InputError

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

OF_TRIAL = (
    "family",
    "role",
    "parent",
    "summary",
    "budget",
    "source",
    "licence",
    "n_folds",
    "parameters",
    "step_flops",
    *COSTS,
)
"""Columns of `Store.records` that are fields of a trial's line."""

DESCRIPTION = (*OF_TRIAL, "primary", "position", "notes", "circular")
"""Further columns of `Store.records`, for the leaderboard."""

PREDICTION = ("task", "cohort", "method", "protocol", "fold", "seed", "patient")
"""The first columns of `mirror-bench predictions`; the task's own, budget and n_folds follow."""

Line = dict[str, Any]
"""One JSON line; `benchmark.trial` writes its fields."""


class UnwritableError(Exception):
    """A record could not be written; every one before it is there, and nothing of this one."""


@dataclass(frozen=True)
class Attempt:
    """What is recorded of one trial and task: how often tried, how it ended, which version."""

    number: int
    status: str
    version: int


@dataclass(frozen=True)
class History:
    """What the records tell a new run.

    Attributes:
        attempts: (trial, task name) -> its last attempt.
        seconds: (method, cohort, budget) -> mean seconds of a fit and its embeddings.
    """

    attempts: Mapping[tuple[str, str], Attempt]
    seconds: Mapping[tuple[str, str, str], float]


class Store:
    """A results folder.

    Args:
        folder: Made when first written to.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def attempted(self) -> list[tuple[Line, Line]]:
        """(trial, task) of every pair that was tried, the last attempt of each, in one order."""
        latest: dict[tuple[str, str], tuple[Line, Line]] = {}
        for trial in _read(self.folder / "records"):
            for task in trial["tasks"]:
                key = (task["task"], trial["trial"])
                if key not in latest or trial["attempt"] > latest[key][0]["attempt"]:
                    latest[key] = (trial, task)
        return [latest[key] for key in sorted(latest)]

    def results(self) -> list[tuple[Line, Line]]:
        """The pairs that stand: results of older data or of an older method are superseded.

        Of a task (with its protocol, budget and number of folds) the data that were scored last
        stand, and of a method its configuration and source that ran last: numbers of two versions
        are never mixed in one table.
        """
        table = ("protocol", "budget", "n_folds")
        of_data = _newest(self.attempted(), table, ("data",))
        return _newest(of_data, (*table, "method"), ("code", "config"))

    def records(self) -> pd.DataFrame:
        """A row per (trial, task, metric) with the columns `TIDY` and `DESCRIPTION`, sorted."""
        rows = [
            (
                task["task"],
                *(trial[name] for name in ("cohort", "method", "protocol", "fold", "seed")),
                score["metric"],
                score["value"],
                score["higher_is_better"],
                task["n_patients"],
                task["n_events"],
                score["status"],
                score["reason"],
                trial["trial"],
                *(trial[name] for name in OF_TRIAL),
                score["primary"],
                position,
                "\n".join(trial["notes"]),
                task["circular"],
            )
            for trial, task in self.results()
            for position, score in enumerate(task["scores"])
        ]
        frame = pd.DataFrame(rows, columns=[*TIDY, *DESCRIPTION])
        counts = ("n_patients", "n_events", "parameters", "step_flops")
        frame = frame.astype({**dict.fromkeys(counts, "Int64"), "value": "float64"})
        frame = frame.astype(dict.fromkeys(COSTS, "float64"))
        order = ["cohort", "task", "protocol", "budget", "method", "seed", "fold", "metric"]
        return frame.sort_values(order, ignore_index=True)

    def predictions(self) -> pd.DataFrame:
        """A row per (trial, task, test patient) of the trials that the records hold, sorted."""
        trials = {(task["task"], trial["trial"]): trial for trial, task in self.results()}
        frames: dict[tuple[str, str], pd.DataFrame] = {}
        for part in _read(self.folder / "predictions"):
            key = (part["task"], part["trial"])
            trial = trials.get(key)
            if trial is not None and trial["attempt"] == part["attempt"]:
                described = {name: trial[name] for name in PREDICTION[1:-1]}
                sizes = {name: trial[name] for name in ("budget", "n_folds")}
                # Two segments may hold the same trial after a merge; the copies are equal.
                frames[key] = pd.DataFrame(
                    {"task": part["task"], **described, **part["columns"], **sizes}
                )
        if not frames:
            return pd.DataFrame(columns=list(PREDICTION))
        frame = pd.concat([frames[key] for key in sorted(frames)], ignore_index=True)
        return frame.sort_values(list(PREDICTION), ignore_index=True, kind="stable")

    def history(self) -> History:
        """What a run need not do again, and how long what it must do will take."""
        latest: dict[tuple[str, str], Attempt] = {}
        spent: dict[tuple[str, str, str], list[float]] = defaultdict(list)
        # Line by line: a folder of 100,000 trials does not fit into memory at once.
        for trial in _read(self.folder / "records"):
            for task in trial["tasks"]:
                key = (trial["trial"], task["task"])
                if key not in latest or trial["attempt"] > latest[key].number:
                    latest[key] = Attempt(trial["attempt"], task["status"], task["version"])
            if trial["fit_seconds"] is not None:
                kind = (trial["method"], trial["cohort"], trial["budget"])
                spent[kind].append(trial["fit_seconds"] + trial["embed_seconds"])
        return History(latest, {kind: fmean(values) for kind, values in spent.items()})

    @contextmanager
    def locked(self, waiting: Callable[[], None]) -> Iterator[None]:
        """Hold the folder for one run, so that two runs compute no trial twice.

        The lock is the kernel's: a killed run leaves none behind.

        Args:
            waiting: Called once if another run holds the folder.

        Raises:
            InputError: If the folder cannot be written.
        """
        try:
            for name in ("records", "predictions"):
                (self.folder / name).mkdir(parents=True, exist_ok=True)
            lock = (self.folder / ".lock").open("w")
        except OSError as error:
            raise InputError(
                f"{self.folder}: expected a results folder that can be written, "
                f"found: {error.strerror}"
            ) from error
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waiting()
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def writer(self) -> "Writer":
        """A writer with segments of its own."""
        return Writer(self.folder, f"{uuid.uuid4().hex[:12]}.jsonl")


class Writer:
    """Appends finished trials to one segment.

    Args:
        folder: The results folder, with `records/` and `predictions/` in it.
        segment: File name used in both.
    """

    def __init__(self, folder: Path, segment: str) -> None:
        self._records = folder / "records" / segment
        self._predictions = folder / "predictions" / segment

    def append(self, trial: Line, predictions: list[Line]) -> None:
        """Write a finished trial; when this returns, it is on the disk.

        Raises:
            UnwritableError: The disk took it not, or not as a whole.
        """
        try:
            if predictions:
                _append(self._predictions, predictions)
            _append(self._records, [trial])
        except OSError as error:
            raise UnwritableError(
                f"{self._records.parent.parent}: expected room for one more record, "
                f"found: {error.strerror}; what is recorded is whole, and the same command goes "
                "on from it"
            ) from error


def _newest(
    pairs: list[tuple[Line, Line]], group: tuple[str, ...], version: tuple[str, ...]
) -> list[tuple[Line, Line]]:
    """Within each task and group, the pairs of the version that finished last."""

    def of(trial: Line, names: tuple[str, ...]) -> str:
        return json.dumps([trial[name] for name in names], sort_keys=True)

    last: dict[tuple[str, str], tuple[str, str]] = {}
    described = []
    for trial, task in pairs:
        key, found = (task["task"], of(trial, group)), of(trial, version)
        last[key] = max(last.get(key, ("", "")), (trial["finished"], found))
        described.append((key, found))
    return [
        pair for pair, (key, found) in zip(pairs, described, strict=True) if last[key][1] == found
    ]


def _append(path: Path, lines: list[Line]) -> None:
    text = "".join(json.dumps(line, allow_nan=False) + "\n" for line in lines).encode()
    created = not path.exists()
    with path.open("ab", buffering=0) as file:
        start = file.tell()
        try:
            if file.write(text) != len(text):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # it took a part
            os.fsync(file.fileno())
        except OSError:
            file.truncate(start)
            raise
    if created:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _read(folder: Path) -> Iterator[Line]:
    for path in sorted(folder.glob("*.jsonl")):
        with path.open("rb") as file:
            for number, text in enumerate(file, start=1):
                if not text.endswith(b"\n"):
                    break  # The run was killed while it wrote this line: it was never finished.
                try:
                    line = json.loads(text)
                except json.JSONDecodeError:
                    line = None
                if not isinstance(line, dict) or not {"trial", "attempt"} <= line.keys():
                    raise InputError(
                        f"{path}: line {number}: expected one trial as JSON, found {text[:40]!r}"
                    )
                yield line
