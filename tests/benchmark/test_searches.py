"""What searches tell together: the parameter that matters is found, and the path to the best."""

from typing import Any

import numpy as np
import pytest

from benchmark.analysis.tuning import searched
from benchmark.records.segments import Line
from benchmark.show.sentences import search_sentences
from methods.base import Choice, LogUniform, MethodSpec
from tests.benchmark.test_search import BLURRED

SPEC: MethodSpec = BLURRED
SPACE: dict[str, Choice | LogUniform] = {
    "blur": LogUniform(0.01, 100.0),
    "breaks": Choice((True, False)),
}


def line(fold: int, values: list[float | None], configs: list[dict[str, Any]]) -> Line:
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
    score = {"metric": "harrell_c", "higher_is_better": True}
    return {
        "method": "blurred",
        "fold": fold,
        "search": search,
        "tasks": [{"task": "survival/X/os", "scores": [score]}],
    }


def test_the_parameter_that_decides_is_the_important_one() -> None:
    rng = np.random.default_rng(0)
    lines = []
    for fold in range(5):
        blurs = 10 ** rng.uniform(-2, 2, 8)
        breaks = rng.random(8) < 0.5
        configs = [
            {"blur": float(b), "breaks": bool(x)} for b, x in zip(blurs, breaks, strict=True)
        ]
        # Folds differ by far more than configurations do.
        values = [fold - 0.01 * float(np.log10(b)) for b in blurs]
        lines.append(line(fold, list(values), configs))
    spec = MethodSpec("blurred", "", "", "", SPEC.build, SPEC.config, space=SPACE)
    (found,) = searched(lines, {"blurred": spec})
    assert (found.searches, found.judged, found.seconds) == (5, 40, 40.0)
    assert list(found.importance) == ["blur", "breaks"]
    assert found.importance["blur"] > 0.9
    assert sum(found.importance.values()) == pytest.approx(1.0)
    told = list(search_sentences(found))
    assert "in 5 searches, 40 s: best so far" in told[0]
    assert "importance over 40 configurations (fANOVA): blur " in told[1]


def test_the_path_to_the_best_passes_over_what_has_no_value() -> None:
    configs = [{"blur": 1.0}] * 4
    lines = [line(0, [0.5, None, 0.7, 0.6], configs), line(1, [0.4, 0.5, None, 0.3], configs)]
    (found,) = searched(lines, {})
    assert found.best == pytest.approx((0.45, 0.5, 0.6, 0.6))
    assert found.importance == {}
