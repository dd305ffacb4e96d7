"""One score per method and cell: records in one order, repetitions joined, contradictions shown."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.analysis.standings import CELL, DIGITS, TABLE

KEY = (*TABLE, "method", *CELL, "metric")
"""What a score is of."""

CONTRADICTED = "records of several trials contradict each other"
"""The reason of a score that two trials give differently."""


def deduplicate(records: pd.DataFrame) -> pd.DataFrame:
    """Order the records and leave one per (task, method, protocol, budget, cell, metric).

    Several trials that agree are one. Where they contradict each other none is believed: the
    score is a failed one whose reason says so.
    """
    ordered = records.iloc[_order(records, [*KEY, "trial"])].reset_index(drop=True)
    ordered["value"] = ordered["value"].astype("float64").round(DIGITS)
    repeated = ordered.duplicated(list(KEY), keep=False)
    if not repeated.any():
        return ordered
    lost = contradicted(ordered[repeated])
    ordered.loc[lost, "value"] = np.nan
    ordered.loc[lost, "status"] = "failed"
    ordered.loc[lost, "reason"] = CONTRADICTED
    # Trials that agree may still have failed once and succeeded once: the success is kept.
    ordered["_lost"] = ordered["value"].isna()
    kept = ordered.iloc[_order(ordered, [*KEY, "_lost", "trial"])].drop_duplicates(list(KEY))
    return kept.drop(columns="_lost").reset_index(drop=True)


def contradicted(records: pd.DataFrame) -> pd.Index:
    """The rows of scores to which several trials give several values."""
    values = records["value"].round(DIGITS)
    differ = values.groupby([records[name] for name in KEY], observed=True).transform("nunique") > 1
    return records.index[differ]


def _order(frame: pd.DataFrame, columns: Sequence[str]) -> NDArray[np.intp]:
    """The rows sorted by columns; a million are sorted by numbers, not by their texts."""
    codes = [pd.factorize(frame[name], sort=True)[0] for name in reversed(columns)]
    return np.lexsort(codes)
