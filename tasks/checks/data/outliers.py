"""Values that are far from the others."""

import numpy as np
from numpy.typing import NDArray

FAR = 10.0
"""Robust standard deviations."""


def far_from_others(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which values lie more than `FAR` robust standard deviations from the median."""
    distance = np.abs(values - np.median(values))
    spread = 1.4826 * float(np.median(distance))
    return np.asarray(distance > FAR * spread) if spread > 0 else np.zeros(len(values), np.bool_)
