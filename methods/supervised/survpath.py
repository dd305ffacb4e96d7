"""SurvPath: tokens of pathways and patches that attend to each other, trained on the outcome."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from methods.base import Budget, Choice, MethodSpec, Role
from methods.encoders.co_attention import GeneGroups
from methods.encoders.linear_map import Linear
from methods.gene_groups import GROUPED, Groups
from methods.optimisation import Schedule
from methods.sizes import CONSTANT_ADAM, SMOKE
from methods.supervised.grouped import GroupsConfig, GroupsMethod
from methods.supervised.training import (
    DEPARTURES,
    DRAWN,
    FAMILY,
    PUBLISHED_ADAM,
    SPACE,
    require_patches,
)
from methods.trainer import Shape


class PathwayAttention(nn.Module):
    """Slides and expression -> one vector (Jaume et al., CVPR 2024, section 3.3).

    One head of attention over pathways and patches together, but of patches to patches: pathways
    see everything, patches see pathways. What that leaves out is all but a small part of the cost.

    Args:
        patch_width: Width of a patch's features.
        groups: The genes of each pathway.
        width: Of every token and of the result.
        dropout: Of the pathways' layers and behind the attention.
    """

    def __init__(self, patch_width: int, groups: Groups, width: int, dropout: float) -> None:
        super().__init__()
        self.patches = Linear(patch_width, width)
        self.genes = GeneGroups(groups, width, dropout)
        self.norm = nn.LayerNorm(width)
        self.asked = Linear(width, 3 * width, bias=False)
        self.seen = nn.Sequential(Linear(width, width), nn.Dropout(dropout))
        self.perceptron = nn.Sequential(
            nn.LayerNorm(width),
            Linear(width, width),
            nn.GELU(),
            nn.Dropout(dropout),
            Linear(width, width),
            nn.Dropout(dropout),
            nn.LayerNorm(width),
        )
        self.fusion = nn.Sequential(nn.Linear(2 * width, width), nn.ReLU())

    def forward(self, wsi: Tensor, rna: Tensor) -> Tensor:
        """Patches [B, n, patch_width] and profiles [B, genes] -> [B, width]."""
        pathways, patches = self.genes(rna), self.patches(wsi)
        first = pathways.shape[1]
        q, k, v = self.asked(self.norm(torch.cat([pathways, patches], dim=1))).chunk(3, dim=2)
        rows = [
            scaled_dot_product_attention(q[:, :first], k, v),
            scaled_dot_product_attention(q[:, first:], k[:, :first], v[:, :first]),
        ]
        means = [self.perceptron(self.seen(part)).mean(dim=1) for part in rows]
        output: Tensor = self.fusion(torch.cat(means, dim=1))
        return output


class SurvPathMethod(GroupsMethod):
    """Slides and expression, genes in pathways."""

    def encoder(self, shapes: Mapping[str, Shape]) -> nn.Module:
        """Attention between pathways and patches."""
        require_patches(shapes["wsi"], "survpath")
        groups = self.groups_of(shapes["rna"].width)
        config = self.config
        return PathwayAttention(shapes["wsi"].width, groups, config.width, config.dropout)


SPECS = (
    MethodSpec(
        name="survpath",
        summary="Supervised: tokens of pathways and patches attend to each other",
        family=FAMILY,
        citation="Jaume et al., CVPR 2024",
        build=SurvPathMethod,
        config=GroupsConfig(),
        role=Role.SUPERVISED,
        budgets={
            Budget.SMOKE: {**SMOKE, "learning_rate": 4e-3, "groups": 12},
            Budget.PAPER: {
                "width": 256,
                **PUBLISHED_ADAM,
                "learning_rate": 5e-4,
                "weight_decay": 1e-3,
                "schedule": Schedule.COSINE,
                "warmup": 1,
                "tokens": 4096,
                "oversample": True,
                "genes": 0,
            },
        },
        space={**SPACE, "groups": Choice((20, 50, 100))},
        departures=(
            *DEPARTURES,
            DRAWN,
            f"{GROUPED}; published: 331 of Reactome and MSigDB",
            f"{CONSTANT_ADAM}; published: RAdam, and a cosine that budget paper has too",
        ),
    ),
)
