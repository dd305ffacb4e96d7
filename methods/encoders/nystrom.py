"""Nystrom attention: the published function, with fewer operations and bytes.

Source: Xiong et al., "Nystromformer", AAAI 2021, equations 13 to 16, in the form that TransMIL and
MIRROR use (zero padding in front, six pseudo-inverse steps, a convolution over the values).
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class TokenAttention(nn.Module):
    """Exact softmax attention among tokens, plus a depthwise convolution over the values.

    Args:
        width: Width of a token; `heads` divides it.
        heads: Number of heads.
        dropout: Dropout of the output projection.
        kernel: Tokens that the convolution spans, odd.
    """

    def __init__(self, width: int, heads: int = 8, dropout: float = 0.1, kernel: int = 33) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.output = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)
        self.convolution = nn.Conv2d(
            heads, heads, (kernel, 1), padding=(kernel // 2, 0), groups=heads, bias=False
        )

    def forward(self, x: Tensor) -> Tensor:
        """[B, n, width] -> [B, n, width]."""
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = self.attend(q, k, v) + self.convolution(v)
        return self._merge(mixed)

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attention of every token to every token; [B, heads, n, d] each."""
        return functional.scaled_dot_product_attention(q, k, v)

    def _merge(self, mixed: Tensor) -> Tensor:
        output: Tensor = self.dropout(self.output(mixed.transpose(1, 2).flatten(2)))
        return output


class NystromAttention(TokenAttention):
    """Nystrom attention: softmax attention through landmarks.

    Args:
        width: Width of a token; `heads` divides it.
        landmarks: Number of landmarks; each is the mean of consecutive tokens.
        heads: Number of heads.
        dropout: Dropout of the output projection.
        kernel: Tokens that the convolution spans, odd.
        steps: Steps of the iterative pseudo-inverse.
    """

    def __init__(
        self,
        width: int,
        landmarks: int,
        *,
        heads: int = 8,
        dropout: float = 0.1,
        kernel: int = 33,
        steps: int = 6,
    ) -> None:
        super().__init__(width, heads, dropout, kernel)
        self.landmarks = landmarks
        self.steps = steps

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """A1 pinv(A2) A3 V, multiplied from the right: no n x m x m product is ever formed."""
        front = -q.shape[2] % self.landmarks
        # Padding tokens are zero and have no bias, so they are zero as queries, keys and values.
        k_padded = functional.pad(k, (0, 0, front, 0))
        group = k_padded.shape[2] // self.landmarks
        q_marks = functional.pad(q, (0, 0, front, 0)).unflatten(2, (-1, group)).mean(3)
        k_marks = k_padded.unflatten(2, (-1, group)).mean(3)
        block = functional.scaled_dot_product_attention(
            q_marks, k_padded, functional.pad(v, (0, 0, front, 0))
        )
        between = torch.softmax(q_marks @ k_marks.mT / math.sqrt(q.shape[-1]), dim=-1)
        block = pseudo_inverse_times(between, block, self.steps)
        return functional.scaled_dot_product_attention(q, k_marks, block)


def pseudo_inverse_times(A: Tensor, block: Tensor, steps: int = 6) -> Tensor:
    """The iterative Moore-Penrose inverse of `A`, applied to a block.

    The published iteration is Z <- Z p(A Z) / 4 with p(Y) = 13 I - 15 Y + 7 Y^2 - Y^3, from
    Z = A^T / c. Its last step is applied to the block and never formed.

    Args:
        A: Softmax matrices [..., m, m]: rows sum to one.
        block: [..., m, d].
        steps: Number of iterations.

    Returns:
        [..., m, d].
    """
    # Published: c is one number for the whole batch, the largest row sum (one) times column sum.
    Z = A.mT / A.sum(-2).amax()
    for _ in range(steps - 1):
        # Y is computed afresh from A: deriving it from the last Y saves a product and costs digits.
        Y = A @ Z
        squared = Y @ Y
        polynomial = 1.75 * squared - 3.75 * Y - 0.25 * (Y @ squared)
        polynomial.diagonal(dim1=-2, dim2=-1).add_(3.25)
        Z = Z @ polynomial
    Y_block = A @ (Z @ block)
    Y_block = 3.75 * block - A @ (Z @ (1.75 * block - 0.25 * Y_block))
    return Z @ (3.25 * block - A @ (Z @ Y_block))
