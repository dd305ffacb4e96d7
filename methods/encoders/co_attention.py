"""Genomic-guided co-attention: groups of genes look for the patches that go with them."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from methods.encoders.abmil import GatedAttention
from methods.encoders.linear_map import Linear
from methods.encoders.self_normalising import self_normalising

LAYERS = 2  # of the transformers, and of a group's layers (Chen et al., ICCV 2021)


class GeneGroups(nn.Module):
    """A profile -> one token for each group of genes, by layers of the group's own.

    Args:
        groups: The genes of each group, at least one; a gene may be in several groups or in none.
        width: Width of a token.
        dropout: Alpha dropout of the layers.
    """

    members: Tensor
    sizes: Tensor

    def __init__(self, groups: Sequence[NDArray[np.int64]], width: int, dropout: float) -> None:
        super().__init__()
        self.register_buffer("members", torch.from_numpy(np.concatenate(groups)))
        self.register_buffer("sizes", torch.tensor([len(group) for group in groups]))
        self.layers = nn.ModuleList(
            self_normalising(len(group), width, LAYERS, dropout, nn.ELU) for group in groups
        )

    def forward(self, profile: Tensor) -> Tensor:
        """[B, genes] -> [B, groups, width]."""
        parts = profile[:, self.members].split(self.sizes.tolist(), dim=1)
        return torch.stack(
            [layers(part) for layers, part in zip(self.layers, parts, strict=True)], 1
        )


class TokenSummary(nn.Module):
    """Tokens -> one vector: transformer layers, gated attention pooling, a hidden layer.

    Args:
        width: Width of a token.
        heads: Attention heads of the transformer.
        dropout: Everywhere.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(width, heads, 2 * width, dropout, batch_first=True)
        self.transformer = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)
        self.pool = GatedAttention(width, width, dropout)
        self.hidden = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Dropout(dropout))

    def forward(self, tokens: Tensor) -> Tensor:
        """[B, n, width] -> [B, width]."""
        output: Tensor = self.hidden(self.pool(self.transformer(tokens)))
        return output


class CoAttention(nn.Module):
    """Slides and expression -> one vector (Chen et al., ICCV 2021, section 3 and figure 2).

    Groups of genes are the queries of one head of attention whose keys and values are patches, so
    that the slide becomes a token for each group, seen with that group's eyes.

    Args:
        patch_width: Width of a patch's features.
        groups: The genes of each group.
        width: Of every token and of the result.
        heads: Of the transformers behind the co-attention.
        dropout: Everywhere.
    """

    def __init__(
        self,
        patch_width: int,
        groups: Sequence[NDArray[np.int64]],
        width: int,
        *,
        heads: int = 8,
        dropout: float = 0.25,
    ) -> None:
        super().__init__()
        self.patches = nn.Sequential(Linear(patch_width, width), nn.ReLU(), nn.Dropout(dropout))
        self.genes = GeneGroups(groups, width, dropout)
        self.attention = nn.MultiheadAttention(width, num_heads=1, batch_first=True)
        self.wsi_summary = TokenSummary(width, heads, dropout)
        self.rna_summary = TokenSummary(width, heads, dropout)
        self.fusion = nn.Sequential(
            nn.Linear(2 * width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()
        )

    def forward(self, wsi: Tensor, rna: Tensor) -> Tensor:
        """Patches [B, n, patch_width] and profiles [B, genes] -> [B, width]."""
        genes = self.genes(rna)
        patches = self.patches(wsi)
        seen = self.seen(genes, patches)
        both = torch.cat([self.wsi_summary(seen), self.rna_summary(genes)], dim=1)
        output: Tensor = self.fusion(both)
        return output

    def seen(self, genes: Tensor, patches: Tensor) -> Tensor:
        """What groups [B, groups, width] see of patches [B, n, width], as groups are."""
        seen: Tensor = self.attention(genes, patches, patches, need_weights=False)[0]
        return seen
