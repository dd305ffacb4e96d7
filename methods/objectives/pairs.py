"""Objectives of pairs that set the match against other patients: InfoNCE, CLIP, SigLIP."""

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.objectives.alignment import Alignment, full_precision, info_nce, unit_rows


class PairObjective(nn.Module, ABC):
    """A loss of two tables of embeddings whose row i is the same patient."""

    def forward(self, a: Tensor, b: Tensor) -> dict[str, Tensor]:
        """Scalar losses by name of [B, D] and [B, D], in at least float32; `total` is minimised."""
        # Without autocast: similarities and statistics of a batch are coarse in half precision.
        with torch.autocast(a.device.type, enabled=False):
            return self.compare(full_precision(a), full_precision(b))

    @abstractmethod
    def compare(self, a: Tensor, b: Tensor) -> dict[str, Tensor]:
        """The losses that `forward` gives."""

    def after_step(self) -> None:
        """Called after every training step, for example to clamp a scale."""


def sigmoid_loss(logits: Tensor) -> Tensor:
    """Every pair on its own is a match or none: sum of -log sigmoid(+-logit), over B.

    Source: Zhai et al., "Sigmoid loss for language image pre-training", ICCV 2023, section 3.2.

    Args:
        logits: [B, B]; matches on the diagonal.
    """
    sign = 2 * torch.eye(len(logits), device=logits.device) - 1
    return -functional.logsigmoid(sign * logits).sum() / len(logits)


class InfoNCE(PairObjective):
    """Symmetric InfoNCE on cosines divided by a fixed temperature.

    Args:
        temperature: Divides the cosines.
    """

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature

    def compare(self, a: Tensor, b: Tensor) -> dict[str, Tensor]:
        """`alignment`, and `total`, which is the same."""
        loss = info_nce(a, b, self.temperature)
        return {"total": loss, "alignment": loss}


class CLIP(PairObjective):
    """Symmetric InfoNCE on cosines times a learned scale, which stays within [1, 100].

    Source: Radford et al., "Learning transferable visual models from natural language
    supervision", ICML 2021, section 2.5; it brings its two linear heads along.

    Args:
        width: Width of the embeddings.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.alignment = Alignment(width, cosine=True)

    def compare(self, a: Tensor, b: Tensor) -> dict[str, Tensor]:
        """`alignment`, and `total`, which is the same."""
        loss = self.alignment(a, b)
        return {"total": loss, "alignment": loss}

    def after_step(self) -> None:
        """Clamp the scale."""
        self.alignment.clamp()


class SigLIP(PairObjective):
    """Sigmoid loss of cosines times a learned scale plus a learned bias.

    Source: Zhai et al., ICCV 2023, section 3.2: the scale starts at 10, the bias at -10, so that
    the many pairs that do not match weigh little at first.
    """

    def __init__(self) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(math.log(10)))
        self.bias = nn.Parameter(torch.tensor(-10.0))

    def compare(self, a: Tensor, b: Tensor) -> dict[str, Tensor]:
        """`alignment`, and `total`, which is the same."""
        cosines = unit_rows(a) @ unit_rows(b).mT
        loss = sigmoid_loss(self.log_scale.exp() * cosines + self.bias)
        return {"total": loss, "alignment": loss}
