"""Cross-modal retrieval: where in the ranking of a gallery a query's own partner stands.

Partners that look alike share their places: every number is the mean over the orders in which ties
could be broken. So an embedding that says the same of everybody scores chance and nothing more.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.metrics.undefined import Undefined

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

TIED = 1e-8  # similarities nearer than this are tied


@dataclass(frozen=True)
class Ranks:
    """Where the partners of n queries stand in a gallery.

    Attributes:
        better: How many of the gallery are more similar to the query than its partner, [n].
        tied: How many others are as similar, [n].
    """

    better: Vector
    tied: Vector

    @classmethod
    def of(cls, similarity: Matrix) -> "Ranks":
        """The ranks of a square matrix, query by gallery; partners are on the diagonal."""
        above = similarity - np.diag(similarity)[:, None]
        better = (above > TIED).sum(axis=1)
        tied = (np.abs(above) <= TIED).sum(axis=1) - 1
        return cls(better.astype(np.float64), tied.astype(np.float64))

    @classmethod
    def chance(cls, n: int) -> "Ranks":
        """Those of a gallery of n whose members all look alike."""
        return cls(np.zeros(n), np.full(n, n - 1.0))

    def __add__(self, other: "Ranks") -> "Ranks":
        """The queries of both."""
        return Ranks(np.append(self.better, other.better), np.append(self.tied, other.tied))

    def rank(self) -> Vector:
        """The partner's place, 1 is the first; the middle one of tied places, [n]."""
        return self.better + 1 + self.tied / 2


def cosine_similarity(queries: Matrix, gallery: Matrix) -> Matrix:
    """Cosine of each query [n, d] with each of the gallery [m, d]; 0 with a vector of zeros."""
    return np.asarray(unit(queries) @ unit(gallery).T)


def unit(X: Matrix) -> Matrix:
    """Rows scaled to length one; a row of zeros stays one."""
    length = np.linalg.norm(X, axis=1, keepdims=True)
    return X / np.where(length > 0, length, 1.0)


def recall_at(k: int, ranks: Ranks) -> float:
    """Fraction of queries whose partner is among the first k.

    Raises:
        Undefined: There is no query.
    """
    _check(ranks)
    return float(np.clip((k - ranks.better) / (ranks.tied + 1), 0.0, 1.0).mean())


def median_rank(ranks: Ranks) -> float:
    """Median place of the partners, 1 is the first; lower is better.

    Raises:
        Undefined: There is no query.
    """
    _check(ranks)
    return float(np.median(ranks.rank()))


def mean_reciprocal_rank(ranks: Ranks) -> float:
    """Mean of one over the partner's place.

    Raises:
        Undefined: There is no query.
    """
    _check(ranks)
    last = ranks.better + 1 + ranks.tied
    harmonic = np.append(0.0, np.cumsum(1 / np.arange(1, last.max() + 1)))
    sums = harmonic[last.astype(int)] - harmonic[ranks.better.astype(int)]
    return float((sums / (ranks.tied + 1)).mean())


def _check(ranks: Ranks) -> None:
    if not len(ranks.better):
        raise Undefined("no pair among the test patients")
