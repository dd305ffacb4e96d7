"""What a task's page offers to download: the scores of every trial, and its predictions."""

import gzip
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv

from benchmark.analysis.standings import CELL, TABLE
from benchmark.records.frames import PREDICTION
from benchmark.records.protocol import TrialProtocol
from benchmark.show.escape import csv_frame

SCORE_DIGITS, RISK_DIGITS, SURVIVAL_DIGITS = 7, 4, 3
"""Significant digits; `mirror-bench results` and `predictions` give every one."""

OUTCOME = ("time_months", "event")
"""Columns of predictions that are the patient's, whoever predicts."""

_Key = tuple[Any, ...]


def score_sheets(scores: pd.DataFrame) -> Mapping[_Key, bytes]:
    """(task, protocol, budget, n_folds) -> a row per trial, a column per metric, as csv.gz.

    Args:
        scores: A row per (trial, task, metric), one per cell.
    """
    found: dict[_Key, bytes] = {}
    for key, rows in scores.groupby(TABLE, sort=True, observed=True):
        metrics = rows.sort_values("position", kind="stable")["metric"].unique()
        of_trial = ["method", *CELL, "trial", "n_patients"]
        wide = rows.pivot_table(
            "value", of_trial, "metric", aggfunc="first", observed=True, sort=True
        )
        sheet = wide.reindex(columns=metrics).reset_index()
        found[key] = _packed(sheet, lambda _: SCORE_DIGITS)
    return found


def prediction_sheets(predictions: pd.DataFrame) -> Mapping[_Key, bytes]:
    """(task, protocol, budget, n_folds) -> a row per trial and test patient, as csv.gz.

    Those of outcomes that were broken on purpose are left out: they say nothing of a patient.

    Args:
        predictions: As `Store.predictions` gives them.
    """
    if predictions.empty:
        return {}
    beside = {*PREDICTION, *TABLE}
    own = [name for name in predictions if name not in beside]
    found: dict[_Key, bytes] = {}
    protocols = predictions["protocol"].unique()
    honest = [name for name in protocols if TrialProtocol.parse(str(name)).control is None]
    kept = predictions[predictions["protocol"].isin(honest)]
    for key, rows in kept.groupby(TABLE, sort=True, observed=True):
        columns = [name for name in own if rows[name].notna().any()]
        order = ["fold", "patient", "seed", "method"]
        # A patient's rows and what they have in common stand together, and so pack well.
        outcome = [name for name in columns if name in OUTCOME]
        shown = [*order[:2], *outcome, *order[2:], *(n for n in columns if n not in OUTCOME)]
        found[key] = _packed(rows.sort_values(order)[shown], _digits)
    return found


def _digits(column: str) -> int:
    return SURVIVAL_DIGITS if column.startswith("surv_") else RISK_DIGITS


def _packed(frame: pd.DataFrame, digits: Callable[[str], int]) -> bytes:
    """The same bytes for the same frame: the file holds neither time nor name."""
    floats = [name for name in frame if pd.api.types.is_float_dtype(frame[name])]
    rounded = {
        str(name): significant(frame[name].to_numpy(np.float64), digits(str(name)))
        for name in floats
    }
    buffer = BytesIO()
    csv.write_csv(
        pa.Table.from_pandas(csv_frame(frame.assign(**rounded)), preserve_index=False), buffer
    )
    return gzip.compress(buffer.getvalue(), mtime=0)


def significant(values: NDArray[np.float64], digits: int) -> NDArray[np.float64]:
    """Rounded to so many digits, whatever the size; what is not finite stays."""
    with np.errstate(divide="ignore", invalid="ignore"):
        size = np.floor(np.log10(np.abs(values)))
    places = digits - 1 - np.where(np.isfinite(size), size, 0.0)
    # By a whole power, so that a tenth stays 0.1.
    power = 10.0 ** np.abs(places)
    rounded: NDArray[np.float64] = np.where(
        places >= 0, np.round(values * power) / power, np.round(values / power) * power
    )
    return rounded
