"""The optimism gap: what the published evaluation adds to a score, in total and switch by switch.

Protocol `paper` scores the folds of `strict` with the published probe: once with all its departures
from an honest evaluation, once with none, on the embeddings of `strict`, and once with each alone
(`tasks.kinds.published.switches`). Differences within it are the protocol's alone: same weights at
the start, same batches. That to `strict` has the change of the head in it as well.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from benchmark.analysis.intervals import over_folds
from benchmark.analysis.standings import CELL, REFERENCE, ROLES, Measure, measure_of
from benchmark.analysis.stats import Estimate
from benchmark.records.protocol import TrialProtocol
from tasks.base import Protocol
from tasks.kinds.published.switches import HONEST, Switch

COUNTED_FROM = {Switch.ALL_GENES: Switch.TRAIN_GENES, Switch.BEST_EPOCH: Switch.INNER_EPOCH}
"""Switches whose effect is not the difference to `honest`, but to the same without the leak."""


@dataclass(frozen=True)
class Optimism:
    """What the published evaluation makes of one method on one task.

    Scores are means over the folds and seeds that all three have; differences are paired over them,
    with the interval of the corrected resampled t (Nadeau and Bengio, 2003) over folds.

    Attributes:
        task: KIND/COHORT/LABEL.
        cohort: Its cohort.
        variant: What both protocols were called after: other folds, a control; empty for neither.
        budget: How much computation the method may spend.
        n_folds: Of the split.
        measure: The score.
        method: Its name.
        folds: Over which the differences are.
        seeds: Seeds that all three have.
        strict: Score under `strict`, with its head.
        honest: Score of the published probe, evaluated honestly, its epoch chosen by inner folds of
            the training patients; of records that have no such choice, after the last epoch.
        paper: Score that the published protocol reports.
        to_strict: `paper` less `strict`.
        gap: `paper` less `honest`: the optimism of the protocol.
        switches: Of each switch what it alone adds to the probe after its last epoch
            (`COUNTED_FROM` names those that are counted from another score); without those that do
            not apply.
    """

    task: str
    cohort: str
    variant: str
    budget: str
    n_folds: int
    measure: Measure
    method: str
    folds: int
    seeds: int
    strict: float
    honest: float
    paper: float
    to_strict: Estimate
    gap: Estimate
    switches: tuple[tuple[Switch, Estimate], ...]


def optimism(records: pd.DataFrame) -> tuple[Optimism, ...]:
    """Compare the protocols on what was run under both.

    Args:
        records: A row per (trial, task, metric), settled; any order.

    Returns:
        By task, variant (none first), budget and number of folds; the methods of one in the order
        of their roles and names, the reference first.
    """
    named = {name: TrialProtocol.parse(str(name)) for name in records["protocol"].unique()}
    # Only tasks that have both: most of a large folder's records have no published protocol.
    published = [name for name, value in named.items() if value.protocol is Protocol.PAPER]
    if not published:
        return ()
    tasks = records.loc[records["protocol"].isin(published), "task"].unique()
    both = records[records["task"].isin(tasks)]
    split = both.assign(
        protocol=both["protocol"].map(lambda name: named[name].protocol),
        variant=both["protocol"].map(lambda name: named[name].variant),
    )
    tables = split.groupby(["task", "variant", "budget", "n_folds"], sort=True)
    return tuple(found for _, table in tables for found in _table(table))


def _table(table: pd.DataFrame) -> Iterator[Optimism]:
    paper = table["protocol"] == Protocol.PAPER
    primary = table[paper & table["primary"]]
    if primary.empty:
        return
    first, n_folds = primary.iloc[0], int(primary["n_folds"].iloc[0])
    metric = str(first["metric"])
    strict = table[~paper & (table["metric"] == metric)].assign(metric=Protocol.STRICT)
    both = pd.concat([table[paper], strict])
    roles = both.drop_duplicates("method").set_index("method")["role"]
    order = sorted(roles.index, key=lambda m: (ROLES.index(roles[m]), m != REFERENCE, m))
    needed = [Protocol.STRICT, f"{metric}_{HONEST}", metric]
    for method in order:
        rows = both[both["method"] == method]
        cells = rows.pivot_table("value", CELL, "metric").reindex(
            columns=pd.Index(needed).union(pd.Index(rows["metric"].unique()))
        )
        cells = cells.dropna(subset=needed)
        if cells.empty:
            continue
        honest = cells[_counted_from(cells, metric, Switch.BEST_EPOCH)]
        yield Optimism(
            task=str(first["task"]),
            cohort=str(first["cohort"]),
            variant=str(first["variant"]),
            budget=str(first["budget"]),
            n_folds=n_folds,
            measure=measure_of(first),
            method=str(method),
            folds=cells.index.get_level_values("fold").nunique(),
            seeds=cells.index.get_level_values("seed").nunique(),
            strict=float(cells[Protocol.STRICT].mean()),
            honest=float(honest.mean()),
            paper=float(cells[metric].mean()),
            to_strict=over_folds(cells[metric] - cells[Protocol.STRICT], n_folds),
            gap=over_folds(cells[metric] - honest, n_folds),
            switches=tuple(_alone(cells, metric, n_folds)),
        )


def _alone(cells: pd.DataFrame, metric: str, n_folds: int) -> Iterator[tuple[Switch, Estimate]]:
    """Each switch that has a score, with what it adds."""
    for switch in Switch:
        if (name := f"{metric}_{switch}") in cells.columns:
            difference = cells[name] - cells[_counted_from(cells, metric, switch)]
            if difference.notna().any():
                yield switch, over_folds(difference, n_folds)


def _counted_from(cells: pd.DataFrame, metric: str, switch: Switch) -> str:
    """The score that an effect is counted from; that of `honest` where there is no other."""
    name = f"{metric}_{COUNTED_FROM.get(switch, HONEST)}"
    known = name in cells.columns and cells[name].notna().all()
    return name if known else f"{metric}_{HONEST}"
