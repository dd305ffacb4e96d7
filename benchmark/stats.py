"""Intervals, corrected tests and ranks: arrays in, numbers out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

TIED_RISK = 1e-8
"""Risks closer than this are ties, as in scikit-survival."""

_PAIRS_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class Estimate:
    """A mean with its interval and the test of its being zero.

    Attributes:
        mean: The average of the values.
        low: Lower end of the interval; NaN where one value cannot give any.
        high: Upper end; NaN likewise.
        p: Two-sided p value of the hypothesis that the mean is zero; NaN likewise.
    """

    mean: float
    low: float
    high: float
    p: float


def nadeau_bengio(values: ArrayLike, test_to_train: float, level: float = 0.95) -> Estimate:
    """Corrected resampled t interval and test for scores, or differences, over J test folds.

    Scores of folds share training patients, so that their variance over J understates that of
    their mean; it is taken as `(1 / J + n_test / n_train) * s**2`, with J - 1 degrees of freedom.

    Args:
        values: One number per test fold, finite, shape [J].
        test_to_train: Test patients over training patients of a fold: `1 / (K - 1)` for K folds.
        level: Of the interval.

    Returns:
        Mean, interval and p. With J = 1 there is no interval; with equal values it has no width,
        and p is 1 if they are zero, else 0.

    Raises:
        ValueError: There is no value.

    Source:
        Nadeau and Bengio, Inference for the generalization error, Machine Learning 52 (2003),
        equation 9 of the corrected resampled t-test.
    """
    x = np.asarray(values, dtype=np.float64)
    if x.size == 0:
        raise ValueError("no values")
    mean = float(x.mean())
    if x.size == 1:
        return Estimate(mean, np.nan, np.nan, np.nan)
    if np.ptp(x) == 0.0:
        return Estimate(mean, mean, mean, 1.0 if mean == 0.0 else 0.0)
    error = float(np.sqrt((1.0 / x.size + test_to_train) * x.var(ddof=1)))
    degrees = x.size - 1
    half = float(special.stdtrit(degrees, 0.5 + level / 2.0)) * error
    p = 2.0 * float(special.stdtr(degrees, -abs(mean) / error))
    return Estimate(mean, mean - half, mean + half, p)


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Adjust p values of a family of tests by Holm's step-down method.

    Args:
        p_values: One per test, shape [m]; NaN stays NaN and is not counted as a test.

    Returns:
        Adjusted p values in the same order, at most 1.

    Source:
        Holm, A simple sequentially rejective multiple test procedure, Scand. J. Stat. 6 (1979).
    """
    p = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(p.shape, np.nan)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    stepped = p[order] * np.arange(order.size, 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    return adjusted


def wilcoxon(differences: ArrayLike) -> float:
    """Two-sided p value of the signed-rank test of paired differences over tasks.

    Args:
        differences: One per task, shape [n]; zeros are dropped.

    Returns:
        The p value, exact where scipy can; 1 if every difference is zero.
    """
    x = np.asarray(differences, dtype=np.float64)
    return 1.0 if not x.any() else float(stats.wilcoxon(x).pvalue)


def average_ranks(scores: ArrayLike) -> NDArray[np.float64]:
    """Mean rank of each method over tasks, 1 the best; equal scores share their mean rank.

    Args:
        scores: Higher is better, shape [tasks, methods]; NaN where a method has no score, which
            is then ranked neither in that task nor in its mean.

    Returns:
        Shape [methods]; NaN for a method without any score.
    """
    x = np.asarray(scores, dtype=np.float64)
    ranks = stats.rankdata(-x, axis=1, nan_policy="omit")
    counted = (~np.isnan(ranks)).sum(axis=0)
    total = np.nansum(ranks, axis=0)
    mean = np.full(x.shape[1], np.nan)
    np.divide(total, counted, out=mean, where=counted > 0)
    return mean


def resample_counts(
    n_patients: int, n_resamples: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """How often each patient is drawn in each bootstrap resample, shape [resamples, patients]."""
    return rng.multinomial(n_patients, np.full(n_patients, 1.0 / n_patients), size=n_resamples)


def bootstrap_concordance(
    event: ArrayLike, time: ArrayLike, risk: ArrayLike, counts: ArrayLike
) -> NDArray[np.float64]:
    """Harrell's C of every resample at once, from the pairs that can be compared.

    The numerator and the denominator of C are sums over comparable pairs (i, j), so for a resample
    in which patient i occurs w_i times they are the quadratic forms w' S w and w' M w: S holds 1
    for a concordant pair and 1/2 for a tied one, M holds 1. Copies of one patient are not
    comparable with each other, which the diagonal of zeros says. The sums are of halves of
    integers, exact in 32 bit for less than eight million patients.

    Args:
        event: Whether it happened, shape [n].
        time: Of event or censoring, shape [n]. A patient with the event at t is comparable with
            those beyond t and with those censored at t.
        risk: Higher means earlier, shape [n]; within `TIED_RISK` are ties.
        counts: Multiplicity of each patient in each resample, shape [resamples, n].

    Returns:
        C of each resample, shape [resamples]; NaN where no pair can be compared.

    Source:
        Harrell et al., Evaluating the yield of medical tests, JAMA 247 (1982).
    """
    event = np.asarray(event, dtype=bool)
    time = np.asarray(time, dtype=np.float64)
    risk = np.asarray(risk, dtype=np.float64)
    weights = np.asarray(counts, dtype=np.float32)
    concordant = np.zeros(len(weights))
    comparable = np.zeros(len(weights))
    events = np.flatnonzero(event)
    rows = max(1, _PAIRS_AT_ONCE // max(time.size, 1))
    for start in range(0, events.size, rows):
        i = events[start : start + rows]
        later = (time > time[i, None]) | ((time == time[i, None]) & ~event)
        margin = risk[i, None] - risk
        credit = np.where(np.abs(margin) <= TIED_RISK, np.float32(0.5), margin > 0.0)
        credit = credit.astype(np.float32) * later
        drawn = weights[:, i]
        concordant += np.einsum("bi,bi->b", drawn, weights @ credit.T, dtype=np.float64)
        comparable += np.einsum(
            "bi,bi->b", drawn, weights @ later.T.astype(np.float32), dtype=np.float64
        )
    index = np.full(len(weights), np.nan)
    np.divide(concordant, comparable, out=index, where=comparable > 0.0)
    return index


def percentile_interval(resampled: ArrayLike, level: float = 0.95) -> tuple[float, float]:
    """The percentile bootstrap interval, NaN resamples left out; (NaN, NaN) if none is left."""
    x = np.asarray(resampled, dtype=np.float64)
    x = x[~np.isnan(x)]
    if x.size == 0:
        return np.nan, np.nan
    low, high = np.quantile(x, [0.5 - level / 2.0, 0.5 + level / 2.0])
    return float(low), float(high)


def paired_bootstrap(first: ArrayLike, second: ArrayLike, level: float = 0.95) -> Estimate:
    """The difference of two scores of the same patients, from the same resamples of them.

    Args:
        first: One score per resample, shape [resamples].
        second: The other method's on the same resamples; a resample without both is left out.
        level: Of the interval.

    Returns:
        Mean of `first - second`, its percentile interval, and the two-sided p value: twice the
        share of resamples on the rarer side of zero, counting the observed sample as one of them.
    """
    difference = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    difference = difference[~np.isnan(difference)]
    if difference.size == 0:
        return Estimate(np.nan, np.nan, np.nan, np.nan)
    rarer = min(int((difference <= 0.0).sum()), int((difference >= 0.0).sum()))
    p = min(1.0, 2.0 * (rarer + 1) / (difference.size + 1))
    return Estimate(float(difference.mean()), *percentile_interval(difference, level), p)
