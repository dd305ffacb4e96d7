"""Results folders made from frames of records, as if a run had written them."""

import hashlib
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.records.frames import COSTS
from benchmark.records.segments import Line, Writer
from benchmark.records.store import Store
from tasks.seeds import generator

_OF_TRIAL = (
    "method", "family", "role", "parent", "summary", "budget", "protocol", "cohort", "source",
    "licence", "fold", "n_folds", "seed", "parameters", "step_flops", *COSTS,
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
    lines = [_trial(trial, rows, epochs) | columns for trial, rows in frame.groupby("trial")]
    writers = [Writer(folder, f"{number}.jsonl") for number in range(segments)]
    for i, line in enumerate(reversed(lines) if backwards else lines):
        predictions = [
            _prediction(line, task["task"], patients)
            for task in line["tasks"]
            if task["status"] == "ok" and task["task"].startswith("survival/")
        ]
        writers[i % segments].append(line, predictions)
    return Store(folder)


def _trial(trial: object, rows: pd.DataFrame, epochs: int) -> Line:
    first = rows.iloc[0]
    losses = {
        name: (generator("losses", str(trial), name).random(epochs) + 1.0).tolist()
        for name in (("total", "alignment") if first["method"] == "mirror" else ())
    }
    return {
        "trial": key(str(trial)),
        "attempt": 1,
        **{name: _plain(first[name]) for name in _OF_TRIAL},
        "config": CONFIG,
        "notes": [note for note in first["notes"].split("\n") if note],
        "data": "d" * 64,
        "code": "c" * 16,
        "finished": "2026-01-02T03:04:05.678+00:00",
        "versions": {"python": "3.11.7", "mirror-bench": "0.1.0"},
        "device": "cpu",
        "losses": losses,
        "tasks": [_task(str(task), its) for task, its in rows.groupby("task")],
    }


def _task(name: str, rows: pd.DataFrame) -> Line:
    rows = rows.sort_values("position")
    statuses = rows["status"].tolist()
    first = rows.iloc[0]
    fields = ["metric", "value", "higher_is_better", "primary", "status", "reason"]
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


def _prediction(line: Line, task: str, patients: int) -> Line:
    people = generator("people", task, line["fold"])
    time = people.exponential(30.0, patients).round(3)
    event = (people.random(patients) < 0.5).astype(int)
    risk = generator("risk", line["trial"]).normal(size=patients) - time / 30.0
    columns = {
        "patient": [f"P{line['fold']}-{i:03d}" for i in range(patients)],
        "risk": risk.tolist(),
        "time_months": time.tolist(),
        "event": event.tolist(),
    }
    return {"trial": line["trial"], "attempt": 1, "task": task, "columns": columns}


def _plain(value: Any) -> Any:
    if value is None or pd.isna(value):
        return None
    return value.item() if hasattr(value, "item") else value
