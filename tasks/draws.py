"""Draws that hang on names: patients that a few-shot task learns from, patches of a large bag."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tasks.seeds import derive_seed, generator

SHOTS = (10, 1, 5, 25)  # patients per group; the first is the primary metric's
DRAWS = 10


def drawing_orders(patients: Sequence[str], *axes: str | int) -> tuple[NDArray[np.intp], ...]:
    """Rows of the patients in the order in which each of `DRAWS` draws takes them.

    The order hangs on each patient's own name: methods that embed other patients besides still
    share draws, and a larger draw contains the smaller ones.

    Args:
        patients: To draw from.
        axes: What else the draws depend on: the cohort, the label, the fold.
    """
    return _orders(tuple(patients), axes)


# A worker's trials ask again and again for the same few: the folds and labels of its cohorts.
@lru_cache(maxsize=256)
def _orders(patients: tuple[str, ...], axes: tuple[str | int, ...]) -> tuple[NDArray[np.intp], ...]:
    found = []
    for draw in range(DRAWS):
        hashes = [derive_seed("few-shot", *axes, draw, patient) for patient in patients]
        order = np.array(sorted(range(len(hashes)), key=hashes.__getitem__), dtype=np.intp)
        order.flags.writeable = False
        found.append(order)
    return tuple(found)


def first_of_each(groups: NDArray[np.intp], order: NDArray[np.intp], k: int) -> NDArray[np.intp]:
    """The first k rows of each group in this order, group by group."""
    return np.concatenate([order[groups[order] == g][:k] for g in np.unique(groups)])


def fixed_rows(n: int, count: int, *axes: str | int) -> NDArray[np.intp] | None:
    """`count` of n rows, rising, drawn as the axes say; None, for all, where there are no more.

    Args:
        n: Rows to draw from.
        count: How many at most.
        axes: What the draw depends on: its purpose and whose rows they are.
    """
    if n <= count:
        return None
    return np.sort(generator(*axes).choice(n, count, replace=False))
