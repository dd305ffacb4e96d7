"""Bayesian comparison over tasks: how probable it is that a method is better, worse or the same."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

_WEIGHTS_AT_ONCE = 2_000_000


@dataclass(frozen=True)
class Posterior:
    """Probabilities of what a method is on a further task; they sum to 1.

    Attributes:
        worse: Its difference lies below the region of practical equivalence.
        equivalent: Within it.
        better: Above it.
    """

    worse: float
    equivalent: float
    better: float


def bayesian_signed_rank(
    differences: ArrayLike,
    rope: float,
    rng: np.random.Generator,
    *,
    draws: int = 50_000,
    prior: float = 0.5,
) -> Posterior:
    """Bayesian counterpart of the signed-rank test, by a Dirichlet process over the differences.

    A draw of the posterior weighs the observed differences, and one pseudo-observation at zero, by
    a Dirichlet vector w. The sum of two differences then lies below, within or above twice the
    region with probabilities that are quadratic forms in w; the largest takes the draw.

    Args:
        differences: One per task, shape [n], finite; a method minus another, higher better.
        rope: Half-width of the region of practical equivalence, in units of the score, at least
            0; its ends belong to it.
        rng: Draws the weights; the same generator gives the same numbers.
        draws: Of the posterior. The Monte Carlo error of a probability is below
            `0.5 / sqrt(draws)`.
        prior: Weight of the pseudo-observation; an observation has 1.

    Returns:
        Shares of the draws.

    Raises:
        ValueError: There is no difference, or the region is negative.

    Source:
        Benavoli, Corani, Demsar and Zaffalon, Time for a change: a tutorial for comparing multiple
        classifiers through Bayesian analysis, JMLR 18 (2017), section 4.1.2.
    """
    z = np.append(0.0, np.asarray(differences, dtype=np.float64))
    if z.size == 1:
        raise ValueError("no differences")
    if rope < 0.0:
        raise ValueError(f"expected a region of equivalence of half-width >= 0, found {rope}")
    sums = z[:, None] + z
    below, above = (sums < -2.0 * rope).astype(float), (sums > 2.0 * rope).astype(float)
    alpha = np.append(prior, np.ones(z.size - 1))
    counts = np.zeros(3, dtype=np.int64)
    at_once = max(1, _WEIGHTS_AT_ONCE // z.size)
    for start in range(0, draws, at_once):
        w = rng.dirichlet(alpha, size=min(at_once, draws - start))
        worse = np.einsum("di,di->d", w @ below, w)
        better = np.einsum("di,di->d", w @ above, w)
        winner = np.argmax([1.0 - worse - better, worse, better], axis=0)
        counts += np.bincount(winner, minlength=3)
    equivalent, lower, higher = (float(count) / draws for count in counts)
    return Posterior(lower, equivalent, higher)
