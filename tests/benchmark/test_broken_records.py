"""Results folders as hostile or broken as they come: one line each, or a torn line skipped."""

import gzip
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


def unsealed(text: bytes) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(text)
    assert next(iter(line)) == "schema"
    assert list(line)[-1] == "crc32"
    return line


def sealed(line: dict[str, Any]) -> bytes:
    """As the store would have written it, were it right."""
    inside = {name: value for name, value in line.items() if name != "crc32"}
    text = json.dumps(inside, separators=(",", ":")).encode()[:-1]
    return text + b',"crc32":"%08x"}\n' % zlib.crc32(text)


def rewrite(path: Path, number: int, change: Callable[[dict[str, Any]], None]) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    line = unsealed(lines[number - 1])
    change(line)
    lines[number - 1] = sealed(line)
    path.write_bytes(b"".join(lines))


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
        ("trial", ..., "trial: expected a name of letters, digits and . _ \\+ -, found none"),
        ("trial", ["a"], r"trial: expected a name of .*, found \['a'\]"),
        ("trial", "x" * 100_000, "trial: expected a name of .*, found 'xxx"),
        ("attempt", "1", "attempt: expected a whole number from 1, found '1'"),
        ("attempt", True, "attempt: expected a whole number from 1, found True"),
        ("attempt", 0, "attempt: expected a whole number from 1, found 0"),
        ("fold", 1.5, "fold: expected a whole number from 0, found 1.5"),
        ("seed", 2**63, "seed: expected a whole number from 0 to 9223372036854775807, found"),
        ("method", 3, "method: expected a name of .*, found 3"),
        ("method", "[x](y)", "method: expected a name of .*, found '\\[x"),
        ("cohort", "a/b", "cohort: expected a name of .*, found 'a/b'"),
        ("role", "best", "role: expected one of self-supervised, ablation, .*, found 'best'"),
        ("budget", "", "budget: expected one of smoke, default, paper, found ''"),
        ("protocol", "strickt", "protocol: expected a protocol, such as .*, found 'strickt'"),
        ("protocol", 1, "protocol: expected a text, found 1"),
        ("n_folds", ..., "n_folds: expected a whole number from 1, found none"),
        ("versions", ..., "versions: expected an object, found none"),
        ("versions", {"torch": 2}, "versions.torch: expected a text, found 2"),
        ("losses", {"total": [1, None]}, r"losses.total\[1\]: expected a number, found None"),
        ("notes", [1], r"notes\[0\]: expected a text, found 1"),
        ("colour", "red", "colour: expected no such key, found 'red'"),
        ("search", {}, "search.criterion: expected KIND/COHORT/LABEL, found none"),
        ("config", [], "config: expected an object"),
        ("finished", "yesterday", "finished: expected a time in UTC .*, found 'yesterday'"),
        ("finished", "2026-02-30T00:00:00.000+00:00", "finished: expected a time in UTC"),
        ("finished", "2026-02-03T00:00:00.000+01:00", "finished: expected a time in UTC"),
        ("fit_seconds", "long", "fit_seconds: expected a number or null"),
        ("parent", 1, "parent: expected a name of .* or null, found 1"),
        ("tasks", {}, "tasks: expected a list"),
        ("tasks", [7], r"tasks\[0\]: expected an object, found 7"),
        ("tasks.task", ..., r"tasks\[0\].task: expected KIND/COHORT/LABEL, found none"),
        ("tasks.task", "a/b", r"tasks\[0\].task: expected KIND/COHORT/LABEL, found 'a/b'"),
        ("tasks.status", "fine", r"tasks\[0\].status: expected one of ok, skipped, failed"),
        ("tasks.scores", [], r"tasks\[0\].scores: expected a list that is not empty, found \[\]"),
        ("tasks.scores.primary", False, "scores: expected the first score as the primary one"),
        ("tasks.scores.chance", ..., r"scores\[0\].chance: expected a number or null, found none"),
        ("tasks.scores", [None], r"tasks\[0\].scores\[0\]: expected an object"),
        ("tasks.scores.value", "0.9", r"scores\[0\].value: expected .*found '0.9'"),
        ("tasks.scores.value", float("inf"), r"scores\[0\].value: expected a number or null"),
        ("tasks.scores.higher_is_better", 1, "expected true or false, found 1"),
    ],
)
def test_records_of_another_shape(store: Store, key: str, value: object, message: str) -> None:
    path = segment(store)
    rewrite(path, 2, changed(key, value))
    with pytest.raises(InputError, match=rf"line 2: {message}|line 2: .*{message}") as caught:
        read_all(store)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 500 + len(str(path))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("columns", [], "columns: expected an object"),
        ("columns", {"patient": ["a"], "risk": []}, "columns: expected lists of one length"),
        ("columns", {"patient": "ab", "risk": [1, 2]}, "columns.patient: expected a list"),
        ("columns", {"patient": ["ab"], "risk": [None]}, "columns.risk: expected a list"),
        ("columns", {"risk": [1.5]}, r"columns: expected a column patient, found \['risk'\]"),
        ("columns", {"patient": ["ab"], "a\nb": [1]}, "columns: expected names without control"),
        (
            "columns",
            {"patient": ["\u202ea"]},
            "columns: expected names without .*, found '.u202ea'",
        ),
        ("task", 1, "task: expected KIND/COHORT/LABEL, found 1"),
        ("attempt", None, "attempt: expected a whole number from 1, found None"),
    ],
)
def test_predictions_of_another_shape(store: Store, key: str, value: object, message: str) -> None:
    rewrite(segment(store, "predictions"), 1, changed(key, value))
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


@pytest.mark.parametrize("kind", ["records", "predictions"])
def test_one_changed_byte_is_noticed(store: Store, kind: str) -> None:
    """Any byte of any line, as any other: refused by name, unless it is the last line's end."""
    path = segment(store, kind)
    good = path.read_bytes()
    trials = store.attempted()
    table = store.records if kind == "records" else store.predictions

    @settings(max_examples=150, deadline=None)
    @given(st.integers(0, len(good) - 1), st.integers(1, 255))
    def noticed(place: int, flip: int) -> None:
        broken = bytearray(good)
        broken[place] ^= flip
        path.write_bytes(broken)
        if place == len(good) - 1:  # a line without an end was never finished
            table()
            return
        number = good[:place].count(b"\n") + 1
        with pytest.raises(InputError, match=f"{path.name}: line {number}: expected ") as caught:
            table()
        assert "\n" not in str(caught.value)

    noticed()
    path.write_bytes(good)
    assert store.attempted() == trials


def test_flipped_bytes_of_a_compressed_segment(store: Store) -> None:
    good = gzip.compress(segment(store).read_bytes(), mtime=0)
    for old in (store.folder / "records").iterdir():
        old.unlink()
    path = store.folder / "records" / "a.jsonl.gz"
    for trial in range(60):
        rng = generator("flipped records", trial)
        broken = np.frombuffer(good, dtype=np.uint8).copy()
        place = rng.integers(10, len(broken), size=3)
        broken[place] ^= rng.integers(1, 256, size=3).astype(np.uint8)
        path.write_bytes(broken.tobytes())
        with pytest.raises(InputError) as caught:
            read_all(store)
        assert "\n" not in str(caught.value)
