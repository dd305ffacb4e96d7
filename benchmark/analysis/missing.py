"""What is not in the standings, and why."""

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from benchmark.analysis.standings import CELL, TABLE, Standing


@dataclass(frozen=True)
class Missing:
    """Scores that are not there, of methods that lack the same ones for the same reason.

    Attributes:
        protocol: Under which protocol.
        budget: Under which budget.
        status: skipped, failed, or missing where there is no record at all.
        metrics: Which metrics; none for all.
        reason: As recorded.
        tasks: In which tasks.
        cells: In how many folds x seeds of each method, over the tasks.
        methods: Whose they are.
        others: The methods that were run under that protocol and budget and do not lack them.
    """

    protocol: str
    budget: str
    status: str
    metrics: tuple[str, ...]
    reason: str
    tasks: tuple[str, ...]
    cells: int
    methods: tuple[str, ...]
    others: tuple[str, ...]


def missing_scores(records: pd.DataFrame, tables: Iterable[Standing]) -> tuple[Missing, ...]:
    """Everything that is not in the tables, grouped by reason.

    A method is missing from a task if it was run on another under the same protocol and budget.

    Args:
        records: As given to `standings`.
        tables: What it returned.
    """
    cell = [*TABLE, "method", *CELL]
    n_metrics = records.groupby(TABLE)["metric"].nunique().to_dict()
    where: dict[tuple[str, str, str, str, tuple[str, ...], str], list[tuple[str, int]]] = {}
    # The metrics that one cell lost for one reason, then the cells that lost the same ones.
    lost = records[records["status"] != "ok"].sort_values([*cell, "metric"])
    per_cell = lost.groupby([*cell, "status", "reason"])["metric"]
    named = per_cell.agg(names=tuple, count="size").reset_index()
    groups = [*TABLE, "method", "status", "reason", "names", "count"]
    counts = named.groupby(groups).size().rename("cells").reset_index()
    for row in counts.itertuples(index=False):
        task, protocol, budget, folds, method, status, reason, names, count, cells = row
        which = () if count == n_metrics[task, protocol, budget, folds] else names
        group = (protocol, budget, method, status, which, reason)
        where.setdefault(group, []).append((task, cells))
    recorded = records.drop_duplicates(cell).groupby([*TABLE, "method"]).size().to_dict()
    run = records.groupby(["protocol", "budget"])["method"].unique().to_dict()
    for table in tables:
        setting = (table.protocol, table.budget)
        for method in run[setting]:
            absent = table.cells - recorded.get((table.task, *setting, table.n_folds, method), 0)
            if absent:
                group = (*setting, method, "missing", (), "no record")
                where.setdefault(group, []).append((table.task, absent))
    same: dict[tuple[str, str, str, tuple[str, ...], str, tuple[str, ...], int], list[str]] = {}
    for (protocol, budget, method, status, metrics, reason), found in sorted(where.items()):
        tasks = tuple(sorted({task for task, _ in found}))
        lacking = (protocol, budget, status, metrics, reason, tasks, sum(n for _, n in found))
        same.setdefault(lacking, []).append(method)
    return tuple(
        Missing(
            *lacking, tuple(methods), tuple(sorted(set(run[lacking[0], lacking[1]]) - set(methods)))
        )
        for lacking, methods in sorted(same.items())
    )


def of_comparisons(found: Iterable[Missing], tables: Iterable[Standing]) -> tuple[Missing, ...]:
    """Those that change a comparison: of first metrics, and not of ablations alone."""
    tables = tuple(tables)
    primaries = {table.primary.name for table in tables}
    ablations = {row.method for table in tables for row in table.rows if row.role == "ablation"}
    return tuple(
        one
        for one in found
        if (not one.metrics or primaries & set(one.metrics)) and not set(one.methods) <= ablations
    )
