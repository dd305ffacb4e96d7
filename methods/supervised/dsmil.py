"""DSMIL: the most critical patch, and all patches by how near they are to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from methods.base import Budget, Choice, MethodSpec, Role
from methods.encoders.linear_map import Linear
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


class DualStream(Predictor):
    """Two streams of a bag, each with a score for every output, and their mean.

    The first scores every patch; the patch of the highest score is the critical one of that
    output. The second is a mean of all patches, weighed by how their queries meet the critical
    one's. Source: Li et al., "Dual-stream multiple instance learning network for whole slide image
    classification with self-supervised contrastive learning", CVPR 2021, section 3.2.

    Args:
        encoder: Of each patch, [B, n, patch width] -> [B, n, width].
        width: Of what the encoder gives.
        outputs: Width of the prediction; each output has a critical patch of its own.
        objective: Of predictions and outcomes.
        queries: Width of a query.
        dropout: Of values.
    """

    def __init__(
        self,
        encoder: nn.Module,
        width: int,
        outputs: int,
        objective: nn.Module,
        *,
        queries: int,
        dropout: float,
    ) -> None:
        super().__init__(encoder, width, outputs, objective)
        self.query = nn.Sequential(
            Linear(width, queries), nn.ReLU(), Linear(queries, queries), nn.Tanh()
        )
        self.value = nn.Sequential(nn.Dropout(dropout), Linear(width, width), nn.ReLU())
        self.bag_head = nn.Linear(outputs * width, outputs)

    def forward(self, *sides: Tensor) -> Tensor:
        """Log risks [B, 1], or logits [B, classes], of bags [B, n, patch width]."""
        (wsi,) = sides
        patches = self.encoder(wsi)
        highest, critical = self.head(patches).max(dim=1)
        queries = self.query(patches)
        asked = queries.take_along_dim(critical[..., None], dim=1)
        nearness = asked @ queries.mT / queries.shape[2] ** 0.5
        bags = nearness.softmax(dim=2) @ self.value(patches)
        output: Tensor = (highest + self.bag_head(bags.flatten(1))) / 2
        return output


@dataclass(frozen=True)
class DSMILConfig(SupervisedConfig):
    """Of the network.

    Attributes:
        queries: Width of the queries by which patches are near.
    """

    queries: int = 128


class DSMILMethod(SupervisedMethod):
    """Slides alone, by the critical patch and what is near it."""

    config: DSMILConfig
    sides: ClassVar[tuple[str, ...]] = ("wsi",)

    def encoder(self, shapes: Mapping[str, Shape]) -> nn.Module:
        """A hidden layer on each patch."""
        require_patches(shapes["wsi"], "dsmil")
        width = self.config.width
        return nn.Sequential(Linear(shapes["wsi"].width, width), nn.ReLU())

    def build(self, shapes: Mapping[str, Shape]) -> Network:
        """Both streams, each with an output."""
        config = self.config
        return DualStream(
            self.encoder(shapes),
            config.width,
            self._n_outputs,
            self._objective,
            queries=config.queries,
            dropout=config.dropout,
        )


SPECS = (
    MethodSpec(
        name="dsmil",
        summary="Supervised: the critical patch, and all patches by their distance to it",
        family=FAMILY,
        citation="Li et al., CVPR 2021",
        build=DSMILMethod,
        config=DSMILConfig(),
        role=Role.SUPERVISED,
        sides=DSMILMethod.sides,
        budgets={
            Budget.SMOKE: {**SMOKE, "learning_rate": 4e-3, "queries": 24},
            Budget.PAPER: {
                "width": 512,
                **PUBLISHED_BAGS,
                "epochs": 200,
                "learning_rate": 1e-4,
            },
        },
        space={**SPACE, "queries": Choice((32, 64, 128))},
        departures=(
            *DEPARTURES,
            DRAWN,
            "a hidden layer on frozen patches of one magnification; published: two magnifications",
            "one loss, of both streams' mean score; public code: the mean of a loss each",
            "cross-entropy of classes; published: of each class on its own",
            UNDECAYED,
        ),
    ),
)
