"""Gated attention: a bag as a weighted mean of its tokens."""

import torch
from torch import Tensor, nn

from methods.encoders.linear_map import Linear


class GatedAttention(nn.Module):
    """Pooling by gated attention (Ilse et al., ICML 2018, equation 9).

    The weight of token h is softmax over the bag of w^T (tanh(V h) * sigmoid(U h)).

    Args:
        width: Width of a token.
        hidden: Width of V h and U h.
        dropout: Dropout of V h and U h.
    """

    def __init__(self, width: int, hidden: int, dropout: float = 0.25) -> None:
        super().__init__()
        self.content = Linear(width, hidden)
        self.gate = Linear(width, hidden)
        self.score = nn.Linear(hidden, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """[B, n, width] -> [B, width]."""
        return weighted_mean(tokens, self.weights(tokens))

    def weights(self, tokens: Tensor) -> Tensor:
        """How much each token counts, [B, n]; a bag's weights add to one."""
        content = self.dropout(torch.tanh(self.content(tokens)))
        gate = self.dropout(torch.sigmoid(self.gate(tokens)))
        scores: Tensor = self.score(content * gate).squeeze(-1)
        return scores.softmax(dim=-1)


def weighted_mean(tokens: Tensor, weights: Tensor) -> Tensor:
    """Tokens [B, n, width] by weights [B, n] that add to one -> [B, width]."""
    pooled: Tensor = (weights.unsqueeze(1) @ tokens).squeeze(1)
    return pooled


def attended_patches(patch_width: int, width: int, dropout: float) -> nn.Sequential:
    """A hidden layer on each patch, then gated attention of half its width.

    Bags [B, n, patch_width] -> [B, width]; all but the last layer give the tokens it pools.
    """
    return nn.Sequential(
        Linear(patch_width, width),
        nn.ReLU(),
        nn.Dropout(dropout),
        GatedAttention(width, width // 2, dropout),
    )
