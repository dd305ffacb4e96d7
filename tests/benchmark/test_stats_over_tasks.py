"""Friedman, Nemenyi, the critical difference and the Bayesian signed-rank, against others' code."""

import numpy as np
import pytest
import scikit_posthocs
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from statsmodels.stats.multitest import multipletests

from benchmark.analysis.stats import (
    critical_difference,
    friedman,
    holm,
    nemenyi,
    task_ranks,
    wilcoxon,
)
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


def test_demsars_example() -> None:
    found = friedman(DEMSAR)
    assert found.mean_ranks == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=5e-4)
    assert critical_difference(4, 14, 0.10) == pytest.approx(1.12, abs=5e-3)
    assert critical_difference(4, 14, 0.05) == pytest.approx(1.25, abs=5e-3)
    # His 9.28 is without the correction for ties, which the mushrooms and others ask for.
    ranks = found.mean_ranks
    assert 12 * 14 / 20 * (np.square(ranks).sum() - 4 * 25 / 4) == pytest.approx(9.28, abs=0.01)
    assert found.statistic > 9.28
    # "C4.5 performs worse than C4.5+m and C4.5+m+cf" at 0.10.
    p = nemenyi(ranks, found.n_tasks)
    assert {tuple(pair) for pair in np.argwhere(p < 0.10)} == {(0, 1), (1, 0), (0, 3), (3, 0)}


@pytest.mark.parametrize(
    ("k", "q"),
    enumerate([1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164], start=2),
)
def test_critical_values_of_demsars_table_5(k: int, q: float) -> None:
    expected = q * (k * (k + 1) / (6 * 20)) ** 0.5
    assert critical_difference(k, 20) == pytest.approx(expected, rel=3e-4)


@given(st.integers(3, 9), st.integers(2, 15), st.booleans(), st.integers(0, 10_000))
def test_friedman_and_nemenyi_are_those_of_the_packages(
    k: int, n: int, ties: bool, seed: int
) -> None:
    scores = np.random.default_rng(seed).normal(0.6, 0.1, (n, k))
    scores = scores.round(1) if ties else scores
    if (np.ptp(scores, axis=1) == 0.0).all():
        assert friedman(scores).p == 1.0
        return
    found, expected = friedman(scores), scipy_stats.friedmanchisquare(*scores.T)
    assert (found.statistic, found.p) == pytest.approx((expected.statistic, expected.pvalue))
    assert found.mean_ranks == pytest.approx(task_ranks(scores).mean(axis=0))
    pairs = scikit_posthocs.posthoc_nemenyi_friedman(scores).to_numpy()
    np.testing.assert_allclose(nemenyi(found.mean_ranks, found.n_tasks), pairs, atol=1e-9)


def test_further_apart_than_the_critical_difference_is_significant() -> None:
    for k in (2, 5, 40):
        limit = critical_difference(k, 12)
        p = nemenyi([1.0, 1.0 + 0.999 * limit, *np.ones(k - 2)], 12)
        assert p[0, 1] > 0.05
        p = nemenyi([1.0, 1.0 + 1.001 * limit, *np.ones(k - 2)], 12)
        assert p[0, 1] < 0.05
        assert (p == p.T).all()
        assert (np.diag(p) == 1.0).all()


def test_friedman_leaves_incomplete_tasks_out() -> None:
    holed = np.vstack([DEMSAR, [0.9, np.nan, 0.7, 0.6]])
    assert friedman(holed).n_tasks == 14
    assert friedman(holed).p == friedman(DEMSAR).p
    none = friedman([[0.5, np.nan]])
    assert none.n_tasks == 0
    assert np.isnan([none.statistic, none.p, *none.mean_ranks]).all()
    with pytest.raises(ValueError, match="two methods"):
        friedman([[0.5], [0.6]])


def test_friedman_of_two_methods_is_the_sign_test_without_continuity() -> None:
    scores = np.column_stack([np.arange(10.0), np.arange(10.0) + ([1.0] * 8 + [-1.0] * 2)])
    # 8 of 10: z = (8 - 5) / sqrt(10 / 4)
    expected = 2 * scipy_stats.norm.sf(3 / 2.5**0.5)
    assert friedman(scores).p == pytest.approx(expected)


def test_wilcoxon_with_holm_is_scipy_with_statsmodels() -> None:
    rng = generator("test", "wilcoxon")
    scores = rng.normal(0.6, 0.05, (12, 6)) + np.linspace(0.0, 0.08, 6)
    found = [wilcoxon(scores[:, j] - scores[:, 0]) for j in range(1, 6)]
    expected = [scipy_stats.wilcoxon(scores[:, j], scores[:, 0]).pvalue for j in range(1, 6)]
    assert found == pytest.approx(expected, abs=1e-12)
    assert min(found) < 0.05 < max(found)
    assert holm(found) == pytest.approx(multipletests(expected, method="holm")[1], abs=1e-12)


def test_ranks_share_ties_and_leave_out_who_has_no_score() -> None:
    found = task_ranks([[0.7, 0.6, 0.6], [0.5, 0.9, np.nan], [0.5, 0.5, 0.5]])
    assert found == pytest.approx(np.array([[1, 2.5, 2.5], [2, 1, np.nan], [2, 2, 2]]), nan_ok=True)
