"""What searches tell together: the parameter that matters is found, and the path to the best."""

from typing import Any

import numpy as np
import pytest

from benchmark.analysis.tuning import searched
from benchmark.records.schema import TrialRecord
from benchmark.show.sentences import search_sentences
from methods.base import Choice, LogUniform, MethodSpec
from tests.benchmark.test_search import BLURRED
from tests.helpers.stores import trial_record

SPEC: MethodSpec = BLURRED
SPACE: dict[str, Choice | LogUniform] = {
    "blur": LogUniform(0.01, 100.0),
    "breaks": Choice((True, False)),
}


def trial(fold: int, values: list[float | None], configs: list[dict[str, Any]]) -> TrialRecord:
    candidates = [
        {"config": config, "value": value, "reason": "", "seconds": 1.0}
        for config, value in zip(configs, values, strict=True)
    ]
    search = {
        "criterion": "survival/X/os",
        "metric": "harrell_c",
        "chosen": 0,
        "seconds": float(len(values)),
        "candidates": candidates,
    }
    return trial_record(trial=f"t{fold}", method="blurred", fold=fold, search=search)


def test_the_parameter_that_decides_is_the_important_one() -> None:
    rng = np.random.default_rng(0)
    trials = []
    for fold in range(5):
        blurs = 10 ** rng.uniform(-2, 2, 8)
        breaks = rng.random(8) < 0.5
        configs = [
            {"blur": float(b), "breaks": bool(x)} for b, x in zip(blurs, breaks, strict=True)
        ]
        # Folds differ by far more than configurations do.
        values = [fold - 0.01 * float(np.log10(b)) for b in blurs]
        trials.append(trial(fold, list(values), configs))
    spec = MethodSpec("blurred", "", "", "", SPEC.build, SPEC.config, space=SPACE)
    (found,) = searched(trials, {"blurred": spec})
    assert (found.searches, found.judged, found.seconds) == (5, 40, 40.0)
    assert list(found.importance) == ["blur", "breaks"]
    assert found.importance["blur"] > 0.9
    assert sum(found.importance.values()) == pytest.approx(1.0)
    told = list(search_sentences(found))
    assert "in 5 searches, 40 s: best so far" in told[0]
    assert "importance over 40 configurations (fANOVA): blur " in told[1]


def test_the_path_to_the_best_passes_over_what_has_no_value() -> None:
    configs = [{"blur": 1.0}] * 4
    values: list[list[float | None]] = [[0.5, None, 0.7, 0.6], [0.4, 0.5, None, 0.3]]
    trials = [trial(fold, of_fold, configs) for fold, of_fold in enumerate(values)]
    (found,) = searched(trials, {})
    assert found.best == pytest.approx((0.45, 0.5, 0.6, 0.6))
    assert found.importance == {}
