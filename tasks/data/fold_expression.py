"""Expression as a fold's methods see it: what is fitted to training patients before any method.

A cohort declares it (`[modalities.rna]` of its manifest), so that every method on it, whoever wrote
it, is given the same genes on the same scale. Further scaling, and the choice of the most variable
genes, are the methods' own (`tasks.data.preprocess.VectorScaler`).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.data.cohort import Cohort, VectorModality
from tasks.data.elimination import TooFewError, eliminate
from tasks.data.gene_sets import restricted
from tasks.data.preprocess import RankScaler

MOST_TIED = 0.1
"""Of the training patients of a member with one value of a gene, such as zero, that is ranked
within members: the share of zeros says the member, and clipping a gene that hardly varies would
give it another mean in each."""


@dataclass(frozen=True)
class Expression:
    """What was fitted of the expression of a fold.

    Attributes:
        columns: Columns kept, rising.
        genes: Their names.
        ranks: The ranks of all columns, by the member of a union within which they are taken; by
            the empty text those among all patients; none where values stay as they are.
    """

    columns: NDArray[np.int64]
    genes: tuple[str, ...]
    ranks: Mapping[str, RankScaler]

    @classmethod
    def fit(cls, cohort: Cohort, patients: Iterable[str]) -> "Expression | None":
        """Fit what the cohort declares to some of its patients and, if it says so, their label.

        Args:
            cohort: With its labels.
            patients: The training patients of the fold.

        Returns:
            None if there is nothing to fit: the cohort declares nothing, or has no expression.

        Raises:
            TooFewError: Genes are to be selected by a label that these patients do not have, or to
                be ranked within a member that none of them is of.
        """
        rna = cohort.modalities.get("rna")
        if not isinstance(rna, VectorModality):
            return None
        if not (rna.ranked or rna.members or rna.selection):
            return None
        known = rna.subset(patients)
        ranks: dict[str, RankScaler] = {}
        if rna.ranked or rna.members:
            within = bool(rna.members)
            ranks = {
                name: RankScaler.fit(known.values[rows], centred=within)
                for name, rows in _by_member(known)
            }
            if lacking := sorted(set(rna.members.values()) - ranks.keys()):
                raise TooFewError(f"{lacking[0]} has no training patient to rank its genes among")
        columns = np.arange(rna.width)
        if rna.selection is not None:
            seen = replace(known, values=_ranked(known, ranks))
            selected = eliminate(seen, cohort.labels[rna.selection.label])
            always = np.flatnonzero(np.isin(rna.features, rna.selection.always))
            columns = np.union1d(selected, always)
        if rna.members:
            tied = np.any([fitted.tied(MOST_TIED) for fitted in ranks.values()], axis=0)
            columns = columns[~tied[columns]]
            if not len(columns):
                raise TooFewError("no gene is left whose values differ enough within every member")
        return cls(columns, tuple(rna.features[j] for j in columns), ranks)

    def of(self, cohort: Cohort) -> Cohort:
        """The cohort with the expression of all its patients so transformed."""
        rna = cohort.modalities["rna"]
        if not isinstance(rna, VectorModality):
            raise TypeError(f"expression is a table of vectors, not {rna.kind}")
        values = _ranked(rna, self.ranks)
        sets = restricted(rna.gene_sets, self.genes)
        fitted = VectorModality(rna.patients, values[:, self.columns], self.genes, gene_sets=sets)
        return replace(cohort, modalities={**cohort.modalities, "rna": fitted})

    def state(self) -> dict[str, NDArray[Any]]:
        """Everything that was fitted, by name."""
        ranks = {
            f"{member}.{name}": values
            for member, fitted in self.ranks.items()
            for name, values in fitted.state().items()
        }
        return {"columns": self.columns, "genes": np.array(self.genes), **ranks}


def _by_member(rna: VectorModality) -> Iterator[tuple[str, NDArray[np.intp]]]:
    """The rows of each member's patients; of one nameless member where none is declared."""
    members = np.array([rna.members.get(patient, "") for patient in rna.patients])
    for name in np.unique(members):
        yield str(name), np.flatnonzero(members == name)


def _ranked(rna: VectorModality, ranks: Mapping[str, RankScaler]) -> NDArray[np.float32]:
    """The values as ranks, where there are any."""
    values = rna.values.copy() if ranks else rna.values
    for member, rows in _by_member(rna) if ranks else ():
        values[rows] = ranks[member].transform(rna.values[rows])
    return values


def selecting_label(cohort: Cohort) -> str:
    """The label that every method on the cohort is told through its genes; empty for none."""
    rna = cohort.modalities.get("rna")
    selection = rna.selection if isinstance(rna, VectorModality) else None
    return "" if selection is None else selection.label
