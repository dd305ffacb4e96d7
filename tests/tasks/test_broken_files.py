"""Manifests, split files and whole commands on what a hostile newcomer may have on the disk."""

import gzip
import os
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from benchmark.cli.main import main
from tasks.data.load import find_cohorts, load_cohort
from tasks.data.manifest import read_manifest
from tasks.data.split_files import read_split_sets
from tasks.errors import InputError
from tasks.seeds import generator

MANIFEST = """
name = "TOY"
[modalities.wsi]
kind = "bag"
path = "bags"
[modalities.rna]
kind = "vector"
path = "rna.csv"
id = "id"
[clinical]
format = "tcga-cdr"
path = "cdr.csv"
"""
PATIENTS = tuple(f"TCGA-AA-00{i:02d}" for i in range(1, 41))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIRROR_BENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small whole cohort."""
    rng = generator("broken files")
    cohort = tmp_path / "data" / "toy"
    (cohort / "bags").mkdir(parents=True)
    for patient in PATIENTS:
        with h5py.File(cohort / "bags" / f"{patient}-01Z-00-DX1.h5", "w") as file:
            file["features"] = rng.normal(size=(3, 4)).astype(np.float32)
    rna = "".join(f"{p},{rng.normal()},{rng.normal()}\n" for p in PATIENTS)
    (cohort / "rna.csv").write_text(f"id,G1,G2\n{rna}")
    cdr = "".join(f"{p},{i % 2},{100 + 30 * i}\n" for i, p in enumerate(PATIENTS))
    (cohort / "cdr.csv").write_text(f"bcr_patient_barcode,OS,OS.time\n{cdr}")
    (cohort / "cohort.toml").write_text(MANIFEST)
    return cohort


TOML: list[tuple[str, bytes | str, str]] = [
    ("empty", "", "name: expected a text, found no such key"),
    ("binary", generator("toml").bytes(500), "expected TOML in UTF-8, found"),
    ("Latin-1", 'name = "Tür"'.encode("latin-1"), "expected TOML in UTF-8, found"),
    ("zero byte", 'name = "T\0"', "expected TOML in UTF-8, found"),
    ("a key twice", 'name = "A"\nname = "B"', "expected TOML in UTF-8, found"),
    ("a table twice", MANIFEST + MANIFEST.split('"TOY"')[1], "expected TOML in UTF-8, found"),
    ("too deep", "a = " + "[" * 20_000, "expected TOML in UTF-8, found"),
    ("an endless integer", "a = " + "9" * 5000, "expected TOML in UTF-8, found"),
    ("a list", MANIFEST.replace('"TOY"', "[1]"), r"name: expected a text, found \[1\]"),
    ("a date", MANIFEST.replace('"TOY"', "2020-01-01"), "name: expected a text"),
    ("a path as name", MANIFEST.replace("TOY", "../../etc"), "name of letters, digits"),
    ("a name of another script", MANIFEST.replace("TOY", "ΤΟΥ"), "name of letters, digits"),  # noqa: RUF001
    ("an endless name", MANIFEST.replace("TOY", "T" * 300), "name of letters, digits"),
    ("an unknown key", MANIFEST + 'licence = "x"', r"clinical\.licence.*unknown key 'licence'"),
    ("an unknown table", MANIFEST + "[extra]", "unknown key 'extra'"),
    ("kind", MANIFEST.replace('"bag"', '"bags"'), "expected one of bag, vector.*did you mean bag"),
    ("zero byte in a path", MANIFEST.replace('"bags"', r'"b\u0000"'), "found .*null byte"),
    ("an endless path", MANIFEST.replace('"bags"', f'"{"b" * 5000}"'), "File name too long"),
    ("a device", MANIFEST.replace("rna.csv", "/dev/zero"), "found /dev/zero: a device"),
    ("a pipe", MANIFEST.replace("rna.csv", "pipe"), "pipe: a pipe"),
    ("a loop", MANIFEST.replace('"bags"', '"loop"'), "loop: Too many levels"),
    ("a folder", MANIFEST.replace("rna.csv", "bags"), "bags: a folder"),
    ("a file", MANIFEST.replace('"bags"', '"rna.csv"'), "rna.csv: a file"),
    ("nothing", MANIFEST.replace('"bags"', '"../../none"'), "none: No such file"),
]  # fmt: skip


@pytest.mark.timeout(20)
@pytest.mark.parametrize(("content", "message"), [c[1:] for c in TOML], ids=[c[0] for c in TOML])
def test_manifests(folder: Path, content: bytes | str, message: str) -> None:
    os.mkfifo(folder / "pipe")
    (folder / "loop").symlink_to("loop")
    file = folder / "cohort.toml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=message) as caught:
        read_manifest(folder)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.timeout(20)
def test_folders_of_cohorts(folder: Path, tmp_path: Path) -> None:
    data = folder.parent
    (data / "itself").symlink_to(".")
    (data / "loop").symlink_to("loop")
    (data / "empty").mkdir()
    (data / "note.txt").write_text("nothing")
    assert [found.name for found in find_cohorts(data)] == ["toy"]
    (data / "loop").rename(data / "cohort.toml")
    assert [found.name for found in find_cohorts(data)] == ["toy"]
    for path, message in (
        (data / "empty", "found none in 0 folders"),
        (data / "note.txt", "found: Not a directory"),
        (tmp_path / "gone", "found: No such file"),
    ):
        with pytest.raises(InputError, match=message):
            find_cohorts(path)
    (folder / "cohort.toml").unlink()
    os.mkfifo(folder / "cohort.toml")
    with pytest.raises(InputError, match="expected a file, found: a pipe"):
        load_cohort(folder)


def test_declared_paths_may_climb(folder: Path) -> None:
    """Cohorts share a clinical file above them; nothing is written there, only read."""
    (folder / "cdr.csv").rename(folder.parent / "cdr.csv")
    (folder / "cohort.toml").write_text(MANIFEST.replace("cdr.csv", "../cdr.csv"))
    assert load_cohort(folder).endpoints["os"].event.sum() == 20


SPLITS: list[tuple[str, bytes | str, str]] = [
    ("empty", "", "an empty file"),
    ("header alone", ",train,val\n", "expected two or more parts, found nobody"),
    ("nobody tested", f",train,val\n0,{PATIENTS[0]},\n", "found nobody in val|two or more parts"),
    ("a part twice", ",train,train\n0,a,b\n", "one column 'train', found several"),
    ("no parts", "case_id,x\na,b\n", "expected the columns train and val or test"),
    ("another word", "case_id,split\na,trian\n", "expected train, val or test.*did you mean train"),
    ("a huge word", f"case_id,split\na,{'x' * 99999}\n", r"found 'xxx.*\.\.\."),
    ("a fold of half", "case_id,fold\na,0.5\n", "expected a fold's number, found '0.5'"),
    ("a negative fold", "case_id,fold\na,-1\n", "expected a fold's number, found '-1'"),
    ("a vast fold", "case_id,fold\na,1e300\n", "expected a fold's number, found '1e300'"),
    ("no fold", "case_id,fold\na,nan\n", "expected a fold in some row, found none"),
    ("infinite fold", "case_id,fold\na,inf\n", "expected a fold's number, found 'inf'"),
    ("a column of a vast fold", f"case_id,fold_{'9' * 5000}\na,train\n", "expected the columns"),
    ("no id", "case_id,split\n,train\nb,test\n", "expected an identifier, found nothing"),
    ("binary", b"\xff\x00\xfe" * 99, "expected a table, found"),
    ("zero bytes", ",train,val\n0,a\0b,c\n", "found a zero byte"),
    ("gzip cut", gzip.compress(b",train,val\n0,a,b\n")[:-9], "expected a table, found"),
]


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("content", "message"), [c[1:] for c in SPLITS], ids=[c[0] for c in SPLITS]
)
def test_split_files(tmp_path: Path, content: bytes | str, message: str) -> None:
    file = tmp_path / "splits.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=message) as caught:
        read_split_sets(file)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


@pytest.mark.timeout(20)
def test_split_folders(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "up").symlink_to("..")
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    os.mkfifo(tmp_path / "splits_0.csv")
    with pytest.raises(InputError, match="found none"):
        read_split_sets(tmp_path)
    (tmp_path / "inner" / "splits_0.csv").write_text(",train,val\n0,a,b\n")
    (found,) = read_split_sets(tmp_path)
    assert found.folds[0].patients("train") == {"a"}


# Whole commands

Command = Callable[..., str]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The entry point of the command line; its one line of error, which is all it may say."""

    def run(*words: str | Path) -> str:
        monkeypatch.setattr(sys, "argv", ["mirror-bench", *map(str, words)])
        with pytest.raises(SystemExit) as caught:
            main()
        error = capsys.readouterr().err
        assert (caught.value.code, error.count("\n")) == (2, 1), error
        assert error.startswith("error: ")
        return error

    return run


