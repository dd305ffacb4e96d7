"""Gated fusion of two embeddings: each is weighed by both, then all their products are seen."""

import torch
from torch import Tensor, nn


class GatedSide(nn.Module):
    """A narrow layer of one embedding, every channel weighed by what both embeddings say.

    Args:
        width: Of each embedding.
        narrow: Of the layer.
    """

    def __init__(self, width: int, narrow: int) -> None:
        super().__init__()
        self.layer = nn.Sequential(nn.Linear(width, narrow), nn.ReLU())
        self.gate = nn.Sequential(nn.Linear(2 * width, narrow), nn.Sigmoid())

    def forward(self, one: Tensor, both: Tensor) -> Tensor:
        """[B, width] and [B, 2 width] -> [B, narrow]."""
        gated: Tensor = self.gate(both) * self.layer(one)
        return gated


class KroneckerFusion(nn.Module):
    """Gated embeddings, the products of all their channels and of one, and a hidden layer.

    Source: Chen et al., "Pathomic fusion", IEEE Transactions on Medical Imaging 2020, equations 3
    and 4.

    Args:
        width: Of both embeddings and of the result.
        narrow: Of a gated embedding: there are (narrow + 1)^2 products.
        dropout: Of the products and of the hidden layer.
    """

    def __init__(self, width: int, narrow: int, dropout: float) -> None:
        super().__init__()
        self.first, self.second = GatedSide(width, narrow), GatedSide(width, narrow)
        self.hidden = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear((narrow + 1) ** 2, width),
            nn.ReLU(),
            nn.Dropout(dropout),
        )

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """[B, width] and [B, width] -> [B, width]."""
        both = torch.cat([a, b], dim=1)
        # With a constant 1, each side's own channels are among the products.
        one, other = (
            nn.functional.pad(gated, (1, 0), value=1.0)
            for gated in (self.first(a, both), self.second(b, both))
        )
        fused: Tensor = self.hidden((one[:, :, None] * other[:, None]).flatten(1))
        return fused
