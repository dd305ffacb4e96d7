"""`mirror-bench run` as a user runs it: real files, a real Ray."""

import io
import json
import os
import signal
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
from sksurv.metrics import concordance_index_censored

from tasks.kinds.survival import Survival
from tests.helpers import sweeps
from tests.helpers.planted import planted_folder
from tests.helpers.sweeps import bench, has_recorded, inside, recorded, start, tables
from tests.helpers.time_limits import wait_until

COLUMNS = (
    "task,cohort,method,protocol,fold,seed,metric,value,higher_is_better,"
    "n_patients,n_events,status,reason,trial"
)


def command(results: Path, *more: str, methods: str = "pca,random-init") -> list[str]:
    return sweeps.command(results, "--seeds", "0", *more, methods=methods)


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An undisturbed run with one worker, from a folder with strange modules in it."""
    results = tmp_path_factory.mktemp("reference") / "results"
    stranger = tmp_path_factory.mktemp("stranger")
    (stranger / "tasks").mkdir()
    (stranger / "tasks" / "__init__.py").write_text("raise RuntimeError('a stranger')")
    done = bench(*command(results, "--workers", "1"), cwd=stranger)
    assert done.returncode == 0, done.stdout + done.stderr
    return results


def test_the_tables_have_their_columns_and_every_trial(reference: Path) -> None:
    records, predictions = tables(reference)
    assert records.splitlines()[0] == COLUMNS
    frame = pd.read_csv(io.StringIO(records))
    assert len(frame) == 2 * 5 * len(Survival.metrics)
    assert set(frame.loc[frame["metric"] == "harrell_c", "status"]) == {"ok"}
    # What has no value says why.
    ok = frame["status"] == "ok"
    assert set(frame["status"]) <= {"ok", "skipped"}
    assert (frame["value"].notna() == ok).all()
    assert (frame["reason"].isna() == ok).all()
    of_all = "task,cohort,method,protocol,fold,seed,patient,"
    assert predictions.startswith(f"{of_all}risk,expected,time_months")


def test_harrells_c_is_what_the_predictions_give(reference: Path) -> None:
    records, predictions = (pd.read_csv(io.StringIO(text)) for text in tables(reference))
    cell = ["task", "method", "fold", "seed"]
    scores = records[records["metric"] == "harrell_c"].set_index(cell)["value"].to_dict()
    for key, rows in predictions.groupby(cell):
        c = concordance_index_censored(rows["event"] == 1, rows["time_months"], rows["risk"])[0]
        assert scores[key] == pytest.approx(c, abs=1e-9)


def test_workers_and_order_change_nothing(reference: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    done = bench(*command(results, "--workers", "2", methods="random-init,pca"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert tables(results) == tables(reference)


def test_a_second_run_computes_nothing(reference: Path) -> None:
    before = tables(reference)
    done = inside(*command(reference))
    assert done.returncode == 0
    assert "10 results recorded before, 0 trials to run" in " ".join(done.stdout.split())
    assert tables(reference) == before


def test_the_leaderboard_is_checked(reference: Path, tmp_path: Path) -> None:
    board = tmp_path / "leaderboard.md"
    arguments = ("leaderboard", "--results", reference, "--output", board)
    assert inside(*arguments, "--check").returncode == 1
    assert inside(*arguments).returncode == 0
    assert inside(*arguments, "--check").returncode == 0
    board.write_text(board.read_text() + " ")
    assert inside(*arguments, "--check").returncode == 1
    part = inside(*arguments, "--check", "--methods", "pca")
    assert part.returncode == 2
    assert "--check: expected the whole board" in part.stderr
    (tmp_path / "taken").write_text("")
    taken = inside("leaderboard", "--results", reference, "--output", tmp_path / "taken" / "b.md")
    assert (taken.returncode, taken.stderr.count("\n")) == (2, 1)


@pytest.mark.slow  # as the kills of test_chaos.py
def test_a_killed_run_goes_on(reference: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    run = start(command(results))
    wait_until(partial(has_recorded, run, results, 2))
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate()
    kept = len(recorded(results))
    assert kept >= 2
    done = bench(*command(results))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{kept} results recorded before" in " ".join(done.stdout.split())
    assert tables(results) == tables(reference)


def test_list_is_stable_json() -> None:
    data = planted_folder(bags=False)
    methods = json.loads(inside("list", "methods", "--json").stdout)
    assert {"mirror", "contrastive", "random-init", "pca"} <= {row["name"] for row in methods}
    tasks = json.loads(inside("list", "tasks", "--json", "--data", data).stdout)
    assert "survival/PLANTED-VECTORS/os" in {row["name"] for row in tasks}
    cohorts = json.loads(inside("list", "cohorts", "--json", "--data", data).stdout)
    assert [row["name"] for row in cohorts] == ["PLANTED-VECTORS"]


def test_a_ray_that_does_not_start_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_TMPDIR", "/proc/nowhere")
    done = bench(*command(tmp_path / "results", methods="constant"))
    assert done.returncode == 1
    assert done.stderr.startswith("error: Ray did not start on this machine")
    assert done.stderr.count("\n") == 1
