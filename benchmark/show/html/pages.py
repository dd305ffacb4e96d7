"""The pages: from the board and its trials to HTML."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from benchmark.analysis.board import Board
from benchmark.analysis.findings import Findings
from benchmark.analysis.intervals import RESAMPLES
from benchmark.analysis.missing import Missing
from benchmark.analysis.over_cohorts import FEWEST_FOR_GROUPS, Comparison, Entrant, KindComparison
from benchmark.analysis.per_cohort import CohortAnswers
from benchmark.analysis.per_method import MethodStanding
from benchmark.analysis.standings import REFERENCE, Measure, Row, Standing
from benchmark.show import answers, columns
from benchmark.show.answers import cohort_title, in_short, scale
from benchmark.show.columns import Entry, page_of
from benchmark.show.declared import Declared
from benchmark.show.encoders import slide_encoder
from benchmark.show.escape import plain
from benchmark.show.first_screen import first_screen
from benchmark.show.html.commands import run_again, trials_of
from benchmark.show.html.drawings import Drawing, Drawn
from benchmark.show.html.grid import bodies, choices, filters, kind_of, shown
from benchmark.show.html.trials import RecordedTrial
from benchmark.show.numbers import count, seconds, size, whole
from benchmark.show.page_names import cohort_page, method_data, method_page
from benchmark.show.tables import (
    Column,
    Name,
    Strong,
    Table,
    Text,
    View,
    choice,
    methods,
    numeric,
    table,
)
from tasks.base import Status
from tasks.cancers import cancers
from tasks.words import Words, of_kind, of_metric


@dataclass(frozen=True)
class Part:
    """A heading with what is under it."""

    title: str
    drawing: Drawing | None = None
    table: Table[Any] | None = None
    reasons: tuple[Table[Missing], ...] = ()


@dataclass(frozen=True)
class Answered:
    """What a page of a cohort says of one kind of task.

    Attributes:
        title: What is asked.
        short: What to use.
        sentences: How sure that is, and what stands beside.
        beside: The same as a table.
        page: The task's, relative to the root of the report.
        kind: What the kind asks, in words.
        metric: What the metric says.
        drawings: Figures of the task.
    """

    title: str
    short: Text
    sentences: tuple[Text, ...]
    beside: Table[Any]
    page: str
    kind: Words | None
    metric: Words | None
    drawings: Sequence[Drawn]


@dataclass(frozen=True)
class Topic:
    """A page of figures and tables that is neither a task's nor a method's.

    Attributes:
        path: Relative to the root of the report.
        title: What it is about.
        text: How to read it.
        parts: In order.
        parent: The method whose ablations it shows; empty of anything else.
    """

    path: str
    title: str
    text: Text
    parts: tuple[Part, ...]
    parent: str = ""


def inline(text: Text) -> Markup:
    """A text, its names as code."""
    parts = (text,) if isinstance(text, str) else text
    return Markup("").join(map(_part, parts))


def _part(part: str) -> Markup:
    if isinstance(part, Name):
        return Markup("<code>{}</code>").format(plain(part))
    if isinstance(part, Strong):
        return Markup("<strong>{}</strong>").format(plain(part))
    return escape(plain(part))


def _finalized(value: object) -> object:
    """What a template puts out: no text keeps a character that commands or turns a line."""
    return plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value


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
            finalize=_finalized,
        )
        self._environment.filters["inline"] = inline
        self._environment.globals |= {
            function.__name__: function for function in (bodies, choices, filters, kind_of, shown)
        }

    def index(
        self,
        board: Board,
        drawings: Mapping[KindComparison, Drawing],
        topics: Sequence[Topic],
        trials: Mapping[str, Sequence[RecordedTrial]],
        first: Drawing | None,
        answered: Sequence[CohortAnswers] = (),
    ) -> str:
        """What was found, the methods and tasks, and what is missing that changes a comparison."""
        main = next(iter(board.main), None)
        sections = []
        for title, planted in (("Real cohorts", False), ("Planted cohorts", True)):
            chosen = [one for one in board.comparisons if one.planted is planted]
            tables = [table for one in chosen for table in one.tables]
            cohorts = sorted(
                {
                    (t.cohort, t.source, t.licence, slide_encoder(t.encoder, t.pretrained_on))
                    for t in tables
                }
            )
            settings = [_compared(one, title.lower(), drawings) for one in chosen]
            if chosen:
                sections.append((title, cohorts, settings))
        return self._render(
            "index.html",
            "",
            screen=first_screen(main, board.control) if main else (),
            advice=_advice(main) if main else None,
            first=first,
            sections=sections,
            topics=topics,
            methods=_methods(trials),
            cohorts=[
                (
                    cohort_page(c.cohort),
                    cohort_title(c.cohort),
                    [(f"{answers.title(a)}. ", *in_short(a)) for a in c.answers],
                )
                for c in answered
            ],
            missing=_missing(board.missing_comparisons),
            more=len(board.missing) - len(board.missing_comparisons),
            reference=board.baseline or REFERENCE,
            fewest_cohorts=FEWEST_FOR_GROUPS,
            resamples=RESAMPLES,
        )

    def task(
        self,
        of: Standing,
        drawings: Sequence[Drawn],
        missing: Iterable[Missing],
        offered: Mapping[str, tuple[str, int]],
    ) -> str:
        """The page of a task under one protocol and budget.

        Args:
            of: The task.
            drawings: Its figures.
            missing: All that is missing.
            offered: What can be downloaded, its place and its bytes.
        """
        ours = [
            one
            for one in missing
            if of.task in one.tasks and (of.protocol, of.budget) == (one.protocol, one.budget)
        ]
        return self._render(
            "task.html",
            "../",
            table=of,
            scores=columns.scores(of, caption=f"Scores on {of.task}").seen(View.PAGE),
            others=columns.scores(of, caption=f"Costs and other metrics on {of.task}").seen(
                View.OTHERS
            ),
            drawings=drawings,
            means=_means(of),
            offered=offered,
            missing=_missing(ours),
            tied=sum(row.tied for row in of.ranked),
            reference=of.compared_with,
            encoder=slide_encoder(of.encoder, of.pretrained_on),
            kind=of_kind(of.kind),
            measures=[
                (m, words, scale(m))
                for m in (of.primary, *of.others)
                if (words := of_metric(m.name)) is not None
            ],
            cohort_page=cohort_page(of.cohort),
        )

    def cohort(
        self,
        of: CohortAnswers,
        drawings: Mapping[str, Sequence[Drawn]],
        missing: Iterable[Missing],
    ) -> str:
        """The page of a cohort.

        Args:
            of: The cohort.
            drawings: The figures of a task, by its page.
            missing: All that is missing.
        """
        names = {table.task for table in of.tables}
        first = of.tables[0]
        return self._render(
            "cohort.html",
            "",
            of=of,
            title=cohort_title(of.cohort),
            synonyms=(known.synonyms if (known := cancers().get(of.cohort)) else ()),
            first=first,
            encoder=slide_encoder(first.encoder, first.pretrained_on),
            answers=[
                Answered(
                    answers.title(a),
                    in_short(a),
                    tuple(answers.sentences(a)),
                    answers.beside(a),
                    page_of(a.table),
                    of_kind(a.table.kind),
                    of_metric(a.table.primary.name),
                    drawings.get(page_of(a.table), ()),
                )
                for a in of.answers
            ],
            tasks=answers.tasks_of(of),
            missing=_missing([one for one in missing if names & set(one.tasks)]),
        )

    def compare(self) -> str:
        """The page on which any two methods are compared."""
        return self._render("compare.html", "")

    def words(self, kinds: Sequence[str], measures: Sequence[Measure]) -> str:
        """The page that says what kinds of task ask and what metrics say."""
        return self._render(
            "words.html",
            "",
            kinds=[(kind, words) for kind in kinds if (words := of_kind(kind)) is not None],
            measures=[
                (m, words, scale(m)) for m in measures if (words := of_metric(m.name)) is not None
            ],
        )

    def topic(self, topic: Topic) -> str:
        """A page of its own."""
        return self._render("topic.html", "", topic=topic)

    def method(
        self,
        method: str,
        trials: Sequence[RecordedTrial],
        tables: Iterable[Standing],
        standing: MethodStanding | None = None,
        ablations: Topic | None = None,
        declared: Declared | None = None,
    ) -> str:
        """The page of a method, which also shows its trials.

        Args:
            method: Its name.
            trials: Of it.
            tables: Every table.
            standing: Where it stands, if it is in the first comparison.
            ablations: The page of its variants, if there are any.
            declared: What it says of itself, if it is registered where the page is made.
        """
        entries = [Entry(t, row) for t in tables for row in t.rows if row.method == method]
        return self._render(
            "method.html",
            "../",
            method=method,
            line=trials[-1].line,
            parent=trials[-1].line.parent,
            parent_page=method_page(str(trials[-1].line.parent)),
            scores=columns.over_tasks(method, entries).seen(View.METHOD),
            configurations=_configurations(trials),
            trials=table(f"Trials of {method}", _TRIALS, trials),
            data=method_data(method),
            standing=standing,
            why=answers.why(standing) if standing else "",
            places=list(answers.places(standing)) if standing else [],
            duels=list(answers.duels(standing)) if standing else [],
            compared=answers.compared_with(standing) if standing else "",
            ablations=ablations,
            declared=declared,
            costs=_costs(trials),
        )

    def _render(self, template: str, root: str, **context: Any) -> str:
        return self._environment.get_template(template).render(root=root, **context)


def _costs(trials: Sequence[RecordedTrial]) -> list[tuple[str, str]]:
    """What its fits under the default budget took, or under another one where that was not run."""
    budgets = {trial.line.budget for trial in trials}
    budget = "default" if "default" in budgets else sorted(budgets)[0]
    lines = [trial.line for trial in trials if trial.line.budget == budget]
    fits = [line.fit_seconds for line in lines if line.fit_seconds is not None]
    sizes = [line.parameters for line in lines if line.parameters is not None]
    epochs = [len(next(iter(line.losses.values()))) for line in lines if line.losses]
    found = [("Budget", f"{budget}, {count(len(lines), 'trial')}")]
    found += [("Fit", f"{seconds(median(fits))} s in the median")] if fits else []
    found += [("Parameters", size(max(sizes)))] if sizes else []
    if epochs:
        few, many = min(epochs), max(epochs)
        found.append(("Epochs", str(few) if few == many else f"{few} to {many}"))
    return found


def everything_missing(board: Board) -> Topic:
    """All that is missing."""
    text = "Also single metrics that could not be computed, and ablations that were not run."
    part = Part("All reasons", reasons=_missing(board.missing))
    return Topic("missing.html", "What is missing, and why", text, (part,))


def _advice(of: Comparison) -> Table[Standing] | None:
    kinds = Findings(of.kinds).kinds
    return columns.advice(kinds[0].of, kinds[0].use).seen(View.PAGE) if kinds else None


def _missing(found: Sequence[Missing]) -> tuple[Table[Missing], ...]:
    return tuple(table.seen(View.PAGE) for table in columns.by_reason(found))


_Ranked = tuple[Table[Entrant], Drawing | None]


def _compared(
    of: Comparison, where: str, drawings: Mapping[KindComparison, Drawing]
) -> tuple[Comparison, list[_Ranked], Table[Standing]]:
    """The methods over the cohorts of each kind, and the tasks."""
    setting = f"{where}, protocol {of.protocol}, budget {of.budget}"
    rankings: list[_Ranked] = []
    level = Findings(of.kinds).level
    for kind in of.kinds:
        caption = f"{kind.kind} over {count(len(kind.tables), 'cohort')} of {setting}"
        ranking = columns.ranking(kind, caption, level).seen(View.PAGE)
        rankings.append((ranking, drawings.get(kind)))
    return of, rankings, columns.tasks(of.tables, f"Tasks of {setting}").seen(View.PAGE)


_Method = tuple[str, Sequence[RecordedTrial]]

_METHODS: tuple[Column[_Method], ...] = (
    methods(lambda m: m[0]),
    choice("role", lambda m: m[1][-1].line.role),
    choice("family", lambda m: m[1][-1].line.family),
    Column("what it is", lambda m: m[1][-1].line.summary),
    numeric("trials", lambda m: len(m[1]), whole, descending=True),
)


def _methods(trials: Mapping[str, Sequence[RecordedTrial]]) -> Table[_Method]:
    return table("Methods", _METHODS, trials.items())


def _configurations(trials: Sequence[RecordedTrial]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Title and settings of every configuration that was run."""
    found: dict[str, list[RecordedTrial]] = {}
    for trial in trials:
        found.setdefault(json.dumps(trial.line.config, sort_keys=True), []).append(trial)
    titled = []
    for own in found.values():
        budgets = ", ".join(sorted({trial.line.budget for trial in own}))
        settings = [(name, json.dumps(value)) for name, value in own[0].line.config.items()]
        titled.append((f"budget {budgets}, {count(len(own), 'trial')}", settings))
    return titled


