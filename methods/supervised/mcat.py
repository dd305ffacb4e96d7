"""MCAT: genomic-guided co-attention of slides and expression, trained on the outcome."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from methods.base import Budget, Choice, MethodSpec, Role
from methods.encoders.co_attention import CoAttention
from methods.gene_groups import GROUPED
from methods.sizes import SMOKE
from methods.supervised.grouped import GroupsConfig, GroupsMethod
from methods.supervised.training import (
    DEPARTURES,
    DRAWN,
    FAMILY,
    PUBLISHED_BAGS,
    SPACE,
    AttentionConfig,
    require_patches,
)
from methods.trainer import Shape


@dataclass(frozen=True)
class MCATConfig(GroupsConfig, AttentionConfig):
    """Of the network; the paper has six groups of genes."""

    groups: int = 6


class MCATMethod(GroupsMethod):
    """Slides and expression, genes in groups.

    The paper groups genes by function (oncogenes, kinases, ...), from a table that is not ours to
    ship and that does not know every platform's genes; a cohort may declare it as its gene sets.
    """

    config: MCATConfig

    def encoder(self, shapes: Mapping[str, Shape]) -> nn.Module:
        """Co-attention of gene groups and patches."""
        require_patches(shapes["wsi"], "mcat")
        config = self.config
        return CoAttention(
            shapes["wsi"].width,
            self.groups_of(shapes["rna"].width),
            config.width,
            heads=config.heads,
            dropout=config.dropout,
        )


SPECS = (
    MethodSpec(
        name="mcat",
        summary="Supervised: genomic-guided co-attention, genes by gene set or co-expression",
        family=FAMILY,
        citation="Chen et al., ICCV 2021",
        build=MCATMethod,
        config=MCATConfig(),
        role=Role.SUPERVISED,
        budgets={
            Budget.SMOKE: {**SMOKE, "learning_rate": 4e-3},
            Budget.PAPER: {
                "width": 256,
                **PUBLISHED_BAGS,
                "genes": 0,
            },
        },
        space={**SPACE, "groups": Choice((4, 6, 12))},
        departures=(
            *DEPARTURES,
            DRAWN,
            f"{GROUPED}; published: by six functions",
        ),
    ),
)
