"""Results of several machines in one folder: what is the same once, and contradictions shown."""

import json
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmark.records.columnar import write_columns
from benchmark.records.schema import FOLDERS, Predictions, Record, TrialRecord
from benchmark.records.segments import (
    COMPRESSED,
    decoded,
    encoded,
    read_predictions,
    read_records,
    write_segment,
)
from benchmark.records.store import existing_store
from tasks.atomic import sync_folder
from tasks.base import Status
from tasks.errors import InputError
from tasks.names import file_name

_SHOWN = 20
"""Contradictions that are printed; the rest is counted."""

Scores = dict[str, float | None]

_Name = tuple[Path, str, str]

_R = TypeVar("_R", bound=Record)


@dataclass(frozen=True)
class Contradiction:
    """One score that two folders give differently.

    Attributes:
        trial: Its key.
        method: Of the trial.
        task: On which task.
        metric: Which score.
        values: What each folder that has it gives.
    """

    trial: str
    method: str
    task: str
    metric: str
    values: tuple[tuple[Path, float | None], ...]


@dataclass(frozen=True)
class _Entry:
    """What is kept in memory of a recorded line.

    Attributes:
        folder: Where it is.
        trial: Its key.
        attempt: As recorded there.
        finished: When; with the folder and the trial it names the line, even if the folder grows.
        method: Of the trial.
        result: What came out, whatever it cost and whenever it was.
        scores: Task name -> its scores, of the tasks that succeeded.
        tasks: Names of all tasks of the line.
    """

    folder: Path
    trial: str
    attempt: int
    finished: str
    method: str
    result: str
    scores: dict[str, Scores]
    tasks: tuple[str, ...]

    @property
    def name(self) -> _Name:
        """What tells the line from all others."""
        return self.folder, self.trial, self.finished


def merge(folders: Sequence[Path], output: Path, console: Console) -> int:
    """Write the results of several folders to a new one.

    A trial that several folders hold with the same scores is kept once, as it finished first. Where
    one failed and another succeeded, the success stands.

    Args:
        folders: Results folders, in any order.
        output: Absent, or without records.
        console: Where contradictions are shown.

    Returns:
        0, or 1 if two folders give a trial's task different scores; nothing is written then.

    Raises:
        InputError: A folder has no records, or the output has or cannot be written.
    """
    for folder in folders:
        existing_store(folder)
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise InputError("expected each results folder once")
    if any(path.is_file() for name in FOLDERS for path in (output / name).rglob("*")):
        raise InputError(f"{output}: expected a folder without results, found some")
    trials = _read(folders)
    differing = [
        c for trial, entries in sorted(trials.items()) for c in _contradictions(trial, entries)
    ]
    if differing:
        _show(differing, console)
        return 1
    kept = {
        entry.name: attempt
        for entries in trials.values()
        for attempt, entry in enumerate(_kept(entries), start=1)
    }
    attempts = {
        (entry.folder, trial, task, entry.attempt): kept[entry.name]
        for trial, entries in trials.items()
        for entry in entries
        if entry.name in kept
        for task in entry.tasks
    }
    succeeded = {
        (trial, task) for trial, entries in trials.items() for e in entries for task in e.scores
    }
    _write(folders, output, kept, attempts, succeeded)
    n = sum(len(entries) for entries in trials.values())
    console.print(
        f"wrote {output}: {len(trials):,} trials of {len(folders)} folders, {n:,} records in,"
        f" {len(kept):,} kept",
        highlight=False,
    )
    return 0


def _read(folders: Sequence[Path]) -> dict[str, list[_Entry]]:
    trials: dict[str, list[_Entry]] = defaultdict(list)
    for folder in folders:
        for line in read_records(folder):
            trials[line.trial].append(_entry(folder, line))
    return trials


def _entry(folder: Path, line: TrialRecord) -> _Entry:
    scores = {
        task.task: {score.metric: score.value for score in task.scores}
        for task in line.tasks
        if task.status == Status.OK
    }
    # Seconds, reasons with a time in them and versions of libraries are no result.
    result: Any = [
        sorted(
            (task.task, task.status, [[s.metric, s.value] for s in task.scores])
            for task in line.tasks
        ),
        line.data,
        line.code,
    ]
    return _Entry(
        folder,
        line.trial,
        line.attempt,
        line.finished,
        line.method,
        json.dumps(result),
        scores,
        tuple(task.task for task in line.tasks),
    )


