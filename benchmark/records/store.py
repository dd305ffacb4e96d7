"""The store of results: append-only, one line a finished trial, and the tables read from it.

A results folder holds segments (`benchmark.records.segments`) in `records/` and `predictions/`.
A trial's predictions are written first and its record last: it is in the store as a whole or not
at all, whenever the power goes. Everything else (tables, leaderboards) is derived from these files.
"""

import fcntl
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import pandas as pd

from benchmark.records.frames import PredictionTable, ScoreTable
from benchmark.records.schema import TaskRecord, TrialRecord
from benchmark.records.segments import Writer, read_predictions, read_records
from benchmark.records.versions import Key, last_attempts, standing, version_of
from tasks.errors import InputError


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
        finished: The latest time that any record bears, empty without records.
    """

    attempts: Mapping[tuple[str, str], Attempt]
    seconds: Mapping[tuple[str, str, str], float]
    finished: str


class Store:
    """A results folder.

    Args:
        folder: Made when first written to.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._held: list[tuple[Key, TrialRecord, TaskRecord]] | None = None

    def read_once(self) -> "Store":
        """The store as it is now: its records are read once and held, for who asks repeatedly."""
        held = Store(self.folder)
        held._held = list(self._pairs())
        return held

    def attempted(
        self, beginning: str | tuple[str, ...] = ""
    ) -> dict[Key, tuple[TrialRecord, TaskRecord]]:
        """(trial, task) of every pair that was tried, the last attempt of each, in one order.

        Args:
            beginning: Of the keys of the wanted trials, or several such; their lines are held in
                memory.
        """
        latest = {
            key: (trial, task)
            for key, trial, task in self._pairs()
            if trial.trial.startswith(beginning)
        }
        return {key: latest[key] for key in sorted(latest)}

    def results(self) -> list[tuple[TrialRecord, TaskRecord]]:
        """The pairs that stand (`records.versions.standing`), as `attempted` gives them."""
        pairs = self.attempted()
        stands = standing({key: version_of(*pair) for key, pair in pairs.items()})
        return [pair for key, pair in pairs.items() if key in stands]

    def records(self) -> pd.DataFrame:
        """A row per (trial, task, metric) with the columns `TIDY` and `DESCRIPTION`, sorted."""
        table = ScoreTable()
        for pair in self._pairs():
            table.add(*pair)
        return table.frame()

    def predictions(self) -> pd.DataFrame:
        """A row per (trial, task, test patient) of the trials that the records hold, sorted."""
        table = PredictionTable(self._pairs())
        for part in read_predictions(self.folder):
            table.add(part)
        return table.frame()

    def history(self) -> History:
        """What a run need not do again, and how long what it must do will take."""
        spent: dict[tuple[str, str, str], list[float]] = defaultdict(list)
        finished = ""

        def trials() -> Iterator[TrialRecord]:
            nonlocal finished
            for trial in read_records(self.folder):
                finished = max(finished, trial.finished)
                if trial.fit_seconds is not None and trial.embed_seconds is not None:
                    kind = (trial.method, trial.cohort, trial.budget)
                    spent[kind].append(trial.fit_seconds + trial.embed_seconds)
                yield trial

        attempts = {
            (trial.trial, task.task): Attempt(trial.attempt, task.status, task.version)
            for _, trial, task in last_attempts(trials())
        }
        return History(attempts, {kind: fmean(all_) for kind, all_ in spent.items()}, finished)

    def _pairs(self) -> Iterator[tuple[Key, TrialRecord, TaskRecord]]:
        if self._held is not None:
            return iter(self._held)
        return last_attempts(read_records(self.folder))

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

    def writer(self) -> Writer:
        """A writer with segments of its own."""
        return Writer(self.folder, f"{uuid.uuid4().hex[:12]}.jsonl")


def existing_store(results: Path) -> Store:
    """The store of a results folder that has to be there.

    Raises:
        InputError: It is not.
    """
    if not (results / "records").is_dir():
        raise InputError(f"{results}: expected a results folder with records/, found none")
    return Store(results)
