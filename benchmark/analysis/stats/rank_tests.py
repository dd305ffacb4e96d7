"""Comparisons over tasks: ranks, and tests of many methods with what many tests cost."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats


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


def task_ranks(scores: ArrayLike) -> NDArray[np.float64]:
    """Rank of each method in each task, 1 the best; equal scores share their mean rank.

    Args:
        scores: Higher is better, shape [tasks, methods]; NaN where a method has no score.

    Returns:
        Of that shape; NaN where there was no score.
    """
    x = np.asarray(scores, dtype=np.float64)
    return np.asarray(stats.rankdata(-x, axis=1, nan_policy="omit"))


@dataclass(frozen=True)
class Friedman:
    """Whether the methods differ at all over tasks.

    Attributes:
        statistic: Friedman's chi-square, corrected for ties.
        p: Of the hypothesis that all methods rank alike; 1 if every task ties all of them.
        mean_ranks: Of each method over the tasks that were used, 1 the best, shape [methods].
        n_tasks: Tasks in which every method has a score; no other is used.
    """

    statistic: float
    p: float
    mean_ranks: NDArray[np.float64]
    n_tasks: int


def friedman(scores: ArrayLike) -> Friedman:
    """Friedman's test of several methods over tasks.

    Args:
        scores: Higher is better, shape [tasks, methods], at least two methods; a task with a NaN
            is left out.

    Returns:
        The test and the mean ranks that `nemenyi` compares; NaN without any task. The p value is
        of the chi-square approximation: trust it from about ten tasks.

    Raises:
        ValueError: There are fewer than two methods.

    Source:
        Demsar, Statistical comparisons of classifiers over multiple data sets, JMLR 7 (2006),
        section 3.2.1; ties as in Conover, Practical nonparametric statistics (1999), section 5.8.
    """
    x = np.asarray(scores, dtype=np.float64)
    n_methods = x.shape[1]
    if n_methods < 2:
        raise ValueError(f"expected two methods or more to rank, found {n_methods}")
    x = x[~np.isnan(x).any(axis=1)]
    n_tasks = len(x)
    if n_tasks == 0:
        return Friedman(np.nan, np.nan, np.full(n_methods, np.nan), 0)
    ranks = stats.rankdata(-x, axis=1)
    middle = (n_methods + 1) / 2.0
    within = float(np.square(ranks - middle).sum())
    mean_ranks = ranks.mean(axis=0)
    if within == 0.0:
        return Friedman(0.0, 1.0, mean_ranks, n_tasks)
    between = n_tasks**2 * float(np.square(mean_ranks - middle).sum())
    statistic = (n_methods - 1) * between / within
    p = float(special.chdtrc(n_methods - 1, statistic))
    return Friedman(statistic, p, mean_ranks, n_tasks)


def nemenyi(mean_ranks: ArrayLike, n_tasks: int) -> NDArray[np.float64]:
    """P values of all pairs of methods, adjusted for their number.

    Args:
        mean_ranks: Over tasks in which every method has a score, shape [methods].
        n_tasks: How many tasks those are.

    Returns:
        Symmetric, 1 on the diagonal, shape [methods, methods].

    Source:
        Nemenyi, Distribution-free multiple comparisons (1963), as in Demsar, section 3.2.2.
    """
    ranks = np.asarray(mean_ranks, dtype=np.float64)
    spread = np.abs(ranks[:, None] - ranks) / _rank_error(ranks.size, n_tasks)
    # The studentised range with infinite degrees of freedom; half of the matrix is enough.
    i, j = np.triu_indices(ranks.size, 1)
    p = np.ones(spread.shape)
    p[i, j] = p[j, i] = stats.studentized_range.sf(spread[i, j], ranks.size, np.inf)
    return p


def critical_difference(n_methods: int, n_tasks: int, alpha: float = 0.05) -> float:
    """Mean ranks further apart than this differ by the test of `nemenyi`.

    Args:
        n_methods: Ranked, at least two.
        n_tasks: That the ranks are means over.
        alpha: Of any error among all pairs.

    Source:
        Demsar (2006), equation in section 3.2.2 and table 5.
    """
    range_ = float(stats.studentized_range.isf(alpha, n_methods, np.inf))
    return range_ * _rank_error(n_methods, n_tasks)


def _rank_error(n_methods: int, n_tasks: int) -> float:
    """Standard error of the mean rank of a method over tasks, if all methods are alike."""
    return float(np.sqrt(n_methods * (n_methods + 1) / (12.0 * n_tasks)))
