"""Intervals: over folds that share training patients, and over the patients that were tested."""

from collections.abc import Hashable
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.analysis.stats import (
    Estimate,
    bootstrap_concordance,
    nadeau_bengio,
    percentile_interval,
    resample_counts,
)
from tasks.seeds import generator

RESAMPLES = 1_000

METRIC = "harrell_c"
"""The metric that the intervals are of."""

_CELL = ["fold", "seed"]
_NEEDED = {"risk", "time_months", "event"}

_TABLE = ["task", "protocol", "budget", "n_folds", "method"]

Intervals = dict[tuple[Hashable, ...], tuple[float, float]]
"""(task, protocol, budget, n_folds, method) -> its interval."""


def share_tested(n_folds: int) -> float:
    """Test patients over training patients, where each of `n_folds` folds is tested once."""
    return 1.0 / (n_folds - 1) if n_folds > 1 else np.inf


def over_folds(values: pd.Series, n_folds: int, family: int = 1) -> Estimate:
    """Mean, corrected interval and test of values with an index level `fold`; NaN do not count."""
    folds = values.groupby(level="fold").mean().dropna()
    return nadeau_bengio(folds.to_numpy(), share_tested(n_folds), family)


def patient_intervals(predictions: pd.DataFrame) -> Intervals:
    """Bootstrap the mean of C over folds and seeds, resampling the test patients of each fold.

    The methods stand as fitted: the interval holds the luck of testing, not that of training.
    All seeds of a fold see the same resamples, as they share its patients. Where the patients are
    dealt repeatedly, each is drawn as often in every deal as it is in the first.

    Args:
        predictions: A row per (trial, task, patient), in any order.

    Returns:
        95 % percentile intervals.
    """
    if not _NEEDED.issubset(predictions.columns):
        return {}
    scored = predictions.dropna(subset=sorted(_NEEDED)).sort_values([*_CELL, "patient"])
    found: Intervals = {}
    resamples = _Resamples("", (), ())
    for key, rows in scored.groupby(_TABLE):
        tested = rows.drop_duplicates("patient")
        dealt = (str(key[0]), tuple(tested["fold"]), tuple(tested["patient"]))
        if resamples.dealt != dealt:  # else those of the method before
            resamples = _Resamples(*dealt)
        cells = [_resampled(cell, resamples) for _, cell in rows.groupby(_CELL)]
        found[key] = percentile_interval(np.mean(cells, axis=0))
    return found


@lru_cache(maxsize=16)
def _counts(task: str, fold: int, n_patients: int) -> NDArray[np.int64]:
    """The resamples of a fold's patients, the same for every method and seed."""
    return resample_counts(n_patients, RESAMPLES, generator("bootstrap", task, fold))


class _Resamples:
    """How often the patients of a task are drawn, from the first fold that tests each.

    Args:
        task: Its name.
        folds: That first test a patient, one a patient.
        patients: Each once.
    """

    def __init__(self, task: str, folds: tuple[int, ...], patients: tuple[str, ...]) -> None:
        self.dealt = (task, folds, patients)
        self._of_cell: dict[tuple[str, ...], NDArray[np.float32]] = {}
        of_fold: dict[int, list[str]] = {}
        for fold, patient in zip(folds, patients, strict=True):
            of_fold.setdefault(fold, []).append(patient)
        self._drawn: dict[str, NDArray[np.int64]] = {}
        for fold, tested in of_fold.items():
            self._drawn |= dict(zip(tested, _counts(task, fold, len(tested)).T, strict=True))

    def of(self, patients: tuple[str, ...]) -> NDArray[np.float32]:
        """Of some patients, shape [resamples, patients]; methods are tested on the same ones."""
        if patients not in self._of_cell:
            drawn = np.stack([self._drawn[patient] for patient in patients], axis=1)
            self._of_cell[patients] = drawn.astype(np.float32)
        return self._of_cell[patients]


def _resampled(cell: pd.DataFrame, resamples: _Resamples) -> NDArray[np.float64]:
    """C of one fold and seed in every resample of its patients, shape [resamples]."""
    return bootstrap_concordance(
        cell["event"].to_numpy(),
        cell["time_months"].to_numpy(),
        cell["risk"].to_numpy(),
        resamples.of(tuple(cell["patient"])),
    )
