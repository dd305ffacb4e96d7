"""Retention: each modality recovers what was masked of it, so that it keeps what it alone knows."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.encoders.expression import VectorBlock
from methods.encoders.linear_map import Linear
from methods.encoders.slide import AttentionLayer
from methods.objectives.alignment import full_precision


def choose_masked(noise: Tensor, ratio: float) -> Tensor:
    """True where masked: all but the int(n * (1 - ratio)) places of smallest noise, [B, n]."""
    kept = int(noise.shape[1] * (1 - ratio))
    rank = noise.argsort(dim=1).argsort(dim=1)
    return rank >= kept


def masked_error(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean squared error over the masked places; [B, n] or [B, n, D], mask [B, n]; 0 if none."""
    error = (full_precision(prediction) - full_precision(target)).square()
    if error.dim() == 3:
        error = error.mean(-1)
    return (error * mask).sum() / mask.sum().clamp(min=1)


class BagRetention(nn.Module):
    """Decoder of masked patch tokens.

    Args:
        width: Width of a token.
        tokens: Patches in a bag: the position table has one row for each and one for cls.
        output_width: Width of what is predicted per patch.
        depth: Attention layers.
        heads: Attention heads.
        dropout: Dropout of the attention's output.
        exact: Exact attention instead of Nystrom.
        checkpointing: Compute attention layers again in the backward pass.
    """

    def __init__(
        self,
        width: int,
        tokens: int,
        output_width: int,
        *,
        depth: int = 1,
        heads: int = 8,
        dropout: float = 0.1,
        exact: bool = False,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        self.embedding = Linear(width, width)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, width))
        self.position = nn.Parameter(torch.zeros(1, 1 + tokens, width))
        self.blocks = nn.Sequential(
            *(
                AttentionLayer(width, heads, dropout, exact=exact, checkpointing=checkpointing)
                for _ in range(depth)
            )
        )
        self.norm = nn.LayerNorm(width)
        self.head = Linear(width, output_width)

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """Predict each patch, [B, N, output_width].

        Args:
            tokens: cls and patch tokens, [B, 1 + N, width].
            mask: True where a patch's token is hidden, [B, N]; None if its input was hidden.

        Raises:
            ValueError: The bag has another number of patches than the position table.
        """
        if tokens.shape[1] != self.position.shape[1]:
            raise ValueError(
                f"bags of {self.position.shape[1] - 1} patches expected by the position table, "
                f"{tokens.shape[1] - 1} found"
            )
        x = self.embedding(tokens) if mask is None else self._embed_seen(tokens, mask)
        output: Tensor = self.head(self.norm(self.blocks(x + self.position))[:, 1:])
        return output

    def _embed_seen(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Embed the tokens that are not hidden; the mask token stands for the others."""
        seen = functional.pad(~mask, (1, 0), value=True).flatten().nonzero()[:, 0]
        embedded = self.embedding(tokens.flatten(0, 1).index_select(0, seen))
        everywhere = self.mask_token[0].to(embedded.dtype).expand(tokens.shape[:2].numel(), -1)
        output: Tensor = everywhere.index_copy(0, seen, embedded).unflatten(0, tokens.shape[:2])
        return output


class VectorRetention(nn.Module):
    """Decoder of masked channels of a vector.

    Args:
        width: Width of the vector.
        output_width: Width of what is predicted.
        depth: Number of blocks.
        heads: Heads of a block.
        mlp_ratio: Hidden width of a block's perceptron over `width`.
        dropout: Dropout of the blocks.
        eps: Of the layer norms.
    """

    def __init__(
        self,
        width: int,
        output_width: int,
        *,
        depth: int = 1,
        heads: int = 12,
        mlp_ratio: float = 4.0,
        dropout: float = 0.1,
        eps: float = 1e-6,
    ) -> None:
        super().__init__()
        self.embedding = nn.Linear(width, width)
        self.mask_token = nn.Parameter(torch.zeros(1, 1))
        self.position = nn.Parameter(torch.zeros(1, width))
        self.blocks = nn.Sequential(
            *(VectorBlock(width, heads, int(width * mlp_ratio), dropout, eps) for _ in range(depth))
        )
        self.norm = nn.LayerNorm(width, eps)
        self.head = nn.Linear(width, output_width)

    def forward(self, vector: Tensor, mask: Tensor | None = None) -> Tensor:
        """Predict every channel, [B, output_width].

        Args:
            vector: [B, width].
            mask: True where a channel is hidden, [B, width]; None if the input was masked.
        """
        x = self.embedding(vector)
        if mask is not None:
            x = torch.where(mask, self.mask_token.to(x.dtype), x)
        output: Tensor = self.head(self.norm(self.blocks(x + self.position)))
        return output
