"""BYOL: each side predicts what a slowly following copy makes of the other; no negatives.

Source: Grill et al., "Bootstrap your own latent: a new approach to self-supervised learning",
NeurIPS 2020. A patient's two modalities stand for the two views of an image.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from methods.base import Choice
from methods.contrastive import PairMethod, pair_spec
from methods.mirror.model import initialise
from methods.objectives.non_contrastive import Regression
from methods.objectives.pairs import PairObjective
from methods.redundancy import VIEWS, RedundancyConfig
from methods.sizes import DECAYED
from methods.trainer import Network, Shape
from methods.two_tower import TwoTower
from tasks.errors import InputError


class Bootstrap(Network):
    """Two towers, a predictor behind each, and the target: a copy of the towers that follows them.

    Args:
        online: Encoders and projectors that are trained; the objective is of a prediction and of
            what it should have been.
        wsi_predictor: From the projection of slides to that of expression.
        rna_predictor: The other way round.
        momentum: Share of the target that a step leaves as it was.
    """

    def __init__(
        self, online: TwoTower, wsi_predictor: nn.Module, rna_predictor: nn.Module, momentum: float
    ) -> None:
        super().__init__()
        self.online = online
        self.wsi_predictor, self.rna_predictor = wsi_predictor, rna_predictor
        self.momentum = momentum
        initialise(self)
        self.target = deepcopy(online).requires_grad_(requires_grad=False)

    def losses(self, wsi: Tensor, rna: Tensor) -> dict[str, Tensor]:
        """`wsi_regression` and `rna_regression`, by what is predicted; `total` is their sum.

        That is equation 2 of the paper and the same with the views exchanged.
        """
        with torch.no_grad():
            wsi_wanted = self.target.project("wsi", self.target.encode_wsi(wsi))
            rna_wanted = self.target.project("rna", self.target.encode_rna(rna))
        regression = self.online.objective
        found = {
            "wsi_regression": regression(self.project("rna", self.encode_rna(rna)), wsi_wanted),
            "rna_regression": regression(self.project("wsi", self.encode_wsi(wsi)), rna_wanted),
        }
        losses = {name: loss["total"] for name, loss in found.items()}
        return {"total": torch.stack(list(losses.values())).sum(), **losses}

    def encode_wsi(self, wsi: Tensor) -> Tensor:
        """Slide embeddings [B, width] of what is trained."""
        return self.online.encode_wsi(wsi)

    def encode_rna(self, rna: Tensor) -> Tensor:
        """Expression embeddings [B, width] of what is trained."""
        return self.online.encode_rna(rna)

    def project(self, side: str, z: Tensor) -> Tensor:
        """What is predicted of the other side."""
        predictor = self.wsi_predictor if side == "wsi" else self.rna_predictor
        predicted: Tensor = predictor(self.online.project(side, z))
        return predicted

    @torch.no_grad()
    def after_step(self) -> None:
        """Move the target towards what is trained (equation 1)."""
        pairs = zip(self.target.parameters(), self.online.parameters(), strict=True)
        for followed, trained in pairs:
            followed.lerp_(trained, 1 - self.momentum)


@dataclass(frozen=True)
class BYOLConfig(RedundancyConfig):
    """Configuration of `byol`.

    Attributes:
        expansion: Of projectors and predictors; 4096 over 2048 in the paper.
        momentum: Share of the target that a step leaves as it was.
    """

    expansion: int = 2
    momentum: float = 0.99

    def __post_init__(self) -> None:
        """Refuse a target that runs away from what it follows.

        Raises:
            InputError: `momentum` is no share.
        """
        super().__post_init__()
        if not 0 <= self.momentum <= 1:
            raise InputError(f"momentum: a share from 0 to 1 expected, {self.momentum} found")

    def objective(self) -> PairObjective:
        """Regression of directions."""
        return Regression()

    def head(self) -> nn.Module:
        """A projector or a predictor: a hidden layer with batch norm and ReLU, and a linear one."""
        hidden = self.expansion * self.width
        return nn.Sequential(
            nn.Linear(self.width, hidden),
            nn.BatchNorm1d(hidden),
            nn.ReLU(),
            nn.Linear(hidden, self.width),
        )


class BYOLMethod(PairMethod):
    """MIRROR's encoders with projectors, predictors and a target."""

    config: BYOLConfig

    def build(self, shapes: Mapping[str, Shape]) -> Network:
        """MIRROR's encoders with two heads each."""
        config = self.config
        return Bootstrap(self.towers(shapes), config.head(), config.head(), config.momentum)


SPECS = (
    replace(
        pair_spec(
            "byol",
            "Each side predicts a slow copy's view of the other on MIRROR's encoders, no negatives",
            "redundancy",
            "Grill et al., NeurIPS 2020",
            BYOLConfig(),
            (
                *VIEWS,
                "a predictor of each side, from its projection to the other's; published: one",
                "the target's momentum is constant; published: it rises to one",
                "projections as wide as embeddings; published: an eighth",
            ),
            {**DECAYED, "momentum": 0.996},
            momentum=Choice((0.9, 0.99, 0.996)),
        ),
        build=BYOLMethod,
    ),
)
