"""A modality's branch: its encoder and its retention, by kind of modality and nothing else.

Both branches answer the same questions, so that what is built on them has one code path.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from methods.encoders.architecture import EncoderArchitecture
from methods.encoders.expression import VectorEncoder
from methods.encoders.slide import SlideEncoder
from methods.objectives.retention import BagRetention, VectorRetention


def encoder_of(
    width: int, tokens: int | None, architecture: EncoderArchitecture
) -> SlideEncoder | VectorEncoder:
    """The encoder of bags of patches of this width, or of vectors where `tokens` is None."""
    if tokens is None:
        return VectorEncoder(width, architecture)
    return SlideEncoder(width, architecture.for_bags(tokens))


class Branch(nn.Module, ABC):
    """One modality's encoder and retention.

    Args:
        mask_inputs: Hide parts of the input and predict them, a true masked autoencoder. The
            published retention hides parts of the encoder's output and predicts that output.
    """

    encoder: SlideEncoder | VectorEncoder

    def __init__(self, *, mask_inputs: bool) -> None:
        super().__init__()
        self.mask_inputs = mask_inputs

    def forward(self, x: Tensor) -> Tensor:
        """What the encoder makes of the input: all it gives, a summary among it."""
        hidden: Tensor = self.encoder(x)
        return hidden

    def embed(self, x: Tensor) -> Tensor:
        """The summary alone, [B, width], by the shortest way."""
        return self.encoder.summary(x)

    @abstractmethod
    def summary(self, hidden: Tensor) -> Tensor:
        """The embedding [B, width] in what the encoder gave."""

    @abstractmethod
    def maskable(self, x: Tensor) -> int:
        """How many places of an input can be hidden: the noise is [B, places]."""

    @abstractmethod
    def recover(self, x: Tensor, hidden: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Prediction and target, alike in shape, [B, places] or [B, places, D].

        Args:
            x: The input.
            hidden: What the encoder made of it.
            mask: True where hidden, [B, places].
        """


class BagBranch(Branch):
    """Branch of a bag: the places are its patches.

    Args:
        patch_width: Width of a patch's features.
        tokens: Patches in a training bag.
        architecture: Of the encoder.
        depth: Layers of the retention decoder.
        mask_inputs: See `Branch`.
    """

    encoder: SlideEncoder

    def __init__(
        self,
        patch_width: int,
        tokens: int,
        architecture: EncoderArchitecture,
        depth: int = 1,
        *,
        mask_inputs: bool = False,
    ) -> None:
        super().__init__(mask_inputs=mask_inputs)
        architecture = architecture.for_bags(tokens)
        self.encoder = SlideEncoder(patch_width, architecture)
        predicted = patch_width if mask_inputs else architecture.width
        self.retention = BagRetention(tokens, predicted, depth, architecture)

    def summary(self, hidden: Tensor) -> Tensor:
        """The cls token."""
        return hidden[:, 0]

    def maskable(self, x: Tensor) -> int:
        """The number of patches."""
        return x.shape[1]

    def recover(self, x: Tensor, hidden: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Patches from masked patches, or output tokens from masked output tokens."""
        if not self.mask_inputs:
            return self.retention(hidden, mask), hidden[:, 1:]
        tokens = self.encoder.embed_patches(x)
        tokens = torch.where(mask[..., None], self.retention.mask_token.to(tokens.dtype), tokens)
        return self.retention(self.encoder.encode(tokens)), x


class VectorBranch(Branch):
    """Branch of a vector: the places are its channels, or its features if the input is masked.

    Args:
        features: Width of the vector.
        architecture: Of the encoder.
        depth: Blocks of the retention decoder.
        mask_inputs: See `Branch`.
    """

    encoder: VectorEncoder

    def __init__(
        self,
        features: int,
        architecture: EncoderArchitecture,
        depth: int = 1,
        *,
        mask_inputs: bool = False,
    ) -> None:
        super().__init__(mask_inputs=mask_inputs)
        self.encoder = VectorEncoder(features, architecture)
        predicted = features if mask_inputs else architecture.width
        self.retention = VectorRetention(predicted, depth, architecture)

    def summary(self, hidden: Tensor) -> Tensor:
        """The vector itself."""
        return hidden

    def maskable(self, x: Tensor) -> int:
        """The number of features, or of channels of the embedding."""
        return x.shape[1] if self.mask_inputs else self.encoder.norm.normalized_shape[0]

    def recover(self, x: Tensor, hidden: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Features from masked features, or output channels from masked output channels."""
        if not self.mask_inputs:
            return self.retention(hidden, mask), hidden
        masked = torch.where(mask, self.retention.mask_token.to(x.dtype), x)
        return self.retention(self.encoder(masked)), x
