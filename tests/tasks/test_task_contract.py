"""The contract of a task, over everything registered: a new kind is tested by being there."""

from collections.abc import Callable

import pytest

from tasks.base import Task
from tasks.registry import KINDS, PUBLISHED
from tests.helpers.task_contract import (
    COHORT,
    TASKS,
    Setting,
    check_constant,
    check_degenerate,
    check_order,
    check_perfect,
    check_permuted,
    check_poisoned,
    degenerate,
    of_truth,
)


@pytest.fixture(params=TASKS, ids=lambda task: f"{type(task).__name__}-{task.label}")
def task(request: pytest.FixtureRequest) -> Task:
    found = request.param
    assert isinstance(found, Task)
    return found


def test_every_registered_class_is_asked_here() -> None:
    assert {type(task) for task in TASKS} >= {*KINDS, *PUBLISHED}


def test_where_outcomes_are_asked_for_a_control_can_judge(task: Task) -> None:
    if task.label in COHORT.endpoints or task.label in COHORT.labels:
        assert task.metrics[0].chance is not None


def test_every_metric_has_a_value_within_its_bounds(task: Task) -> None:
    outcome = of_truth(task)
    assert outcome.scores[0].value is not None


def test_a_constant_is_at_chance(task: Task) -> None:
    check_constant(task)


def test_nothing_is_found_where_nothing_is_there(task: Task) -> None:
    check_permuted(task)


def test_the_truth_is_better_than_noise(task: Task) -> None:
    check_perfect(task)


def test_the_order_of_rows_is_of_no_consequence(task: Task) -> None:
    check_order(task)


def test_test_patients_do_not_reach_what_is_fitted(task: Task) -> None:
    check_poisoned(task)


@pytest.mark.parametrize(
    ("task", "build"),
    [
        pytest.param(task, build, id=f"{type(task).__name__}-{task.label}-{name}")
        for task, name, build in degenerate()
    ],
)
def test_little_to_learn_from_is_a_reason_and_no_error(
    task: Task, build: Callable[[], Setting]
) -> None:
    check_degenerate(task, build)
