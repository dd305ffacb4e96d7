"""Records to standings: how the methods compare on each task and over tasks."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.patients import METRIC, Intervals
from benchmark.stats import Estimate, holm, nadeau_bengio, smallest_over_folds, task_ranks, wilcoxon

REFERENCE = "mirror"
"""The method that the others are compared with."""

ALPHA = 0.05

FEWEST_TASKS = 6
"""Of fewer the signed-rank test cannot reach p < 0.05, whatever the differences."""

RANKED = "self-supervised"
"""The role of the methods that are compared with each other; the others stand apart, unranked."""

ROLES = (RANKED, "ablation", "control", "supervised")
"""The roles in the order in which tables show them."""

FEWEST_FOR_INTERVAL = 3
"""Tasks that an interval of a mean rank needs."""

TABLE = ["task", "protocol", "budget", "n_folds"]
"""What rows of one table have in common."""

CELL = ["fold", "seed"]
"""What a row is averaged over."""

_DIGITS = 9
"""Numbers are compared after rounding to this, so that a last bit decides nothing."""

_NO_INTERVAL = (np.nan, np.nan)
_NO_ESTIMATE = Estimate(np.nan, np.nan, np.nan, np.nan)


@dataclass(frozen=True)
class Measure:
    """A metric of a task and its direction."""

    name: str
    higher_is_better: bool


@dataclass(frozen=True)
class Row:
    """One method on one task.

    Attributes:
        method: Its name.
        family: The group it belongs to.
        role: What it is in the comparison, one of `ROLES`.
        cells: Folds x seeds with a value of the primary metric.
        spread: Standard deviation of the primary metric over those cells; NaN for one cell.
        score: Mean of the primary metric with its corrected interval.
        patients: Its interval over resamples of the test patients; NaN where there is none.
        smallest: The smallest difference to the reference that these folds, seeds and patients
            could have shown, with a power of 80 % before any adjustment; NaN likewise.
        difference: Score minus the reference's over the cells of both, corrected likewise, p
            adjusted by Holm over the rows of its role; NaN for the reference itself or without one.
        tied: Whether it is ranked and cannot be told from the best of the ranked.
        others: Of every other metric its mean, NaN where it has none, and its number of cells.
        seconds: Mean time of one fit.
        parameters: Number of trained parameters, None where it has none.
        flops: Floating-point operations of one training step, None where there is none.
        memory: Mean of the most memory that a trial held, in MB; NaN if unknown.
    """

    method: str
    family: str
    role: str
    cells: int
    spread: float
    score: Estimate
    patients: tuple[float, float]
    difference: Estimate
    smallest: float
    tied: bool
    others: tuple[tuple[float, int], ...]
    seconds: float
    parameters: int | None
    flops: int | None
    memory: float


@dataclass(frozen=True)
class Standing:
    """The methods on one task under one protocol and budget.

    Rows are ordered by role, within it best first and incomplete ones last.

    Attributes:
        task: KIND/COHORT/LABEL.
        cohort: Its cohort.
        protocol: How patients were split and what the fits saw.
        budget: How much computation a method may spend.
        source: Where the cohort's data come from.
        licence: Of those data.
        notes: What the cohort left out, a line each.
        circular: The modality that the label was called from, or empty.
        n_folds: Folds of the split.
        seeds: That any method was run with.
        n_patients: Fewest and most test patients over all folds that a method scored.
        n_events: Events among the most; None where the task has no events.
        primary: The metric that orders the rows.
        others: The other metrics as the task orders them, which is the order of `Row.others`.
        rows: A row per method.
    """

    task: str
    cohort: str
    protocol: str
    budget: str
    source: str
    licence: str
    notes: tuple[str, ...]
    circular: str
    n_folds: int
    seeds: tuple[int, ...]
    n_patients: tuple[int, int]
    n_events: int | None
    primary: Measure
    others: tuple[Measure, ...]
    rows: tuple[Row, ...]

    @property
    def cells(self) -> int:
        """Folds x seeds that a complete row has."""
        return self.n_folds * len(self.seeds)

    @property
    def ranked(self) -> tuple[Row, ...]:
        """The rows of methods that are compared, with a value in every cell; best first."""
        return tuple(r for r in self.rows if r.role == RANKED and r.cells == self.cells)

    @property
    def best(self) -> Row | None:
        """The best of the ranked, if there is any."""
        return next(iter(self.ranked), None)

    @property
    def has_reference(self) -> bool:
        """Whether the reference method is among the rows."""
        return any(row.method == REFERENCE for row in self.rows)


@dataclass(frozen=True)
class Ranking:
    """How a method fares over the tasks of a section.

    Attributes:
        method: Its name.
        mean_rank: Over the tasks where it is complete, among the complete methods; 1 the best.
        interval: 95 % of that mean over tasks, by Student's t; NaN over fewer than three.
        kinds: The same mean over the tasks of each kind where it has any.
        tasks: How many tasks those are.
        best: Tasks in which it is the best or tied with it.
        p: Signed-rank test of its differences to the reference over tasks, Holm-adjusted; NaN
            over fewer than `FEWEST_TASKS`.
    """

    method: str
    mean_rank: float
    interval: tuple[float, float]
    kinds: tuple[tuple[str, float], ...]
    tasks: int
    best: int
    p: float


def settle(records: pd.DataFrame) -> pd.DataFrame:
    """Order the records and leave one per (task, method, protocol, budget, cell, metric).

    Several trials that agree are one. Where they contradict each other none is believed: the
    score is a failed one whose reason says so.
    """
    key = [*TABLE, "method", *CELL, "metric"]
    ordered = records.sort_values([*key, "trial"], kind="stable", ignore_index=True)
    ordered["value"] = ordered["value"].astype("float64").round(_DIGITS)
    repeated = ordered.duplicated(key, keep=False)
    if not repeated.any():
        return ordered
    same = ordered[repeated].groupby(key)["value"].transform("nunique") <= 1
    contradicted = same.index[~same]
    ordered.loc[contradicted, "value"] = np.nan
    ordered.loc[contradicted, "status"] = "failed"
    ordered.loc[contradicted, "reason"] = "records of several trials contradict each other"
    # Trials that agree may still have failed once and succeeded once: the success is kept.
    ordered["_lost"] = ordered["value"].isna()
    kept = ordered.sort_values([*key, "_lost", "trial"], kind="stable").drop_duplicates(key)
    return kept.drop(columns="_lost").reset_index(drop=True)


def standings(records: pd.DataFrame, intervals: Intervals | None = None) -> tuple[Standing, ...]:
    """Compare the methods of every (task, protocol, budget, number of folds) apart.

    Args:
        records: A row per (trial, task, metric), settled; any order.
        intervals: Of `METRIC` over patients, if its predictions are at hand.

    Returns:
        Ordered by source, task, protocol (strict first), budget and number of folds.
    """
    tables = [_standing(table, intervals or {}) for _, table in records.groupby(TABLE, sort=True)]
    return tuple(sorted(tables, key=_place))


def _place(table: Standing) -> tuple[str | bool, ...]:
    return (table.source, table.licence, table.task, table.protocol != "strict")


def _standing(table: pd.DataFrame, intervals: Intervals) -> Standing:
    first = table.iloc[0]
    metrics = table.sort_values("position", kind="stable").drop_duplicates("metric")
    measures = {
        bool(primary): tuple(
            Measure(str(name), bool(higher))
            for name, higher in zip(part["metric"], part["higher_is_better"], strict=True)
        )
        for primary, part in metrics.groupby("primary")
    }
    (primary,), others = measures[True], measures.get(False, ())
    seeds = tuple(sorted(int(seed) for seed in table["seed"].unique()))
    # Of every method what it scored in each fold, whatever the seed.
    sizes = table.groupby(["method", "fold"])[["n_patients", "n_events"]].max()
    totals = sizes[sizes["n_patients"] > 0].groupby("fold")
    events = totals["n_events"].max().sum(min_count=1)
    return Standing(
        task=str(first["task"]),
        cohort=str(first["cohort"]),
        protocol=str(first["protocol"]),
        budget=str(first["budget"]),
        source=str(first["source"]),
        licence=str(first["licence"]),
        notes=tuple(line for line in str(first["notes"]).split("\n") if line),
        circular=str(first["circular"]),
        n_folds=int(first["n_folds"]),
        seeds=seeds,
        n_patients=(
            int(totals["n_patients"].min().sum()),
            int(totals["n_patients"].max().sum()),
        ),
        n_events=None if pd.isna(events) else int(events),
        primary=primary,
        others=others,
        rows=_rows(table, primary, others, int(first["n_folds"]), len(seeds), intervals=intervals),
    )


def _rows(
    table: pd.DataFrame,
    primary: Measure,
    others: tuple[Measure, ...],
    n_folds: int,
    n_seeds: int,
    *,
    intervals: Intervals,
) -> tuple[Row, ...]:
    values = table.groupby(["method", "metric"])["value"]
    means, counts = values.mean().round(_DIGITS).to_dict(), values.count().to_dict()
    costs = table.drop_duplicates(["method", *CELL]).groupby("method")
    seconds = costs["fit_seconds"].mean()
    parameters, flops = costs["parameters"].max(), costs["step_flops"].max()
    memory = costs["peak_memory_mb"].mean()
    families, roles = costs["family"].first(), costs["role"].first().to_dict()
    scored = table[table["metric"] == primary.name]
    first = table.iloc[0]
    place = (str(first["task"]), str(first["protocol"]), str(first["budget"]), n_folds)
    cells = scored.pivot_table("value", CELL, "method").reindex(
        columns=sorted(table["method"].unique())
    )
    sign = 1.0 if primary.higher_is_better else -1.0
    counted = cells.count()
    order = sorted(
        cells.columns,
        key=lambda m: (
            ROLES.index(roles[m]),
            counted[m] < n_folds * n_seeds,
            np.nan_to_num(-sign * means.get((m, primary.name), np.nan), nan=np.inf),
            m,
        ),
    )
    scores = _estimates(cells, n_folds)
    groups = [[m for m in order if roles[m] == role] for role in ROLES]
    reference = {
        m: difference
        for group in groups
        for m, difference in _differences(cells, group, REFERENCE, n_folds).items()
    }
    smallest = _smallest(cells, n_folds) if REFERENCE in cells else {}
    ranked = groups[ROLES.index(RANKED)]
    best = _differences(cells, ranked, ranked[0], n_folds) if ranked else {}
    return tuple(
        Row(
            method=method,
            family=str(families[method]),
            role=roles[method],
            cells=int(counted[method]),
            spread=float(cells[method].std()),
            score=scores[method],
            patients=(
                intervals.get((*place, method), _NO_INTERVAL)
                if primary.name == METRIC
                else _NO_INTERVAL
            ),
            difference=reference[method],
            smallest=smallest.get(method, np.nan),
            # Not told apart unless the test says so: one fold alone tells nothing.
            tied=bool(counted[method]) and method in best and not best[method].p < ALPHA,
            others=tuple(
                (float(means.get((method, m.name), np.nan)), int(counts.get((method, m.name), 0)))
                for m in others
            ),
            seconds=float(seconds[method]),
            parameters=None if pd.isna(parameters[method]) else int(parameters[method]),
            flops=None if pd.isna(flops[method]) else int(flops[method]),
            memory=float(memory[method]),
        )
        for method in order
    )


def _estimates(cells: pd.DataFrame, n_folds: int) -> dict[str, Estimate]:
    """Mean and corrected interval over folds of every column.

    Seeds are averaged within a fold first: they share its patients, so that counting each as a
    fold of its own would make the interval narrow by repeating a deterministic method.
    """
    folds = cells.groupby(level="fold").mean().round(_DIGITS).to_numpy()
    share = 1.0 / (n_folds - 1) if n_folds > 1 else np.inf
    return {str(m): _estimate(folds[:, i], share) for i, m in enumerate(cells.columns)}


def _estimate(folds: NDArray[np.float64], share: float) -> Estimate:
    known = folds[~np.isnan(folds)]
    if known.size == 0:
        return _NO_ESTIMATE
    found = nadeau_bengio(known, share)
    return Estimate(*(round(x, _DIGITS) for x in (found.mean, found.low, found.high, found.p)))


def _smallest(cells: pd.DataFrame, n_folds: int) -> dict[str, float]:
    """What each method's comparison with the reference could have shown."""
    found = {}
    for method in cells.columns.drop(REFERENCE):
        folds = (cells[method] - cells[REFERENCE]).groupby(level="fold").mean().dropna()
        if len(folds) > 1:
            smallest = smallest_over_folds(folds.round(_DIGITS), 1.0 / (n_folds - 1))
            found[str(method)] = round(smallest, _DIGITS)
    return found


