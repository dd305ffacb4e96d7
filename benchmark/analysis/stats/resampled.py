"""The corrected resampled t: scores over test folds that share their training patients."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from benchmark.analysis.stats.estimate import Estimate


def corrected_error(x: NDArray[np.float64], test_to_train: float) -> float:
    """Standard error of the mean over test folds, as `nadeau_bengio` takes it.

    Args:
        x: One number per test fold, shape [J], J at least 2.
        test_to_train: Test patients over training patients of a fold.
    """
    return float(np.sqrt((1.0 / x.size + test_to_train) * x.var(ddof=1)))


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
    if x.size == 1:
        return Estimate(mean, np.nan, np.nan, np.nan)
    error = corrected_error(x, test_to_train)
    # Of equal values a rounded mean leaves an error; of nearly equal ones it may underflow.
    if np.ptp(x) == 0.0 or error == 0.0:
        return Estimate(mean, mean, mean, 1.0 if mean == 0.0 else 0.0)
    degrees = x.size - 1
    half = float(special.stdtrit(degrees, 0.5 + level / 2.0)) * error
    p = 2.0 * float(special.stdtr(degrees, -abs(mean) / error))
    return Estimate(mean, mean - half, mean + half, p)
