"""A damaged results folder: named by every command, mended by one, and nothing is lost silently."""

import json
import lzma
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from benchmark.cli import main as cli
from benchmark.records.merge import merge
from benchmark.records.store import Store
from tasks.errors import InputError
from tests.helpers.frames import records
from tests.helpers.stores import write_store

Ran = Callable[..., tuple[int, str, str]]


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ran:
    def command(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["mirror-bench", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        captured = capsys.readouterr()
        return int(end.value.code or 0), captured.out, captured.err

    return command


@pytest.fixture
def store(tmp_path: Path) -> Store:
    frame = records({"mirror": [[0.6, 0.7]], "pca": [[0.5, 0.6]]})
    return write_store(tmp_path / "results", frame)


def newer(text: bytes) -> bytes:
    line = text[:-21].replace(b'"schema":2', b'"schema":3')
    return line + b',"crc32":"%08x"}\n' % zlib.crc32(line)


def without_versions(text: bytes) -> bytes:
    line = json.loads(text)
    del line["versions"], line["crc32"]
    inside = json.dumps(line, separators=(",", ":")).encode()[:-1]
    return inside + b',"crc32":"%08x"}\n' % zlib.crc32(inside)


def old_without_versions(text: bytes) -> bytes:
    line = json.loads(text)
    return (
        json.dumps({k: line[k] for k in line if k not in ("versions", "schema", "crc32")}).encode()
        + b"\n"
    )


def digit(text: bytes) -> bytes:
    place = text.index(b'"value":0.') + len(b'"value":0.')
    return text[:place] + b"%d" % ((text[place] - ord("0") + 1) % 10) + text[place + 1 :]


CASES = {
    "no versions": (without_versions, "versions: expected an object, found none"),
    "no versions, schema 1": (old_without_versions, "versions: expected an object, found none"),
    "newer": (newer, "schema: expected 2 or older, found 3, which a newer mirror-bench reads"),
    "half": (lambda text: text[: len(text) // 2] + b"\n", "expected one trial as JSON, found b'{"),
    "foreign": (lambda _: b'{"level": "info", "msg": "started"}\n', "trial: expected a name of"),
    "a digit": (digit, "expected what its checksum was made of, found other content"),
}


def damage(path: Path, number: int, change: Callable[[bytes], bytes]) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    lines[number - 1] = change(lines[number - 1])
    path.write_bytes(b"".join(lines))


@pytest.mark.parametrize("case", CASES)
def test_every_command_says_which_line_and_why(
    store: Store, tmp_path: Path, ran: Ran, case: str
) -> None:
    change, expected = CASES[case]
    path = store.folder / "records" / "0.jsonl"
    damage(path, 2, change)
    of = ("--results", store.folder)
    for words in (
        ("results", *of),
        ("predictions", *of),
        ("leaderboard", *of, "--output", tmp_path / "board.md"),
        ("report", *of, "--output", tmp_path / "page"),
        ("rerun", "abc", *of),
        ("results", "merge", store.folder, "--output", tmp_path / "merged"),
    ):
        code, _, err = ran(*words)
        assert code == 2, words
        (line,) = err.splitlines()
        assert line.startswith(f"error: {path}: line 2: {expected}"), words
        if case != "newer":
            assert f"mirror-bench results repair --results {store.folder} moves it" in line
    assert sorted(place.name for place in tmp_path.iterdir()) == ["results"]


@pytest.mark.parametrize("case", [case for case in CASES if case != "newer"])
def test_a_damaged_line_is_moved_aside_and_the_rest_stands(
    store: Store, ran: Ran, case: str
) -> None:
    change, expected = CASES[case]
    whole = store.records()
    path = store.folder / "records" / "0.jsonl"
    trial = json.loads(path.read_bytes().splitlines()[1])["trial"]
    damage(path, 2, change)
    broken = path.read_bytes().splitlines(keepends=True)[1]
    code, out, _ = ran("results", "repair", "--results", store.folder)
    assert code == 0
    assert out.startswith(f"{path}: line 2: ")
    assert expected in out
    assert f"of trial {trial}, " in out or case == "foreign"
    assert "1 moved aside" in out
    (aside,) = (p for p in (store.folder / "damaged").rglob("*") if p.is_file())
    assert aside.read_bytes() == broken
    assert aside.parent.relative_to(store.folder / "damaged") == Path("records/0.jsonl")
    kept = store.records()
    assert kept.equals(whole[whole["trial"] != trial].reset_index(drop=True))
    assert set(store.predictions()["seed"]) == {0}
    code, out, _ = ran("results", "repair", "--results", store.folder)
    assert (code, out) == (0, f"{store.folder}: everything can be read\n")


def test_what_a_newer_version_wrote_is_not_moved(store: Store, ran: Ran) -> None:
    path = store.folder / "records" / "0.jsonl"
    damage(path, 2, newer)
    content = path.read_bytes()
    code, _, err = ran("results", "repair", "--results", store.folder)
    assert code == 2
    assert "which a newer mirror-bench reads" in err
    assert path.read_bytes() == content


def test_a_damaged_prediction_takes_no_record_with_it(store: Store, ran: Ran) -> None:
    whole = store.predictions()
    path = store.folder / "predictions" / "0.jsonl"
    damage(path, 1, lambda text: text.replace(b"0.", b"1.", 1))
    assert ran("predictions", "--results", store.folder)[0] == 2
    assert ran("results", "repair", "--results", store.folder)[0] == 0
    assert len(store.records()) == 4
    assert len(store.predictions()) == len(whole) - 30


def test_a_cut_file_is_kept_as_far_as_it_can_be_read(store: Store, ran: Ran) -> None:
    packed = store.folder / "records" / "a.jsonl.xz"
    plain = store.folder / "records" / "0.jsonl"
    content = lzma.compress(plain.read_bytes() * 50)
    plain.unlink()
    packed.write_bytes(content[:-40])
    assert ran("results", "--results", store.folder)[0] == 2
    code, out, _ = ran("results", "repair", "--results", store.folder)
    assert code == 0
    assert "expected a whole compressed file" in out
    assert " lines are kept" in out
    assert len(store.records()) == 4
    (aside,) = (p for p in (store.folder / "damaged").rglob("*") if p.is_file())
    assert aside.read_bytes() == content[:-40]


@pytest.mark.parametrize("file", ["pca.parquet", "_tested.parquet"])
def test_damaged_columns_are_moved_aside(store: Store, tmp_path: Path, ran: Ran, file: str) -> None:
    merged = tmp_path / "merged"
    assert merge([store.folder], merged, Console(quiet=True)) == 0
    path = merged / "predictions" / "PLANTED" / file
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)
    code, _, err = ran("predictions", "--results", merged)
    assert code == 2
    assert err.startswith(f"error: {path}: ")
    assert "mirror-bench results repair" in err
    code, out, _ = ran("results", "repair", "--results", merged)
    assert code == 0
    assert str(path) in out
    left = Store(merged).predictions()
    assert set(left["method"]) == ({"mirror"} if file == "pca.parquet" else set())
    assert len(Store(merged).records()) == 4
    assert "everything can be read" in ran("results", "repair", "--results", merged)[1]


def test_files_under_each_others_names_are_refused(store: Store, tmp_path: Path, ran: Ran) -> None:
    merged = tmp_path / "merged"
    merge([store.folder], merged, Console(quiet=True))
    place = merged / "predictions" / "PLANTED"
    one, other = place / "pca.parquet", place / "mirror.parquet"
    one.rename(place / "x")
    other.rename(one)
    (place / "x").rename(other)
    code, _, err = ran("predictions", "--results", merged)
    assert code == 2
    assert "expected PLANTED/mirror, found PLANTED/pca" in err


def test_flipped_bits_of_columns_are_noticed_or_harmless(store: Store, tmp_path: Path) -> None:
    merged = tmp_path / "merged"
    merge([store.folder], merged, Console(quiet=True))
    path = merged / "predictions" / "PLANTED" / "pca.parquet"
    good, whole = path.read_bytes(), Store(merged).predictions()
    rng = np.random.default_rng(0)
    noticed = 0
    for place in rng.integers(0, len(good), 150).tolist():
        broken = bytearray(good)
        broken[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(broken)
        read, message = None, ""
        try:
            read = Store(merged).predictions()
        except InputError as error:
            noticed, message = noticed + 1, str(error)
        if read is None:
            assert str(path) in message
            assert "\n" not in message
        else:
            assert read.equals(whole), place
    assert noticed > 75