def _differences(
    cells: pd.DataFrame, methods: Sequence[str], to: str, n_folds: int
) -> dict[str, Estimate]:
    """Every method's paired difference to one of them, p adjusted by Holm."""
    if to not in cells:
        return dict.fromkeys(methods, _NO_ESTIMATE)
    found = _estimates(cells[list(methods)].sub(cells[to], axis=0), n_folds)
    found[to] = _NO_ESTIMATE
    adjusted = holm([found[method].p for method in methods])
    return {
        method: replace(found[method], p=round(float(p), _DIGITS))
        for method, p in zip(methods, adjusted, strict=True)
    }


def score_matrix(tables: Sequence[Standing]) -> tuple[list[str], NDArray[np.float64]]:
    """The ranked methods by name and their scores, higher is better, [tasks, methods].

    NaN where a method is not complete in a task.
    """
    methods = sorted({row.method for t in tables for row in t.rows if row.role == RANKED})
    scores = np.full((len(tables), len(methods)), np.nan)
    for i, table in enumerate(tables):
        sign = 1.0 if table.primary.higher_is_better else -1.0
        for row in table.ranked:
            scores[i, methods.index(row.method)] = sign * row.score.mean
    return methods, scores


def _mean_rank(ranks: NDArray[np.float64]) -> float:
    known = ranks[~np.isnan(ranks)]
    return round(float(known.mean()), _DIGITS) if known.size else np.nan


