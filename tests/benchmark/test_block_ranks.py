"""Ranks over blocks, and their critical difference, against others' numbers."""

import numpy as np
import pytest
from scipy import stats as scipy_stats

from benchmark.analysis.stats import block_ranks, critical_difference
from tasks.seeds import generator

# Demsar (2006), table 6: AUC of C4.5 plain, with m, with cf and with both, on 14 data sets; in
# "voting" he ranks the last two apart, so that they differ beyond the digits that he prints.
DEMSAR = np.array(
    [
        [0.763, 0.768, 0.771, 0.798],
        [0.599, 0.591, 0.590, 0.569],
        [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657],
        [0.882, 0.888, 0.886, 0.898],
        [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685],
        [0.583, 0.583, 0.563, 0.625],
        [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000],
        [0.940, 0.962, 0.965, 0.962],
        [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.9751, 0.975],
        [0.957, 0.978, 0.946, 0.970],
    ]
)


def test_demsars_mean_ranks() -> None:
    ranks = block_ranks(DEMSAR)
    assert ranks.mean(axis=0) == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=5e-4)
    # His 1.25 is of the asymptotic distribution, which knows neither ties nor 14 blocks.
    assert critical_difference(ranks) == pytest.approx(1.25, abs=0.1)
    assert critical_difference(ranks, 0.10) == pytest.approx(1.12, abs=0.1)


@pytest.mark.parametrize(
    ("k", "q"), enumerate([2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164], start=3)
)
def test_over_many_blocks_it_is_that_of_demsars_table_5(k: int, q: float) -> None:
    ranks = block_ranks(generator("blocks", k).normal(size=(60, k)))
    assert critical_difference(ranks) == pytest.approx(q * (k * (k + 1) / 360) ** 0.5, rel=0.04)


def test_of_two_blocks_hardly_any_difference_is_one() -> None:
    ranks = block_ranks(generator("blocks", "few").normal(size=(2, 5)))
    assert critical_difference(ranks) == 4.0  # all that ranks can differ


def test_all_methods_alike_are_further_apart_in_a_twentieth_of_cases() -> None:
    rng, wrong = generator("blocks", "null"), 0
    for _ in range(200):
        ranks = block_ranks(rng.normal(size=(8, 6)))
        wrong += np.ptp(ranks.mean(axis=0)) > critical_difference(ranks)
    assert wrong <= 20  # 10 expected, standard error 3


def test_ranks_share_ties_and_leave_out_who_has_no_score() -> None:
    found = block_ranks([[0.7, 0.6, 0.6], [0.5, 0.9, np.nan], [0.5, 0.5, 0.5]])
    assert found == pytest.approx(np.array([[1, 2.5, 2.5], [2, 1, np.nan], [2, 2, 2]]), nan_ok=True)
    scores = generator("ranks").normal(size=(7, 5)).round(1)
    assert (block_ranks(scores) == scipy_stats.rankdata(-scores, axis=1)).all()
