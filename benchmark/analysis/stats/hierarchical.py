"""Differences over cohorts: what two methods differ by in a cohort that was not seen."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special

PRIOR = 0.05
"""Scale of the half-Cauchy prior on the spread of true differences, for fractions and areas."""

ROPE = 0.02
"""Differences within this are of no practical consequence."""

LEVEL = 0.95
"""Of an interval that stands alone."""

_LARGEST, _POINTS = 10.0, 500  # of the grid of spreads, in prior scales: .5 for fractions
_SMALLEST = 1e-3  # error in prior scales, where every fold has the same difference
_MARGIN = 1e-6


@dataclass(frozen=True)
class Pooled:
    """A difference over cohorts.

    Attributes:
        delta: Mean of the posterior of the mean difference over cohorts.
        low: Lower end of its central interval, 95 % unless another level was asked.
        high: Upper end.
        better: Probability that it is above zero.
        equivalent: Probability that it lies within the region of no consequence.
        tau: Mean of the posterior of the standard deviation of true differences between cohorts.
        n: Cohorts.
    """

    delta: float
    low: float
    high: float
    better: float
    equivalent: float
    tau: float
    n: int


NOTHING = Pooled(np.nan, np.nan, np.nan, np.nan, np.nan, np.nan, n=0)
"""Of no cohort."""


def pooled(
    differences: ArrayLike,
    errors: ArrayLike,
    prior: float = PRIOR,
    rope: float = ROPE,
    level: float = LEVEL,
) -> Pooled:
    """The hierarchical model of one difference a cohort.

    In cohort c the difference is d_c ~ N(theta_c, s_c^2) and theta_c ~ N(delta, tau^2); the prior
    is flat on delta and half-Cauchy on tau, whose posterior is computed on a grid. The tail is
    there for methods that differ by tenths in some cohorts and not in others: a half-normal of the
    same scale does not believe them, and takes their mean for surer than it is.

    Args:
        differences: One a cohort, shape [n].
        errors: Their standard errors, shape [n]; one below a thousandth of `prior` counts as that.
        prior: Scale of the half-Cauchy prior on tau.
        rope: Half the width of the region of no consequence.
        level: Of the interval.

    Source:
        Corani et al., Statistical comparison of classifiers through Bayesian hierarchical
        modelling, Machine Learning 106 (2017), with a normal in place of their t; Gelman, Prior
        distributions for variance parameters, Bayesian Analysis 1 (2006).
    """
    d, s = np.asarray(differences, dtype=np.float64), np.asarray(errors, dtype=np.float64)
    if not d.size:
        return NOTHING
    # the middles of intervals, so that the density's edge at zero has its own weight
    tau = (np.arange(_POINTS) + 0.5) * _LARGEST * prior / _POINTS
    variance = np.maximum(s, _SMALLEST * prior) ** 2 + tau[:, None] ** 2
    weight = (1.0 / variance).sum(axis=1)
    mean = (d / variance).sum(axis=1) / weight
    log = -np.log1p((tau / prior) ** 2) - 0.5 * (
        np.log(variance).sum(axis=1)
        + np.log(weight)
        + ((d - mean[:, None]) ** 2 / variance).sum(axis=1)
    )
    p = np.exp(log - log.max())
    p /= p.sum()
    error = weight**-0.5

    def below(x: float) -> float:
        return float(p @ special.ndtr((x - mean) / error))

    return Pooled(
        delta=float(p @ mean),
        low=_quantile(below, (1.0 - level) / 2.0, mean, error),
        high=_quantile(below, (1.0 + level) / 2.0, mean, error),
        better=1.0 - below(0.0),
        equivalent=below(rope) - below(-rope),
        tau=float(p @ tau),
        n=d.size,
    )


def _quantile(
    below: Callable[[float], float],
    level: float,
    mean: NDArray[np.float64],
    error: NDArray[np.float64],
) -> float:
    """Of a mixture of normals, between the same quantiles of its parts."""
    ends = mean + _normal(level) * error
    low, high = float(ends.min()) - _MARGIN, float(ends.max()) + _MARGIN
    return float(optimize.brentq(lambda x: below(x) - level, low, high, xtol=1e-12))


@cache
def _normal(level: float) -> float:
    return float(special.ndtri(level))