def _rank_interval(ranks: NDArray[np.float64]) -> tuple[float, float]:
    """Student's interval of the mean over tasks, as if tasks of one cohort were independent."""
    known = ranks[~np.isnan(ranks)]
    if known.size < FEWEST_FOR_INTERVAL:
        return _NO_INTERVAL
    found = nadeau_bengio(known, 0.0)
    return round(found.low, _DIGITS), round(found.high, _DIGITS)


def rankings(tables: Iterable[Standing]) -> tuple[Ranking, ...]:
    """Mean ranks of the ranked over tables of one protocol and budget, best first."""
    tables = tuple(tables)
    methods, scores = score_matrix(tables)
    best = Counter(row.method for table in tables for row in table.ranked if row.tied)
    ranks = task_ranks(scores)
    of_kind = np.array([table.task.split("/")[0] for table in tables])
    kinds = tuple(dict.fromkeys(of_kind.tolist()))
    p = np.full(len(methods), np.nan)
    if REFERENCE in methods:
        differences = scores - scores[:, [methods.index(REFERENCE)]]
        for j, method in enumerate(methods):
            shared = differences[~np.isnan(differences[:, j]), j]
            if method != REFERENCE and shared.size >= FEWEST_TASKS:
                p[j] = wilcoxon(shared)
    adjusted = holm(p)
    rows = (
        Ranking(
            method=method,
            mean_rank=_mean_rank(ranks[:, j]),
            interval=_rank_interval(ranks[:, j]),
            kinds=tuple(
                (kind, mean)
                for kind in kinds
                if not np.isnan(mean := _mean_rank(ranks[of_kind == kind, j]))
            ),
            tasks=int((~np.isnan(scores[:, j])).sum()),
            best=best[method],
            p=round(float(adjusted[j]), _DIGITS),
        )
        for j, method in enumerate(methods)
    )
    return tuple(sorted(rows, key=lambda r: (np.isnan(r.mean_rank), r.mean_rank, r.method)))
