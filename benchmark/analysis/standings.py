"""Records to standings: how the methods compare on each task."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.analysis.intervals import METRIC, Intervals, share_tested
from benchmark.analysis.stats import Estimate, nadeau_bengio, smallest_over_folds
from benchmark.analysis.stats.resampled import has_spread
from benchmark.records.protocol import TrialProtocol

REFERENCE = "mirror"
"""The method that the others are compared with, where nobody asks for another one."""

SIMPLE = "mean-concat"
"""What needs no learning: the plain features of both sides, side by side."""

CLINICAL = "clinical"
"""Age, sex and stage alone."""

UNTRAINED = "random-init"
"""The reference method's encoders before training: what is not beyond it, training did not give."""

ALPHA = 0.05

RANKED = "self-supervised"
"""The role of the methods that are compared with each other; the others stand apart, unranked."""

ROLES = (RANKED, "ablation", "precomputed", "control", "supervised")
"""The roles in the order in which tables show them."""

ADDED = ("added_c", "added_auroc")
"""What a method beside age, sex and stage has over these alone, by kind of task."""

TABLE = ["task", "protocol", "budget", "n_folds"]
"""What rows of one table have in common."""

CELL = ["fold", "seed"]
"""What a row is averaged over."""

DIGITS = 9
"""Numbers are compared after rounding to this, so that a last bit decides nothing."""

_NO_INTERVAL = (np.nan, np.nan)
_NO_ESTIMATE = Estimate(np.nan, np.nan, np.nan, np.nan)


@dataclass(frozen=True)
class Measure:
    """A metric of a task.

    Attributes:
        name: Unique within the task.
        higher_is_better: Its direction.
        chance: What who knows nothing scores on average; None where that depends on the fold.
        bounds: The least and the greatest value there can be; infinite where there is none.
    """

    name: str
    higher_is_better: bool
    chance: float | None = None
    bounds: tuple[float, float] = (-np.inf, np.inf)

    @property
    def sign(self) -> float:
        """What a value is multiplied by, for more to be better."""
        return 1.0 if self.higher_is_better else -1.0


@dataclass(frozen=True)
class Row:
    """One method on one task.

    Attributes:
        method: Its name.
        family: The group it belongs to.
        role: What it is in the comparison, one of `ROLES`.
        cells: Folds x seeds with a value of the primary metric.
        folds: Mean of the primary metric over the seeds of each fold; NaN where a fold has none.
        spread: Standard deviation of the primary metric over those cells; NaN for one cell.
        seeds: Standard deviation between seeds of the same fold, what an initialisation alone
            moves; NaN with one seed.
        score: Mean of the primary metric with its corrected interval.
        patients: Its interval over resamples of the test patients; NaN where there is none.
        difference: Score minus the reference's over the cells of both, corrected likewise; interval
            and p hold at once for all rows but ablations, and for those; NaN for the reference
            itself or without one.
        smallest: The smallest difference to the reference that these folds, seeds and patients
            could have shown by that interval, with a power of 80 %; NaN likewise.
        added: What it adds to age, sex and stage (`ADDED`), with intervals and p that hold at once
            for all rows; NaN where that was not measured.
        nothing: Whether every score is that of chance to the last digit: it found nothing, predicts
            the same of everybody, and its scores have no spread to judge them by.
        tied: Whether it is ranked, found something, and cannot be told from the best of the ranked.
        others: Of every other metric its mean, NaN where it has none, and its number of cells.
        deals: Where outcomes were dealt anew, a deal a seed: of every metric, the primary one
            first, its mean over the folds of each deal.
        seconds: Mean time of one fit.
        parameters: Number of trained parameters, None where it has none.
        flops: Floating-point operations of one training step, None where there is none.
        memory: Mean of the most memory that a trial held, in MB; NaN if unknown.
        made: Of embeddings that were made elsewhere, of what and what their model has seen.
    """

    method: str
    family: str
    role: str
    cells: int
    folds: tuple[float, ...]
    spread: float
    seeds: float
    score: Estimate
    patients: tuple[float, float]
    difference: Estimate
    smallest: float
    added: Estimate
    nothing: bool
    tied: bool
    others: tuple[tuple[float, int], ...]
    deals: tuple[tuple[float, ...], ...]
    seconds: float
    parameters: int | None
    flops: int | None
    memory: float
    made: str = ""


