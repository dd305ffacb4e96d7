"""What could have been shown: the smallest difference that a comparison of this size detects."""

from functools import cache

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, stats

from benchmark.analysis.stats.resampled import corrected_error, has_spread
from benchmark.analysis.stats.simultaneous import critical_value

POWER = 0.8
"""The share of repetitions in which a difference of that size would be found."""


def smallest_over_folds(
    differences: ArrayLike, test_to_train: float, family: int = 1, power: float = POWER
) -> float:
    """Smallest true difference that the test of `nadeau_bengio` finds with this power.

    A claim about differences smaller than this, for or against, is not supported by this many
    folds, seeds and patients: all three are in the spread of the differences over folds.

    Args:
        differences: Of two methods, one per test fold and averaged over seeds, shape [J].
        test_to_train: As in `nadeau_bengio`.
        family: As there: of differences that are looked at together.
        power: Of finding it.

    Returns:
        In units of the score. The spread is taken as known from these folds. NaN for one fold, or
        where all folds have one difference.

    Raises:
        ValueError: There is no value.

    Source:
        Power of the t-test by the noncentral t distribution, Cohen, Statistical power analysis
        (1988), section 2.2, with the error of Nadeau and Bengio (2003).
    """
    x = np.asarray(differences, dtype=np.float64)
    if x.size == 0:
        raise ValueError("no values")
    if not has_spread(x):
        return np.nan
    return _noncentrality(x.size, family, power) * corrected_error(x, test_to_train)


@cache
def _noncentrality(n_values: int, family: int, power: float) -> float:
    """Difference in standard errors at which the two-sided t-test has this power."""
    critical, degrees = critical_value(n_values, family), n_values - 1

    def excess(shift: float) -> float:
        # The other tail holds nothing at this distance, and scipy's is NaN there.
        return float(stats.nct.sf(critical, degrees, shift)) - power

    highest = 2.0 * critical
    while excess(highest) < 0.0:
        highest *= 2.0
    return float(optimize.brentq(excess, 0.0, highest, xtol=1e-10))
