"""Convolutions over few tokens as matrices: one product, where a convolution is many small ones."""

from torch import Tensor
from torch.nn import functional

LONGEST = 48
"""Tokens of a sequence, up to which a matrix of all pairs costs less than a convolution."""


def over_sequence(kernels: Tensor, n: int) -> Tensor:
    """Each kernel as what it does to a sequence of `n`, zeros around it.

    Args:
        kernels: [C, k], k odd.
        n: Length of the sequence.

    Returns:
        [C, n, n]: times the sequence, its convolution.
    """
    margin = n - 1 - kernels.shape[-1] // 2
    padded = functional.pad(kernels, (margin, margin))
    return padded.unfold(1, n, 1).flip(1)


def over_square(kernels: Tensor, side: int) -> Tensor:
    """Each kernel as what it does to a square, row after row, zeros around it.

    Args:
        kernels: [C, k, k], k odd.
        side: Of the square.

    Returns:
        [C, side * side, side * side].
    """
    margin = side - 1 - kernels.shape[-1] // 2
    padded = functional.pad(kernels, (margin,) * 4)
    return padded.unfold(1, side, 1).unfold(2, side, 1).flip(1, 2).flatten(3).flatten(1, 2)
