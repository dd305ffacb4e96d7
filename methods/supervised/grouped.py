"""Supervised references on slides and expression whose genes come in groups, each a token."""

from dataclasses import dataclass
from typing import cast

import numpy as np

from methods.base import State
from methods.gene_groups import Groups, any_groups, gene_groups
from methods.supervised.training import SupervisedConfig, SupervisedMethod
from tasks.data.cohort import Cohort
from tasks.data.preprocess import VectorScaler

MEMBERS, SIZES = "network.encoder.genes.members", "network.encoder.genes.sizes"


@dataclass(frozen=True)
class GroupsConfig(SupervisedConfig):
    """What a reference with groups of genes can be told.

    Attributes:
        groups: Groups of genes, each one token, where the cohort declares no gene sets.
    """

    groups: int = 50


class GroupsMethod(SupervisedMethod):
    """A subclass gives an encoder whose `genes` are `GeneGroups` of `groups_of`."""

    config: GroupsConfig

    def __init__(self, config: GroupsConfig) -> None:
        super().__init__(config)
        self._groups: Groups | None = None

    def _fit_scalers(self, train: Cohort) -> None:
        """The scalers, and the groups of the genes that they keep."""
        super()._fit_scalers(train)
        scaler = cast("VectorScaler", self._scalers["rna"])
        self._groups = gene_groups(train.modalities["rna"], scaler, self.config.groups)

    def groups_of(self, genes: int) -> Groups:
        """The groups of so many genes; any, if the size is asked for before anything is fitted."""
        return any_groups(genes, self.config.groups) if self._groups is None else self._groups

    def restore(self, state: State) -> None:
        """Rebuild the groups, then the network on them."""
        self._groups = np.split(state[MEMBERS], np.cumsum(state[SIZES])[:-1])
        super().restore(state)
