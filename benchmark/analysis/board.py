"""What a results folder says, computed once: terminal, tables, files, page and figures draw it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path

import pandas as pd

from benchmark.analysis.ablations import Delta, deltas
from benchmark.analysis.control import ControlCheck, check_control, is_control
from benchmark.analysis.deduplicate import deduplicate
from benchmark.analysis.intervals import Intervals, patient_intervals
from benchmark.analysis.missing import Missing, missing_scores, of_comparisons
from benchmark.analysis.optimism import Optimism, optimism
from benchmark.analysis.over_cohorts import Comparison, KindComparison, comparisons
from benchmark.analysis.standings import ADDED, Row, Standing, standings
from benchmark.analysis.training import Unsettled, unsettled
from benchmark.analysis.variants import Gain, gains
from benchmark.records.protocol import TrialProtocol
from benchmark.records.store import Store, existing_store
from tasks.data.formats.cells import near
from tasks.errors import InputError


@dataclass(frozen=True)
class Board:
    """What the records say; every part is computed when it is first looked at.

    Attributes:
        records: A row per (trial, task, metric), in any order.
        read_predictions: Gives a row per (trial, task, patient), for the intervals over patients;
            None to do without them.
        baseline: The method that the others are compared with, if one was asked for.
    """

    records: pd.DataFrame
    read_predictions: Callable[[], pd.DataFrame] | None = None
    baseline: str | None = None

    @classmethod
    def of(cls, store: Store, *, over_patients: bool = True) -> "Board":
        """The board of a store.

        Args:
            store: The results.
            over_patients: Whether to compute the intervals over patients, which takes as long as
                all else.
        """
        return cls(store.records(), store.predictions if over_patients else None)

    @classmethod
    def from_folder(cls, folder: Path, *, over_patients: bool = True) -> "Board":
        """The board of a results folder.

        Raises:
            InputError: There are no records, or they cannot be read.
        """
        return cls.of(existing_store(folder), over_patients=over_patients)

    @cached_property
    def scores(self) -> pd.DataFrame:
        """The records, one per (task, method, protocol, budget, cell, metric), in one order."""
        return deduplicate(self.records)

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """A row per (trial, task, patient); empty if the board does without them."""
        return pd.DataFrame() if self.read_predictions is None else self.read_predictions()

    @cached_property
    def intervals(self) -> Intervals:
        """Over patients."""
        return patient_intervals(self.predictions)

    @cached_property
    def standings(self) -> tuple[Standing, ...]:
        """A table per task, protocol, budget and number of folds."""
        if not len(self.scores):
            return ()
        return standings(self.scores, self.intervals, self.baseline)

    @cached_property
    def comparisons(self) -> tuple[Comparison, ...]:
        """The tables that belong together, but those of the control check."""
        return comparisons(table for table in self.standings if not is_control(table))

    @cached_property
    def main(self) -> tuple[Comparison, ...]:
        """Those of the default protocol: what the first page shows first, that of most tasks."""
        plain = [one for one in self.comparisons if one.plain]
        return tuple(sorted(plain, key=lambda one: (one.planted, -len(one.tables))))

    @cached_property
    def kinds(self) -> tuple[KindComparison, ...]:
        """Of each kind that says what a method is worth, the methods over cohorts."""
        return tuple(kind for one in self.comparisons for kind in one.kinds)

    @cached_property
    def control(self) -> ControlCheck | None:
        """Whether the methods stay at chance where outcomes were permuted."""
        return check_control(self.standings)

    @cached_property
    def ablations(self) -> Mapping[str, tuple[Delta, ...]]:
        """By method, what each of its variants changes under the strict protocol."""
        names = self.scores["protocol"].unique()
        plain = [name for name in names if TrialProtocol.parse(str(name)).plain]
        strict = self.scores[self.scores["protocol"].isin(plain)]
        parents = strict.loc[strict["role"] == "ablation", "parent"].dropna()
        of_parents = {str(name): deltas(strict, str(name)) for name in sorted(parents.unique())}
        return {name: found for name, found in of_parents.items() if found}

    @cached_property
    def optimism(self) -> tuple[Optimism, ...]:
        """What the published evaluation adds."""
        return optimism(self.scores)

    @cached_property
    def variants(self) -> tuple[Gain, ...]:
        """What searches and readouts add to the same methods without."""
        return tuple(gains(self.scores)) if len(self.scores) else ()

    @cached_property
    def missing(self) -> tuple[Missing, ...]:
        """What is not in the tables, and why."""
        return missing_scores(self.scores, self.standings)

    @cached_property
    def missing_comparisons(self) -> tuple[Missing, ...]:
        """What of it changes a comparison."""
        return of_comparisons(self.missing, self.standings)

    @cached_property
    def unsettled(self) -> tuple[Unsettled, ...]:
        """Methods whose fits ended far from converged, or collapsed."""
        return unsettled(self.scores)

    def chosen(self, tasks: str | None, methods: str | None, protocol: str | None) -> "Board":
        """The board of a part of the records.

        Args:
            tasks: Kinds, or globs of KIND/COHORT/LABEL, between commas; None for all.
            methods: Names and globs between commas; None for all.
            protocol: Its name; None for all.

        Raises:
            InputError: A filter leaves nothing.
        """
        records = self.records
        filters = {"task": tasks, "method": methods, "protocol": protocol}
        for column, patterns in filters.items():
            if patterns is not None:
                option = "--protocol" if column == "protocol" else f"--{column}s"
                kept = _matching(option, records[column].unique().tolist(), patterns)
                records = records[records[column].isin(kept)]
        return replace(self, records=records)

    def against(self, baseline: str | None) -> "Board":
        """The same, every method compared with one; None for the usual one.

        Raises:
            InputError: Nothing of it is recorded.
        """
        known = self.records["method"].unique().tolist()
        if baseline is not None and baseline not in known:
            raise InputError(
                f"--baseline: expected a recorded method, {', '.join(sorted(known))}, found "
                f"{baseline!r}{near(baseline, known)}"
            )
        return replace(self, baseline=baseline)

    def frame(self) -> pd.DataFrame:
        """A row per task and method, unrounded numbers."""
        return pd.DataFrame([line(table, row) for table in self.standings for row in table.rows])


def _matching(option: str, values: Sequence[str], patterns: str) -> set[str]:
    wanted = [pattern.strip() for pattern in patterns.split(",")]
    found = {
        value
        for value in values
        if any(fnmatchcase(value, p) or fnmatchcase(value.split("/")[0], p) for p in wanted)
    }
    if not found:
        raise InputError(
            f"{option}: expected one of {', '.join(sorted(values))}, found {patterns!r}"
        )
    return found


def line(table: Standing, row: Row) -> dict[str, object]:
    """All that a table says of a method, its other metrics by their names."""
    others = zip(table.others, row.others, strict=True)
    # the mean is one of the other metrics; tables from before it was measured have no such columns
    measured = any(measure.name in ADDED for measure in table.others)
    added = {"added_low": row.added.low, "added_high": row.added.high, "added_p": row.added.p}
    return {
        "task": table.task,
        "cohort": table.cohort,
        "protocol": table.protocol,
        "budget": table.budget,
        "source": table.source,
        "encoder": table.encoder,
        "pretrained_on": ", ".join(table.pretrained_on),
        "n_patients": table.n_patients[1],
        "n_events": table.n_events,
        "n_folds": table.n_folds,
        "n_splits": table.n_splits,
        "n_seeds": len(table.seeds),
        "method": row.method,
        "family": row.family,
        "role": row.role,
        "metric": table.primary.name,
        "higher_is_better": table.primary.higher_is_better,
        "cells": row.cells,
        "all_cells": table.cells,
        "score": row.score.mean,
        "sd": row.spread,
        "sd_of_seeds": row.seeds,
        "low": row.score.low,
        "high": row.score.high,
        "patients_low": row.patients[0],
        "patients_high": row.patients[1],
        "reference": table.compared_with if table.reference else None,
        "difference": row.difference.mean,
        "difference_low": row.difference.low,
        "difference_high": row.difference.high,
        "difference_p": row.difference.p,
        "smallest_difference_shown": row.smallest,
        **(added if measured else {}),
        "tied_with_best": row.tied,
        "fit_seconds": row.seconds,
        "parameters": row.parameters,
        "step_flops": row.flops,
        "peak_memory_mb": row.memory,
        **{measure.name: mean for measure, (mean, _) in others},
    }