def nan_slide(folder: Path) -> None:
    with h5py.File(folder / "bags" / f"{PATIENTS[3]}-01Z-00-DX1.h5", "a") as file:
        file["features"][1, 1] = np.nan


def evil_name(folder: Path) -> None:
    (folder / "bags" / "\x1b]0;evil\x07\nTCGA.h5").write_bytes(b"")


def bytes_name(folder: Path) -> None:
    Path(os.fsdecode(os.fsencode(folder / "bags") + b"/TCGA-AA-0099\xff.h5")).write_bytes(b"")


def pipe_slide(folder: Path) -> None:
    os.mkfifo(folder / "bags" / "TCGA-AA-0099.h5")


@pytest.mark.parametrize(
    ("breaking", "message"),
    [
        (nan_slide, "instance 1, feature 1: expected a finite number, found nan"),
        (evil_name, r"\x1b]0;evil\x07\nTCGA.h5"),
        (bytes_name, r"TCGA-AA-0099\udcff.h5"),
        (pipe_slide, "expected a file, found: a pipe"),
    ],
)
def test_commands_end_in_one_line_and_write_nothing(
    folder: Path, tmp_path: Path, command: Command, breaking: Callable[[Path], None], message: str
) -> None:
    breaking(folder)
    before = sorted(folder.rglob("*"))
    assert message in command(
        "embed", "pca", "--cohort", folder, "--output", tmp_path / "embeddings.h5"
    )
    assert message in command(
        "run", "--methods", "pca", "--tasks", "survival", "--data", folder, "--results",
        tmp_path / "results",
    )  # fmt: skip
    assert message in command("audit", folder)
    assert sorted(folder.rglob("*")) == before
    assert not (tmp_path / "embeddings.h5").exists()
    assert not (tmp_path / "results").exists()


