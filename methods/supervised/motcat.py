"""MOTCat: MCAT whose groups of genes are led to patches by optimal transport."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from methods.base import Choice, MethodSpec, Role
from methods.encoders.co_attention import CoAttention
from methods.objectives.transport import unbalanced_plan
from methods.supervised import mcat
from methods.supervised.mcat import MCATConfig, MCATMethod
from methods.supervised.training import FAMILY, require_patches
from methods.trainer import Shape


class TransportedAttention(CoAttention):
    """Slides and expression -> one vector (Xu and Chen, ICCV 2023, section 3.3).

    A group's token of the slide is the sum of the patches that the plan brings to it: unlike
    attention, a patch that one group takes is less of another's.

    Args:
        patch_width: Width of a patch's features.
        groups: The genes of each group.
        width: Of every token and of the result.
        heads: Of the transformers behind the transport.
        dropout: Everywhere.
        entropy: Of the plan; costs are at most one.
        slack: Weight of what is left over or taken twice.
    """

    def __init__(
        self,
        patch_width: int,
        groups: Sequence[NDArray[np.int64]],
        width: int,
        *,
        heads: int,
        dropout: float,
        entropy: float,
        slack: float,
    ) -> None:
        super().__init__(patch_width, groups, width, heads=heads, dropout=dropout)
        del self.attention  # its place is taken by the plan, which has no weights
        self.entropy, self.slack = entropy, slack

    def seen(self, genes: Tensor, patches: Tensor) -> Tensor:
        """Patches as the plan brings them to groups, each group's share about one."""
        with torch.no_grad():
            cost = torch.cdist(genes.float(), patches.float()) ** 2
            cost /= cost.amax(dim=(1, 2), keepdim=True).clamp(min=1e-12)
            plan = unbalanced_plan(cost, self.entropy, self.slack).to(patches.dtype)
        return genes.shape[1] * plan @ patches


@dataclass(frozen=True)
class MOTCatConfig(MCATConfig):
    """Of the network.

    Attributes:
        entropy: Of the plan.
        slack: Weight of its divergence from equal shares.
    """

    entropy: float = 0.1
    slack: float = 0.5


class MOTCatMethod(MCATMethod):
    """Slides and expression, genes in groups."""

    config: MOTCatConfig

    def encoder(self, shapes: Mapping[str, Shape]) -> nn.Module:
        """Transport between gene groups and patches."""
        require_patches(shapes["wsi"], "motcat")
        config = self.config
        return TransportedAttention(
            shapes["wsi"].width,
            self.groups_of(shapes["rna"].width),
            config.width,
            heads=config.heads,
            dropout=config.dropout,
            entropy=config.entropy,
            slack=config.slack,
        )


(_MCAT,) = mcat.SPECS

SPECS = (
    MethodSpec(
        name="motcat",
        summary="Supervised: optimal transport between groups of genes and patches",
        family=FAMILY,
        citation="Xu and Chen, ICCV 2023",
        build=MOTCatMethod,
        config=MOTCatConfig(),
        role=Role.SUPERVISED,
        budgets=_MCAT.budgets,
        space={**_MCAT.space, "entropy": Choice((0.05, 0.1, 0.2))},
        departures=(
            *_MCAT.departures,
            "transport of all drawn patches, its plan by group; published: of micro-batches",
        ),
    ),
)
