"""Statistics against scipy, scikit-survival, published formulas and numbers worked out by hand."""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats as scipy_stats
from sksurv.metrics import concordance_index_censored
from statsmodels.stats.multitest import multipletests

from benchmark.analysis.stats import (
    block_ranks,
    bootstrap_concordance,
    nadeau_bengio,
    percentile_interval,
    resample_counts,
)
from tests.helpers.real import SHARED


def test_nadeau_bengio_by_hand() -> None:
    # s² = 0.0025; (1/5 + 1/4) s² = 0.001125, its root 0.0335410; t(0.975, 4) = 2.7764451
    found = nadeau_bengio([0.55, 0.60, 0.65, 0.60 - 0.05 * 2**0.5, 0.60 + 0.05 * 2**0.5], 0.25)
    s2 = (0.05**2 * 2 + 0.005 * 2) / 4
    error = (0.45 * s2) ** 0.5
    assert found.mean == pytest.approx(0.60)
    assert found.low == pytest.approx(0.60 - 2.7764451051977987 * error, abs=1e-12)
    assert found.high == pytest.approx(0.60 + 2.7764451051977987 * error, abs=1e-12)


def test_nadeau_bengio_without_overlap_is_the_t_test() -> None:
    x = np.random.default_rng(0).normal(0.02, 0.05, 12)
    found, plain = nadeau_bengio(x, 0.0), scipy_stats.ttest_1samp(x, 0.0)
    low, high = plain.confidence_interval(0.95)
    assert (found.low, found.high, found.p) == pytest.approx((low, high, plain.pvalue), abs=1e-12)


@given(
    st.lists(st.floats(-1, 1).map(lambda x: round(x, 6)), min_size=2, max_size=20), st.floats(0, 1)
)
def test_interval_holds_zero_exactly_if_p_is_large(values: list[float], ratio: float) -> None:
    found = nadeau_bengio(values, ratio)
    assert (found.low <= 0.0 <= found.high) == (found.p >= 0.05 - 1e-9)


def test_nadeau_bengio_degenerate() -> None:
    one = nadeau_bengio([0.7], 0.25)
    assert one.mean == 0.7
    assert np.isnan([one.low, one.high, one.p]).all()
    for equal in ([0.0] * 5, [0.1] * 5):
        assert np.isnan([nadeau_bengio(equal, 0.25).low, nadeau_bengio(equal, 0.25).p]).all()
    with pytest.raises(ValueError, match="no values"):
        nadeau_bengio([], 0.25)


def test_corrected_test_keeps_its_level_over_real_folds() -> None:
    """Two equal learners, five folds: the uncorrected t is too bold, the corrected one is not."""
    rng = np.random.default_rng(7)
    corrected = plain = 0
    n, repeats = 100, 1000
    for _ in range(repeats):
        x, y, noise = rng.normal(size=(3, n))
        folds = rng.permutation(n).reshape(5, -1)
        # Each predicts y by the training mean of its own feature's products: neither knows y.
        differences = []
        for test in folds:
            train = np.setdiff1d(np.arange(n), test)
            errors = [
                np.mean((y[test] - f[test] * np.mean(f[train] * y[train])) ** 2) for f in (x, noise)
            ]
            differences.append(errors[0] - errors[1])
        corrected += nadeau_bengio(differences, 0.25).p < 0.05
        plain += nadeau_bengio(differences, 0.0).p < 0.05
    assert corrected / repeats <= 0.06
    assert corrected < plain


Column = NDArray[np.float64]


