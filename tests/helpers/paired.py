"""Whether patients who were not trained on are told by what their two sides share."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tasks.data.cohort import Cohort, VectorModality
from tasks.seeds import generator


def shuffled(cohort: Cohort) -> Cohort:
    """Every patient with the expression of another."""
    rna = cohort.modalities["rna"]
    assert isinstance(rna, VectorModality)
    values = rna.values[generator("shuffled").permutation(len(rna.values))]
    return replace(cohort, modalities={**cohort.modalities, "rna": replace(rna, values=values)})


def told_apart(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Share of rows of `b` that are no nearer to a row of `a` than the own one; 0.5 by chance.

    Args:
        a: Of one side, [n, D].
        b: Of the other, [n, D]; row i is the patient of row i of `a`.
    """
    one, other = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b))
    cosines = one @ other.T
    return float((np.diag(cosines)[:, None] >= cosines).mean())
