"""Retention: each modality recovers what was masked of it, so that it keeps what it alone knows."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.encoders.architecture import EPS, EncoderArchitecture
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
        tokens: Patches in a bag: the position table has one row for each and one for cls.
        output_width: Width of what is predicted per patch.
        depth: Attention layers.
        architecture: Of the layers; its `width` is that of a token.
    """

    def __init__(
        self, tokens: int, output_width: int, depth: int, architecture: EncoderArchitecture
    ) -> None:
        super().__init__()
        width = architecture.width
        self.embedding = Linear(width, width)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, width))
        self.position = nn.Parameter(torch.zeros(1, 1 + tokens, width))
        self.blocks = nn.Sequential(*(AttentionLayer(architecture) for _ in range(depth)))
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
        output_width: Width of what is predicted.
        depth: Number of blocks.
        architecture: Of the blocks; its `width` is that of the vector.
    """

    def __init__(self, output_width: int, depth: int, architecture: EncoderArchitecture) -> None:
        super().__init__()
        width = architecture.width
        self.embedding = nn.Linear(width, width)
        self.mask_token = nn.Parameter(torch.zeros(1, 1))
        self.position = nn.Parameter(torch.zeros(1, width))
        self.blocks = nn.Sequential(*(VectorBlock(architecture) for _ in range(depth)))
        self.norm = nn.LayerNorm(width, EPS)
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
