"""Objectives of pairs that need no other patient as a negative: VICReg, Barlow Twins, BYOL's.

The first two are statistics of a batch: less than two patients have none.
"""

import torch
from torch import Tensor
from torch.nn import functional

from methods.objectives.alignment import unit_rows
from methods.objectives.pairs import PairObjective

# VICReg, section 4.1: the deviation that every channel should reach, and what keeps its root
# differentiable.
DEVIATION = 1.0
ROUNDING = 1e-4
# Added to a channel's variance where Barlow Twins standardises it, by batch normalisation.
BATCH_NORM_EPS = 1e-5


def off_diagonal(matrix: Tensor) -> Tensor:
    """The square matrix with zeros on its diagonal."""
    return matrix - torch.diag(matrix.diagonal())


def variance_loss(x: Tensor) -> Tensor:
    """Mean over channels of what the standard deviation lacks to 1 (VICReg, equation 1).

    Args:
        x: [B, D], B at least 2.
    """
    return functional.relu(DEVIATION - (x.var(dim=0) + ROUNDING).sqrt()).mean()


def covariance_loss(x: Tensor) -> Tensor:
    """Sum of squared covariances between channels, over their number (equations 3 and 4).

    Args:
        x: [B, D], B at least 2.
    """
    centred = x - x.mean(dim=0)
    covariance = centred.mT @ centred / (len(x) - 1)
    return off_diagonal(covariance).square().sum() / x.shape[1]


def cross_correlation(a: Tensor, b: Tensor) -> Tensor:
    """Correlations over the batch of the channels of `a` with those of `b`, [D, D].

    Barlow Twins, equation 2, of batch-normalised channels as in its public code, so that a channel
    that hardly varies correlates with little, and a constant one with nothing.
    """
    a, b = (functional.batch_norm(x, None, None, training=True, eps=BATCH_NORM_EPS) for x in (a, b))
    return a.mT @ b / len(a)


class VICReg(PairObjective):
    """Invariance, variance and covariance of both sides.

    Source: Bardes et al., "VICReg: variance-invariance-covariance regularization for
    self-supervised learning", ICLR 2022, equation 6. Invariance is the mean over channels too, as
    in the paper's algorithm 1, to which the published weights belong; equation 5 has the sum.
    Variance is the mean over the sides, as in the public code; equation 6 has the sum.

    Args:
        invariance: Weight of the squared difference of a pair.
        variance: Weight of the lack of variance.
        covariance: Weight of the covariance between channels.
    """

    def __init__(self, invariance: float, variance: float, covariance: float) -> None:
        super().__init__()
        self.weights = {"invariance": invariance, "variance": variance, "covariance": covariance}

    def compare(self, a: Tensor, b: Tensor) -> dict[str, Tensor]:
        """`invariance`, `variance`, `covariance` as they are, and `total`, weighted."""
        losses = {
            "invariance": functional.mse_loss(a, b),
            "variance": (variance_loss(a) + variance_loss(b)) / 2,
            "covariance": covariance_loss(a) + covariance_loss(b),
        }
        total = torch.stack([self.weights[name] * loss for name, loss in losses.items()]).sum()
        return {"total": total, **losses}


class BarlowTwins(PairObjective):
    """Channels correlate with themselves across the sides, and with no other.

    Source: Zbontar et al., "Barlow Twins: self-supervised learning via redundancy reduction",
    ICML 2021, equation 1.

    Args:
        redundancy: Weight of the correlations between different channels, lambda of the paper.
    """

    def __init__(self, redundancy: float) -> None:
        super().__init__()
        self.redundancy = redundancy

    def compare(self, a: Tensor, b: Tensor) -> dict[str, Tensor]:
        """`invariance`, `redundancy` as they are, and `total`, weighted."""
        correlation = cross_correlation(a, b)
        invariance = (1 - correlation.diagonal()).square().sum()
        redundancy = off_diagonal(correlation).square().sum()
        return {
            "total": invariance + self.redundancy * redundancy,
            "invariance": invariance,
            "redundancy": redundancy,
        }


class Regression(PairObjective):
    """Squared distance of directions, 2 - 2 cos, from 0 to 4.

    Source: Grill et al., "Bootstrap your own latent", NeurIPS 2020, equation 2. Nothing in it
    forbids that all embeddings are alike: the network around it has to.
    """

    def compare(self, a: Tensor, b: Tensor) -> dict[str, Tensor]:
        """`regression`, the mean over patients, and `total`, which is the same."""
        loss = (unit_rows(a) - unit_rows(b)).square().sum(dim=1).mean()
        return {"total": loss, "regression": loss}
