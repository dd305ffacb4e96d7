"""Encoder of vectors: expression profiles, or slide-level feature vectors."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.encoders.architecture import EPS, EncoderArchitecture


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
        architecture: Its `width`, `vector_heads`, `mlp_ratio` and `vector_dropout`.
    """

    def __init__(self, architecture: EncoderArchitecture) -> None:
        super().__init__()
        width, dropout = architecture.width, architecture.vector_dropout
        hidden = int(width * architecture.mlp_ratio)
        self.attention_norm = nn.LayerNorm(width, EPS)
        self.attention = HeadAttention(width, architecture.vector_heads, dropout)
        self.mlp_norm = nn.LayerNorm(width, EPS)
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
        architecture: Of its `depth` blocks; its `width` is that of the embedding.
    """

    def __init__(self, features: int, architecture: EncoderArchitecture) -> None:
        super().__init__()
        width = architecture.width
        self.rise = nn.Linear(features, 2 * width)
        self.rise_norm = nn.LayerNorm(2 * width, EPS)
        self.fall = nn.Linear(2 * width, width)
        self.position = nn.Parameter(torch.zeros(1, width))
        self.blocks = nn.Sequential(*(VectorBlock(architecture) for _ in range(architecture.depth)))
        self.norm = nn.LayerNorm(width, EPS)

    def forward(self, x: Tensor) -> Tensor:
        """[B, features] -> [B, width]."""
        x = self.fall(self.rise_norm(functional.gelu(self.rise(x))))
        output: Tensor = self.norm(self.blocks(x + self.position))
        return output

    def summary(self, x: Tensor) -> Tensor:
        """The embedding itself: a vector has no other output."""
        return self.forward(x)
