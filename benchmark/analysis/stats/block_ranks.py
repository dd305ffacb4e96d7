"""Ranks over blocks, and how far apart chance puts their means."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from tasks.seeds import generator

_DRAWS = 4_000


def block_ranks(scores: ArrayLike) -> NDArray[np.float64]:
    """Rank of each method in each block, 1 the best; equal scores share their mean rank.

    Args:
        scores: Higher is better, shape [blocks, methods]; NaN where a method has no score.

    Returns:
        Of that shape; NaN where there was no score.
    """
    x = np.asarray(scores, dtype=np.float64)
    return np.asarray(stats.rankdata(-x, axis=1, nan_policy="omit"))


def critical_difference(ranks: ArrayLike, alpha: float = 0.05) -> float:
    """Mean ranks further apart than this differ, whatever the number of methods.

    The quantile of the largest difference of mean ranks where methods are relabelled within each
    block, by chance: what Nemenyi's test approximates for many blocks without ties.

    Args:
        ranks: From `block_ranks`, without NaN, shape [blocks, methods].
        alpha: Of any error among all pairs.
    """
    x = np.asarray(ranks, dtype=np.float64)
    rng = generator("relabelled", *x.shape)
    means = np.zeros((_DRAWS, x.shape[1]))
    for block in x:
        means += rng.permuted(np.broadcast_to(block, means.shape), axis=1)
    return float(np.quantile(np.ptp(means / len(x), axis=1), 1.0 - alpha))
