"""What a search or another readout adds: the same methods, folds and seeds with and without it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pandas as pd

from benchmark.analysis.intervals import over_folds
from benchmark.analysis.stats import Estimate
from benchmark.records.protocol import TrialProtocol


@dataclass(frozen=True)
class Gain:
    """One method on the primary metric of one task.

    Attributes:
        protocol: With what it adds.
        task: KIND/COHORT/LABEL.
        method: Name.
        budget: Of both.
        metric: Of the task.
        cells: Folds x seeds that both have.
        difference: With minus without, paired, corrected for folds that share training patients
            (Nadeau and Bengio, 2003); positive is better, whatever the metric's direction.
    """

    protocol: str
    task: str
    method: str
    budget: str
    metric: str
    cells: int
    difference: Estimate


def without(protocol: str) -> str:
    """The same protocol without search and with the methods' own readouts."""
    return str(replace(TrialProtocol.parse(protocol), tuning=None, readout=None))


def gains(records: pd.DataFrame) -> Iterator[Gain]:
    """Compare protocols with a search or a readout to the same ones without.

    Args:
        records: A row per (trial, task, metric).
    """
    primary = records[records["primary"]]
    layout = ["task", "budget", "n_folds", "method"]
    for protocol in sorted(primary["protocol"].unique()):
        plain = without(protocol)
        if plain == protocol:
            continue
        both = primary[primary["protocol"].isin([plain, protocol])]
        for (task, budget, _, method), rows in both.groupby(layout):
            cells = rows.pivot_table("value", ["fold", "seed"], "protocol")
            if not {plain, protocol} <= set(cells.columns):
                continue
            sign = 1 if rows["higher_is_better"].iloc[0] else -1
            paired = (sign * (cells[protocol] - cells[plain])).dropna()
            if len(paired):
                found = over_folds(paired, int(rows["n_folds"].iloc[0]))
                names = (str(task), str(method), str(budget), str(rows["metric"].iloc[0]))
                yield Gain(protocol, *names, len(paired), found)