def cohort(n: int, seed: int, ties: bool) -> tuple[NDArray[np.bool_], Column, Column]:
    rng = np.random.default_rng(seed)
    event = rng.random(n) < 0.3
    time = rng.integers(1, max(2, n // 4), n).astype(float) if ties else rng.exponential(30.0, n)
    risk = rng.normal(size=n).round(1) if ties else rng.normal(size=n) - 0.01 * time
    # Within the tolerance of a tie, and just outside.
    risk += rng.choice([0.0, 4e-9, 2e-8], n)
    return event, time, risk


def loop(
    event: NDArray[np.bool_],
    time: NDArray[np.float64],
    risk: NDArray[np.float64],
    counts: NDArray[np.int64],
) -> NDArray[np.float64]:
    found = []
    for count in counts:
        rows = np.repeat(np.arange(len(event)), count)
        found.append(concordance_index_censored(event[rows], time[rows], risk[rows])[0])
    return np.array(found)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("n", [12, 60, 211])
def test_bootstrap_is_scikit_survival_looped(
    n: int, ties: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Few pairs at once: the sums over chunks of events are part of what is tested.
    monkeypatch.setattr("benchmark.analysis.stats.bootstrap._PAIRS_AT_ONCE", 7 * n)
    event, time, risk = cohort(n, n, ties)
    event[:3] = True
    time[:3] = 0.5  # comparable pairs in every resample that has one of these
    counts = resample_counts(n, 40, np.random.default_rng(1))
    counts[:, 0] += 1
    found = bootstrap_concordance(event, time, risk, counts)
    np.testing.assert_allclose(found, loop(event, time, risk, counts), rtol=0, atol=1e-12)


def test_bootstrap_with_everyone_once_is_harrells_c() -> None:
    event, time, risk = cohort(150, 3, ties=True)
    expected = concordance_index_censored(event, time, risk)[0]
    found = bootstrap_concordance(event, time, risk, np.ones((1, 150)))
    assert found[0] == pytest.approx(expected, abs=1e-12)


def test_event_is_comparable_with_censored_at_the_same_time() -> None:
    one = np.ones((1, 2))
    assert bootstrap_concordance([1, 0], [5, 5], [2, 1], one) == [1.0]
    assert np.isnan(bootstrap_concordance([1, 1], [5, 5], [2, 1], one))
    assert np.isnan(bootstrap_concordance([0, 0], [4, 5], [2, 1], one))


@given(st.integers(2, 40), st.integers(0, 10_000))
def test_reversing_the_risk_mirrors_c(n: int, seed: int) -> None:
    event, time, risk = cohort(n, seed, ties=True)
    counts = resample_counts(n, 5, np.random.default_rng(seed))
    forth = bootstrap_concordance(event, time, risk, counts)
    back = bootstrap_concordance(event, time, -risk, counts)
    np.testing.assert_allclose(forth + back, np.where(np.isnan(forth), np.nan, 1.0), atol=1e-12)


def test_resamples_draw_as_many_as_there_are() -> None:
    counts = resample_counts(30, 500, np.random.default_rng(0))
    assert counts.shape == (500, 30)
    assert (counts.sum(axis=1) == 30).all()
    assert counts.mean(axis=0) == pytest.approx(np.ones(30), abs=0.2)


def test_percentile_interval_leaves_nan_out() -> None:
    values = np.append(np.arange(101.0), np.nan)
    assert percentile_interval(values) == pytest.approx((2.5, 97.5))
    assert np.isnan(percentile_interval([np.nan])).all()


@pytest.mark.real
def test_published_cross_validations_of_mcat() -> None:
    """Means and deviations as published; of 13 methods on 5 cohorts few can be told from MCAT."""
    path = SHARED / "data" / "published" / "published_mcat_cindex.csv"
    if not path.is_file():
        pytest.skip(f"{path.name} is not in MIRROR_BENCH_SHARED")
    table = pd.read_csv(path)
    means = table.pivot_table("Val C-Index (Mean)", "Project", "method")
    for _, row in table.iterrows():
        mean, sd = row["Val C-Index (Mean)"], row["Val C-Index (STD)"]
        # Five values of this mean and (population) deviation, as the file gives no folds.
        folds = mean + sd * np.array([-2, -1, 0, 1, 2]) / 2**0.5
        low, high = map(float, re.findall(r"\d\.\d+", row["Val C-Index (CI)"]))
        found = nadeau_bengio(folds, 0.25)
        assert found.mean == pytest.approx(mean)
        # Their intervals bootstrap five folds as if independent; ours is never narrower.
        assert found.high - found.low >= high - low - 2e-3
    ranks = pd.Series(block_ranks(means.to_numpy()).mean(axis=0), index=means.columns)
    np.testing.assert_allclose(ranks, means.rank(axis=1, ascending=False).mean())
    (mcat,) = [name for name in means if str(name).startswith("MCAT")]
    assert ranks.idxmin() == mcat
    against = [scipy_stats.wilcoxon(means[mcat] - means[m]).pvalue for m in means if m != mcat]
    # Five cohorts cannot show anything after Holm, nor before: the smallest p is 1/16.
    assert min(against) == pytest.approx(1 / 16)
    assert (multipletests(against, method="holm")[1] > 0.05).all()