def test_audit_of_what_is_no_file(tmp_path: Path, command: Command) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "loop").symlink_to("loop")
    for path in (tmp_path / "pipe.csv", tmp_path / "loop", "/dev/zero", tmp_path):
        command("audit", path)


@pytest.mark.parametrize(
    "setting",
    ["pca", "pca.", ".x=1", "pca.components", "pca.components=", "pca.components=1e99",
     "pca.components=" + "9" * 5000, "mirror.width=3", "pca.x\n=1", "=", "pca.components=\x1b[2J"],
)  # fmt: skip
def test_settings(folder: Path, tmp_path: Path, command: Command, setting: str) -> None:
    error = command(
        "embed", "pca", "--cohort", folder, "--output", tmp_path / "e.h5", "--set", setting
    )
    assert "--set" in error
    assert len(error) < 3000


def test_what_no_method_can_embed(folder: Path, tmp_path: Path, command: Command) -> None:
    for rows, message in (
        ([f"{p},1,1\n" for p in PATIENTS], "pca cannot embed TOY: ValueError: "),
        ([f"{p},,\n" for p in PATIENTS], "pca cannot embed TOY: ValueError: "),
    ):
        (folder / "rna.csv").write_text("id,G1,G2\n" + "".join(rows))
        assert message in command("embed", "pca", "--cohort", folder, "--output", tmp_path / "e.h5")
    for option, value, message in (
        ("--output", folder, "expected a file that can be written, found: a folder"),
        ("--device", "nosuch", "--device: expected one of auto, cpu"),
    ):
        assert message in command("embed", "pca", "--cohort", folder, option, value)
    assert not (tmp_path / "e.h5").exists()
