"""`mirror-bench run` as a user runs it: real files, a real Ray, a real MLflow server.

Two undisturbed runs serve all tests; what differs between them is of no consequence.
"""

import io
import json
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from sksurv.metrics import concordance_index_censored

from methods.registry import registry
from tasks.kinds.survival import Survival
from tests.helpers import sweeps
from tests.helpers.planted import planted_folder
from tests.helpers.strangers import write_site
from tests.helpers.sweeps import (
    bench,
    ended,
    has_recorded,
    inside,
    mlflow_server,
    recorded,
    start,
    tables,
)
from tests.helpers.time_limits import wait_until

COLUMNS = (
    "task,cohort,method,protocol,fold,seed,metric,value,higher_is_better,"
    "n_patients,n_events,status,reason,trial"
)


METHODS = ("pca", "random-init", "toy-method")


def command(results: Path, *more: str, methods: Sequence[str] = METHODS) -> list[str]:
    return sweeps.command(results, "--seeds", "0", *more, methods=",".join(methods))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Strangers' packages are installed, for these tests and all that they start."""
    folder = write_site(tmp_path_factory.mktemp("site"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder))
        patch.syspath_prepend(folder)
        registry.cache_clear()
        yield folder
    registry.cache_clear()
    sys.modules.pop("toy_method", None)


@pytest.fixture(scope="module")
def reference(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with one worker, from a folder with strange modules in it."""
    results = tmp_path_factory.mktemp("reference") / "results"
    stranger = tmp_path_factory.mktemp("stranger")
    (stranger / "tasks").mkdir()
    (stranger / "tasks" / "__init__.py").write_text("raise RuntimeError('a stranger')")
    done = bench(*command(results, "--workers", "1"), cwd=stranger)
    assert done.returncode == 0, done.stdout + done.stderr
    return results


@pytest.fixture(scope="module")
def told(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A run with two workers that told a server of its trials: its results, and the address."""
    folder = tmp_path_factory.mktemp("told")
    with mlflow_server(folder) as (uri, _):
        options = ("--workers", "2", "--tracking-uri", uri)
        done = bench(*command(folder / "results", *options, methods=METHODS[::-1]))
        assert done.returncode == 0, done.stdout + done.stderr
        yield folder / "results", uri


def test_the_tables_have_their_columns_and_every_trial(reference: Path) -> None:
    records, predictions = tables(reference)
    assert records.splitlines()[0] == COLUMNS
    frame = pd.read_csv(io.StringIO(records))
    assert len(frame) == len(METHODS) * 5 * len(Survival.metrics)
    assert set(frame.loc[frame["metric"] == "harrell_c", "status"]) == {"ok"}
    # What has no value says why.
    ok = frame["status"] == "ok"
    assert set(frame["status"]) <= {"ok", "skipped"}
    assert (frame["value"].notna() == ok).all()
    assert (frame["reason"].isna() == ok).all()
    of_all = "task,cohort,method,protocol,fold,seed,patient,"
    assert predictions.startswith(f"{of_all}risk,expected,time_months")


def test_a_run_leaves_its_sweep_as_a_file(reference: Path) -> None:
    (path,) = (reference / "sweeps").iterdir()
    done = inside("run", "--config", path, "--quiet")
    assert done.returncode == 0, done.stderr
    assert "trials to run" not in done.stdout
    assert "toy-method" in done.stdout
    assert [path] == list((reference / "sweeps").iterdir())


def test_harrells_c_is_what_the_predictions_give(reference: Path) -> None:
    records, predictions = (pd.read_csv(io.StringIO(text)) for text in tables(reference))
    cell = ["task", "method", "fold", "seed"]
    scores = records[records["metric"] == "harrell_c"].set_index(cell)["value"].to_dict()
    for key, rows in predictions.groupby(cell):
        c = concordance_index_censored(rows["event"] == 1, rows["time_months"], rows["risk"])[0]
        assert scores[key] == pytest.approx(c, abs=1e-9)


def test_workers_and_order_change_nothing(reference: Path, told: tuple[Path, str]) -> None:
    assert tables(told[0]) == tables(reference)


def test_a_second_run_computes_nothing(reference: Path) -> None:
    before = tables(reference)
    done = inside(*command(reference))
    assert done.returncode == 0
    assert "15 results recorded before, 0 trials to run" in " ".join(done.stdout.split())
    assert tables(reference) == before


def test_an_mlflow_server_sees_a_parent_and_its_children(told: tuple[Path, str]) -> None:
    results, uri = told
    client = mlflow.MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("mirror-bench")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    children = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    assert len(parents) == 1
    assert len(children) == len(METHODS) * 5
    child = children[0]
    assert child.data.tags["mlflow.parentRunId"] == parents[0].info.run_id
    assert child.data.params["method"] in METHODS
    assert any(name.endswith("harrell_c") for name in child.data.metrics)
    names = [file.path for file in client.list_artifacts(child.info.run_id, "predictions")]
    assert len(names) == 1
    top = {file.path for file in client.list_artifacts(child.info.run_id)}
    assert top == {"predictions", "record.json"}
    files = (results / "records").glob("*.jsonl")
    found = [json.loads(line) for path in files for line in path.read_bytes().splitlines()]
    lines = {line["trial"]: line for line in found}
    for run in children:
        line, tags = lines[run.data.tags["trial"]], run.data.tags
        assert (tags["data"], tags["code"], tags["split"]) == (
            line["data"],
            line["code"],
            line["split"],
        )
        assert tags["version.torch"] == line["versions"]["torch"]
        assert run.data.metrics["system/peak_memory_megabytes"] == line["peak_memory_mb"]
    load = client.get_metric_history(parents[0].info.run_id, "system/cpu_utilization_percentage")
    assert load
    assert all(0 <= point.value <= 100 for point in load)


@pytest.mark.slow
def test_a_server_that_is_stopped_loses_no_record(told: tuple[Path, str], tmp_path: Path) -> None:
    results = tmp_path / "results"
    with mlflow_server(tmp_path) as (uri, server):
        run = start(command(results, "--tracking-uri", uri))
        wait_until(partial(has_recorded, run, results, 1))
        os.killpg(server.pid, signal.SIGKILL)
        code, out, err = ended(run)
    assert code == 0, out + err
    assert "no record is lost" in out
    assert tables(results) == tables(told[0])


def test_the_leaderboard_is_checked(reference: Path, tmp_path: Path) -> None:
    board = tmp_path / "leaderboard.md"
    arguments = ("leaderboard", "--results", reference, "--output", board)
    assert inside(*arguments, "--check").returncode == 1
    assert inside(*arguments).returncode == 0
    assert "`toy-method`" in (reference / "tables" / "survival-smoke.md").read_text()
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
    done = bench(*command(tmp_path / "results", methods=["constant"]))
    assert done.returncode == 1
    assert done.stderr.startswith("error: Ray did not start on this machine")
    assert done.stderr.count("\n") == 1
