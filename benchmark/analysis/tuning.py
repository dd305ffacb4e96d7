"""What a search gained: tuned configurations beside the default, on the same folds and seeds."""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from benchmark.analysis.over_folds import over_folds
from benchmark.analysis.stats import Estimate


@dataclass(frozen=True)
class Gain:
    """One method on the primary metric of one task.

    Attributes:
        task: KIND/COHORT/LABEL.
        method: Name.
        metric: Of the task.
        cells: Folds x seeds that both have.
        difference: Tuned minus default, paired, corrected for folds that share training patients
            (Nadeau and Bengio, 2003); positive is better, whatever the metric's direction.
    """

    task: str
    method: str
    metric: str
    cells: int
    difference: Estimate


def gains(records: pd.DataFrame, tuned: str, plain: str) -> Iterator[Gain]:
    """Compare the two protocols, task by task and method by method.

    Args:
        records: A row per (trial, task, metric), of one budget and number of folds.
        tuned: Name of the protocol with a search.
        plain: Name of the same protocol without.
    """
    primary = records[records["primary"]]
    for (task, method), rows in primary.groupby(["task", "method"]):
        cells = rows.pivot_table("value", ["fold", "seed"], "protocol")
        if not {tuned, plain} <= set(cells.columns):
            continue
        sign = 1 if rows["higher_is_better"].iloc[0] else -1
        paired = (sign * (cells[tuned] - cells[plain])).dropna()
        if paired.empty:
            continue
        estimate = over_folds(paired, int(rows["n_folds"].iloc[0]))
        yield Gain(str(task), str(method), str(rows["metric"].iloc[0]), len(paired), estimate)
