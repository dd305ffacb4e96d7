"""Several differences to one method: the largest t of all of them, where there is no difference.

Interval, verdict and smallest difference that could have been shown come from its quantile, so that
all of a family hold together in 95 % of cases and none contradicts another.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

from tasks.seeds import generator

_DRAWS = 19_999


def critical_value(n_values: int, family: int, alpha: float = 0.05) -> float:
    """The |t| that the largest of a family exceeds with this probability.

    Args:
        n_values: Over which each difference is a mean, at least 2.
        family: Differences to one common method, at least 1.
        alpha: Of any of them beyond it.
    """
    if family == 1:
        return float(special.stdtrit(n_values - 1, 1.0 - alpha / 2.0))
    return float(_largest(n_values, family)[-(round(alpha * (_DRAWS + 1)) - 1)])


def adjusted_p(t: float, n_values: int, family: int) -> float:
    """Two-sided p of a t among a family, below alpha beyond its critical value alone."""
    if family == 1:
        return 2.0 * float(special.stdtr(n_values - 1, -abs(t)))
    beyond = _DRAWS - np.searchsorted(_largest(n_values, family), abs(t), side="left")
    return (1.0 + float(beyond)) / (_DRAWS + 1.0)


@cache
def _largest(n_values: int, family: int) -> NDArray[np.float64]:
    """Draws of the largest |t|, rising, where values of all methods are alike and independent.

    That is Dunnett's comparison with a control (JASA 50:1096, 1955), each difference studentised by
    a spread of its own. Fewer folds than methods say nothing of how differences correlate beyond
    that: they share the control. Method i has the mean g_i and deviations e_i in n - 1 dimensions;
    of those, only the part along e_0 and the length of the rest enter the spread of e_i - e_0.
    Larger families begin with the draws of smaller ones, so that their quantiles never fall.
    """
    degrees = n_values - 1
    names = "mean", "along", "across", "control"
    mean, along, across, control = (generator("largest t", n_values, name) for name in names)
    own, length = control.normal(size=_DRAWS), np.sqrt(control.chisquare(degrees, _DRAWS))
    largest = np.zeros(_DRAWS)
    for _ in range(family):
        squares = (along.normal(size=_DRAWS) - length) ** 2
        if degrees > 1:
            squares += across.chisquare(degrees - 1, _DRAWS)
        t = (mean.normal(size=_DRAWS) - own) / np.sqrt(squares / degrees)
        np.maximum(largest, np.abs(t), out=largest)
    return np.sort(largest)
