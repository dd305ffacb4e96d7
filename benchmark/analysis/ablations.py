"""What each part of a method is worth: its ablations against it, task by task."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmark.analysis.deduplicate import deduplicate
from benchmark.analysis.intervals import over_folds
from benchmark.analysis.standings import CELL, TABLE, Measure, measure_of
from benchmark.analysis.stats import Estimate

# What is kept of the planted factors, each apart: the primary metric is of both private ones.
FACTORS = ("truth_shared_r2", "truth_wsi_private_r2", "truth_rna_private_r2")


@dataclass(frozen=True)
class Delta:
    """One variant on one metric of one task, against the method it varies.

    Attributes:
        task: KIND/COHORT/LABEL.
        setting: Protocol, budget and number of folds.
        measure: The metric.
        method: The variant.
        summary: What it changes.
        value: Its mean over folds and seeds.
        folds: Folds that both have; `Estimate.p` and its interval are over them.
        seeds: Seeds that both have.
        n_patients: Test patients over the folds of the first deal.
        difference: Variant minus parent, paired over folds, corrected for folds that share
            training patients (Nadeau and Bengio, 2003); interval and p hold for all variants at
            once.
    """

    task: str
    setting: str
    measure: Measure
    method: str
    summary: str
    value: float
    folds: int
    seeds: int
    n_patients: int
    difference: Estimate


def deltas(records: pd.DataFrame, parent: str, metrics: Sequence[str] = ()) -> tuple[Delta, ...]:
    """Compare the variants of `parent` with it, on the tasks that an ablation was run on.

    Args:
        records: Of the parent and its variants, any order; others are ignored.
        parent: The method that is varied.
        metrics: Which metrics beside the primary ones and what is kept of each planted factor.

    Returns:
        By task, metric and variant, in the order of the records' names.
    """
    ours = records[(records["method"] == parent) | (records["parent"] == parent)]
    ours = deduplicate(ours[ours["primary"] | ours["metric"].isin([*FACTORS, *metrics])])
    return tuple(
        delta
        for _, table in ours.groupby([*TABLE, "metric"], sort=True)
        if (table["role"] == "ablation").any()
        for delta in _table(table, parent)
    )


def _table(table: pd.DataFrame, parent: str) -> Iterator[Delta]:
    cells = table.pivot_table("value", CELL, "method")
    if parent not in cells:
        return
    first, n_folds = table.iloc[0], int(table["n_folds"].iloc[0])
    differences = {
        str(method): paired
        for method in sorted(set(cells.columns) - {parent})
        if len(paired := (cells[method] - cells[parent]).dropna())
    }
    alone = [over_folds(paired, n_folds) for paired in differences.values()]
    family = max(1, sum(not np.isnan(estimate.p) for estimate in alone))
    rows = table.drop_duplicates("method").set_index("method")
    # Of the first deal: another one has the same patients again.
    dealt = table[table["fold"] < n_folds]
    patients = dealt.groupby(["method", "fold"])["n_patients"].max().groupby("method").sum()
    for method, paired in differences.items():
        folds, seeds = (paired.index.get_level_values(axis).nunique() for axis in CELL)
        yield Delta(
            task=str(first["task"]),
            setting=f"{first['protocol']}, budget {first['budget']}, {n_folds} folds",
            measure=measure_of(first),
            method=method,
            summary=str(rows.loc[method, "summary"]),
            value=float(cells[method].mean()),
            folds=folds,
            seeds=seeds,
            n_patients=int(patients.get(method, 0)),
            difference=over_folds(paired, n_folds, family),
        )
