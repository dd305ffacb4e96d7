"""Style clustering: both modalities of a patient score alike on shared prototypes."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.objectives.alignment import full_precision


@dataclass(frozen=True)
class Style:
    """A batch's style posterior and its prototype scores.

    Attributes:
        mean: [B, latent].
        log_variance: [B, latent].
        scores: [B, prototypes], of a draw from the posterior.
    """

    mean: Tensor
    log_variance: Tensor
    scores: Tensor


class StyleClustering(nn.Module):
    """A variational encoder shared by the modalities, and unit-norm prototypes.

    Args:
        width: Width of the embeddings.
        hidden: Hidden width of the perceptron.
        output: Output width of the perceptron.
        latent: Width of the style.
        prototypes: Number of prototypes.
    """

    def __init__(
        self,
        width: int,
        hidden: int = 512,
        output: int = 256,
        latent: int = 128,
        prototypes: int = 3000,
    ) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, output))
        self.mean = nn.Linear(output, latent)
        self.log_variance = nn.Linear(output, latent)
        self.decoder = nn.Linear(latent, width)
        self.prototypes = nn.Linear(width, prototypes, bias=False)

    @property
    def latent(self) -> int:
        """Width of the style."""
        return self.mean.out_features

    def forward(self, embedding: Tensor, noise: Tensor) -> Style:
        """Style of embeddings [B, width], drawn with standard normal noise [B, latent]."""
        features = self.mlp(embedding)
        mean = full_precision(self.mean(features))
        log_variance = full_precision(self.log_variance(features))
        drawn = mean + torch.exp(log_variance / 2) * noise
        return Style(mean, log_variance, full_precision(self.prototypes(self.decoder(drawn))))

    @torch.no_grad()
    def renormalise(self) -> None:
        """Make the prototypes' length one."""
        self.prototypes.weight.copy_(functional.normalize(self.prototypes.weight, dim=1))


def prior_loss(style: Style) -> Tensor:
    """Twice the KL divergence of the posterior from the standard normal, mean over the batch.

    The published term leaves out the usual factor one half.
    """
    variance = style.log_variance.exp()
    return (variance + style.mean.square() - 1 - style.log_variance).sum(1).mean()


def cluster_loss(a: Tensor, b: Tensor) -> Tensor:
    """Mean of the KL divergences both ways of softmax scores [B, prototypes].

    Computed from log-softmax, finite for any gap between scores.
    """
    log_p, log_q = functional.log_softmax(a, dim=1), functional.log_softmax(b, dim=1)
    # KL(p|q) + KL(q|p) = sum (p - q)(log p - log q), one pass for both.
    return ((log_p.exp() - log_q.exp()) * (log_p - log_q)).sum(1).mean() / 2