def _contradictions(trial: str, entries: Sequence[_Entry]) -> Iterator[Contradiction]:
    """Between folders; within one, a later attempt replaces an earlier one."""
    stands: dict[str, dict[Path, _Entry]] = defaultdict(dict)
    for entry in sorted(entries, key=lambda e: (e.attempt, e.finished)):
        for task in entry.scores:
            stands[task][entry.folder] = entry
    for task, by_folder in sorted(stands.items()):
        metrics = dict.fromkeys(m for entry in by_folder.values() for m in entry.scores[task])
        for metric in metrics:
            values = tuple((f, e.scores[task].get(metric)) for f, e in by_folder.items())
            if len({value for _, value in values}) > 1:
                yield Contradiction(trial, entries[0].method, task, metric, values)


def _kept(entries: Sequence[_Entry]) -> list[_Entry]:
    """One entry of each result, those that stand last: the last attempt of a task is read.

    What has nothing but tasks in which others succeeded is left out.
    """
    succeeded = {task for entry in entries for task in entry.scores}
    first: dict[str, _Entry] = {}
    for entry in sorted(entries, key=lambda e: (e.finished, e.attempt)):
        if entry.scores or not succeeded.issuperset(entry.tasks):
            first.setdefault(entry.result, entry)
    return sorted(first.values(), key=lambda e: (e.attempt, e.finished))


def _write(
    folders: Sequence[Path],
    output: Path,
    kept: Mapping[_Name, int],
    attempts: Mapping[tuple[Path, str, str, int], int],
    succeeded: set[tuple[str, str]],
) -> None:
    """Write a file a cohort and method: their lines on the disk first, for they may be many."""
    files: dict[str, tuple[str, str]] = {}
    try:
        output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".merge-", dir=output) as scratch:
            made = Path(scratch)
            for folder in folders:
                for line in read_records(folder):
                    name = (folder, line.trial, line.finished)
                    if name not in kept:
                        continue
                    tasks = tuple(
                        task
                        for task in line.tasks
                        if task.status == Status.OK or (line.trial, task.task) not in succeeded
                    )
                    files[line.trial] = (file_name(line.cohort), line.method)
                    changed = line.model_copy(update={"attempt": kept[name], "tasks": tasks})
                    _spool(made / "lines" / "records", files[line.trial], changed)
                for part in read_predictions(folder):
                    attempt = attempts.get((folder, part.trial, part.task, part.attempt))
                    if attempt is not None:
                        lists = {n: np.asarray(v).tolist() for n, v in part.columns.items()}
                        again = part.model_copy(update={"attempt": attempt, "columns": lists})
                        _spool(made / "lines" / "predictions", files[part.trial], again)
            for kind in FOLDERS:
                (made / kind).mkdir()
            for place in _spooled(made / "lines" / "records"):
                (made / "records" / place.parent.name).mkdir(exist_ok=True)
                target = made / "records" / place.parent.name / f"{place.name}{COMPRESSED}"
                ordered = sorted(_lines(place, TrialRecord), key=_order)
                write_segment(target, ordered)
            for cohort, places in groupby(
                _spooled(made / "lines" / "predictions"), lambda place: place.parent.name
            ):
                blocks = ((place.name, _lines(place, Predictions)) for place in places)
                write_columns(made / "predictions", cohort, blocks)
            # The records last, as everywhere: without them there are no results.
            for kind in reversed(FOLDERS):
                (made / kind).rename(output / kind)
            sync_folder(output)
    except OSError as error:
        raise InputError(
            f"{output}: expected a results folder that can be written, found: {error.strerror}"
        ) from error


def _spool(folder: Path, file: tuple[str, str], line: Record) -> None:
    place = folder.joinpath(*file)
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("ab") as lines:
        lines.write(encoded(line))


def _spooled(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/*"))


def _lines(place: Path, model: type[_R]) -> Iterator[_R]:
    with place.open("rb") as file:
        yield from (decoded(text, model) for text in file)


def _order(line: TrialRecord) -> tuple[Any, ...]:
    """What is alike stands together: it is packed better."""
    setting = (str(line.protocol), line.budget, line.n_folds, line.seed, line.fold)
    return (*setting, line.trial, line.attempt, line.finished)


def _show(contradictions: Sequence[Contradiction], console: Console) -> None:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("trial", "method", "task", "metric", "folder", "score"):
        table.add_column(name, overflow="fold")
    for one in contradictions[:_SHOWN]:
        place = (one.trial, one.method, one.task, one.metric)
        for folder, value in one.values:
            table.add_row(*place, str(folder), "none" if value is None else repr(value))
            place = ("", "", "", "")
    console.print(table)
    if len(contradictions) > _SHOWN:
        console.print(f"... and {len(contradictions) - _SHOWN:,} more")
    console.print(
        f"{len(contradictions):,} scores contradict each other: the same trial and task, other"
        " values. Nothing was written. `mirror-bench rerun TRIAL` says which folder is right.",
        highlight=False,
    )
