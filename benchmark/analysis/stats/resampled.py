"""The corrected resampled t: scores over test folds that share their training patients."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.analysis.stats.estimate import Estimate
from benchmark.analysis.stats.simultaneous import adjusted_p, critical_value


def corrected_error(x: NDArray[np.float64], test_to_train: float) -> float:
    """Standard error of the mean over test folds, as `nadeau_bengio` takes it.

    Args:
        x: One number per test fold, shape [J], J at least 2.
        test_to_train: Test patients over training patients of a fold.
    """
    return float(corrected_errors(x, test_to_train))


def corrected_errors(x: NDArray[np.float64], test_to_train: float) -> NDArray[np.float64]:
    """The same of many means at once, folds on the last axis of [.., J]."""
    return np.asarray(np.sqrt((1.0 / x.shape[-1] + test_to_train) * x.var(axis=-1, ddof=1)))


def has_spread(x: NDArray[np.float64]) -> bool:
    """Whether values differ, by more than what rounds to nothing."""
    return x.size > 1 and bool(np.ptp(x) > 0.0) and bool(x.var() > 0.0)


def nadeau_bengio(values: ArrayLike, test_to_train: float, family: int = 1) -> Estimate:
    """Corrected resampled t interval and test for scores, or differences, over J test folds.

    Scores of folds share training patients, so that their variance over J understates that of
    their mean; it is taken as `(1 / J + n_test / n_train) * s**2`, with J - 1 degrees of freedom.

    Args:
        values: One number per test fold, finite, shape [J].
        test_to_train: Test patients over training patients of a fold: `1 / (K - 1)` for K folds.
        family: Differences to one method that are looked at together: intervals and p values of
            all of them hold at once (`simultaneous`).

    Returns:
        Mean, 95 % interval and p. With J = 1, or where all values are equal, nothing is known of
        their spread: there is neither an interval nor a p.

    Raises:
        ValueError: There is no value.

    The level is exact where scores of two folds correlate by n_test / (n_test + n_train), as the
    authors assume. Where the luck of testing outweighs that of training they correlate less, and
    the interval is then wider and the test milder than their level.

    Source:
        Nadeau and Bengio, Inference for the generalization error, Machine Learning 52 (2003),
        equation 9 of the corrected resampled t-test.
    """
    x = np.asarray(values, dtype=np.float64)
    if x.size == 0:
        raise ValueError("no values")
    mean = float(x.mean())
    if not has_spread(x):
        return Estimate(mean, np.nan, np.nan, np.nan)
    error = corrected_error(x, test_to_train)
    half = critical_value(x.size, family) * error
    return Estimate(mean, mean - half, mean + half, adjusted_p(mean / error, x.size, family))
