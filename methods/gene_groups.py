"""Groups of genes, each a token of its own: declared gene sets, or modules of co-expression."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from methods.base import UnableError
from methods.concatenated import pooled
from tasks.data.cohort import Modality, VectorModality
from tasks.data.gene_sets import restricted
from tasks.data.preprocess import VectorScaler
from tasks.seeds import derive_seed

Groups = Sequence[NDArray[np.int64]]
"""Positions of the genes of each group among those that a scaler keeps; groups may overlap."""

GROUPED = "genes grouped by the cohort's gene sets, or else by co-expression"
"""How tokens of genes are made, for the departures of a method."""


def gene_groups(rna: Modality, scaler: VectorScaler, modules: int) -> Groups:
    """The declared gene sets that have genes, or, where there are none, modules of co-expression.

    Args:
        rna: Of the training patients.
        scaler: Fitted on them.
        modules: How many, where no gene sets are declared; no label has a part in them.

    Raises:
        UnableError: Gene sets are declared, and none has a gene that is kept.
    """
    if isinstance(rna, VectorModality) and rna.gene_sets:
        return in_sets([rna.features[j] for j in scaler.kept], rna.gene_sets)
    return apart(coexpressed(scaler.transform(pooled(rna)), modules))


def any_groups(genes: int, groups: int) -> Groups:
    """So many groups of so many genes, for who asks of a size before anything is fitted."""
    return apart(np.arange(genes) % groups)


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


def apart(groups: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Group of each gene -> the genes of each group."""
    return [np.flatnonzero(groups == group) for group in range(groups.max() + 1)]


def in_sets(
    genes: Sequence[str], gene_sets: Mapping[str, Sequence[str]]
) -> list[NDArray[np.int64]]:
    """The positions among `genes` of each set's members, for the sets that have any, by name."""
    sets = restricted(gene_sets, genes)
    if not sets:
        raise UnableError("no gene of any gene set is among those that are kept")
    return [np.flatnonzero(np.isin(genes, sets[name])) for name in sorted(sets)]
