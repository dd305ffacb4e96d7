"""A modality's branch: its encoder and its retention, by kind of modality and nothing else.

Both branches answer the same questions, so that what is built on them has one code path.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from methods.encoders.expression import VectorEncoder
from methods.encoders.slide import SlideEncoder
from methods.objectives.retention import BagRetention, VectorRetention
from tasks.errors import InputError


@dataclass(frozen=True)
class EncoderArchitecture:
    """What both encoders are made of; defaults are the published ones.

    Attributes:
        width: Embedding width; both numbers of heads divide it.
        slide_heads: Attention heads among the tokens of a bag.
        vector_heads: Attention heads within a vector.
        depth: Blocks of the vector encoder.
        mlp_ratio: Hidden width of a vector block over `width`.
        slide_dropout: Dropout of the attention among a bag's tokens.
        vector_dropout: Dropout of vector blocks.
        exact_attention: Softmax attention among all tokens of a bag, not the Nystrom one.
        checkpointing: Compute attention layers of bags again in the backward pass: the same losses
            and gradients in less memory and more time, for small devices.
    """

    width: int = 768
    slide_heads: int = 8
    vector_heads: int = 12
    depth: int = 2
    mlp_ratio: float = 4.0
    slide_dropout: float = 0.1
    vector_dropout: float = 0.1
    exact_attention: bool = False
    checkpointing: bool = False

    def __post_init__(self) -> None:
        """Refuse a width that the heads do not divide.

        Raises:
            InputError: It is not a multiple of both numbers of heads.
        """
        for name in ("slide_heads", "vector_heads"):
            heads = getattr(self, name)
            if self.width % heads:
                raise InputError(
                    f"width: a multiple of {name} {heads} expected, {self.width} found"
                )

    def slide_encoder(self, patch_width: int) -> SlideEncoder:
        """The encoder of bags."""
        return SlideEncoder(
            patch_width,
            self.width,
            self.slide_heads,
            self.slide_dropout,
            exact=self.exact_attention,
            checkpointing=self.checkpointing,
        )

    def vector_encoder(self, features: int) -> VectorEncoder:
        """The encoder of vectors."""
        return VectorEncoder(
            features,
            self.width,
            depth=self.depth,
            heads=self.vector_heads,
            mlp_ratio=self.mlp_ratio,
            dropout=self.vector_dropout,
        )

    def encoder(self, width: int, tokens: int | None) -> SlideEncoder | VectorEncoder:
        """The encoder of a bag, or of a vector where `tokens` is None."""
        return self.vector_encoder(width) if tokens is None else self.slide_encoder(width)


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
        self.encoder = architecture.slide_encoder(patch_width)
        self.retention = BagRetention(
            architecture.width,
            tokens,
            patch_width if mask_inputs else architecture.width,
            depth=depth,
            heads=architecture.slide_heads,
            dropout=architecture.slide_dropout,
            exact=architecture.exact_attention,
            checkpointing=architecture.checkpointing,
        )

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
        self.encoder = architecture.vector_encoder(features)
        self.retention = VectorRetention(
            architecture.width,
            features if mask_inputs else architecture.width,
            depth=depth,
            heads=architecture.vector_heads,
            mlp_ratio=architecture.mlp_ratio,
            dropout=architecture.vector_dropout,
        )

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