def _status(trial: RecordedTrial) -> str:
    """The worst that became of a task of it."""
    return next((s.value for s in (Status.FAILED, Status.SKIPPED) if trial.count(s)), "ok")


def _means(of: Standing) -> Table[Row]:
    """Of every mean its trials, and the command that computes it from nothing."""
    columns: tuple[Column[Row], ...] = (
        methods(lambda row: row.method),
        Column("trials", lambda row: count(row.cells, "trial"), lambda row: row.cells,
               link=lambda row: trials_of(of, row.method)),
        Column("command", lambda row: run_again(of, row.method)),
    )  # fmt: skip
    return table(f"How each mean of {of.task} is made", columns, of.rows)


_TRIALS: tuple[Column[RecordedTrial], ...] = (
    Column("trial", lambda t: t.key, kind="name",
           link=lambda t: f"#trial-{t.key}"),
    choice("cohort", lambda t: t.line.cohort),
    choice("protocol", lambda t: str(t.line.protocol)),
    choice("budget", lambda t: t.line.budget),
    numeric("fold", lambda t: t.line.fold, str),
    numeric("seed", lambda t: t.line.seed, str),
    choice("status", _status),
    Column("tasks", lambda t: ", ".join(task.task for task in t.tasks)),
    numeric("fit, s", lambda t: t.line.fit_seconds, seconds),
    Column("finished", lambda t: t.line.finished[:16].replace("T", " ")),
)  # fmt: skip