@dataclass(frozen=True)
class Standing:
    """The methods on one task under one protocol and budget.

    Rows are ordered by role, within it best first and incomplete ones last.

    Attributes:
        task: KIND/COHORT/LABEL.
        cohort: Its cohort.
        protocol: How patients were split and what the fits saw.
        budget: How much computation a method may spend.
        planted: Whether the cohort is a planted one, which says nothing about cancer.
        source: Where the cohort's data come from.
        licence: Of those data.
        encoder: What made its slide features, empty if that is not known.
        pretrained_on: Whose slides that had been trained on, without labels.
        notes: What the cohort left out, a line each.
        circular: The modality that the label was called from, or empty.
        n_folds: Folds that test every patient once.
        n_splits: As many, or more where the patients were dealt repeatedly.
        seeds: That any method was run with.
        n_patients: Fewest and most test patients over all folds that a method scored.
        n_events: Events among the most; None where the task has no events.
        primary: The metric that orders the rows.
        others: The other metrics as the task orders them, which is the order of `Row.others`.
        rows: A row per method.
        baseline: The method that was asked for, to compare the others with; None for `REFERENCE`.
    """

    task: str
    cohort: str
    protocol: str
    budget: str
    planted: bool
    source: str
    licence: str
    encoder: str
    pretrained_on: tuple[str, ...]
    notes: tuple[str, ...]
    circular: str
    n_folds: int
    n_splits: int
    seeds: tuple[int, ...]
    n_patients: tuple[int, int]
    n_events: int | None
    primary: Measure
    others: tuple[Measure, ...]
    rows: tuple[Row, ...]
    baseline: str | None = None

    @property
    def compared_with(self) -> str:
        """The name of the method that the others are compared with."""
        return self.baseline or REFERENCE

    @property
    def kind(self) -> str:
        """The kind of its task."""
        return self.task.split("/", maxsplit=1)[0]

    @property
    def plain(self) -> bool:
        """Whether it is of the default protocol, whatever the number of deals."""
        return TrialProtocol.parse(self.protocol).plain

    @property
    def cells(self) -> int:
        """Folds x seeds that a complete row has."""
        return self.n_splits * len(self.seeds)

    @property
    def layout(self) -> str:
        """Folds x seeds, in words; the patients are dealt once unless it says so."""
        folds = f"{self.n_folds} folds" if self.n_folds > 1 else "1 split"
        if self.n_splits != self.n_folds:
            repeats, rest = divmod(self.n_splits, self.n_folds)
            folds = (
                f"{self.n_splits} split{'s' if self.n_splits > 1 else ''} testing one in"
                f" {self.n_folds}"
                if rest
                else f"{folds} x {repeats} repeats"
            )
        return f"{folds} x {len(self.seeds)} seed{'s' if len(self.seeds) > 1 else ''}"

    @property
    def ranked(self) -> tuple[Row, ...]:
        """The rows of methods that are compared, with a value in every cell; best first."""
        return tuple(r for r in self.rows if r.role == RANKED and r.cells == self.cells)

    @property
    def best(self) -> Row | None:
        """The best of the ranked, if there is any."""
        return next(iter(self.ranked), None)

    @property
    def reference(self) -> Row | None:
        """The row of the reference method, if it is there."""
        return next((row for row in self.rows if row.method == self.compared_with), None)

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What tells it from other tables, in the order of `TABLE`."""
        return self.task, self.protocol, self.budget, self.n_folds


def standings(
    records: pd.DataFrame, intervals: Intervals | None = None, baseline: str | None = None
) -> tuple[Standing, ...]:
    """Compare the methods of every (task, protocol, budget, number of folds) apart.

    Args:
        records: A row per (trial, task, metric), settled; any order.
        intervals: Of `METRIC` over patients, if its predictions are at hand.
        baseline: The method that the others are compared with; None for `REFERENCE`.

    Returns:
        Ordered by source, task, protocol (strict first), budget and number of folds.
    """
    tables = records.groupby(TABLE, sort=True, observed=True)
    found = [_standing(table, intervals or {}, baseline) for _, table in tables]
    return tuple(sorted(found, key=_place))


def _place(table: Standing) -> tuple[str | bool, ...]:
    return (table.source, table.licence, table.task, not table.plain)


def _standing(table: pd.DataFrame, intervals: Intervals, baseline: str | None) -> Standing:
    first = table.iloc[0]
    metrics = table.drop_duplicates("metric").sort_values("position", kind="stable")
    measures = {str(row.metric): measure_of(row) for row in metrics.itertuples()}
    (primary,) = metrics.loc[metrics["primary"], "metric"]
    others = tuple(name for name in measures if name != primary)
    cells = _Cells(table, (primary, *others))
    n_folds = int(first["n_folds"])
    scored = cells.n_patients > 0
    # Of the first deal: another one has the same patients again.
    of_fold = np.where(scored, cells.n_patients, np.nan)[:, :n_folds]
    of_fold = of_fold[:, scored[:, :n_folds].any(axis=0)]
    events = np.where(scored, cells.n_events, np.nan)[:, :n_folds]
    fewest, most = (
        int(pick(of_fold, axis=0).sum()) if of_fold.size else 0 for pick in (np.nanmin, np.nanmax)
    )
    return Standing(
        task=str(first["task"]),
        cohort=str(first["cohort"]),
        protocol=str(first["protocol"]),
        budget=str(first["budget"]),
        planted=bool(first["planted"]),
        source=str(first["source"]),
        licence=str(first["licence"]),
        encoder=str(first["encoder"]),
        pretrained_on=_lines(first["pretrained_on"]),
        notes=_lines(first["notes"]),
        circular=str(first["circular"]),
        n_folds=n_folds,
        n_splits=TrialProtocol.parse(str(first["protocol"])).n_splits(n_folds),
        seeds=cells.seeds,
        n_patients=(fewest, most),
        n_events=None if np.isnan(events).all() else int(np.nansum(_highest(events, axis=0))),
        primary=measures[primary],
        others=tuple(measures[name] for name in others),
        rows=_rows(table, cells, measures, n_folds, most, intervals, baseline or REFERENCE),
        baseline=baseline,
    )


def _lines(text: object) -> tuple[str, ...]:
    return tuple(line for line in str(text).split("\n") if line)


def measure_of(row: Any) -> Measure:
    """The metric of a row of records."""
    low, high = (float(x) for x in (row.low, row.high))
    return Measure(
        str(row.metric),
        bool(row.higher_is_better),
        None if np.isnan(row.chance) else float(row.chance),
        (-np.inf if np.isnan(low) else low, np.inf if np.isnan(high) else high),
    )


class _Cells:
    """The records of one table as arrays.

    Args:
        table: Rows of one (task, protocol, budget, n_folds), one per method, cell and metric.
        metrics: Their order on the first axis, the primary one first.

    Attributes:
        metrics: Likewise.
        methods: By name.
        seeds: In their order.
        scores: Shape [metrics, methods, folds, seeds]; NaN where there is none.
        n_patients: Most of any seed, [methods, folds]; NaN without a record.
        n_events: Likewise.
    """

    def __init__(self, table: pd.DataFrame, metrics: Sequence[str]) -> None:
        self.metrics = tuple(metrics)
        x = pd.Index(metrics).get_indexer(pd.Index(table["metric"]))
        m, methods = pd.factorize(table["method"], sort=True)
        f, folds = pd.factorize(table["fold"], sort=True)
        s, seeds = pd.factorize(table["seed"], sort=True)
        self.methods = tuple(str(name) for name in methods)
        self.seeds = tuple(int(seed) for seed in seeds)
        self._table = table
        self._place = (m, f, s)
        self._shape = (len(methods), len(folds), len(seeds))
        self.scores = np.full((len(metrics), *self._shape), np.nan)
        self.scores[x, m, f, s] = table["value"]
        self.n_patients = _highest(self.of_trials("n_patients"), axis=2)
        self.n_events = _highest(self.of_trials("n_events"), axis=2)

    def of_trials(self, column: str) -> NDArray[np.float64]:
        """What was recorded once a trial and task, [methods, folds, seeds]; NaN where unknown."""
        found = np.full(self._shape, np.nan)
        found[self._place] = self._table[column].to_numpy(dtype=np.float64, na_value=np.nan)
        return found


def _highest(x: NDArray[np.float64], axis: int | tuple[int, ...]) -> NDArray[np.float64]:
    """The maximum of what is known; NaN where nothing is."""
    found: NDArray[np.float64] = np.fmax.reduce(x, axis=axis)
    return found


def _mean(x: NDArray[np.float64], axis: int | tuple[int, ...]) -> NDArray[np.float64]:
    """The mean of what is known, rounded; NaN where nothing is."""
    known = ~np.isnan(x)
    total, count = np.where(known, x, 0.0).sum(axis=axis), known.sum(axis=axis)
    found = np.full(total.shape, np.nan)
    np.divide(total, count, out=found, where=count > 0)
    return found.round(DIGITS)


def _rows(
    table: pd.DataFrame,
    cells: _Cells,
    measures: Mapping[str, Measure],
    n_folds: int,
    n_patients: int,
    intervals: Intervals,
    baseline: str,
) -> tuple[Row, ...]:
    primary = measures[cells.metrics[0]]
    methods = table.drop_duplicates("method").set_index("method")
    families, roles = methods["family"].to_dict(), methods["role"].to_dict()
    made = methods.loc[methods["role"] == "precomputed", "summary"].to_dict()
    means = _mean(cells.scores, axis=(2, 3))
    counts = (~np.isnan(cells.scores)).sum(axis=(2, 3))
    seconds, memory = (
        _mean(cells.of_trials(name), axis=(1, 2)) for name in ("fit_seconds", "peak_memory_mb")
    )
    parameters, flops = (
        _highest(cells.of_trials(name), axis=(1, 2)) for name in ("parameters", "step_flops")
    )
    first = table.iloc[0]
    place = (str(first["task"]), str(first["protocol"]), str(first["budget"]), n_folds)
    protocol = TrialProtocol.parse(place[1])
    whole = protocol.n_splits(n_folds) * len(cells.seeds)
    deals: Sequence[tuple[tuple[float, ...], ...]] = [()] * len(cells.methods)
    if protocol.control is not None:
        of_seeds = _mean(cells.scores, axis=2).swapaxes(0, 1)
        deals = [tuple(map(tuple, of_method)) for of_method in of_seeds.tolist()]
    order = sorted(
        range(len(cells.methods)),
        key=lambda i: (
            ROLES.index(roles[cells.methods[i]]),
            counts[0, i] < whole,
            np.nan_to_num(-primary.sign * means[0, i], nan=np.inf),
            cells.methods[i],
        ),
    )
    scores = {name: cells.scores[0, i] for i, name in enumerate(cells.methods)}
    ablations = [cells.methods[i] for i in order if roles[cells.methods[i]] == "ablation"]
    others = [cells.methods[i] for i in order if roles[cells.methods[i]] != "ablation"]
    reference = {
        name: difference
        for family in (others, ablations)
        for name, difference in _differences(scores, family, baseline, n_folds, primary).items()
    }
    ranked = [name for name in others if roles[name] == RANKED]
    best = _differences(scores, ranked, ranked[0], n_folds, primary) if ranked else {}
    added = _added(cells, n_folds)
    nothing = {name: bool((x[~np.isnan(x)] == primary.chance).all()) for name, x in scores.items()}
    return tuple(
        Row(
            method=name,
            family=str(families[name]),
            role=str(roles[name]),
            cells=int(counts[0, i]),
            folds=tuple(_mean(cells.scores[0, i], axis=1).tolist()),
            spread=_spread(cells.scores[0, i]),
            seeds=_between_seeds(cells.scores[0, i]),
            score=_estimate(cells.scores[0, i], n_folds, primary.bounds, n_patients),
            patients=(
                intervals.get((*place, name), _NO_INTERVAL)
                if primary.name == METRIC
                else _NO_INTERVAL
            ),
            difference=reference[name][0],
            smallest=reference[name][1],
            added=added.get(name, _NO_ESTIMATE),
            nothing=bool(counts[0, i]) and nothing[name],
            # Not told apart unless the test says so: one fold alone tells nothing.
            tied=(
                bool(counts[0, i])
                and name in best
                and not nothing[name]
                and not best[name][0].p < ALPHA
            ),
            others=tuple(
                (float(mean), int(n)) for mean, n in zip(means[1:, i], counts[1:, i], strict=True)
            ),
            deals=deals[i],
            seconds=float(seconds[i]),
            parameters=None if np.isnan(parameters[i]) else int(parameters[i]),
            flops=None if np.isnan(flops[i]) else int(flops[i]),
            memory=float(memory[i]),
            made=str(made.get(name, "")),
        )
        for i, name in ((i, cells.methods[i]) for i in order)
    )


def _spread(cells: NDArray[np.float64]) -> float:
    known = cells[~np.isnan(cells)]
    return float(known.std(ddof=1)) if known.size > 1 else np.nan


def _between_seeds(cells: NDArray[np.float64]) -> float:
    """Pooled over the folds that have two seeds or more, of [folds, seeds]."""
    known = ~np.isnan(cells)
    degrees = np.maximum(known.sum(axis=1) - 1, 0).sum()
    deviations = np.where(known, cells - _mean(cells, axis=1)[:, None], 0.0)
    return float(np.sqrt((deviations**2).sum() / degrees).round(DIGITS)) if degrees else np.nan


def _folds(cells: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean over seeds of every fold that has one.

    Seeds share the patients of a fold: counting each as a fold of its own would make an interval
    narrow by repeating a deterministic method.
    """
    folds = _mean(cells, axis=1)
    return folds[~np.isnan(folds)]


