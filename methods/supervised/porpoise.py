"""PORPOISE: attention over patches and a self-normalising network on expression, fused by products.

Source: Chen et al., "Pan-cancer integrative histology-genomic analysis via multimodal deep
learning", Cancer Cell 2022.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from methods.base import Budget, Choice, MethodSpec, Role
from methods.encoders.abmil import attended_patches
from methods.encoders.gated_fusion import KroneckerFusion
from methods.encoders.self_normalising import self_normalising
from methods.sizes import SMOKE
from methods.supervised.training import (
    DEPARTURES,
    DRAWN,
    FAMILY,
    PUBLISHED_BAGS,
    SPACE,
    UNDECAYED,
    SupervisedConfig,
    SupervisedMethod,
    require_patches,
)
from methods.trainer import Shape

LAYERS = 2  # of the network on expression


class Fused(nn.Module):
    """An encoder of each side and the fusion of what they give.

    Args:
        wsi: Bags [B, n, patch width] -> [B, width].
        rna: Profiles [B, genes] -> [B, width].
        fusion: Of both.
    """

    def __init__(self, wsi: nn.Module, rna: nn.Module, fusion: KroneckerFusion) -> None:
        super().__init__()
        self.wsi, self.rna, self.fusion = wsi, rna, fusion

    def forward(self, wsi: Tensor, rna: Tensor) -> Tensor:
        """Bags and profiles -> [B, width]."""
        fused: Tensor = self.fusion(self.wsi(wsi), self.rna(rna))
        return fused


@dataclass(frozen=True)
class PorpoiseConfig(SupervisedConfig):
    """Of the network.

    Attributes:
        narrow: Width of each side where products are made of them.
    """

    narrow: int = 32


class PorpoiseMethod(SupervisedMethod):
    """Slides and expression, fused late: every product of a channel of one and of the other."""

    config: PorpoiseConfig

    def encoder(self, shapes: Mapping[str, Shape]) -> nn.Module:
        """Gated attention, self-normalising layers, gated products."""
        require_patches(shapes["wsi"], "porpoise")
        config = self.config
        return Fused(
            attended_patches(shapes["wsi"].width, config.width, config.dropout),
            self_normalising(
                shapes["rna"].width, config.width, LAYERS, config.dropout, activation=nn.ELU
            ),
            KroneckerFusion(config.width, config.narrow, config.dropout),
        )


SPECS = (
    MethodSpec(
        name="porpoise",
        summary="Supervised: attention and self-normalising network, fused by gated products",
        family=FAMILY,
        citation="Chen et al., Cancer Cell 2022",
        build=PorpoiseMethod,
        config=PorpoiseConfig(),
        role=Role.SUPERVISED,
        budgets={
            Budget.SMOKE: {**SMOKE, "learning_rate": 1e-2, "narrow": 8},
            Budget.PAPER: {
                "width": 256,
                **PUBLISHED_BAGS,
                "genes": 0,
            },
        },
        space={**SPACE, "narrow": Choice((8, 16, 32))},
        departures=(
            *DEPARTURES,
            DRAWN,
            "expression alone beside slides; published: mutations, copy numbers and expression",
            "gates and products of Pathomic Fusion's equations; public code has layers around them",
            UNDECAYED,
        ),
    ),
)
