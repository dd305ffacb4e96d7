"""Which task instances a command line means."""

from dataclasses import replace

import numpy as np
import pytest

from tasks.data.load import load_cohort
from tasks.errors import InputError
from tasks.registry import METRICS, all_tasks, select_tasks
from tests.helpers.planted import planted_folder

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


def test_an_outcome_that_makes_no_task_says_why() -> None:
    endpoint, (word, label) = COHORT.endpoints["os"], next(iter(COHORT.labels.items()))
    none = replace(endpoint, event=np.zeros_like(endpoint.event))
    one = replace(label, values=dict.fromkeys(label.values, label.classes[0]))
    cohort = replace(
        COHORT, endpoints={**COHORT.endpoints, "os": none}, labels={**COHORT.labels, word: one}
    )
    with pytest.raises(InputError, match=f"os has no event in {len(none.event)} patients"):
        select_tasks(f"survival/{cohort.name}/os", [cohort])
    with pytest.raises(InputError, match=f"{word} has {len(one.values)} patients of one class"):
        select_tasks(f"subtyping/{cohort.name}/{word}", [cohort])


def test_the_metrics_are_those_of_every_instance() -> None:
    assert {metric.name for task in all_tasks([COHORT]) for metric in task.metrics} == METRICS
