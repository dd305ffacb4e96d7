"""Alignment: the two embeddings of a patient are closer than those of different patients."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


def full_precision(x: Tensor) -> Tensor:
    """float16 and bfloat16 become float32, in which a loss is safe; float64 stays."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def unit_rows(x: Tensor) -> Tensor:
    """Rows of length one, in at least float32; a row of zeros stays zero."""
    return functional.normalize(full_precision(x), dim=-1)


def matching_loss(logits: Tensor) -> Tensor:
    """Mean of the cross-entropies of rows and of columns whose match is on the diagonal [B, B]."""
    target = torch.arange(len(logits), device=logits.device)
    return (
        functional.cross_entropy(logits, target) + functional.cross_entropy(logits.mT, target)
    ) / 2


def info_nce(a: Tensor, b: Tensor, temperature: float) -> Tensor:
    """Symmetric InfoNCE on cosine similarity (van den Oord et al., 2018; Radford et al., 2021).

    Args:
        a: [B, D], one modality.
        b: [B, D], the other; row i belongs to row i of `a`.
        temperature: Divides the similarities.
    """
    return matching_loss(unit_rows(a) @ unit_rows(b).mT / temperature)


class Alignment(nn.Module):
    """MIRROR's alignment: normalise, then a linear head, then scaled dot products.

    Args:
        width: Width of the embeddings.
        cosine: Normalise after the head, so that scale alone is the inverse temperature.
    """

    LARGEST = math.log(100)

    def __init__(self, width: int, *, cosine: bool = False) -> None:
        super().__init__()
        self.cosine = cosine
        self.wsi_head = nn.Linear(width, width)
        self.rna_head = nn.Linear(width, width)
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def forward(self, wsi: Tensor, rna: Tensor) -> Tensor:
        """Loss of a batch of embeddings, [B, width] each."""
        a, b = self.project(self.wsi_head, wsi), self.project(self.rna_head, rna)
        # Without autocast: the learned scale reaches 100, where half precision is coarse.
        with torch.autocast(wsi.device.type, enabled=False):
            return matching_loss(self.log_scale.exp() * a @ b.mT)

    def project(self, head: nn.Module, embedding: Tensor) -> Tensor:
        """What the dot products are taken of, [B, width]."""
        if self.cosine:
            return unit_rows(head(embedding))
        return full_precision(head(unit_rows(embedding)))

    @torch.no_grad()
    def clamp(self) -> None:
        """Keep the scale within [1, 100]."""
        self.log_scale.clamp_(0, self.LARGEST)
