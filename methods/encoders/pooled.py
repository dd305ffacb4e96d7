"""Encoder of slides that pools patches by gated attention, blind to their order."""

from dataclasses import dataclass

from torch import Tensor, nn

from methods.encoders.abmil import GatedAttention
from methods.encoders.mlp import Perceptron


class PooledSlideEncoder(nn.Module):
    """A perceptron on each patch, then gated attention.

    Source: the slide encoder of Jaume et al., "Transcriptomics-guided slide representation
    learning in computational pathology", CVPR 2024.

    Args:
        patches: Perceptron of a patch, to the width of the embedding.
        pool: Of what the perceptron gives, [B, n, width] -> [B, width].
    """

    def __init__(self, patches: Perceptron, pool: GatedAttention) -> None:
        super().__init__()
        self.patches = patches
        self.pool = pool

    def summary(self, x: Tensor) -> Tensor:
        """Bags [B, n, patch width] -> [B, width]."""
        output: Tensor = self.pool(self.patches(x))
        return output


@dataclass(frozen=True)
class PooledArchitecture:
    """What the encoder is made of; dropouts are TANGLE's.

    Attributes:
        width: Of every layer, of the attention and of the embedding.
        patch_dropout: Dropout of the perceptron.
        attention_dropout: Dropout of the attention.
    """

    width: int = 768
    patch_dropout: float = 0.1
    attention_dropout: float = 0.25

    def pooled_encoder(self, features: int, *, bags: bool) -> PooledSlideEncoder | Perceptron:
        """The encoder of bags of such patches; of such slide vectors, the perceptron alone."""
        perceptron = Perceptron((features, self.width, self.width), dropout=self.patch_dropout)
        if not bags:
            return perceptron
        pool = GatedAttention(self.width, self.width, self.attention_dropout)
        return PooledSlideEncoder(perceptron, pool)
