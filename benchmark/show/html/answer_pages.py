"""The pages that answer: cohorts, any two methods, words; and what the search looks through."""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from benchmark.analysis.board import Board
from benchmark.analysis.every_pair import KindPairs, TaskPairs, of_comparison
from benchmark.analysis.over_cohorts import Comparison
from benchmark.analysis.per_cohort import CohortAnswers
from benchmark.analysis.standings import Measure
from benchmark.analysis.stats import Pooled
from benchmark.analysis.stats.hierarchical import ROPE
from benchmark.show import answers
from benchmark.show.columns import page_of
from benchmark.show.escape import plain
from benchmark.show.first_screen import question
from benchmark.show.html import drawings
from benchmark.show.html.drawings import Drawn
from benchmark.show.html.pages import Pages, Topic
from benchmark.show.numbers import with_interval
from benchmark.show.page_names import cohort_page, compare_page, method_page
from tasks.cancers import cancers
from tasks.suites import useful_kinds
from tasks.words import of_kind, of_metric

Json = dict[str, Any]

DIGITS = 4
"""Of a difference."""


def answer_pages(
    board: Board,
    cohorts: Sequence[CohortAnswers],
    topics: Sequence[Topic],
    figures: Mapping[str, Sequence[Drawn]],
    pages: Pages,
) -> Iterator[tuple[str, str]]:
    """Path and text of every page that answers, and of what they load.

    Args:
        board: What was recorded.
        cohorts: From `by_cohort`.
        topics: Pages of their own, for the search.
        figures: Of every task's page, by its path.
        pages: Renders them.
    """
    for cohort in cohorts:
        drawn = {
            page_of(of.table): drawings.of_survival(figures[page_of(of.table)])
            for of in cohort.answers
        }
        yield cohort_page(cohort.cohort), pages.cohort(cohort, drawn, board.missing)
    settings = [_setting(of) for of in board.comparisons]
    yield "compare.html", pages.compare()
    yield "data/pairs.js", _script("pairs", {"rope": ROPE, "settings": settings})
    kinds, measures = _kinds(board), _measures(board)
    yield "words.html", pages.words(kinds, measures)
    entries = [*_cohorts(cohorts), *_methods(board), *_topics(topics), *_words(kinds, measures)]
    yield "data/search.js", _script("searchable", [*entries, *_tasks(board)])


def _script(name: str, data: object) -> str:
    """A script that hands data over, as pages on the disk may not read other files."""
    text = json.dumps(_clean(data), allow_nan=False, separators=(",", ":"))
    return f"mirrorBench.{name}({text});\n"


def _clean(value: Any) -> Any:
    """The same with plain texts."""
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, dict):
        return {key: _clean(item) for key, item in value.items()}
    return [_clean(item) for item in value] if isinstance(value, (list, tuple)) else value


# Any two methods.


def _setting(of: Comparison) -> Json:
    tasks, kinds = of_comparison(of)
    methods = sorted({method for pairs in tasks for method in pairs.methods})
    where = "planted cohorts" if of.planted else "real cohorts"
    return {
        "name": f"{where}, protocol {of.protocol}, budget {of.budget}, {of.n_folds} folds",
        "methods": methods,
        "kinds": [_kind_pairs(pairs, methods) for pairs in kinds],
        "tasks": [_task_pairs(pairs, methods, of) for pairs in tasks],
    }


def _kind_pairs(pairs: KindPairs, methods: Sequence[str]) -> Json:
    return {
        "kind": pairs.of.kind,
        "name": answers.kind_name(pairs.of.kind),
        "metric": answers.metric_name(pairs.of.measure.name),
        "methods": [methods.index(name) for name in pairs.methods if name in methods],
        "pairs": [
            found
            for two, pooled in zip(combinations(pairs.methods, 2), pairs.pooled, strict=True)
            if set(two) <= set(methods)
            for found in _pooled(pooled)
        ],
    }


def _pooled(found: Pooled) -> tuple[int | None, ...]:
    """Difference, ends, the two probabilities in thousandths, cohorts."""
    if not found.n:
        return (None, None, None, None, None, 0)
    ends = (_scaled(x) for x in (found.delta, found.low, found.high))
    shares = (round(1000 * x) for x in (found.better, found.equivalent))
    return (*ends, *shares, found.n)


