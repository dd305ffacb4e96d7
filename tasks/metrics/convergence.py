"""Whether a training loss still falls: asked while it is trained, and of what was trained."""

from collections.abc import Sequence
from statistics import fmean

WINDOW = 5
"""Epochs over which a training loss is averaged before it is asked whether it still falls."""

FAR = 0.05
"""Part of its whole fall in the last `WINDOW` epochs from which a fit is far from converged."""


def last_gain(losses: Sequence[float]) -> float | None:
    """What the last `WINDOW` epochs gained on those before, as a part of the whole fall.

    A rule without labels, without anybody who is held out, and the same for losses of any scale
    and offset. Zero or less of a loss that does not fall, 1 of one that falls after it had risen;
    None before there are two windows.

    Args:
        losses: Of each epoch.
    """
    if len(losses) < 2 * WINDOW:
        return None
    before, now = fmean(losses[-2 * WINDOW : -WINDOW]), fmean(losses[-WINDOW:])
    whole = losses[0] - now
    if whole <= 0:
        return float(before > now)
    return (before - now) / whole
