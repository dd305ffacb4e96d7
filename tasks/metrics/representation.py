"""What a representation keeps and how it is spread: similarity, recovery, rank, geometry.

Rows are patients everywhere; X and Y have the same ones in the same order.
"""

import numpy as np
from numpy.typing import NDArray

from tasks.metrics.ranking import unit
from tasks.metrics.undefined import Undefined

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

# A spread below this fraction of a column's size is rounding of float32, not information.
CONSTANT = 1e-6


def squared_errors(truth: Matrix, predicted: Matrix) -> tuple[Vector, Vector]:
    """Squared error of each patient [n], and what it would be for the mean of `truth` [n].

    Args:
        truth: [n, t].
        predicted: [n, t].
    """
    error = ((truth - predicted) ** 2).sum(axis=1)
    return error, ((truth - truth.mean(axis=0)) ** 2).sum(axis=1)


def r2(truth: Matrix, predicted: Matrix) -> float:
    """Fraction of the variance of several targets, taken together, that a prediction explains.

    It is scikit-learn's `r2_score` with `multioutput="variance_weighted"`: below zero where the
    prediction is worse than the mean of these patients.

    Raises:
        Undefined: The targets do not vary.
    """
    error, total = squared_errors(truth, predicted)
    if not total.sum() > 0:
        raise Undefined("what should be recovered does not vary among the test patients")
    return float(1 - error.sum() / total.sum())


def linear_cka(X: Matrix, Y: Matrix) -> float:
    """Linear centred kernel alignment, without its bias for few patients and many features.

    The usual estimator (Kornblith et al., ICML 2019) tends to 1 for *unrelated* matrices that are
    much wider than they have rows, and a test fold of 40 patients with 2,000 genes is such a
    matrix. Here the Hilbert-Schmidt criterion is replaced by its unbiased estimator (Song et al.,
    JMLR 2012, equation 5), whose mean for unrelated matrices is 0 (Nguyen et al., ICLR 2021). It
    can be slightly negative.

    Args:
        X: [n, p].
        Y: [n, q].

    Raises:
        Undefined: There are fewer than four patients, or X or Y does not vary.
    """
    if len(X) < 4:
        raise Undefined("fewer than four test patients")
    K, L = (_u_centred_gram(matrix) for matrix in (X, Y))
    norm = np.sqrt(np.vdot(K, K) * np.vdot(L, L))
    if not norm > 0:
        raise Undefined("one of the two does not vary among the test patients")
    return float(np.vdot(K, L) / norm)


def centred(X: Matrix) -> Matrix:
    """X less the mean of each column; a column that varies by rounding alone becomes zero."""
    found = X - X.mean(axis=0)
    found[:, np.abs(found).max(axis=0) <= CONSTANT * np.abs(X).max(axis=0)] = 0.0
    return np.asarray(found)


def effective_rank(X: Matrix) -> float:
    """Exponential of the entropy of the singular values, each over their sum.

    The effective rank of Roy & Vetterli (EUSIPCO 2007), with which RankMe (Garrido et al., ICML
    2023) compares representations: 1 for a collapsed one, at most the smaller side of X.

    Raises:
        Undefined: X is empty or zero.
    """
    singular = np.linalg.svd(X, compute_uv=False)
    total = singular.sum()
    if not total > 0:
        raise Undefined("the embedding of every test patient is zero")
    p = singular[singular > 0] / total
    return float(np.exp(-(p * np.log(p)).sum()))


def modality_gap(X: Matrix, Y: Matrix) -> float:
    """Distance between the two sides' mean directions, in [0, 2] (Liang et al., NeurIPS 2022).

    Args:
        X: [n, d]; rows are scaled to length one.
        Y: [n, d]; likewise.

    Raises:
        Undefined: There is nobody.
    """
    _check(X, 1)
    return float(np.linalg.norm(unit(X).mean(axis=0) - unit(Y).mean(axis=0)))


def alignment(X: Matrix, Y: Matrix) -> float:
    """Mean squared distance of partners on the unit sphere, in [0, 4]; lower is better aligned.

    Wang & Isola (ICML 2020), their alpha of 2.

    Raises:
        Undefined: There is nobody.
    """
    _check(X, 1)
    return float(((unit(X) - unit(Y)) ** 2).sum(axis=1).mean())


def uniformity(X: Matrix) -> float:
    """Logarithm of the mean Gaussian potential of pairs of patients on the unit sphere, below 0.

    Lower is spread more evenly; 0 is one point. Wang & Isola (ICML 2020), their t of 2; pairs of
    a patient with itself do not count.

    Raises:
        Undefined: There is no pair.
    """
    _check(X, 2)
    directions = unit(X)
    lengths = (directions**2).sum(axis=1)
    squared = lengths[:, None] + lengths - 2 * directions @ directions.T
    above = np.triu_indices(len(X), 1)
    return float(np.log(np.exp(-2 * np.maximum(squared[above], 0.0)).mean()))


def _u_centred_gram(X: Matrix) -> Matrix:
    """Linear Gram matrix whose inner products are n (n - 3) times the unbiased criterion [n, n].

    Székely & Rizzo (Annals of Statistics 2014, equation 3.1): rows and columns sum to zero off
    a diagonal of zeros.
    """
    n, X = len(X), centred(X)
    gram = X @ X.T
    np.fill_diagonal(gram, 0.0)
    rows = gram.sum(axis=1)
    gram += rows.sum() / ((n - 1) * (n - 2)) - (rows[:, None] + rows) / (n - 2)
    np.fill_diagonal(gram, 0.0)
    return np.asarray(gram)


def _check(X: Matrix, n: int) -> None:
    if len(X) < n:
        raise Undefined(f"fewer than {n} test patients with a pair")
