"""The pages: from standings, gaps and trials to HTML."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from benchmark.analysis.intervals import RESAMPLES
from benchmark.analysis.missing import Missing
from benchmark.analysis.ranks import Ranking, placements
from benchmark.analysis.standings import FEWEST_TASKS, REFERENCE, Row, Standing
from benchmark.show.columns import ROLE_TITLES, conditions, seconds
from benchmark.show.html.cells import Column, columns, linked, other_metrics, over_tasks, style
from benchmark.show.html.drawings import Drawing
from benchmark.show.html.findings import Finding, Part
from benchmark.show.html.grid import Cell, Grid, Group, Header, Line, said, valued
from benchmark.show.html.page_names import method_data, method_page, task_page
from benchmark.show.html.trials import Trial
from benchmark.show.markdown import NONE, number, p_value
from tasks.base import Status


@dataclass(frozen=True)
class Setting:
    """The tables of one source under one protocol and budget.

    Attributes:
        protocol: Of all tables.
        budget: Likewise.
        n_folds: Likewise.
        tables: A task each.
        ranking: Of the methods over them.
        drawing: The critical-difference diagram, where there can be one.
    """

    protocol: str
    budget: str
    n_folds: int
    tables: tuple[Standing, ...]
    ranking: tuple[Ranking, ...]
    drawing: Drawing | None


@dataclass(frozen=True)
class Section:
    """What was made of cohorts of one sort.

    Attributes:
        title: Which.
        cohorts: Name, source and licence of each.
        settings: Strict protocols first.
    """

    title: str
    cohorts: tuple[tuple[str, str, str], ...]
    settings: tuple[Setting, ...]


def page_of(table: Standing) -> str:
    """Where a table is, relative to the root of the report."""
    return task_page(table.task, table.protocol, table.budget, table.n_folds)


class Pages:
    """Renders pages; what they say is escaped, whoever wrote it."""

    def __init__(self) -> None:
        self._environment = Environment(
            loader=PackageLoader("benchmark.show.html"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )

    def index(
        self,
        sections: Sequence[Section],
        further: Sequence[Finding],
        trials: dict[str, tuple[Trial, ...]],
        gaps: Sequence[Missing],
        more: int,
    ) -> str:
        """The overview, with the gaps that change a comparison and how many more there are."""
        return self._render(
            "index.html",
            "",
            sections=[
                (section, [(s, _ranking(section, s), _tasks(section, s)) for s in section.settings])
                for section in sections
            ],
            further=further,
            methods=_methods(trials),
            gaps=_gaps(gaps),
            more=more,
            reference=REFERENCE,
            fewest_tasks=FEWEST_TASKS,
            resamples=RESAMPLES,
        )

    def task(self, table: Standing, drawings: Sequence[Drawing], gaps: Sequence[Missing]) -> str:
        """The page of a task under one protocol and budget."""
        ours = [
            gap
            for gap in gaps
            if table.task in gap.tasks
            and (table.protocol, table.budget) == (gap.protocol, gap.budget)
        ]
        return self._render(
            "task.html",
            "../",
            table=table,
            conditions=conditions(table),
            scores=_scores(f"Scores on {table.task}", table, columns(table)),
            others=_scores(f"Other metrics on {table.task}", table, other_metrics(table)),
            drawings=drawings,
            gaps=_gaps(ours),
            tied=sum(row.tied for row in table.ranked),
            reference=REFERENCE,
        )

    def missing(self, gaps: Sequence[Missing]) -> str:
        """Everything that is missing."""
        part = Part("All reasons", None, _gaps(gaps))
        text = "Also single metrics that could not be computed, and ablations that were not run."
        return self.finding(Finding("", "What is missing, and why", text, (part,)))

    def finding(self, finding: Finding) -> str:
        """A page of figures and tables that is neither a task's nor a method's."""
        return self._render("finding.html", "", finding=finding)

    def method(self, method: str, trials: Sequence[Trial], tables: Sequence[Standing]) -> str:
        """The page of a method, which also shows its trials."""
        rows = [(t, row) for t in tables for row in t.rows if row.method == method]
        return self._render(
            "method.html",
            "../",
            method=method,
            line=trials[-1].line,
            parent=trials[-1].line.parent,
            parent_page=method_page(str(trials[-1].line.parent)),
            scores=_over_tasks(method, rows),
            configurations=_configurations(trials),
            trials=_trials(method, trials),
            data=method_data(method),
        )

    def _render(self, template: str, root: str, **context: Any) -> str:
        return self._environment.get_template(template).render(root=root, **context)


def _scores(caption: str, table: Standing, shown: Sequence[Column]) -> Grid:
    roles = groupby(table.rows, key=lambda row: row.role)
    groups = [(role, tuple(rows)) for role, rows in roles]
    return Grid(
        f"{caption}: {conditions(table)}",
        tuple(column.header for column in shown),
        tuple(
            Group(
                tuple(
                    Line(tuple(column.cell(table, row) for column in shown), style(table, row))
                    for row in rows
                ),
                ROLE_TITLES[role] if len(groups) > 1 else "",
            )
            for role, rows in groups
        ),
    )


def _ranking(section: Section, setting: Setting) -> Grid:
    compared = [table for table in setting.tables if len(table.ranked) > 1]
    n = len(compared)
    kinds = tuple(dict.fromkeys(table.kind for table in compared))
    kinds = kinds if len(kinds) > 1 else ()
    roles = groupby((*setting.ranking, *placements(compared)), key=lambda row: row.role)
    groups = tuple(
        Group(
            tuple(Line(_place(row, kinds, n)) for row in rows),
            ROLE_TITLES[role].split(":")[0],
        )
        for role, rows in roles
    )
    headers = (
        Header("method", "name"),
        Header("groups", choice=True),
        Header("mean rank", "number"),
        Header("95 % interval", "number"),
        *(Header(kind, "number") for kind in kinds),
        Header("tasks", "number", descending=True),
        Header("wins", "number", descending=True),
        Header("best or tied", "number", descending=True),
        Header(f"p against {REFERENCE}", "number"),
    )
    caption = (
        f"Mean rank over {n} task{'s' if n > 1 else ''} of {section.title.lower()}, protocol"
        f" {setting.protocol}, budget {setting.budget}; 1 is the best; methods that share a letter"
        " of their groups cannot be told apart over tasks"
    )
    return Grid(caption, headers, groups)


def _place(row: Ranking, kinds: Sequence[str], n_tasks: int) -> tuple[Cell, ...]:
    of_kind = {kind: mean.rank for kind, mean in row.kinds}
    low, high = row.overall.interval
    return (
        said(row.method, method_page(row.method)),
        said(row.group or NONE),
        valued(number(row.overall.rank, 2), row.overall.rank),
        valued(NONE if np.isnan(low) else f"{number(low, 1)} to {number(high, 1)}", low),
        *(
            valued(number(of_kind.get(kind, np.nan), 1), of_kind.get(kind, np.nan))
            for kind in kinds
        ),
        valued(f"{row.tasks}/{n_tasks}", row.tasks),
        valued(str(row.wins), row.wins),
        valued(f"{row.best}/{row.tasks}", row.best),
        valued(p_value(row.p), row.p),
    )


def _tasks(section: Section, setting: Setting) -> Grid:
    headers = (
        Header("task", "name"),
        Header("patients", "number"),
        Header("events", "number"),
        Header("folds x seeds", "number"),
        Header("metric", choice=True),
        Header("best score", "number", descending=True),
        Header("best"),
        Header("cannot be told apart from it"),
    )
    lines = []
    for table in setting.tables:
        best = table.best
        tied = [row.method for row in table.ranked if row.tied and row is not best]
        lines.append(
            Line(
                (
                    said(table.task, page_of(table)),
                    valued(f"{table.n_patients[1]:,}", table.n_patients[1]),
                    valued(
                        "-" if table.n_events is None else f"{table.n_events:,}", table.n_events
                    ),
                    valued(f"{table.n_splits} x {len(table.seeds)}", table.cells),
                    said(table.primary.name),
                    valued(number(best.score.mean), best.score.mean) if best else said("-"),
                    linked(best) if best else said("-"),
                    said(", ".join(tied) or "nobody"),
                )
            )
        )
    where = section.title.lower()
    caption = f"Tasks of {where}, protocol {setting.protocol}, budget {setting.budget}"
    return Grid(caption, headers, (Group(tuple(lines)),))


def _methods(trials: dict[str, tuple[Trial, ...]]) -> Grid:
    headers = (
        Header("method", "name"),
        Header("role", choice=True),
        Header("family", choice=True),
        Header("what it is"),
        Header("trials", "number", descending=True),
    )
    lines = tuple(
        Line(
            (
                said(method, method_page(method)),
                said(own[-1].line.role),
                said(own[-1].line.family),
                said(own[-1].line.summary),
                valued(f"{len(own):,}", len(own)),
            )
        )
        for method, own in trials.items()
    )
    return Grid("Methods", headers, (Group(lines),))


def _gaps(gaps: Iterable[Missing]) -> Grid | None:
    headers = (
        Header("status", choice=True),
        Header("methods", "name"),
        Header("tasks"),
        Header("protocol", choice=True),
        Header("budget", choice=True),
        Header("folds x seeds", "number", descending=True),
        Header("what"),
        Header("reason"),
    )
    lines = tuple(
        Line(
            (
                said(gap.status),
                said(", ".join(gap.methods)),
                said(", ".join(gap.tasks)),
                said(gap.protocol),
                said(gap.budget),
                valued(str(gap.cells), gap.cells),
                said(gap.metrics or "every metric"),
                said(gap.reason),
            )
        )
        for gap in gaps
    )
    return Grid("What is missing, and why", headers, (Group(lines),)) if lines else None


def _over_tasks(method: str, rows: Sequence[tuple[Standing, Row]]) -> Grid:
    shown = over_tasks()
    place = (Header("task", "name"), Header("protocol", choice=True), Header("budget", choice=True))
    lines = tuple(
        Line(
            (
                said(table.task, page_of(table)),
                said(table.protocol),
                said(table.budget),
                *(column.cell(table, row) for column in shown),
            ),
            style(table, row),
        )
        for table, row in rows
    )
    headers = (*place, *(column.header for column in shown))
    return Grid(f"Scores of {method} on every task", headers, (Group(lines),))


def _configurations(
    trials: Sequence[Trial],
) -> list[tuple[str, list[tuple[str, str]]]]:
    """Title and settings of every configuration that was run."""
    found: dict[str, list[Trial]] = {}
    for trial in trials:
        found.setdefault(json.dumps(trial.line.config, sort_keys=True), []).append(trial)
    titled = []
    for own in found.values():
        budgets = ", ".join(sorted({trial.line.budget for trial in own}))
        count = f"{len(own)} trial{'s' if len(own) > 1 else ''}"
        settings = [(name, json.dumps(value)) for name, value in own[0].line.config.items()]
        titled.append((f"budget {budgets}, {count}", settings))
    return titled


def _trials(method: str, trials: Sequence[Trial]) -> Grid:
    headers = (
        Header("trial", "name"),
        Header("cohort", choice=True),
        Header("protocol", choice=True),
        Header("budget", choice=True),
        Header("fold", "number"),
        Header("seed", "number"),
        Header("status", choice=True),
        Header("tasks"),
        Header("fit, s", "number"),
        Header("finished"),
    )
    lines = []
    for trial in trials:
        line, cost = trial.line, trial.line.fit_seconds
        lines.append(
            Line(
                (
                    said(trial.key, f"{method_page(method)}#trial-{trial.key}"),
                    said(line.cohort),
                    said(str(line.protocol)),
                    said(line.budget),
                    valued(str(line.fold), line.fold),
                    valued(str(line.seed), line.seed),
                    said(_status(trial)),
                    said(", ".join(task.task for task in trial.tasks)),
                    valued("-" if cost is None else seconds(cost), cost),
                    said(line.finished[:16].replace("T", " ")),
                )
            )
        )
    return Grid(f"Trials of {method}", headers, (Group(tuple(lines)),))


def _status(trial: Trial) -> str:
    """The worst that became of a task of it."""
    return next((s.value for s in (Status.FAILED, Status.SKIPPED) if trial.count(s)), "ok")
