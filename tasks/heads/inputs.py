"""What every linear head does to its features before it is fitted."""

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]

# A spread below this fraction of a column's size is rounding of float32, not information.
CONSTANT = 1e-6


def standardise(X: Matrix) -> tuple[Matrix, Vector, Vector]:
    """Centre and scale the columns of the training matrix.

    Args:
        X: [n, p].

    Returns:
        The standardised matrix, its columns' means and their standard deviations. A constant
        column becomes exact zeros with scale 1: ridge then gives it a coefficient of exactly 0.
    """
    mean, scale = X.mean(axis=0), X.std(axis=0)
    constant = scale <= CONSTANT * np.abs(X).max(axis=0)
    Z = np.where(constant, 0.0, X - mean)
    scale = np.where(constant, 1.0, scale)
    return Z / scale, mean, scale


def rotate(Z: Matrix, wide: float = np.inf) -> tuple[Matrix, Matrix | None]:
    """Express a wide matrix in its own row space; exact for any ridge-penalised linear model.

    Args:
        Z: [n, p]; wide if it has more columns than rows.
        wide: More columns than this make it wide as well.

    With more columns than rows, the penalty forces the coefficients into the row space of Z =
    U S V^T. There beta = V gamma with |beta| = |gamma| and Z beta = (U S) gamma, so the problem
    in gamma, of width at most n, is the same problem (Hastie & Tibshirani, Biostatistics 2004).

    Returns:
        The matrix to fit on and V [p, r], by which its coefficients are turned back; or Z itself
        and None where it is not wide.
    """
    n, p = Z.shape
    if p <= min(n, wide):
        return Z, None
    U, singular, Vt = np.linalg.svd(Z, full_matrices=False)
    rank = max(1, int((singular > singular[0] * n * np.finfo(float).eps).sum()))
    return U[:, :rank] * singular[:rank], Vt[:rank].T
