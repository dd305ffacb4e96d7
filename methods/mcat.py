"""MCAT: genomic-guided co-attention of slides and expression, trained on the outcome."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from torch import nn

from methods.base import Budget, Choice, LogUniform, MethodSpec, Role, State
from methods.encoders.co_attention import CoAttention
from methods.sidewise import pooled
from methods.sizes import SMOKE
from methods.supervised import (
    FAMILY,
    AttentionConfig,
    SupervisedMethod,
    require_patches,
)
from methods.trainer import Shape
from tasks.cohort import Cohort
from tasks.seeds import derive_seed

GROUPS = "network.encoder.genes.groups"


@dataclass(frozen=True)
class MCATConfig(AttentionConfig):
    """Of the network.

    Attributes:
        groups: Groups of genes, each one token; the paper has six.
    """

    groups: int = 6


class MCATMethod(SupervisedMethod):
    """Slides and expression; genes are grouped by co-expression.

    The paper groups genes by function (oncogenes, kinases, ...), from a table that is not ours to
    ship and that does not know every platform's genes. Here the groups are as many modules of
    genes that rise and fall together in the training patients, which no label has a part in.
    """

    config: MCATConfig

    def __init__(self, config: MCATConfig) -> None:
        super().__init__(config)
        self._groups: NDArray[np.int64] | None = None

    def _fit_scalers(self, train: Cohort) -> None:
        """The scalers, and the groups of the genes that they keep."""
        super()._fit_scalers(train)
        profiles = self._scalers["rna"].transform(pooled(train.modalities["rna"]))
        self._groups = coexpressed(profiles, self.config.groups)

    def encoder(self, shapes: Mapping[str, Shape]) -> nn.Module:
        """Co-attention of gene groups and patches."""
        require_patches(shapes["wsi"], "mcat")
        config, groups = self.config, self._groups
        if groups is None:  # asked for its size before it is fitted: any groups will do
            groups = np.arange(shapes["rna"].width) % config.groups
        return CoAttention(
            shapes["wsi"].width, groups, config.width, heads=config.heads, dropout=config.dropout
        )

    def restore(self, state: State) -> None:
        """Rebuild the groups, then the network on them."""
        self._groups = state[GROUPS]
        super().restore(state)


def coexpressed(profiles: NDArray[np.float32], groups: int) -> NDArray[np.int64]:
    """Group genes by how they rise and fall together.

    Standardised genes are points with as many coordinates as patients, and the squared distance of
    two is 2 n (1 - their correlation): k-means makes groups of correlated genes.

    Args:
        profiles: Standardised expression, [n_patients, genes].
        groups: How many, at most as many as genes.

    Returns:
        Group of each gene from 0 upwards, [genes]; the same for every seed.
    """
    means = KMeans(
        min(groups, profiles.shape[1]), n_init=1, random_state=derive_seed("gene-groups") % 2**32
    )
    found: NDArray[np.int64] = np.unique(means.fit_predict(profiles.T), return_inverse=True)[1]
    return found


SPECS = (
    MethodSpec(
        name="mcat",
        summary="Supervised: genomic-guided co-attention, genes grouped by co-expression",
        family=FAMILY,
        citation="Chen et al., ICCV 2021",
        build=MCATMethod,
        config=MCATConfig(),
        role=Role.SUPERVISED,
        budgets={
            Budget.SMOKE: {**SMOKE, "learning_rate": 4e-3},
            Budget.PAPER: {"width": 256, "learning_rate": 2e-4, "tokens": 2048, "genes": 0},
        },
        space={
            "learning_rate": LogUniform(1e-4, 3e-3),
            "width": Choice((24, 48, 96)),
            "groups": Choice((4, 6, 12)),
            "dropout": Choice((0.1, 0.25, 0.5)),
        },
    ),
)
