"""MIRROR in the published order of operations, on the PyPI package nystrom-attention.

The yardstick of the speed tests: the network of `methods.mirror.model` with the slide side's
attention, positions and embedding as the published code computes them. A script, so that the peak
memory of one training step can be read off a process of its own:

    python -m tests.helpers.plain_mirror published|ours|checkpointed TOKENS WIDTH
"""

import math
import sys
from pathlib import Path
from typing import Literal

import torch
from nystrom_attention import NystromAttention as PackageAttention
from torch import Tensor, nn

from methods.branches import BagBranch
from methods.encoders.attention.nystrom import NystromAttention
from methods.encoders.linear_map import Linear
from methods.encoders.slide import AttentionLayer, PositionConvolution, SlideEncoder
from methods.mirror.model import MIRROR, MirrorArchitecture
from methods.objectives.retention import BagRetention

Build = Literal["published", "ours", "checkpointed"]
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


class PlainLayer(nn.Module):
    """x + attention(norm(x)) on the package's attention."""

    def __init__(self, ours: AttentionLayer, width: int) -> None:
        super().__init__()
        self.norm = ours.norm
        assert isinstance(ours.attention, NystromAttention)
        self.attention = _package(ours.attention, width)

    def forward(self, x: Tensor) -> Tensor:
        """[B, n, width] -> [B, n, width]."""
        output: Tensor = x + self.attention(self.norm(x))
        return output


def _plain(ours: Linear) -> nn.Linear:
    plain = nn.Linear(ours.in_features, ours.out_features)
    plain.load_state_dict(ours.state_dict())
    return plain


class PlainEncoder(nn.Module):
    """Every token of every layer, whatever is asked for."""

    def __init__(self, ours: SlideEncoder, width: int) -> None:
        super().__init__()
        self.patch_embedding, self.norm = _plain(ours.patch_embedding), ours.norm
        self.cls_token = ours.cls_token
        self.layers = nn.ModuleList(PlainLayer(each, width) for each in (ours.first, ours.second))
        self.position = PlainPositions(ours.position, width)

    def forward(self, patches: Tensor) -> Tensor:
        """Patches [B, N, patch_width] -> cls and patch tokens [B, 1 + N, width]."""
        tokens = torch.relu(self.patch_embedding(patches))
        n = tokens.shape[1]
        side = math.ceil(n**0.5)
        tokens = torch.cat([tokens, tokens[:, : side * side - n]], dim=1)
        x = torch.cat([self.cls_token.expand(len(tokens), -1, -1), tokens], dim=1)
        first, second = self.layers
        x = first(x)
        x = torch.cat([x[:, :1], self.position(x[:, 1:])], dim=1)
        output: Tensor = self.norm(second(x))[:, : 1 + n]
        return output


class PlainRetention(nn.Module):
    """Every token is embedded; then some are hidden."""

    def __init__(self, ours: BagRetention, width: int) -> None:
        super().__init__()
        self.embedding, self.head = _plain(ours.embedding), _plain(ours.head)
        self.norm = ours.norm
        self.mask_token, self.position = ours.mask_token, ours.position
        layers = [block for block in ours.blocks if isinstance(block, AttentionLayer)]
        self.blocks = nn.Sequential(*(PlainLayer(layer, width) for layer in layers))

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Cls and patch tokens [B, 1 + N, width], mask [B, N] -> [B, N, width]."""
        x = self.embedding(tokens)
        hidden = torch.where(mask[..., None], self.mask_token, x[:, 1:])
        x = torch.cat([x[:, :1], hidden], dim=1) + self.position
        output: Tensor = self.head(self.norm(self.blocks(x))[:, 1:])
        return output


class PlainMirror(MIRROR):
    """The same weights and function, computed as published."""

    def __init__(self, wsi_width: int, rna_width: int, tokens: int, a: MirrorArchitecture) -> None:
        super().__init__(wsi_width, rna_width, tokens, a)
        assert isinstance(self.wsi, BagBranch)
        self.wsi.encoder = PlainEncoder(self.wsi.encoder, a.width)  # type: ignore[assignment]
        self.wsi.retention = PlainRetention(self.wsi.retention, a.width)  # type: ignore[assignment]

    def encode_wsi(self, wsi: Tensor) -> Tensor:
        """The full pass, of which the cls token is kept."""
        return self.wsi.summary(self.wsi(wsi))


def build(which: Build, tokens: int, width: int) -> MIRROR:
    """A build at a size; equal weights for equal sizes."""
    torch.manual_seed(0)
    kind = PlainMirror if which == "published" else MIRROR
    architecture = MirrorArchitecture(width=width, checkpointing=which == "checkpointed")
    return kind(PATCH_WIDTH, GENES, tokens, architecture)


class TrainingStep:
    """A full training step of a build on a batch of two random pairs."""

    def __init__(
        self,
        which: Build,
        tokens: int,
        width: int,
        dtype: torch.dtype | None = None,
        device: str = "cpu",
    ) -> None:
        self.model = build(which, tokens, width).to(device)
        self.dtype, self.device = dtype, device
        self.optimiser = torch.optim.Adam(
            self.model.parameters(), lr=2e-5, fused=which != "published" or None
        )
        self.wsi = torch.randn(2, tokens, PATCH_WIDTH, device=device)
        self.rna = torch.randn(2, GENES, device=device)

    def __call__(self) -> None:
        """Losses, gradients, Adam."""
        self.model.before_step()
        dtype = self.dtype or torch.bfloat16
        with torch.autocast(self.device, dtype, enabled=self.dtype is not None):
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
