"""Encoder of bags: a TransMIL variant (Shao et al., NeurIPS 2021) as MIRROR builds it."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from methods.encoders.architecture import EncoderArchitecture
from methods.encoders.attention import toeplitz
from methods.encoders.attention.nystrom import NystromAttention, TokenAttention
from methods.encoders.attention.runs import runs
from methods.encoders.linear_map import Linear


class AttentionLayer(nn.Module):
    """x + attention(norm(x)), tokens among each other.

    Args:
        architecture: Its `width`, `slide_heads`, `slide_dropout`, `exact_attention` and
            `checkpointing`.
    """

    def __init__(self, architecture: EncoderArchitecture) -> None:
        super().__init__()
        width, heads = architecture.width, architecture.slide_heads
        dropout = architecture.slide_dropout
        self.checkpointing = architecture.checkpointing
        self.norm = nn.LayerNorm(width)
        self.attention: TokenAttention = (
            TokenAttention(width, heads, dropout)
            if architecture.exact_attention
            else NystromAttention(width, architecture.landmarks, heads=heads, dropout=dropout)
        )

    def forward(self, x: Tensor) -> Tensor:
        """[B, n, width] -> [B, n, width]."""
        if self.checkpointing and torch.is_grad_enabled():
            again: Tensor = checkpoint(self._forward, x, use_reentrant=False)
            return again
        return self._forward(x)

    def _forward(self, x: Tensor) -> Tensor:
        output: Tensor = x + self.attention(self.norm(x))
        return output

    def update_(self, x: Tensor) -> None:
        """`forward` in place, without dropout and in little memory."""
        self.attention.add_to_(x, self.norm(x))

    def first(self, x: Tensor) -> Tensor:
        """The first token of `forward`, [B, 1, width]."""
        return x[:, :1] + self.attention.first(self.norm(x))


class PositionConvolution(nn.Module):
    """PPEG: y = x + the 7x7, 5x5 and 3x3 depthwise convolutions of x on the square of tokens."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.wide, self.middle, self.narrow = (
            nn.Conv2d(width, width, size, groups=width) for size in (7, 5, 3)
        )

    def forward(self, x: Tensor) -> Tensor:
        """[B, s * s, width] -> [B, s * s, width]."""
        return self._convolve(x, *self._kernel())

    def update_(self, x: Tensor) -> None:
        """`forward` in place, few channels at a time."""
        kernel, bias = self._kernel()
        for channels in runs(x.shape[2], x.shape[0] * x.shape[1]):
            part = x[..., channels]
            part.copy_(self._convolve(part, kernel[channels], bias[channels]))

    def _convolve(self, x: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
        side = math.isqrt(x.shape[1])
        if x.shape[1] <= toeplitz.LONGEST:
            among = toeplitz.over_square(kernel[:, 0], side).to(x.dtype)
            # Copied: torch takes matrices of another layout apart, one product a channel.
            channels = x.permute(2, 1, 0).contiguous()
            return (among @ channels).permute(2, 1, 0) + bias
        # The tokens' own layout is channels-last; three kernels and the identity make one kernel.
        square = x.unflatten(1, (side, side)).permute(0, 3, 1, 2)
        kernel = kernel.to(memory_format=torch.channels_last)
        output = functional.conv2d(square, kernel, bias, padding=3, groups=x.shape[2])
        return output.permute(0, 2, 3, 1).flatten(1, 2)

    def _kernel(self) -> tuple[Tensor, Tensor]:
        wide, middle, narrow = self.wide, self.middle, self.narrow
        identity = torch.zeros_like(wide.weight[:1])
        identity[..., 3, 3] = 1
        kernel = (
            wide.weight
            + functional.pad(middle.weight, (1,) * 4)
            + functional.pad(narrow.weight, (2,) * 4)
            + identity
        )
        biases = [c.bias for c in (wide, middle, narrow) if c.bias is not None]
        return kernel, torch.stack(biases).sum(0)


class SlideEncoder(nn.Module):
    """Bag of patches -> a summary token and one token per patch.

    Args:
        patch_width: Width of a patch's features.
        architecture: Of the attention layers; its `width` is that of a token.
    """

    def __init__(self, patch_width: int, architecture: EncoderArchitecture) -> None:
        super().__init__()
        width = architecture.width
        self.patch_embedding = Linear(patch_width, width)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.first = AttentionLayer(architecture)
        self.position = PositionConvolution(width)
        self.second = AttentionLayer(architecture)
        self.norm = nn.LayerNorm(width)

    def forward(self, patches: Tensor) -> Tensor:
        """Patches [B, N, patch_width] -> cls and patch tokens [B, 1 + N, width]."""
        return self.encode(self.embed_patches(patches))

    def embed_patches(self, patches: Tensor) -> Tensor:
        """[B, N, patch_width] -> [B, N, width], each patch on its own."""
        return functional.relu(self.patch_embedding(patches), inplace=True)

    def encode(self, tokens: Tensor) -> Tensor:
        """Embedded patches [B, N, width] -> cls and patch tokens [B, 1 + N, width]."""
        n = tokens.shape[1]
        output: Tensor = self.norm(self.second(self._positioned(tokens))[:, : 1 + n])
        return output

    def summary(self, patches: Tensor) -> Tensor:
        """The cls token alone, [B, width], without computing the last layer's other tokens.

        Without gradients and dropout, no more is held than two matrices of all tokens, [B, 1 + N,
        width] in float32, and what few heads or channels need.
        """
        x = self.second.first(self._positioned(self.embed_patches(patches)))
        output: Tensor = self.norm(x[:, 0])
        return output

    def _positioned(self, tokens: Tensor) -> Tensor:
        n = tokens.shape[1]
        side = math.isqrt(n - 1) + 1
        # The first tokens are repeated so that the tokens fill a square.
        cls = self.cls_token.expand(len(tokens), -1, -1)
        x = torch.cat([cls, tokens, tokens[:, : side * side - n]], dim=1)
        del tokens
        if self.training or torch.is_grad_enabled():
            x = self.first(x)
            return torch.cat([x[:, :1], self.position(x[:, 1:])], dim=1)
        self.first.update_(x)
        self.position.update_(x[:, 1:])
        return x
