"""What two embeddings share and what each has alone: objectives that keep the two apart."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.objectives.alignment import unit_rows


def supervised_contrast(parts: Tensor, temperature: float) -> Tensor:
    """Mean over embeddings of -log share of their patient's others among all others.

    Source: Khosla et al., "Supervised contrastive learning", NeurIPS 2020, equation 2, with the
    patient as the class.

    Args:
        parts: [modalities, B, D], row i of each the same patient; at least two modalities.
        temperature: Divides the cosines.
    """
    n_modalities, n = parts.shape[:2]
    rows = unit_rows(parts.flatten(0, 1))
    patient = torch.arange(n, device=parts.device).repeat(n_modalities)
    itself = torch.eye(len(rows), dtype=torch.bool, device=parts.device)
    own = (patient[:, None] == patient) & ~itself
    logits = (rows @ rows.mT / temperature).masked_fill(itself, -torch.inf)
    log_share = logits.log_softmax(dim=1)
    return -log_share[own].mean()


class Discriminator(nn.Module):
    """Tells the two embeddings of one patient from those of two patients.

    Where nobody can, the two know nothing of each other: the loss is the Jensen-Shannon form of
    their mutual information (Hjelm et al., ICLR 2019). The discriminator is trained to tell;
    whoever made the embeddings gets the gradient turned around, and so is trained that it cannot.

    Args:
        width: Of the two embeddings together.
        hidden: Of the two hidden layers.
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(width, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, 1),
        )

    def forward(self, a: Tensor, b: Tensor, shift: int) -> Tensor:
        """Cross-entropy of telling, a scalar; 1.386 where it is guesswork.

        Args:
            a: [B, D].
            b: [B, E]; row i belongs to row i of `a`.
            shift: Row i of `a` stands with row i + shift of `b` as a pair of two patients; no
                multiple of B.
        """
        together = torch.cat([a, b], dim=1)
        apart = torch.cat([a, b.roll(-shift, dims=0)], dim=1)
        pairs = torch.cat([together, apart])
        # The same values, and their gradient with the other sign.
        logits = self.layers(2 * pairs.detach() - pairs).float()
        truth = torch.ones_like(logits)
        truth[len(a) :] = 0
        return 2 * functional.binary_cross_entropy_with_logits(logits, truth)
