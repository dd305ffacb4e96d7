"""Redundancy reduction: slides and expression agree, channel by channel, without negatives.

Both methods stand on MIRROR's encoders. What keeps them from collapse is a statistic of the batch,
seen through a projector as wide as the papers make it in proportion; projectors normalise by batch
and are left behind, so that an embedding stays each patient's own.
"""

from abc import ABC
from dataclasses import dataclass

from torch import nn

from methods.base import LogUniform
from methods.contrastive import PairConfig, pair_spec
from methods.objectives.non_contrastive import BarlowTwins, VICReg
from methods.objectives.pairs import PairObjective
from methods.sizes import CONSTANT_ADAM, DECAYED
from tasks.errors import InputError


def projector(width: int, hidden: int) -> nn.Module:
    """Three linear layers, the first two with batch norm and ReLU (both papers' projector)."""
    layers: list[nn.Module] = []
    for features in (width, hidden):
        layers += [
            nn.Linear(features, hidden, bias=False),
            nn.BatchNorm1d(hidden),
            nn.ReLU(),
        ]
    return nn.Sequential(*layers, nn.Linear(hidden, hidden, bias=False))


@dataclass(frozen=True)
class RedundancyConfig(PairConfig, ABC):
    """What methods without negatives are told.

    Attributes:
        expansion: Width of the projector over the embedding's; 8192 over 2048 in the papers.
    """

    expansion: int = 4

    def __post_init__(self) -> None:
        """Refuse batches without statistics.

        Raises:
            InputError: Batches of at most two leave a single patient where the number is odd.
        """
        super().__post_init__()
        if self.batch_size < 3:
            raise InputError(
                f"batch_size: at least 3 expected for statistics of a batch, "
                f"{self.batch_size} found"
            )

    def head(self) -> nn.Module:
        """The projector of a side."""
        return projector(self.width, self.expansion * self.width)


@dataclass(frozen=True)
class VICRegConfig(RedundancyConfig):
    """Configuration of `vicreg`; weights of the paper.

    Attributes:
        invariance: Weight of the squared difference of a pair.
        variance: Weight of the lack of variance.
        covariance: Weight of the covariance between channels.
    """

    invariance: float = 25.0
    variance: float = 25.0
    covariance: float = 1.0

    def objective(self) -> PairObjective:
        """Invariance, variance and covariance."""
        return VICReg(self.invariance, self.variance, self.covariance)


@dataclass(frozen=True)
class BarlowTwinsConfig(RedundancyConfig):
    """Configuration of `barlow-twins`.

    Attributes:
        redundancy: Weight of the correlations between different channels; of the public code.
    """

    redundancy: float = 5.1e-3

    def objective(self) -> PairObjective:
        """Cross-correlation towards the identity."""
        return BarlowTwins(self.redundancy)


VIEWS = (
    "the two modalities are the two views; published: two augmentations of an image",
    f"{CONSTANT_ADAM}, under budget paper AdamW with warm-up and cosine; published: LARS with them",
    "a projector of each side; published: one for both views",
    "batches of tens of pairs; published: 2,048",
)

SPECS = (
    pair_spec(
        "vicreg",
        "Invariance, variance and covariance on MIRROR's encoders, no negatives",
        "redundancy",
        "Bardes et al., ICLR 2022",
        VICRegConfig(),
        (
            *VIEWS,
            "variance is the mean over the sides as in the public code; the paper has the sum",
        ),
        DECAYED,
        covariance=LogUniform(0.1, 10.0),
    ),
    pair_spec(
        "barlow-twins",
        "Cross-correlation towards the identity on MIRROR's encoders, no negatives",
        "redundancy",
        "Zbontar et al., ICML 2021",
        BarlowTwinsConfig(),
        VIEWS,
        DECAYED,
        redundancy=LogUniform(1e-3, 5e-2),
    ),
)
