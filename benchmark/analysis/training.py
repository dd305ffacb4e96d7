"""Fits that ended far from converged, or whose embeddings had collapsed."""

from dataclasses import dataclass

import pandas as pd

from tasks.metrics.convergence import FAR
from tasks.metrics.geometry import has_collapsed


@dataclass(frozen=True)
class Unsettled:
    """A method whose scores may say more of its training than of itself.

    Attributes:
        method: Its name.
        budget: Under which budget.
        fits: How many there are, of losses long enough to tell.
        far: Of how many the loss still fell by `FAR` of its fall or more in the last epochs.
        collapsed: Of how many all embeddings were alike, or differed along one line.
    """

    method: str
    budget: str
    fits: int
    far: int
    collapsed: int


def unsettled(records: pd.DataFrame) -> tuple[Unsettled, ...]:
    """The methods that have such a fit.

    A supervised reference keeps the epoch that those held out chose, whatever its loss did then.

    Args:
        records: A row per (trial, task, metric).
    """
    fits = records[records["role"] != "supervised"].drop_duplicates("trial")
    far = fits["last_gain"] >= FAR
    # NaN, of what was not watched, is neither.
    collapsed = has_collapsed(fits["effective_rank"], fits["uniformity"])
    told = fits["last_gain"].notna() | fits["effective_rank"].notna()
    counts = (
        pd.DataFrame({"fits": told, "far": far, "collapsed": collapsed})
        .groupby([fits["method"], fits["budget"]])
        .sum()
    )
    found = counts[(counts["far"] > 0) | (counts["collapsed"] > 0)]
    columns = (found[name].tolist() for name in ("fits", "far", "collapsed"))
    return tuple(Unsettled(*of, *row) for of, *row in zip(found.index, *columns, strict=True))
