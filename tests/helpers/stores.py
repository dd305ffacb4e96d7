"""Results folders made from frames of records, as if a run had written them."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.records.frames import COSTS
from benchmark.records.schema import Predictions, ScoreRecord, TrialRecord
from benchmark.records.segments import Writer
from benchmark.records.store import Store
from tasks.base import Status
from tasks.seeds import generator

_OF_TRIAL = (
    "method", "family", "role", "parent", "summary", "budget", "protocol", "cohort", "source",
    "licence", "encoder", "planted", "fold", "n_folds", "seed", "parameters", "step_flops", *COSTS,
)  # fmt: skip

CONFIG = {"width": 16, "rate": 0.001, "cosine": False, "checkpoint": None}


def key(trial: str) -> str:
    """As a trial's: 16 hexadecimal digits."""
    return hashlib.sha256(trial.encode()).hexdigest()[:16]


def write_store(
    folder: Path,
    frame: pd.DataFrame,
    *,
    segments: int = 1,
    backwards: bool = False,
    patients: int = 30,
    epochs: int = 8,
    **columns: Any,
) -> Store:
    """Write a frame as trials with losses and, on survival tasks, predictions.

    Args:
        folder: The results folder.
        frame: As of `tests.helpers.frames.records`.
        segments: Files over which the trials are spread.
        backwards: Whether the trials are written last one first.
        patients: Test patients of each survival task.
        epochs: Values of each loss.
        columns: Fields of every trial that are to differ from the usual.
    """
    for name in ("records", "predictions"):
        (folder / name).mkdir(parents=True)
    lines = [
        trial_record(**(_trial(trial, rows, epochs) | columns))
        for trial, rows in frame.groupby("trial")
    ]
    writers = [Writer(folder, f"{number}.jsonl") for number in range(segments)]
    for i, line in enumerate(reversed(lines) if backwards else lines):
        predictions = [
            _prediction(line, task.task, patients)
            for task in line.tasks
            if task.status is Status.OK and task.task.startswith("survival/")
        ]
        writers[i % segments].append(line, predictions)
    return Store(folder)


def trial_record(**fields: Any) -> TrialRecord:
    """A trial from plain values, those of a trivial one where nothing is said."""
    usual = {
        "attempt": 1, "method": "pca", "family": "linear", "role": "self-supervised",
        "parent": None, "summary": "", "config": {}, "budget": "smoke", "search": None,
        "protocol": "strict", "cohort": "X", "source": "", "licence": "", "planted": False,
        "notes": [], "fold": 0, "split": "s" * 64, "n_folds": 5, "seed": 0, "data": "d" * 64,
        "code": "c" * 16, "versions": {"python": "3.11.7", "mirror-bench": "0.1.0"},
        "device": "cpu", "fit_seconds": 1.0, "embed_seconds": 0.5, "parameters": None,
        "step_flops": None, "peak_memory_mb": 800.0, "losses": {}, "genes": [], "tasks": [],
        "finished": "2026-01-02T03:04:05.678+00:00",
    }  # fmt: skip
    return TrialRecord.model_validate_json(json.dumps(usual | fields))


def _trial(trial: object, rows: pd.DataFrame, epochs: int) -> dict[str, Any]:
    first = rows.iloc[0]
    losses = {
        name: (generator("losses", str(trial), name).random(epochs) + 1.0).tolist()
        for name in (("total", "alignment") if first["method"] == "mirror" else ())
    }
    watched = {"effective_rank": [9.0 - i / epochs for i in range(epochs + 1)]} if losses else {}
    return {
        "trial": key(str(trial)),
        **{name: _plain(first[name]) for name in _OF_TRIAL},
        "config": CONFIG,
        "pretrained_on": [line for line in first["pretrained_on"].split("\n") if line],
        "notes": [note for note in first["notes"].split("\n") if note],
        "losses": losses,
        "geometry": watched,
        "tasks": [_task(str(task), its) for task, its in rows.groupby("task")],
    }


def _task(name: str, rows: pd.DataFrame) -> dict[str, Any]:
    rows = rows.sort_values("position")
    statuses = rows["status"].tolist()
    first = rows.iloc[0]
    fields = ScoreRecord.model_fields
    return {
        "task": name,
        "version": 1,
        "circular": first["circular"],
        "status": "ok" if "ok" in statuses else statuses[0],
        "reason": "" if "ok" in statuses else first["reason"],
        "n_patients": _plain(first["n_patients"]),
        "n_events": _plain(first["n_events"]),
        "scores": [{f: _plain(row[f]) for f in fields} for _, row in rows.iterrows()],
    }


def _prediction(line: TrialRecord, task: str, patients: int) -> Predictions:
    people = generator("people", task, line.fold)
    time = people.exponential(30.0, patients).round(3)
    event = (people.random(patients) < 0.5).astype(int)
    risk = generator("risk", line.trial).normal(size=patients) - time / 30.0
    columns: dict[str, Any] = {
        "patient": [f"P{line.fold}-{i:03d}" for i in range(patients)],
        "risk": risk.tolist(),
        "time_months": time.tolist(),
        "event": event.tolist(),
    }
    return Predictions(trial=line.trial, attempt=1, task=task, columns=columns)


def _plain(value: Any) -> Any:
    if value is None or pd.isna(value):
        return None
    return value.item() if hasattr(value, "item") else value
