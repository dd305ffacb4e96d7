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
        pooled: Tensor = (self.weights(tokens).unsqueeze(1) @ tokens).squeeze(1)
        return pooled

    def weights(self, tokens: Tensor) -> Tensor:
        """How much each token counts, [B, n]; a bag's weights add to one."""
        content = self.dropout(torch.tanh(self.content(tokens)))
        gate = self.dropout(torch.sigmoid(self.gate(tokens)))
        scores: Tensor = self.score(content * gate).squeeze(-1)
        return scores.softmax(dim=-1)
