"""What MLflow is told of a real trial: curves of every epoch, of its search, and artefacts."""

import json
from pathlib import Path

import mlflow

from benchmark.folds import outer_folds
from benchmark.plan import Request, Tuning, make_plan
from benchmark.tracking import EXPERIMENT, Tracker
from benchmark.trial import run_trial
from methods.base import Budget
from methods.registry import all_methods
from tasks.registry import select_tasks
from tests.planted import planted, planted_folder


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
    record, predictions = json.loads(json.dumps(run_trial(trial, tmp_path / "cache", "cpu")))
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
    epochs = record["losses"]["total"]
    assert len(epochs) > 1
    curve = client.get_metric_history(child.info.run_id, "loss/total")
    assert [(p.step, p.value) for p in sorted(curve, key=lambda p: p.step)] == list(
        enumerate(epochs)
    )
    tried = client.get_metric_history(child.info.run_id, "search/harrell_c")
    assert {p.step: p.value for p in tried} == {
        i: c["value"] for i, c in enumerate(record["search"]["candidates"])
    }
    assert child.data.tags["data"] == cohort.fingerprint()
    chosen = record["search"]["candidates"][record["search"]["chosen"]]["config"]
    for name, value in chosen.items():
        assert child.data.params[f"config.{name}"] == str(value)
    path = client.download_artifacts(child.info.run_id, "record.json", str(tmp_path))
    assert json.loads(Path(path).read_text()) == record
