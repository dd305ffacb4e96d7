"""Which task instances a command line means."""

import pytest

from tasks.errors import InputError
from tasks.load import load_cohort
from tasks.registry import METRICS, all_tasks, select_tasks
from tests.planted import planted_folder

COHORT = load_cohort(planted_folder(bags=False))


def names(patterns: str) -> set[str]:
    return {task.name for task in select_tasks(patterns, [COHORT])}


def test_a_kind_means_its_default_instances() -> None:
    assert names("survival") == {f"survival/{COHORT.name}/os"}


def test_all_means_every_default_and_survival_on_every_endpoint() -> None:
    expected = {task.name for task in all_tasks([COHORT]) if task.default}
    expected |= {f"survival/{COHORT.name}/{endpoint}" for endpoint in COHORT.endpoints}
    assert len(COHORT.endpoints) > 1
    assert names("all") == expected


def test_a_pattern_with_a_slash_finds_the_others() -> None:
    assert names("survival/*/*") == {
        f"survival/{COHORT.name}/{endpoint}" for endpoint in COHORT.endpoints
    }


def test_what_matches_nothing_is_refused_with_what_is_near() -> None:
    with pytest.raises(InputError, match="did you mean survival"):
        names("survivel")


def test_the_metrics_are_those_of_every_instance() -> None:
    assert {metric.name for task in all_tasks([COHORT]) for metric in task.metrics} == METRICS
