"""A hundred thousand trials: planning them, and finding all of them recorded."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmark.analysis.board import Board
from benchmark.engine.folds import outer_folds
from benchmark.engine.machine import peak_memory, reset_peak_memory
from benchmark.engine.plan import Request, make_plan
from benchmark.engine.trial import run_trial
from benchmark.records.segments import write_segment
from benchmark.records.store import Store
from benchmark.show.leaderboard import render
from methods.base import Budget
from methods.registry import all_methods
from tasks.registry import select_tasks
from tests.helpers.planted import planted, planted_folder

pytestmark = [pytest.mark.speed, pytest.mark.timeout(600)]
N_METHODS, N_FOLDS, N_SEEDS = 20, 5, 1000
N_TRIALS = N_METHODS * N_FOLDS * N_SEEDS


def test_a_hundred_thousand_trials(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    cohort, folder = planted(bags=False), planted_folder(bags=False)
    pca = all_methods()["pca"]
    request = Request(
        methods=[replace(pca, name=f"pca-{number}") for number in range(N_METHODS)],
        tasks=select_tasks("survival", [cohort]),
        cohorts=[(folder, cohort)],
        folds=outer_folds("patient", N_FOLDS, (cohort,)),
        seeds=range(N_SEEDS),
        budget=Budget.SMOKE,
    )
    took: dict[str, float] = {}

    def timed(name: str, work: Callable[[], Any]) -> Any:
        start, cpu = time.perf_counter(), time.process_time()
        done = work()
        took[name] = time.perf_counter() - start
        benchmark.extra_info[f"seconds of {name}"] = took[name]
        benchmark.extra_info[f"CPU seconds of {name}"] = time.process_time() - cpu
        return done

    reset_peak_memory()
    plan = benchmark.pedantic(  # type: ignore[no-untyped-call]
        lambda: timed(
            "planning", lambda: make_plan(request, {}, overwrite=False, retry_failed=False)
        ),
        rounds=1,
    )
    assert len(plan.trials) == N_TRIALS

    # A real record, under the names of every trial.
    real = replace(plan.trials[0], method="pca")
    record, _ = run_trial(real, tmp_path / "cache", "cpu")
    store = Store(tmp_path)
    with store.locked(lambda: None):
        records = tmp_path / "records" / "simulated.jsonl"
    axes = (
        {"trial": t.key, "method": t.method, "fold": t.split.fold, "seed": t.seed}
        for t in plan.trials
    )
    write_segment(records, (record.model_copy(update=of_trial) for of_trial in axes))
    del plan
    history = timed("resume scan", store.history)
    plan = timed(
        "planning nothing",
        lambda: make_plan(request, history.attempts, overwrite=False, retry_failed=False),
    )
    assert (plan.trials, plan.n_done) == ((), N_TRIALS)
    memory = peak_memory()
    assert memory is None or memory < 1000
    reset_peak_memory()
    table = timed("table of scores", store.records)
    assert table["trial"].nunique() == N_TRIALS
    benchmark.extra_info["rows"] = len(table)
    text = timed("leaderboard", lambda: render(Board(table)))
    assert text.front.count("`pca-") >= N_METHODS
    aggregated = peak_memory()
    benchmark.extra_info["MB of records"] = records.stat().st_size / 1e6
    benchmark.extra_info["MB of memory, planning and scan"] = memory
    benchmark.extra_info["MB of memory, aggregation"] = aggregated
    assert took["planning"] < 10
    assert took["resume scan"] < 10
    assert took["table of scores"] + took["leaderboard"] < 30
    assert aggregated is None or aggregated < 2000
