"""The bootstrap over patients: what the luck of who was tested does to a score."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

TIED_RISK = 1e-8
"""Risks closer than this are ties, as in scikit-survival."""

_PAIRS_AT_ONCE = 4_000_000


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
