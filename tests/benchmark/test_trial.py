"""One trial: what the cache may save and what it may not."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.engine.cache import EmbeddingCache
from benchmark.engine.folds import outer_folds
from benchmark.engine.plan import Request, Trial, make_plan
from benchmark.engine.trial import run_trial
from methods.base import Budget
from methods.registry import all_methods
from tasks.base import Status
from tasks.readouts import Part, Readout
from tasks.registry import select_tasks
from tests.helpers.planted import planted, planted_folder


def trials(method: str = "pca", readout: Readout | None = None) -> tuple[Trial, ...]:
    """Those of a method on three folds."""
    cohort = planted(bags=False)
    request = Request(
        methods=[all_methods()[method]],
        tasks=select_tasks("survival", [cohort]),
        cohorts=[(planted_folder(bags=False), cohort)],
        folds=outer_folds("patient", 3, [cohort]),
        seeds=(0,),
        budget=Budget.SMOKE,
        readout=readout,
    )
    return make_plan(request, {}, overwrite=False, retry_failed=False).trials


def test_a_first_attempt_takes_cached_embeddings_and_a_later_one_fits_again(tmp_path: Path) -> None:
    trial = trials()[0]
    fitted, _ = run_trial(trial, tmp_path, "cpu")
    cache = EmbeddingCache(tmp_path)
    fit = cache.read(trial.fit)
    assert fit is not None
    joint = fit.embeddings.joint * 0
    cache.write(trial.fit, replace(fit, embeddings=replace(fit.embeddings, joint=joint)))

    cached, _ = run_trial(trial, tmp_path, "cpu")
    assert cached.tasks[0].scores[0].value == 0.5
    again, _ = run_trial(replace(trial, attempt=2), tmp_path, "cpu")
    assert again.tasks[0].scores == fitted.tasks[0].scores


def test_a_readout_judges_the_same_fit_otherwise(tmp_path: Path) -> None:
    plain, behind = trials("clip")[0], trials("clip", Readout(Part.HEAD, 8))[0]
    assert (plain.fit == behind.fit, plain.key == behind.key) == (True, False)
    first, _ = run_trial(plain, tmp_path, "cpu")
    fit = EmbeddingCache(tmp_path).read(plain.fit)
    assert fit is not None
    assert fit.embeddings.head is not None
    assert fit.embeddings.head.shape == fit.embeddings.joint.shape
    second, _ = run_trial(behind, tmp_path, "cpu")
    assert second.fit_seconds == first.fit_seconds  # taken from the cache
    assert str(second.protocol) == "strict+readout-head-8"
    assert second.tasks[0].scores[0].value != first.tasks[0].scores[0].value


def test_a_method_without_the_readout_is_skipped_with_its_reason(tmp_path: Path) -> None:
    record, _ = run_trial(trials("pca", Readout(Part.HEAD))[0], tmp_path, "cpu")
    assert {task.status for task in record.tasks} == {Status.SKIPPED}
    assert record.tasks[0].reason == "the method has no embedding head"


def test_untrained_is_the_same_method_before_its_first_epoch(tmp_path: Path) -> None:
    before = trials("contrastive", Readout(Part.UNTRAINED))[0]
    assert before.config["epochs"] == 0
    record, _ = run_trial(before, tmp_path, "cpu")
    assert str(record.protocol) == "strict+readout-untrained"
    plain = trials("contrastive")[0]
    zero, _ = run_trial(replace(plain, config={**plain.config, "epochs": 0}), tmp_path, "cpu")
    assert record.tasks[0].scores == zero.tasks[0].scores
    trained, _ = run_trial(replace(plain, attempt=2), tmp_path, "cpu")
    assert record.tasks[0].scores != trained.tasks[0].scores


@pytest.mark.parametrize("method", ["pca", "snn"])
def test_what_has_no_epochs_or_is_told_outcomes_is_not_judged_untrained(
    tmp_path: Path, method: str
) -> None:
    record, _ = run_trial(trials(method, Readout(Part.UNTRAINED))[0], tmp_path, "cpu")
    assert {task.status for task in record.tasks} == {Status.SKIPPED}
    assert record.tasks[0].reason == "the method has no epochs before which it could be judged"
