"""What running a trial costs beside the trial, and what reading a bag costs."""

import time
from pathlib import Path

import h5py
import numpy as np
import pytest
import ray
from pytest_benchmark.fixture import BenchmarkFixture
from ray import tune

from benchmark.engine.folds import outer_folds
from benchmark.engine.messages import Finished, Setting
from benchmark.engine.plan import Request, make_plan
from benchmark.engine.sweep import sweeping
from benchmark.engine.tracking import Tracker
from benchmark.records.segments import Stamps
from benchmark.records.store import Store
from methods.base import Budget
from methods.registry import all_methods
from tasks.data.cohort import BagModality
from tasks.registry import select_tasks
from tests.helpers.planted import planted, planted_folder

pytestmark = [pytest.mark.speed, pytest.mark.timeout(600)]
N_TRIALS, N_PLAIN = 200, 20


def test_orchestration_per_trial(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """Two hundred trials of the trivial method, recorded and tracked, against plain Tune.

    Ours has everything in it: Ray's start, the trials' own work, records on the disk, MLflow's
    database to the last entry. The plain way has the trials alone, one function trial each.
    """
    cohort, folder = planted(bags=False), planted_folder(bags=False)
    request = Request(
        methods=[all_methods()["constant"]],
        tasks=select_tasks("survival", [cohort]),
        cohorts=[(folder, cohort)],
        folds=outer_folds("patient", 5, [cohort]),
        seeds=range(N_TRIALS // 5),
        budget=Budget.SMOKE,
    )
    plan = make_plan(request, {}, overwrite=False, retry_failed=False).trials
    assert len(plan) == N_TRIALS
    ended: list[float] = []
    ours, plain = tmp_path / "ours", tmp_path / "plain"
    ours.mkdir()
    store = Store(tmp_path / "results")

    def sweep() -> None:
        with store.locked(lambda: None):
            writer, stamps = store.writer(), Stamps(store.history().finished)
        with sweeping(plan, Setting(ours, tmp_path / "cache", 2, "cpu", None)) as outcomes:
            tracker = Tracker(f"sqlite:///{tmp_path}/mlflow.db", (tmp_path / "art").as_uri(), {})
            for outcome in outcomes:
                assert isinstance(outcome, Finished)
                record = outcome.record.model_copy(update={"finished": stamps.next()})
                writer.append(record, outcome.predictions)
                tracker.log(record, outcome.predictions)
                ended.append(watch())
        tracker.close(120)
        assert tracker.lost is None

    watch = time.perf_counter
    benchmark.pedantic(sweep, rounds=1)  # type: ignore[no-untyped-call]
    assert benchmark.stats is not None
    assert len(store.history().attempts) == N_TRIALS

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        start = watch()
        tune.Tuner(
            lambda config: {"x": config["index"]},
            param_space={"index": tune.grid_search(list(range(N_PLAIN)))},
            run_config=tune.RunConfig(storage_path=str(plain), verbose=0),
        ).fit()
        seconds = watch() - start
    finally:
        ray.shutdown()
    benchmark.extra_info["seconds per trial, ours"] = benchmark.stats.stats.mean / N_TRIALS
    steady = (ended[-1] - ended[0]) / (N_TRIALS - 1)
    benchmark.extra_info["seconds per trial, ours, once workers are up"] = steady
    benchmark.extra_info["seconds per trial, plain Tune"] = seconds / N_PLAIN


def test_reading_bags(benchmark: BenchmarkFixture) -> None:
    """Every bag of the planted cohort, against h5py alone."""
    modality = planted(bags=True).modalities["wsi"]
    assert isinstance(modality, BagModality)
    files = sorted(planted_folder(bags=True).rglob("*.h5"))

    def plain() -> int:
        total = 0
        for path in files:
            with h5py.File(path) as file:
                total += len(np.asarray(file["features"], dtype=np.float32))
        return total

    watch = time.perf_counter
    start = watch()
    expected = plain()
    seconds = watch() - start
    total = benchmark(lambda: sum(len(modality.read(p)) for p in modality.patients))
    assert benchmark.stats is not None
    assert total == expected
    benchmark.extra_info["times h5py alone"] = benchmark.stats.stats.mean / seconds
