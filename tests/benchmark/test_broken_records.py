"""Results folders as hostile or broken as they come: one line each, or a torn line skipped."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.records.store import Store
from tasks.errors import InputError
from tasks.seeds import generator
from tests.helpers.frames import records
from tests.helpers.stores import write_store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return write_store(tmp_path / "results", records({"mirror": [[0.6, 0.7]], "pca": [[0.5, 0.6]]}))


def segment(store: Store, kind: str = "records") -> Path:
    return next((store.folder / kind).glob("*.jsonl"))


def read_all(store: Store) -> None:
    store.history()
    store.records()
    store.predictions()
    store.results()


def changed(key: str, value: object) -> Callable[[dict[str, Any]], None]:
    """Change one key of a line; a dot goes into the first of a list."""

    def change(line: dict[str, Any]) -> None:
        *way, last = key.split(".")
        inner: Any = line
        for step in way:
            inner = inner[step][0] if isinstance(inner[step], list) else inner[step]
        if value is ...:
            del inner[last]
        else:
            inner[last] = value

    return change


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("trial", ..., "trial: expected a text, found none"),
        ("trial", ["a"], r"trial: expected a text, found \['a'\]"),
        ("attempt", "1", "attempt: expected a whole number, found '1'"),
        ("attempt", True, "attempt: expected a whole number, found True"),
        ("fold", 1.5, "fold: expected a whole number, found 1.5"),
        ("method", 3, "method: expected a text, found 3"),
        ("n_folds", ..., "n_folds: expected a whole number, found none"),
        ("notes", [1], r"notes: expected texts, found \[1\]"),
        ("config", [], "config: expected an object"),
        ("finished", "yesterday", "finished: expected a time, found 'yesterday'"),
        ("fit_seconds", "long", "fit_seconds: expected a number or null"),
        ("parent", 1, "parent: expected a text or null, found 1"),
        ("tasks", {}, "tasks: expected a list"),
        ("tasks", [7], r"tasks\[0\]: expected an object, found 7"),
        ("tasks.task", ..., r"tasks\[0\].task: expected a text, found none"),
        ("tasks.scores", [None], r"tasks\[0\].scores\[0\]: expected an object"),
        ("tasks.scores.value", "0.9", r"scores\[0\].value: expected .*found '0.9'"),
        ("tasks.scores.value", float("inf"), "expected one trial as JSON"),
        ("tasks.scores.higher_is_better", 1, "expected true or false, found 1"),
        ("trial", "x" * 100_000, ""),
    ],
)
def test_records_of_another_shape(store: Store, key: str, value: object, message: str) -> None:
    path = segment(store)
    lines = [json.loads(text) for text in path.read_text().splitlines()]
    changed(key, value)(lines[1])
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    if not message:
        read_all(store)
        return
    with pytest.raises(InputError, match=rf"line 2: {message}|line 2: .*{message}") as caught:
        read_all(store)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 500 + len(str(path))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("columns", [], "columns: expected an object"),
        ("columns", {"patient": ["a"], "risk": []}, "columns: expected lists of one length"),
        ("columns", {"patient": "ab", "risk": [1, 2]}, "columns: expected lists of one length"),
        ("task", 1, "task: expected a text, found 1"),
        ("attempt", None, "attempt: expected a whole number, found None"),
    ],
)
def test_predictions_of_another_shape(store: Store, key: str, value: object, message: str) -> None:
    path = segment(store, "predictions")
    lines = [json.loads(text) for text in path.read_text().splitlines()]
    changed(key, value)(lines[0])
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(InputError, match=f"line 1: {message}"):
        read_all(store)


@pytest.mark.parametrize(
    "text",
    [b"\xff\xfe\n", b"[" * 100_000 + b"\n", b"null\n", b"{}\n", b"\0\n", b'{"trial": \n', b"\n",
     b"9" * 5000 + b"\n", b'"\\ud800"\n'],
)  # fmt: skip
def test_lines_that_are_none(store: Store, text: bytes) -> None:
    path = segment(store)
    path.write_bytes(path.read_bytes() + text)
    with pytest.raises(InputError, match="line 5: ") as caught:
        read_all(store)
    assert "\n" not in str(caught.value)


def test_a_torn_line_was_never_finished(store: Store) -> None:
    whole = store.records()
    path = segment(store)
    content = path.read_bytes()
    for torn in (content[:100], b"\xff", content[:-1][-50:]):
        path.write_bytes(content + torn.rstrip(b"\n"))
        assert store.records().equals(whole)


def test_flipped_bytes(store: Store) -> None:
    """Read, or refused in one line; in compressed segments always refused."""
    for name, good in (
        ("a.jsonl", segment(store).read_bytes()),
        ("a.jsonl.gz", gzip.compress(segment(store).read_bytes())),
    ):
        segment_path = store.folder / "records" / name
        for old in list((store.folder / "records").iterdir()):
            old.unlink()
        refused = 0
        for trial in range(60):
            rng = generator("flipped records", name, trial)
            broken = np.frombuffer(good, dtype=np.uint8).copy()
            at = rng.integers(10, len(broken), size=3)
            broken[at] = rng.integers(0, 256, size=3)
            segment_path.write_bytes(broken.tobytes())
            found = ""
            try:
                read_all(store)
            except InputError as error:
                refused += 1
                found = str(error)
            assert "\n" not in found, (name, trial)
        assert refused > 20, name
