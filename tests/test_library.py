"""`import mirror_bench`: what a notebook does, and what it meets in foreign folders."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pandas as pd
import pytest

import mirror_bench as mb
from benchmark.records.frames import TIDY
from tasks.errors import InputError
from tests.helpers.planted import planted, planted_folder

ROOT = Path(__file__).parent.parent
CHEAP = """\
import sys, mirror_bench
sys.exit(bool({'torch', 'ray', 'mlflow', 'pandas'} & set(sys.modules)))
"""
PROGRAM = """\
import mirror_bench as mb
print(mb.run(methods='pca,mean-concat', tasks='survival', budget='smoke', folds=3, repeats=1))
"""
SCRIPT = """\
import sys
from mirror_bench import main
sys.exit(main())
"""


def python(
    *words: str | Path, cwd: Path, path: Path | None = None
) -> "subprocess.CompletedProcess[str]":
    paths = [*([str(path)] if path else []), str(ROOT)]
    return subprocess.run(
        [sys.executable, *words],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder from which the embedded cohorts were run, and what was printed."""
    folder = tmp_path_factory.mktemp("notebook")
    done = python("-c", PROGRAM, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_a_run_is_a_data_frame_and_results_lie_where_it_ran(ran: tuple[Path, str]) -> None:
    folder, printed = ran
    records = mb.load_results(folder / "results")
    assert list(records.columns) == list(TIDY)
    assert set(records["method"]) == {"pca", "mean-concat"}
    assert set(records["cohort"]) == {"PLANTED-BAGS", "PLANTED-VECTORS"}
    assert f"[{len(records)} rows x {len(TIDY)} columns]" in printed
    assert printed.split()[0] == TIDY[0]


def test_a_second_run_takes_what_is_there(ran: tuple[Path, str], tmp_path: Path) -> None:
    results = ran[0] / "results"
    before = sorted((results / "records").iterdir())
    again = mb.run(
        ["pca"], ["survival"], results=results, budget="smoke", folds=3, repeats=1, progress=False
    )
    assert sorted((results / "records").iterdir()) == before
    records = mb.load_results(results)
    expected = records[records["method"] == "pca"].reset_index(drop=True)
    pd.testing.assert_frame_equal(again, expected)


def test_figures_are_those_of_one_task(ran: tuple[Path, str]) -> None:
    task, results = "survival/PLANTED-BAGS/os", ran[0] / "results"
    assert {"forest", "kaplan-meier-pca"} <= mb.figures(task, results, methods="pca").keys()
    with pytest.raises(InputError, match="expected one task, protocol and budget, found survival/"):
        mb.figures("survival", results)


def test_a_leaderboard_is_a_data_frame(ran: tuple[Path, str]) -> None:
    board = mb.leaderboard(ran[0] / "results")
    assert set(board["method"]) == {"pca", "mean-concat"}
    one = mb.leaderboard(ran[0] / "results", methods=["pca"], tasks="survival/PLANTED-BAGS/*")
    assert one[["task", "method"]].to_numpy().tolist() == [["survival/PLANTED-BAGS/os", "pca"]]


def test_what_there_is() -> None:
    assert {"mirror", "pca"} <= set(mb.methods()["name"])
    assert "survival/PLANTED-BAGS/os" in set(mb.tasks()["name"])
    assert list(mb.cohorts(planted_folder(bags=False))["name"]) == ["PLANTED-VECTORS"]
    assert mb.__version__


def test_a_cohort_by_its_folder_or_its_name() -> None:
    embedded, read = (mb.load_cohort(c) for c in ("PLANTED-VECTORS", planted_folder(bags=False)))
    assert embedded.fingerprint() == read.fingerprint() == planted(bags=False).fingerprint()


def test_wrong_input_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="budget: expected smoke, default, paper, found 'tiny'"):
        mb.run("pca", "survival", budget="tiny")
    with pytest.raises(InputError, match="expected a results folder with records/, found none"):
        mb.load_results(tmp_path)
    with pytest.raises(InputError, match="absent"):
        mb.load_cohort(tmp_path / "absent")


def test_it_is_cheap_to_import(tmp_path: Path) -> None:
    assert python("-c", CHEAP, cwd=tmp_path).returncode == 0


@pytest.mark.parametrize("name", ["tasks", "methods", "benchmark"])
@pytest.mark.parametrize("place", ["{}/__init__.py", "{}.py"])
def test_a_strangers_module_of_our_name_is_one_line(name: str, place: str, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs" / place.format(name)
    theirs.parent.mkdir(parents=True)
    theirs.write_text("raise RuntimeError('a stranger was imported')")
    found = theirs.parent if theirs.stem == "__init__" else theirs
    line = (
        f"mirror_bench: expected the package {name!r} of {ROOT / name}, found {found}, "
        "which comes first on Python's path"
    )
    imported = python("-c", "import mirror_bench", cwd=tmp_path / "theirs")
    assert imported.returncode == 1
    assert imported.stderr.splitlines()[-1] == f"ImportError: {line}"
    # As pip writes it; the folder it runs in is not on its path, what PYTHONPATH names is.
    script = tmp_path / "mirror-bench"
    script.write_text(SCRIPT)
    shadowed = python(script, "list", "methods", cwd=tmp_path, path=tmp_path / "theirs")
    assert (shadowed.returncode, shadowed.stdout) == (2, "")
    assert shadowed.stderr == f"error: {line}\n"
    beside = python(script, "--help", cwd=tmp_path / "theirs")
    assert beside.returncode == 0, beside.stderr


def test_the_script_is_the_librarys() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["scripts"]["mirror-bench"] == f"{mb.__name__}:{mb.main.__name__}"
    assert project["tool"]["setuptools"]["py-modules"] == [mb.__name__]