def _task_pairs(pairs: TaskPairs, methods: Sequence[str], of: Comparison) -> Json:
    table = pairs.table
    upper = np.triu_indices(len(pairs.methods), 1)
    primary = any(table is one for kind in of.kinds for one in kind.tables)
    rows = {row.method: row for row in table.rows}
    return {
        "task": table.task,
        "page": page_of(table),
        "kind": answers.kind_name(table.kind),
        "useful": table.kind in useful_kinds(),
        "primary": primary,
        "cohort": answers.cohort_title(table.cohort),
        "cohortPage": cohort_page(table.cohort),
        "asks": question(table),
        "metric": answers.metric_name(table.primary.name),
        "patients": table.n_patients[1],
        "events": table.n_events,
        "methods": [methods.index(name) for name in pairs.methods],
        "scores": [_scaled(rows[name].score.mean) for name in pairs.methods],
        "differences": [_scaled(x) for x in pairs.difference[upper]],
        "reach": [_scaled(x) for x in pairs.reach[upper]],
    }


def _scaled(x: float) -> int | None:
    return None if np.isnan(x) else round(float(x) * 10**DIGITS)


# What is searched.


def _entry(kind: str, title: str, path: str, words: Sequence[str], *lines: str) -> Json:
    return {"kind": kind, "title": title, "path": path, "words": words, "lines": lines}


def _cohorts(found: Sequence[CohortAnswers]) -> Iterator[Json]:
    recorded = {one.cohort for one in found}
    for one in found:
        words = [one.cohort, *one.cohort.split("-"), *_synonyms(one.cohort)]
        said = [
            f"{answers.title(a)}: {''.join(answers.in_short(a))}, {a.table.layout},"
            f" {a.table.n_patients[1]:,} patients"
            + ("" if a.table.n_events is None else f", {a.table.n_events:,} events")
            for a in one.answers
        ]
        nothing = "No task that says what a method is worth."
        page = cohort_page(one.cohort)
        yield _entry("cohort", answers.cohort_title(one.cohort), page, words, *(said or [nothing]))
    for cohort in cancers():
        if cohort not in recorded:
            words = [cohort, *cohort.split("-"), *_synonyms(cohort)]
            text = "Not among these records: nothing was computed on it."
            yield _entry("cohort", answers.cohort_title(cohort), "", words, text)


def _synonyms(cohort: str) -> tuple[str, ...]:
    known = cancers().get(cohort)
    return () if known is None else known.synonyms


def _methods(board: Board) -> Iterator[Json]:
    if board.scores.empty:
        return
    last = board.scores.drop_duplicates("method", keep="last")
    told = last.sort_values("method")[["method", "summary", "family", "role"]]
    for method, summary, family, role in told.itertuples(index=False):
        words = [str(method), str(family), str(role)]
        yield _entry("method", str(method), method_page(str(method)), words, str(summary))


def _topics(topics: Sequence[Topic]) -> Iterator[Json]:
    for topic in topics:
        yield _entry("page", topic.title, topic.path, [])
    missing = "What is missing, and why"
    yield _entry("page", missing, "missing.html", ["failed", "skipped", "reason", "incomplete"])
    words = ["versus", "difference", "better", "against"]
    yield _entry("page", "Compare any two methods", compare_page(), words)


def _words(kinds: Sequence[str], measures: Sequence[Measure]) -> Iterator[Json]:
    for kind in kinds:
        if (words := of_kind(kind)) is not None:
            also = [kind, *words.also]
            yield _entry("word", words.name, f"words.html#kind-{kind}", also, words.text)
    for measure in measures:
        if (words := of_metric(measure.name)) is not None:
            also = [measure.name, "metric", "chance", *words.also]
            text = f"{words.text}: {answers.scale(measure)}."
            yield _entry("word", words.name, f"words.html#metric-{measure.name}", also, text)


def _kinds(board: Board) -> list[str]:
    """Those of the records, the useful ones first."""
    kinds = {table.kind for table in board.standings}
    useful = [kind for kind in useful_kinds() if kind in kinds]
    return [*useful, *sorted(kinds - set(useful))]


def _measures(board: Board) -> list[Measure]:
    """Those of the records, each once, in the order of the kinds and of their tasks."""
    order = _kinds(board)
    tables = sorted(board.standings, key=lambda table: (order.index(table.kind), not table.plain))
    found: dict[str, Measure] = {}
    for table in tables:
        for measure in (table.primary, *table.others):
            found.setdefault(measure.name, measure)
    return list(found.values())


def _tasks(board: Board) -> Iterator[Json]:
    for table in board.standings:
        words = [*table.task.split("/"), table.protocol, *_synonyms(table.cohort)]
        best = table.best
        text = f"protocol {table.protocol}, {table.layout}" + (
            f"; best without labels {best.method} {with_interval(best.score)}" if best else ""
        )
        yield _entry("task", table.task, page_of(table), words, text)
