"""The shape of a line of results, looked at before a table is built of it."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from types import NoneType
from typing import Any

from tasks.data.formats.cells import shown

_Shape = Mapping[str, tuple[type, ...]]

_TEXT, _WHOLE, _NUMBER, _LIST = (str,), (int,), (int, float, NoneType), (list,)
_WORDS = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    list: "a list",
    dict: "an object",
    bool: "true or false",
    NoneType: "null",
}

_RECORD: _Shape = {
    **dict.fromkeys(
        ("trial", "method", "family", "role", "summary", "budget", "protocol", "cohort", "source",
         "licence", "data", "code", "finished"),
        _TEXT,
    ),
    **dict.fromkeys(("attempt", "fold", "n_folds", "seed"), _WHOLE),
    **dict.fromkeys(
        ("parameters", "step_flops", "fit_seconds", "embed_seconds", "peak_memory_mb"), _NUMBER
    ),
    "parent": (str, NoneType),
    "notes": _LIST,
    "tasks": _LIST,
    "config": (dict,),
}  # fmt: skip
_TASK: _Shape = {
    "task": _TEXT,
    "version": _WHOLE,
    "circular": _TEXT,
    "status": _TEXT,
    "n_patients": (int, NoneType),
    "n_events": (int, NoneType),
    "scores": _LIST,
}
_SCORE: _Shape = {
    "metric": _TEXT,
    "value": _NUMBER,
    "higher_is_better": (bool,),
    "primary": (bool,),
    "status": _TEXT,
    "reason": _TEXT,
}
_PREDICTION: _Shape = {"trial": _TEXT, "attempt": _WHOLE, "task": _TEXT, "columns": (dict,)}


def fault(line: Mapping[str, Any]) -> str:
    """What is wrong with a line, `KEY: expected ..., found ...`; empty if nothing is.

    Args:
        line: A trial's record, or the predictions of one of its tasks.
    """
    return next(_faults(line), "")


def _faults(line: Mapping[str, Any]) -> Iterator[str]:
    if "columns" in line:
        yield from _of(line, _PREDICTION, "")
        if len({len(c) if isinstance(c, list) else -1 for c in line["columns"].values()}) > 1:
            yield "columns: expected lists of one length, found others"
        return
    yield from _of(line, _RECORD, "")
    if not all(isinstance(note, str) for note in line["notes"]):
        yield f"notes: expected texts, found {shown(line['notes'])}"
    try:
        datetime.fromisoformat(line["finished"])
    except ValueError:
        yield f"finished: expected a time, found {shown(line['finished'])}"
    for i, task in enumerate(line["tasks"]):
        where = f"tasks[{i}]"
        yield from _of(task, _TASK, where)
        for j, score in enumerate(task["scores"]):
            yield from _of(score, _SCORE, f"{where}.scores[{j}]")


def _of(value: Any, shape: _Shape, where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where}: expected an object, found {shown(value)}"
        return
    for key, types in shape.items():
        found = value.get(key, ...)
        # a truth is a whole number to Python, and not here
        if type(found) in types:
            continue
        place = f"{where}.{key}" if where else key
        expected = " or ".join(
            _WORDS[kind] for kind in types if types != _NUMBER or kind is not int
        )
        yield f"{place}: expected {expected}, found {'none' if found is ... else shown(found)}"
