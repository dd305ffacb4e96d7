"""How a network's embeddings lie while it is trained: whether they collapse."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.metrics.representation import alignment, centred, effective_rank, uniformity

LINE = 2.0
"""Effective rank below which embeddings have collapsed to a line."""

POINT = -0.02
"""Uniformity above which they have collapsed to a point: they differ by 7 % of their length."""


def has_collapsed(effective_rank: Any, uniformity: Any) -> Any:
    """Whether embeddings that lie so have collapsed: a truth, or an array of them."""
    return (effective_rank < LINE) | (uniformity > POINT)


def geometry(sides: Mapping[str, NDArray[np.float32]]) -> dict[str, float]:
    """Effective rank and uniformity of the joint embedding, alignment where sides are alike wide.

    Args:
        sides: Embeddings [n, width] of the same patients, by side.

    Returns:
        `effective_rank` of the centred embedding, 1 where nobody differs; `uniformity`; `alignment`
        of two sides of one width.
    """
    values = [np.asarray(side, dtype=np.float64) for side in sides.values()]
    joint = np.concatenate(values, axis=1)
    spread = centred(joint)
    found = {
        "effective_rank": effective_rank(spread) if spread.any() else 1.0,
        "uniformity": uniformity(joint),
    }
    if len(values) == 2 and values[0].shape == values[1].shape:
        found["alignment"] = alignment(*values)
    return found