def _estimate(
    cells: NDArray[np.float64],
    n_folds: int,
    bounds: tuple[float, float] = (-np.inf, np.inf),
    n_patients: int = 1,
) -> Estimate:
    """Mean and corrected interval over the folds of [folds, seeds], inside the bounds."""
    folds = _folds(cells)
    if folds.size == 0:
        return _NO_ESTIMATE
    return _rounded(nadeau_bengio(folds, share_tested(n_folds)).within(bounds, n_patients))


def _differences(
    scores: Mapping[str, NDArray[np.float64]],
    methods: Sequence[str],
    to: str,
    n_folds: int,
    measure: Measure,
) -> dict[str, tuple[Estimate, float]]:
    """Every method's paired difference to one, all intervals at once, and what could be shown."""
    found = dict.fromkeys(methods, (_NO_ESTIMATE, np.nan))
    if to not in scores:
        return found
    paired = {name: _folds(scores[name] - scores[to]) for name in methods if name != to}
    family = max(1, sum(map(has_spread, paired.values())))
    low, high = measure.bounds
    for name, folds in paired.items():
        if folds.size:
            share = share_tested(n_folds)
            estimate = nadeau_bengio(folds, share, family).clipped(high - low)
            smallest = smallest_over_folds(folds, share, family)
            found[name] = _rounded(estimate), round(smallest, DIGITS)
    return found


def _added(cells: _Cells, n_folds: int) -> dict[str, Estimate]:
    """What each method adds to age, sex and stage, all intervals at once."""
    place = next((i for i, name in enumerate(cells.metrics) if name in ADDED), None)
    if place is None:
        return {}
    folds = {name: _folds(cells.scores[place, i]) for i, name in enumerate(cells.methods)}
    folds = {name: one for name, one in folds.items() if one.size}
    family = max(1, sum(map(has_spread, folds.values())))
    share = share_tested(n_folds)
    return {
        name: _rounded(nadeau_bengio(one, share, family).clipped(1.0))
        for name, one in folds.items()
    }


def _rounded(found: Estimate) -> Estimate:
    return Estimate(*(round(x, DIGITS) for x in (found.mean, found.low, found.high, found.p)))
