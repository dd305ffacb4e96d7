"""Trials and their keys: what changes a number changes the key, and nothing else does."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.engine.folds import outer_folds
from benchmark.engine.plan import Request, longest_first, make_plan, trial_key
from benchmark.records.protocol import Tuning
from benchmark.records.store import Attempt
from methods.base import Budget
from methods.registry import all_methods
from tasks.registry import select_tasks
from tests.helpers.planted import planted

METHODS = all_methods()
COHORT = planted(bags=False)


def request(*names: str, seeds: tuple[int, ...] = (0,)) -> Request:
    return Request(
        methods=[METHODS[name] for name in names],
        tasks=select_tasks("survival", [COHORT]),
        cohorts=[(Path("somewhere"), COHORT)],
        folds=outer_folds("patient", 3, [COHORT]),
        seeds=seeds,
        budget=Budget.SMOKE,
    )


def keys(asked: Request) -> set[str]:
    plan = make_plan(asked, {}, overwrite=False, retry_failed=False)
    return {trial.key for trial in plan.trials}


def test_every_method_fold_and_seed_is_a_trial_of_its_own() -> None:
    assert len(keys(request("pca", "mirror", seeds=(0, 1)))) == 2 * 3 * 2


def test_keys_do_not_depend_on_order_folder_or_company() -> None:
    forwards = keys(request("pca", "mirror", seeds=(0, 1)))
    assert keys(request("mirror", "pca", seeds=(1, 0))) == forwards
    assert keys(request("pca")) < forwards
    elsewhere = replace(request("pca"), cohorts=[(Path("elsewhere"), COHORT)])
    assert keys(elsewhere) == keys(request("pca"))


def test_keys_change_with_data_budget_and_folds() -> None:
    base = keys(request("mirror"))
    assert not base & keys(replace(request("mirror"), budget=Budget.DEFAULT))
    base = keys(request("pca"))
    assert not base & keys(replace(request("pca"), folds=outer_folds("patient", 4, [COHORT])))
    endpoint = COHORT.endpoints["os"]
    other = replace(COHORT, endpoints={"os": replace(endpoint, time=endpoint.time + 1)})
    assert not base & keys(replace(request("pca"), cohorts=[(Path("somewhere"), other)]))


def test_a_supervised_reference_is_fitted_once_a_label() -> None:
    def plan(tasks: str) -> dict[str, tuple[str, ...]]:
        asked = replace(request("snn"), tasks=select_tasks(tasks, [COHORT]))
        trials = make_plan(asked, {}, overwrite=False, retry_failed=False).trials
        return {trial.key: trial.tasks for trial in trials if trial.split.fold == 0}

    both = plan("survival,survival-discrete,retrieval,retention")
    kinds = sorted(sorted({name.split("/")[0] for name in tasks}) for tasks in both.values())
    assert kinds == [["retention", "retrieval"], ["survival", "survival-discrete"]]
    assert plan("survival").keys() | plan("retention").keys() == both.keys()


@pytest.mark.parametrize("method", ["pca", "snn"])
def test_configurations_are_judged_by_the_same_task_whichever_are_asked(method: str) -> None:
    def criteria(tasks: str) -> dict[str, str]:
        asked = replace(request(method), tasks=select_tasks(tasks, [COHORT]), tuning=Tuning(2))
        trials = make_plan(asked, {}, overwrite=False, retry_failed=False).trials
        return {trial.key: trial.search.criterion for trial in trials if trial.search}

    alone, both = criteria("survival-discrete"), criteria("survival-discrete,survival")
    assert set(alone.values()) == {f"survival/{COHORT.name}/os"}
    assert alone == both


def test_what_is_recorded_is_not_planned_again() -> None:
    asked = request("pca")
    trials = make_plan(asked, {}, overwrite=False, retry_failed=False).trials
    (task,) = asked.tasks
    ok, failed, old = trials
    attempts = {
        (ok.key, task.name): Attempt(1, "ok", task.version),
        (failed.key, task.name): Attempt(1, "failed", task.version),
        (old.key, task.name): Attempt(1, "ok", task.version - 1),
    }
    plan = make_plan(asked, attempts, overwrite=False, retry_failed=False)
    assert [trial.key for trial in plan.trials] == [old.key]
    assert plan.n_done == 2
    retried = make_plan(asked, attempts, overwrite=False, retry_failed=True)
    assert {trial.key for trial in retried.trials} == {old.key, failed.key}
    everything = make_plan(asked, attempts, overwrite=True, retry_failed=False)
    assert {trial.attempt for trial in everything.trials} == {2}


def test_what_took_longest_is_started_first_and_the_unknown_before_it() -> None:
    asked = request("constant", "pca", "mirror")
    trials = make_plan(asked, {}, overwrite=False, retry_failed=False).trials
    seconds = {("constant", COHORT.name, "smoke"): 0.1, ("pca", COHORT.name, "smoke"): 2.0}
    ordered = longest_first(trials, seconds)
    assert [t.method for t in ordered] == ["mirror"] * 3 + ["pca"] * 3 + ["constant"] * 3
    assert [t.split.fold for t in ordered] == [0, 1, 2] * 3
    assert longest_first(trials, {}) == trials


@given(st.dictionaries(st.text(), st.integers() | st.text(), min_size=1))
def test_a_key_is_of_its_axes_whatever_their_order(axes: dict[str, int | str]) -> None:
    assert trial_key(axes) == trial_key(dict(reversed(axes.items())))
    assert len(trial_key(axes)) == 16


@given(st.dictionaries(st.text(), st.integers(), min_size=1), st.integers())
def test_another_axis_is_another_key(axes: dict[str, int], value: int) -> None:
    name = next(iter(axes))
    if axes[name] != value:
        assert trial_key(axes) != trial_key({**axes, name: value})
