"""MIRROR in the published order of operations, on the PyPI package nystrom-attention.

The yardstick of the speed tests: the network of `methods.mirror` with the slide side's attention,
positions and embedding as the published code computes them. A script, so that the peak memory of
one training step can be read off a process of its own:

    python -m tests.speed.plain_mirror published|ours TOKENS WIDTH
"""

import sys
from pathlib import Path
from typing import Literal

import torch
from nystrom_attention import NystromAttention as PackageAttention
from torch import Tensor, nn

from methods.branches import BagBranch
from methods.encoders.nystrom import NystromAttention
from methods.encoders.slide import PositionConvolution
from methods.mirror import MIRROR, MirrorArchitecture

Build = Literal["published", "ours"]
PATCH_WIDTH, GENES = 768, 10_234


class PlainPositions(nn.Module):
    """Three convolutions on the channels-first map, each added to it."""

    def __init__(self, positions: PositionConvolution, width: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv2d(width, width, size, padding=size // 2, groups=width) for size in (7, 5, 3)
        )
        parts = (positions.wide, positions.middle, positions.narrow)
        for plain, ours in zip(self.convolutions, parts, strict=True):
            plain.load_state_dict(ours.state_dict())

    def forward(self, x: Tensor) -> Tensor:
        """[B, s * s, width] -> [B, s * s, width]."""
        side = round(x.shape[1] ** 0.5)
        square = x.transpose(1, 2).reshape(len(x), -1, side, side)
        wide, middle, narrow = self.convolutions
        summed: Tensor = wide(square) + square + middle(square) + narrow(square)
        return summed.flatten(2).transpose(1, 2)


def _package(ours: NystromAttention, width: int) -> nn.Module:
    heads = ours.heads
    package: nn.Module = PackageAttention(
        width, dim_head=width // heads, heads=heads, num_landmarks=ours.landmarks, dropout=0.1
    )
    package.load_state_dict(
        {
            "to_qkv.weight": ours.qkv.weight,
            "to_out.0.weight": ours.output.weight,
            "to_out.0.bias": ours.output.bias,
            "res_conv.weight": ours.convolution.weight,
        }
    )
    return package


class PlainMirror(MIRROR):
    """The same weights and function, computed as published."""

    def __init__(self, wsi_width: int, rna_width: int, tokens: int, a: MirrorArchitecture) -> None:
        super().__init__(wsi_width, rna_width, tokens, a)
        assert isinstance(self.wsi, BagBranch)
        encoder, retention = self.wsi.encoder, self.wsi.retention
        for layer in (encoder.first, encoder.second, retention.blocks[0]):
            layer.attention = _package(layer.attention, a.width)  # type: ignore[arg-type]
        encoder.position = PlainPositions(encoder.position, a.width)  # type: ignore[assignment]

    def encode_wsi(self, wsi: Tensor) -> Tensor:
        """The full pass, of which the cls token is kept."""
        return self.wsi.summary(self.wsi(wsi))


def build(which: Build, tokens: int, width: int) -> MIRROR:
    """One of the two builds at a size; equal weights for equal sizes."""
    torch.manual_seed(0)
    kind = PlainMirror if which == "published" else MIRROR
    return kind(PATCH_WIDTH, GENES, tokens, MirrorArchitecture(width=width))


class TrainingStep:
    """A full training step of a build on a batch of two random pairs."""

    def __init__(
        self, which: Build, tokens: int, width: int, dtype: torch.dtype | None = None
    ) -> None:
        self.model = build(which, tokens, width)
        self.dtype = dtype
        self.optimiser = torch.optim.Adam(
            self.model.parameters(), lr=2e-5, fused=which == "ours" or None
        )
        self.wsi, self.rna = torch.randn(2, tokens, PATCH_WIDTH), torch.randn(2, GENES)

    def __call__(self) -> None:
        """Losses, gradients, Adam."""
        self.model.before_step()
        with torch.autocast("cpu", self.dtype or torch.bfloat16, enabled=self.dtype is not None):
            losses = self.model.losses(self.wsi, self.rna)
        self.optimiser.zero_grad(set_to_none=True)
        losses["total"].backward()
        self.optimiser.step()
        self.model.after_step()


if __name__ == "__main__":
    torch.set_num_threads(2)
    step = TrainingStep(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))  # type: ignore[arg-type]
    step()
    step()
    # Not ru_maxrss: Linux hands a parent's peak on to its child.
    status = Path("/proc/self/status").read_text()
    print(int(status.split("VmHWM:")[1].split()[0]) // 1024)
