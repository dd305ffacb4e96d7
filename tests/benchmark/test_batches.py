"""Batches: every trial handed out once, long ones alone, and what kills its worker given up."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.engine.batches import SECONDS, STARTS, Batches
from benchmark.engine.folds import outer_folds
from benchmark.engine.plan import Request, Trial, make_plan
from methods.base import Budget
from methods.registry import all_methods
from tasks.registry import select_tasks
from tests.helpers.planted import planted

COHORT = planted(bags=False)


def plan_of(n: int, method: str = "constant") -> list[Trial]:
    request = Request(
        methods=[all_methods()["constant"]],
        tasks=select_tasks("survival", [COHORT]),
        cohorts=[(Path("somewhere"), COHORT)],
        folds=outer_folds("patient", 5, [COHORT]),
        seeds=(0,),
        budget=Budget.SMOKE,
    )
    first = make_plan(request, {}, overwrite=False, retry_failed=False).trials[0]
    return [replace(first, method=method, seed=seed, fit=f"{seed}") for seed in range(n)]


def test_the_first_of_a_kind_goes_alone_and_short_ones_follow_by_the_batch() -> None:
    batches = Batches(plan_of(200), [0.0] * 200, 2)
    assert (batches.take(), batches.take()) == ([0], [1])
    assert batches.finished(0, 0.1)
    assert batches.take() == list(range(2, 2 + round(SECONDS / 0.1)))
    assert batches.finished(1, 1e-6)
    fair = batches.take()
    assert fair == list(range(12, 12 + 188 // (4 * 2)))


def test_long_trials_go_alone() -> None:
    batches = Batches(plan_of(50), [0.0] * 50, 2)
    batches.take()
    batches.finished(0, 0.7 * SECONDS)
    assert batches.take() == [1]


def test_a_batch_has_one_kind_of_worker() -> None:
    batches = Batches(plan_of(100), [0.25] * 3 + [0.5] * 97, 1)
    batches.take()
    batches.finished(0, 1e-3)
    assert batches.take() == [1, 2]


def test_what_a_worker_died_of_is_given_up_and_nothing_else() -> None:
    batches = Batches(plan_of(40), [0.0] * 40, 1)
    batches.take()
    batches.finished(0, 1e-3)
    killer, started = 4, []
    while not batches.over:
        batch = batches.take()
        for place in batch:
            started.append(place)
            if place == killer:
                batches.lost(batch)
                break
            assert batches.finished(place, 1e-3)
    assert batches.given_up == [killer]
    assert started.count(killer) == STARTS
    assert sorted({*started}) == list(range(1, 40))
    assert len(started) == 39 + STARTS - 1


def test_what_was_lost_comes_after_all_others_and_alone() -> None:
    batches = Batches(plan_of(20), [0.0] * 20, 1)
    first = batches.take()
    batches.lost(first)
    order = []
    while not batches.over:
        batch = batches.take()
        order.append(batch)
        for place in batch:
            batches.finished(place, 1e-3)
    assert order[-1] == first


@pytest.mark.parametrize("lost", [False, True])
def test_a_trial_is_recorded_once(lost: bool) -> None:
    batches = Batches(plan_of(2), [0.0] * 2, 1)
    batch = batches.take()
    if lost:
        batches.lost(batch)
    else:
        assert batches.finished(0, 1.0)
    assert not batches.finished(0, 1.0)


@given(st.lists(st.floats(1e-4, 3.0), min_size=1, max_size=60), st.integers(1, 5))
def test_every_trial_is_handed_out_once_in_order(seconds: list[float], workers: int) -> None:
    batches = Batches(plan_of(len(seconds)), [0.0] * len(seconds), workers)
    order: list[int] = []
    while batch := batches.take():
        order += batch
        for place in batch:
            assert batches.finished(place, seconds[place])
    assert order == list(range(len(seconds)))
    assert batches.over
