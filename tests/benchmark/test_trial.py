"""One trial: what the cache may save and what it may not."""

from dataclasses import replace
from pathlib import Path

from benchmark.engine.cache import EmbeddingCache
from benchmark.engine.folds import outer_folds
from benchmark.engine.plan import Request, Trial, make_plan
from benchmark.engine.trial import run_trial
from methods.base import Budget
from methods.registry import all_methods
from tasks.registry import select_tasks
from tests.helpers.planted import planted, planted_folder


def trials() -> tuple[Trial, ...]:
    """Those of a method on three folds."""
    cohort = planted(bags=False)
    request = Request(
        methods=[all_methods()["pca"]],
        tasks=select_tasks("survival", [cohort]),
        cohorts=[(planted_folder(bags=False), cohort)],
        folds=outer_folds("patient", 3, [cohort]),
        seeds=(0,),
        budget=Budget.SMOKE,
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
