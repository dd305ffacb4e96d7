"""MCAT: genomic-guided co-attention of slides and expression, trained on the outcome."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
from torch import nn

from methods.base import Budget, Choice, LogUniform, MethodSpec, Role, State
from methods.encoders.co_attention import CoAttention
from methods.gene_groups import GROUPED, Groups, any_groups, gene_groups
from methods.sizes import SMOKE
from methods.supervised.training import (
    DEPARTURES,
    DRAWN,
    FAMILY,
    PUBLISHED_ADAM,
    AttentionConfig,
    SupervisedMethod,
    require_patches,
)
from methods.trainer import Shape
from tasks.data.cohort import Cohort
from tasks.data.preprocess import VectorScaler

MEMBERS, SIZES = "network.encoder.genes.members", "network.encoder.genes.sizes"


@dataclass(frozen=True)
class MCATConfig(AttentionConfig):
    """Of the network.

    Attributes:
        groups: Groups of genes, each one token, where the cohort declares no gene sets; the paper
            has six.
    """

    groups: int = 6


class MCATMethod(SupervisedMethod):
    """Slides and expression; genes are grouped by pathway, or else by co-expression.

    The paper groups genes by function (oncogenes, kinases, ...), from a table that is not ours to
    ship and that does not know every platform's genes. A cohort that declares gene sets has those
    groups of its own, and genes in none of them are not seen. Without, the groups are as many
    modules of genes that rise and fall together in the training patients, which no label has a
    part in.
    """

    config: MCATConfig

    def __init__(self, config: MCATConfig) -> None:
        super().__init__(config)
        self._groups: Groups | None = None

    def _fit_scalers(self, train: Cohort) -> None:
        """The scalers, and the groups of the genes that they keep."""
        super()._fit_scalers(train)
        scaler = cast("VectorScaler", self._scalers["rna"])
        self._groups = gene_groups(train.modalities["rna"], scaler, self.config.groups)

    def encoder(self, shapes: Mapping[str, Shape]) -> nn.Module:
        """Co-attention of gene groups and patches."""
        require_patches(shapes["wsi"], "mcat")
        config, groups = self.config, self._groups
        if groups is None:  # asked for its size before it is fitted: any groups will do
            groups = any_groups(shapes["rna"].width, config.groups)
        return CoAttention(
            shapes["wsi"].width, groups, config.width, heads=config.heads, dropout=config.dropout
        )

    def restore(self, state: State) -> None:
        """Rebuild the groups, then the network on them."""
        self._groups = np.split(state[MEMBERS], np.cumsum(state[SIZES])[:-1])
        super().restore(state)


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
                **PUBLISHED_ADAM,
                "tokens": 2048,
                "oversample": True,
                "genes": 0,
            },
        },
        space={
            "learning_rate": LogUniform(1e-5, 3e-3),
            "width": Choice((48, 96, 192)),
            "groups": Choice((4, 6, 12)),
            "dropout": Choice((0.1, 0.25, 0.5)),
        },
        departures=(
            *DEPARTURES,
            DRAWN,
            f"{GROUPED}; published: by six functions",
        ),
    ),
)
