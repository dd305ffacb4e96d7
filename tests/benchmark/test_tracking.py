"""What MLflow is told of a real trial: curves of every epoch, of its search, and artefacts."""

import json
import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import mlflow
import pytest

from benchmark.engine.folds import outer_folds
from benchmark.engine.plan import Request, make_plan
from benchmark.engine.tracking import EXPERIMENT, Tracker, follow_moved_folder
from benchmark.engine.trial import run_trial
from benchmark.records.protocol import Tuning
from benchmark.records.schema import Predictions, TrialRecord
from methods.base import Budget
from methods.registry import all_methods
from tasks.registry import select_tasks
from tests.helpers.planted import planted, planted_folder
from tests.helpers.sweeps import (
    bench,
    command,
    ended,
    has_recorded,
    mlflow_server,
    start,
    tables,
)
from tests.helpers.time_limits import wait_until

METHODS = "pca,random-init"
SEED = ("--seeds", "0")


def test_a_trial_is_told_with_its_curves_its_search_and_its_record(tmp_path: Path) -> None:
    cohort = planted(bags=False)
    request = Request(
        methods=[all_methods()["contrastive"]],
        tasks=select_tasks("survival", [cohort]),
        cohorts=[(planted_folder(bags=False), cohort)],
        folds=outer_folds("patient", 3, [cohort]),
        seeds=(0,),
        budget=Budget.SMOKE,
        tuning=Tuning(2),
    )
    trial = make_plan(request, {}, overwrite=False, retry_failed=False).trials[0]
    record, predictions = _renamed(*run_trial(trial, tmp_path / "cache", "cpu"), "survival/A->B/os")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    tracker = Tracker(uri, (tmp_path / "artefacts").as_uri(), {"budget": "smoke"})
    tracker.log(record, predictions)
    tracker.close(120)
    assert tracker.lost is None

    client = mlflow.MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    (child,) = (run for run in runs if "mlflow.parentRunId" in run.data.tags)
    epochs = record.losses["total"]
    assert len(epochs) > 1
    curve = client.get_metric_history(child.info.run_id, "loss/total")
    assert [(p.step, p.value) for p in sorted(curve, key=lambda p: p.step)] == list(
        enumerate(epochs)
    )
    assert record.search is not None
    tried = client.get_metric_history(child.info.run_id, "search/harrell_c")
    assert {p.step: p.value for p in tried} == {
        i: c.value for i, c in enumerate(record.search.candidates)
    }
    assert child.data.tags["data"] == cohort.fingerprint()
    chosen = record.search.candidates[record.search.chosen].config
    for name, value in chosen.items():
        assert child.data.params[f"config.{name}"] == str(value)
    path = client.download_artifacts(child.info.run_id, "record.json", str(tmp_path))
    assert TrialRecord.model_validate_json(Path(path).read_text()) == record
    assert "survival/A:B/os/harrell_c" in child.data.metrics
    client.download_artifacts(child.info.run_id, "predictions/survival_A~B_os.csv", str(tmp_path))


def _renamed(
    record: TrialRecord, predictions: list[Predictions], task: str
) -> tuple[TrialRecord, list[Predictions]]:
    """Of a transfer, whose name MLflow takes for no metric's."""
    (only,) = record.tasks
    tasks = (only.model_copy(update={"task": task}),)
    return (
        record.model_copy(update={"tasks": tasks}),
        [part.model_copy(update={"task": task}) for part in predictions],
    )


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A run that told a server of its trials: its results, and the server's address."""
    folder = tmp_path_factory.mktemp("told")
    with mlflow_server(folder) as (uri, _):
        done = bench(*command(folder / "results", *SEED, "--tracking-uri", uri, methods=METHODS))
        assert done.returncode == 0, done.stdout + done.stderr
        yield folder / "results", uri


def test_an_mlflow_server_sees_a_parent_and_its_children(told: tuple[Path, str]) -> None:
    results, uri = told
    client = mlflow.MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("mirror-bench")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    children = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    assert len(parents) == 1
    assert len(children) == 2 * 5
    child = children[0]
    assert child.data.tags["mlflow.parentRunId"] == parents[0].info.run_id
    assert child.data.params["method"] in {"pca", "random-init"}
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
        run = start(command(results, *SEED, "--tracking-uri", uri, methods=METHODS))
        wait_until(partial(has_recorded, run, results, 1))
        os.killpg(server.pid, signal.SIGKILL)
        code, out, err = ended(run)
    assert code == 0, out + err
    assert "no record is lost" in out
    assert tables(results) == tables(told[0])


def test_a_moved_folder_takes_its_artefacts_along(tmp_path: Path) -> None:
    for name in ("old", "new"):
        folder = tmp_path / name
        if name == "new":
            (tmp_path / "old").rename(folder)
        database, artifacts = folder / "mlflow.db", (folder / "mlartifacts").as_uri()
        follow_moved_folder(database, artifacts)
        client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{database}")
        experiment = client.get_experiment_by_name(EXPERIMENT)
        of = (
            experiment.experiment_id
            if experiment
            else client.create_experiment(EXPERIMENT, artifact_location=artifacts)
        )
        run = client.create_run(of)
        assert run.info.artifact_uri == f"{artifacts}/{run.info.run_id}/artifacts"
    for run in client.search_runs([of]):
        assert run.info.artifact_uri.startswith(artifacts)
