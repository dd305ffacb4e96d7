"""What the estimators find and how often they cry wolf, on simulated boards; docs/statistics.md."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from benchmark.analysis.board import Board
from benchmark.analysis.standings import ALPHA
from benchmark.analysis.stats import pooled
from tasks.heads.cox import fit_ridge_cox
from tasks.metrics.time_to_event import Outcomes, harrell_c
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


# Within a task: real fits on planted features, over folds of repeated deals


FOLDS, DEALS, FEATURES = 5, 3, 6


def patients(n: int, rng: np.random.Generator) -> tuple[np.ndarray, Outcomes]:
    """Signals of n patients that each method sees in noise of its own, and what happened."""
    signal = rng.normal(size=(n, FEATURES))
    death = rng.exponential(np.exp(-0.4 * signal[:, :3].sum(axis=1)))
    end = rng.exponential(1.3, n)
    return signal, Outcomes(np.minimum(death, end), death <= end)


def board_of(n: int, n_methods: int, repeat: int) -> tuple[dict[str, list[list[float]]], float]:
    """C of methods that are alike over folds and deals, and what one has of many others."""
    rng = generator("within a task", n, n_methods, repeat)
    signal, seen = patients(n, rng)
    views = [signal + 0.5 * rng.normal(size=signal.shape) for _ in range(n_methods)]
    scores: list[list[float]] = [[] for _ in views]
    for _ in range(DEALS):
        fold = np.empty(n, dtype=int)
        fold[np.lexsort((rng.random(n), seen.event))] = np.arange(n) % FOLDS
        for k, (X, own) in product(range(FOLDS), zip(views, scores, strict=True)):
            train, test = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
            known = seen.subset(train)
            head = fit_ridge_cox(X[train], known.time, known.event, fold[train], (0.01,))
            own.append(harrell_c(seen.subset(test), head.risk(X[test])))
    others, happened = patients(1500, rng)
    truth = harrell_c(happened, head.risk(others + 0.5 * rng.normal(size=others.shape)))
    names = ["mirror", *(f"m{i}" for i in range(1, n_methods))]
    return {name: [own] for name, own in zip(names, scores, strict=True)}, truth


@pytest.mark.parametrize(("n", "n_methods"), [(200, 2), (420, 2), (880, 2), (200, 14)])
def test_within_a_task(n: int, n_methods: int) -> None:
    """Intervals hold the truth, and methods that are alike are seldom told apart."""
    n_boards = 400 if n_methods == 2 else 200
    rows, truths = [], []
    for repeat in range(n_boards):
        values, truth = board_of(n, n_methods, repeat)
        frame = records(
            values, n_folds=FOLDS, protocol=f"strict+patient-folds-x{DEALS}", n_patients=n // FOLDS
        )
        (table,) = Board(frame).standings
        rows.append(table.rows)
        truths.append(truth)
    truth = float(np.mean(truths))
    held = np.mean([r.score.low <= truth <= r.score.high for board in rows for r in board])
    wrong = np.mean([any(r.difference.p < ALPHA for r in board) for board in rows])
    smallest = np.nanmedian([r.smallest for board in rows for r in board])
    print(f"| {n} | {n_methods - 1} | {held:.3f} | {wrong:.3f} | {smallest:.3f} |")
    assert 0.93 <= held <= 0.98
    assert wrong <= 0.05 + 2 * (0.05 * 0.95 / n_boards) ** 0.5
