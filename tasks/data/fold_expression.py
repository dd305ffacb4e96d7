"""Expression as a fold's methods see it: what is fitted to training patients before any method.

A cohort declares it (`[modalities.rna]` of its manifest), so that every method on it, whoever wrote
it, is given the same genes on the same scale. Further scaling, and the choice of the most variable
genes, are the methods' own (`tasks.data.preprocess.VectorScaler`).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.data.cohort import Cohort, VectorModality
from tasks.data.elimination import eliminate
from tasks.data.preprocess import RankScaler


@dataclass(frozen=True)
class Expression:
    """What was fitted of the expression of a fold.

    Attributes:
        columns: Columns kept, rising.
        genes: Their names.
        ranks: The ranks of all columns, None where values stay as they are.
    """

    columns: NDArray[np.int64]
    genes: tuple[str, ...]
    ranks: RankScaler | None

    @classmethod
    def fit(cls, cohort: Cohort, patients: Iterable[str]) -> "Expression | None":
        """Fit what the cohort declares to some of its patients and, if it says so, their label.

        Args:
            cohort: With its labels.
            patients: The training patients of the fold.

        Returns:
            None if there is nothing to fit: the cohort declares nothing, or has no expression.

        Raises:
            TooFewError: Genes are to be selected by a label that these patients do not have.
        """
        rna = cohort.modalities.get("rna")
        if not isinstance(rna, VectorModality) or not (rna.ranked or rna.selection):
            return None
        known = rna.subset(patients)
        ranks = RankScaler.fit(known.values) if rna.ranked else None
        columns = np.arange(rna.width)
        if rna.selection is not None:
            seen = known if ranks is None else replace(known, values=ranks.transform(known.values))
            selected = eliminate(seen, cohort.labels[rna.selection.label])
            always = np.flatnonzero(np.isin(rna.features, rna.selection.always))
            columns = np.union1d(selected, always)
        return cls(columns, tuple(rna.features[j] for j in columns), ranks)

    def of(self, cohort: Cohort) -> Cohort:
        """The cohort with the expression of all its patients so transformed."""
        rna = cohort.modalities["rna"]
        if not isinstance(rna, VectorModality):
            raise TypeError(f"expression is a table of vectors, not {rna.kind}")
        values = rna.values if self.ranks is None else self.ranks.transform(rna.values)
        there = set(self.genes)
        pathways = {
            name: kept
            for name, members in rna.pathways.items()
            if (kept := tuple(gene for gene in members if gene in there))
        }
        fitted = VectorModality(
            rna.patients, values[:, self.columns], self.genes, pathways=pathways
        )
        return replace(cohort, modalities={**cohort.modalities, "rna": fitted})

    def state(self) -> dict[str, NDArray[Any]]:
        """Everything that was fitted, by name."""
        ranks = {} if self.ranks is None else self.ranks.state()
        return {"columns": self.columns, "genes": np.array(self.genes), **ranks}


def selecting_label(cohort: Cohort) -> str:
    """The label that every method on the cohort is told through its genes; empty for none."""
    rna = cohort.modalities.get("rna")
    selection = rna.selection if isinstance(rna, VectorModality) else None
    return "" if selection is None else selection.label
