"""What MLflow is told of a real trial: curves of every epoch, of its search, and artefacts."""

import subprocess
import sys
from pathlib import Path

import mlflow

from benchmark.engine.folds import outer_folds
from benchmark.engine.plan import Request, make_plan
from benchmark.engine.tracking import EXPERIMENT, Tracker, follow_moved_folder, make_database
from benchmark.engine.trial import run_trial
from benchmark.records.protocol import Tuning
from benchmark.records.schema import Predictions, TrialRecord
from methods.base import Budget
from methods.registry import all_methods
from tasks.registry import select_tasks
from tests.helpers.planted import planted, planted_folder
from tests.helpers.time_limits import wait_until


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


def test_a_run_killed_while_tables_are_made_leaves_no_database(tmp_path: Path) -> None:
    database, half = tmp_path / "mlflow.db", tmp_path / "mlflow.half"
    words = "import sys, pathlib; from benchmark.engine.tracking import make_database as make;"
    command = [sys.executable, "-c", f"{words} make(pathlib.Path(sys.argv[1]))", str(database)]
    with subprocess.Popen(command) as making:
        wait_until(lambda: half.is_file() and half.stat().st_size > 0)
        making.kill()
    assert not database.exists()
    make_database(database)
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db"]
    (default,) = mlflow.MlflowClient(tracking_uri=f"sqlite:///{database}").search_experiments()
    assert default.name == "Default"
