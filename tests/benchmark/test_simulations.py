"""What the estimators find and how often they cry wolf, on simulated boards; docs/statistics.md."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from benchmark.analysis.board import Board
from benchmark.analysis.stats import pooled
from tasks.seeds import generator
from tests.helpers.frames import records

pytestmark = pytest.mark.slow

BOARDS = 2_000
SURE = 0.975


def found(cohorts: int, tau: float, delta: float) -> float:
    """Share of boards on which the model is sure of a difference, either way.

    A cohort's standard error is itself an estimate, of 15 folds with a chi-square of 14 degrees.
    """
    rng, sure = generator("over cohorts", cohorts, str(tau), str(delta)), 0
    for _ in range(BOARDS):
        true = rng.normal(delta, tau, cohorts)
        seen = rng.normal(true, 0.02)
        errors = 0.02 * np.sqrt(rng.chisquare(14, cohorts) / 14)
        sure += not 1 - SURE < pooled(seen, errors).better < SURE
    return sure / BOARDS


@pytest.mark.parametrize(
    ("cohorts", "tau", "wrong", "right"),
    [(4, 0.02, 0.07, 0.0), (4, 0.04, 0.07, 0.0), (10, 0.02, 0.055, 0.75), (10, 0.04, 0.055, 0.0)],
)
def test_over_cohorts(cohorts: int, tau: float, wrong: float, right: float) -> None:
    error = (0.05 * 0.95 / BOARDS) ** 0.5
    rates = found(cohorts, tau, 0.0), found(cohorts, tau, 0.03)
    print(f"| {cohorts} | {tau} | {rates[0]:.3f} | {rates[1]:.2f} |")
    assert rates[0] <= wrong + 2 * error
    assert rates[1] >= right


def test_methods_that_are_relabelled_within_cohorts_are_seldom_told_apart() -> None:
    """From records: four cohorts, six methods alike, 15 folds that correlate as they do."""
    rng, wrong, pairs = generator("relabelled"), 0, 0
    methods = ["mirror", *(f"m{i}" for i in range(5))]
    for board in range(60):
        frames = []
        for cohort in range(4):
            own = rng.normal(0.0, 0.01, (6, 1)) + rng.normal(0.0, 0.03, (6, 15))
            folds = 0.6 + rng.normal(0.0, 0.05, 15) + own
            values = {m: [row.tolist()] for m, row in zip(methods, folds, strict=True)}
            task, protocol = f"survival/B{board}C{cohort}/os", "strict+patient-folds-x3"
            frames.append(records(values, task=task, n_folds=5, protocol=protocol))
        (kind,) = Board(pd.concat(frames)).kinds
        for one, other in product(methods[1:], methods[:1]):
            pairs += 1
            wrong += not 1 - SURE < kind.pair(one, other).better < SURE
    assert wrong / pairs <= 0.06
