"""CLAM: gated attention, with patches clustered by how much of it they get."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from methods.base import Budget, Choice, MethodSpec, Role
from methods.encoders.abmil import GatedAttention, attended_patches, weighted_mean
from methods.objectives.instances import UNKNOWN, InstanceClustering
from methods.sizes import SMOKE
from methods.supervised.training import (
    DEPARTURES,
    DRAWN,
    FAMILY,
    PUBLISHED_BAGS,
    SPACE,
    UNDECAYED,
    Predictor,
    SupervisedConfig,
    SupervisedMethod,
    require_patches,
)
from methods.trainer import Network, Shape
from tasks.data.cohort import Cohort

DEAD = 1
"""Class of who died by the cut; 0 of who lived beyond it."""


class Clustered(Predictor):
    """A predictor whose loss is also of patches.

    Args:
        encoder: `attended_patches`.
        width: Of its tokens.
        outputs: Width of the prediction.
        objective: Of predictions and outcomes.
        clustering: Of tokens.
        bag_weight: Share of the objective in the loss.
        cut: Months, of outcomes that are times.
    """

    cut: Tensor

    def __init__(
        self,
        encoder: nn.Sequential,
        width: int,
        outputs: int,
        objective: nn.Module,
        *,
        clustering: InstanceClustering,
        bag_weight: float,
        cut: float,
    ) -> None:
        super().__init__(encoder, width, outputs, objective)
        self.encoder: nn.Sequential
        self.clustering = clustering
        self.bag_weight = bag_weight
        self.register_buffer("cut", torch.tensor(cut))

    def losses(self, outcome: Tensor, **sides: Tensor) -> dict[str, Tensor]:
        """`bag` and `instances` of a batch, and `total`, weighted."""
        tokens = self.encoder[:-1](sides["wsi"])
        weights = cast("GatedAttention", self.encoder[-1]).weights(tokens)
        losses = {
            "bag": self.objective(self.head(weighted_mean(tokens, weights)), outcome),
            "instances": self.clustering(tokens, weights, self.classes(outcome)),
        }
        total = self.bag_weight * losses["bag"] + (1 - self.bag_weight) * losses["instances"]
        return {"total": total, **losses}

    def classes(self, outcome: Tensor) -> Tensor:
        """Class of each patient, [B]: of times, by the cut, unknown of who was censored before.

        Args:
            outcome: Classes [B], or months and event [B, 2].
        """
        if outcome.dim() == 1:
            return outcome
        time, event = outcome.unbind(1)
        beyond = time > self.cut
        died = torch.where(event > 0, DEAD, UNKNOWN)
        return died.masked_fill(beyond, 0)


@dataclass(frozen=True)
class CLAMConfig(SupervisedConfig):
    """Of the network.

    Attributes:
        instances: Patches at either end of attention that are clustered, at most half of a bag.
        bag_weight: Share of the outcome's loss; the rest is the patches'.
    """

    instances: int = 8
    bag_weight: float = 0.7


class CLAMMethod(SupervisedMethod):
    """Slides alone, by attention of a single branch (CLAM-SB).

    Patches are clustered by class. Of survival, the classes are death by the median time of death
    and life beyond it; who was censored before has none.
    """

    config: CLAMConfig
    sides: ClassVar[tuple[str, ...]] = ("wsi",)

    def __init__(self, config: CLAMConfig) -> None:
        super().__init__(config)
        self._cut = 0.0

    def _fit_scalers(self, train: Cohort) -> None:
        """The scaler, and the time that parts early deaths from those who live on."""
        super()._fit_scalers(train)
        if self._target.classes is None:
            outcome = self._targets_of(train.patients)
            self._cut = float(outcome[outcome[:, 1] > 0, 0].median())

    def encoder(self, shapes: Mapping[str, Shape]) -> nn.Sequential:
        """A hidden layer on each patch, then gated attention of half its width."""
        require_patches(shapes["wsi"], "clam")
        return attended_patches(shapes["wsi"].width, self.config.width, self.config.dropout)

    def build(self, shapes: Mapping[str, Shape]) -> Network:
        """The encoder with an output, and a classifier of patches for each class."""
        config, outputs = self.config, self._n_outputs
        return Clustered(
            self.encoder(shapes),
            config.width,
            outputs,
            self._objective,
            # One output is a risk: its classes are two.
            clustering=InstanceClustering(config.width, max(2, outputs), config.instances),
            bag_weight=config.bag_weight,
            cut=self._cut,
        )


SPECS = (
    MethodSpec(
        name="clam",
        summary="Supervised: gated attention, patches clustered by the attention that they get",
        family=FAMILY,
        citation="Lu et al., Nature Biomedical Engineering 2021",
        build=CLAMMethod,
        config=CLAMConfig(),
        role=Role.SUPERVISED,
        sides=CLAMMethod.sides,
        budgets={
            Budget.SMOKE: {**SMOKE, "learning_rate": 5e-3},
            Budget.PAPER: {
                "width": 512,
                **PUBLISHED_BAGS,
                "epochs": 200,
                "learning_rate": 1e-4,
            },
        },
        space={**SPACE, "bag_weight": Choice((0.5, 0.7, 0.9)), "instances": Choice((4, 8, 16))},
        departures=(
            *DEPARTURES,
            DRAWN,
            "patches of survival are clustered by death before its median time; published: classes",
            UNDECAYED,
        ),
    ),
)
