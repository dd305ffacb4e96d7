"""The optimism gap: what the published evaluation adds to a score, in total and switch by switch.

Protocol `paper` scores the folds of `strict` with the published probe: once with all its departures
from an honest evaluation, once with none, on the embeddings of `strict`, and once with each alone
(`tasks.kinds.published.switches`). Differences within it are the protocol's alone: same weights at
the start, same batches. That to `strict` has the change of the head in it as well.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import pandas as pd

from benchmark.analysis.over_folds import over_folds
from benchmark.analysis.standings import CELL, REFERENCE, ROLES, Measure
from benchmark.analysis.stats import Estimate
from benchmark.show.markdown import NONE, grid, interval, number, p_value
from tasks.base import Protocol
from tasks.kinds.published.switches import HONEST, Switch

COUNTED_FROM = {Switch.ALL_GENES: Switch.TRAIN_GENES}
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
        honest: Score of the published probe, evaluated honestly.
        paper: Score that the published protocol reports.
        to_strict: `paper` less `strict`.
        gap: `paper` less `honest`: the optimism of the protocol.
        switches: Of each switch what it alone adds to `honest` (`COUNTED_FROM` names those that
            are counted from another score); without those that do not apply.
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
    named = {name: str(name).partition("+") for name in records["protocol"].unique()}
    if not any(protocol == Protocol.PAPER for protocol, _, _ in named.values()):
        return ()
    # Only tasks that have both: most of a large folder's records have no published protocol.
    published = [name for name, (protocol, _, _) in named.items() if protocol == Protocol.PAPER]
    tasks = records.loc[records["protocol"].isin(published), "task"].unique()
    both = records[records["task"].isin(tasks)]
    split = both.assign(
        protocol=both["protocol"].map(lambda name: named[name][0]),
        variant=both["protocol"].map(lambda name: named[name][2]),
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
        honest = cells[f"{metric}_{HONEST}"]
        yield Optimism(
            task=str(first["task"]),
            cohort=str(first["cohort"]),
            variant=str(first["variant"]),
            budget=str(first["budget"]),
            n_folds=n_folds,
            measure=Measure(metric, bool(first["higher_is_better"])),
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
        base = COUNTED_FROM.get(switch, HONEST)
        names = [f"{metric}_{switch}", f"{metric}_{base}"]
        if set(names) <= set(cells.columns):
            difference = cells[names[0]] - cells[names[1]]
            if difference.notna().any():
                yield switch, over_folds(difference, n_folds)


EXPLAINED = f"""\
What protocol `paper` reports on the folds of `strict`. `{HONEST}` is the same published probe, on
the embeddings of `strict`, with every departure from an honest evaluation switched off; the **gap**
is `paper` less `{HONEST}`, so that it is the evaluation's alone, and each switch stands with what
it adds by itself: they overlap, and need not sum to the gap. The switches from
`{Switch.ALL_GENES}` to `{Switch.DROPOUT_ON}` have embeddings of their own. `{Switch.ALL_GENES}`
selects genes by a label, as published, on the test patients too, and is counted from
`{Switch.TRAIN_GENES}`, the same recipe on the training patients: which is no departure, but tells
even a self-supervised method labels. `{Switch.BEST_EPOCH}` also holds what an honest choice of the
epoch would gain where the last one has overfitted; `paper` less `strict`, whose head is tuned
inside the training patients, does not, but has the change of the head in it. Under permuted labels
nothing can be gained honestly: what is above 0.5 there is made by the evaluation. ( ): 95 %
intervals over folds, by the corrected resampled t; p is of the gap, not adjusted.
"""


def optimism_section(records: pd.DataFrame) -> list[str]:
    """The paragraphs and tables, switch by switch; empty without records of protocol `paper`.

    Args:
        records: As for `optimism`.
    """
    found = optimism(records)
    if not found:
        return []
    text = [EXPLAINED]
    for title, rows in groupby(found, key=optimism_title):
        text += [f"## {title}\n", _markdown(tuple(rows))]
    return text


def optimism_brief(records: pd.DataFrame, link: str) -> list[str]:
    """The gap of the reference method on each task, for the front page.

    Args:
        records: As for `optimism`.
        link: Where the whole is.
    """
    found = [row for row in optimism(records) if row.method == REFERENCE]
    if not found:
        return []
    header = ("task", "metric", "strict", HONEST, "paper", "gap (95 %)", "p", "folds x seeds")
    cells = (
        (
            " · ".join(filter(None, (row.task, row.variant))),
            row.measure.name,
            *(number(score) for score in (row.strict, row.honest, row.paper)),
            _difference(row.gap),
            p_value(row.gap.p),
            f"{row.folds} x {row.seeds}",
        )
        for row in found
    )
    return [
        "## Optimism gap\n",
        f"What the published way of evaluating adds to the score of `{REFERENCE}`: the same"
        f" embeddings and folds, the same probe, evaluated as published (paper) and honestly"
        f" ({HONEST}). [Every method, switch by switch]({link})\n",
        grid(header, cells, (False, False, *(True for _ in header[2:]))),
    ]


def optimism_title(row: Optimism) -> str:
    """The task with what its rows have in common."""
    place = " · ".join(filter(None, (row.task, row.variant, row.measure.name)))
    return f"{place} · budget {row.budget}, {row.n_folds} folds"


def _markdown(rows: tuple[Optimism, ...]) -> str:
    switches = [s for s in Switch if any(s in dict(row.switches) for row in rows)]
    header = ("method", "strict", HONEST, "paper", "paper - strict", "gap", "p", *switches, "cells")
    cells = (
        (
            f"`{row.method}`",
            *(number(score) for score in (row.strict, row.honest, row.paper)),
            _difference(row.to_strict),
            f"**{_difference(row.gap)}**",
            p_value(row.gap.p),
            *(_difference(dict(row.switches).get(switch)) for switch in switches),
            f"{row.folds} x {row.seeds}",
        )
        for row in rows
    )
    return grid(tuple(map(str, header)), cells, tuple(i > 0 for i in range(len(header))))


def _difference(found: Estimate | None) -> str:
    if found is None:
        return NONE
    span = "" if np.isnan(found.low) else f" ({interval(found.low, found.high, sign=True)})"
    return number(found.mean, sign=True) + span
