"""Encoder of vectors: expression profiles, or slide-level feature vectors."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class HeadAttention(nn.Module):
    """Attention across the heads of one vector, as MIRROR publishes it.

    The heads are the sequence: nothing is exchanged between genes or between samples. The result
    is flattened channel by channel, not head by head.

    Args:
        width: Width of the vector; `heads` divides it.
        heads: Number of heads.
        dropout: Dropout of the output.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """[B, width] -> [B, width]."""
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).unbind(1)
        mixed = functional.scaled_dot_product_attention(q, k, v)
        output: Tensor = self.dropout(self.output(mixed.mT.flatten(1)))
        return output


class VectorBlock(nn.Module):
    """Pre-norm block of attention across heads and a two-layer perceptron.

    Args:
        width: Width of the vector.
        heads: Number of heads.
        hidden: Hidden width of the perceptron.
        dropout: Dropout of both parts.
        eps: Of the layer norms.
    """

    def __init__(self, width: int, heads: int, hidden: int, dropout: float, eps: float) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width, eps)
        self.attention = HeadAttention(width, heads, dropout)
        self.mlp_norm = nn.LayerNorm(width, eps)
        self.rise = nn.Linear(width, hidden)
        self.fall = nn.Linear(hidden, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """[B, width] -> [B, width]."""
        x = x + self.attention(self.attention_norm(x))
        risen = self.dropout(functional.gelu(self.rise(self.mlp_norm(x))))
        output: Tensor = x + self.dropout(self.fall(risen))
        return output


class VectorEncoder(nn.Module):
    """A vector -> an embedding.

    Args:
        features: Width of the input, for example the number of genes.
        width: Width of the embedding.
        depth: Number of blocks.
        heads: Heads of a block.
        mlp_ratio: Hidden width of a block's perceptron over `width`.
        dropout: Dropout of the blocks.
        eps: Of the layer norms.
    """

    def __init__(
        self,
        features: int,
        width: int,
        *,
        depth: int = 2,
        heads: int = 12,
        mlp_ratio: float = 4.0,
        dropout: float = 0.1,
        eps: float = 1e-6,
    ) -> None:
        super().__init__()
        self.rise = nn.Linear(features, 2 * width)
        self.rise_norm = nn.LayerNorm(2 * width, eps)
        self.fall = nn.Linear(2 * width, width)
        self.position = nn.Parameter(torch.zeros(1, width))
        self.blocks = nn.Sequential(
            *(VectorBlock(width, heads, int(width * mlp_ratio), dropout, eps) for _ in range(depth))
        )
        self.norm = nn.LayerNorm(width, eps)

    def forward(self, x: Tensor) -> Tensor:
        """[B, features] -> [B, width]."""
        x = self.fall(self.rise_norm(functional.gelu(self.rise(x))))
        output: Tensor = self.norm(self.blocks(x + self.position))
        return output

    def summary(self, x: Tensor) -> Tensor:
        """The embedding itself: a vector has no other output."""
        return self.forward(x)
