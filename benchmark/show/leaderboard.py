"""The leaderboard: a pure function from a board to Markdown, deterministic to the byte."""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from benchmark.analysis.board import Board
from benchmark.analysis.control import is_control
from benchmark.analysis.intervals import RESAMPLES
from benchmark.analysis.over_cohorts import FEWEST_FOR_GROUPS, Comparison
from benchmark.analysis.standings import REFERENCE, Standing
from benchmark.analysis.stats.hierarchical import ROPE
from benchmark.show import columns
from benchmark.show.escape import html
from benchmark.show.escape import markdown as escape
from benchmark.show.escape import markdown_code as code
from benchmark.show.markdown import bullets, grid, inline
from benchmark.show.numbers import count
from benchmark.show.overview import overview
from benchmark.show.page_names import LONGEST, slug
from benchmark.show.sentences import (
    OPTIMISM_EXPLAINED,
    ablations_explained,
    control_verdict,
    protocol_explained,
)
from benchmark.show.tables import T, Table, View
from tasks.kinds.published.switches import HONEST

FRONT_TASKS = 80
"""Tasks whose tables stand on the front page; of more, a browser of code shows a part of it."""

STRICT = "strict"

_PREAMBLE = f"""\
# Leaderboard

Made by `mirror-bench leaderboard` from the records alone. **Which methods cannot be told apart?**
Over cohorts, those whose Δ has an interval that holds zero. In one task, those that its line names,
marked **=** in its table. Do not rank such methods by their scores.

<details><summary>How to read the numbers</summary>

- **Protocol.** `strict`: folds of patients; whatever is fitted (genes, scalers, encoders, heads
  and their penalties) sees training patients only, and every test patient is scored once. `paper`
  re-enacts a published protocol, leaks included. `+permuted-labels`: outcomes were dealt anew
  among the patients, so that whatever is above chance is wrong. `+site-folds`: folds of whole
  tissue-source sites; `-x3`: the patients were dealt into folds three times. Protocols and budgets
  never share a table.
- **Roles.** Only self-supervised methods compete. Floors and controls, and supervised references,
  which were told the training patients' outcomes, stand beside them and say what that is worth.
  Ablations are compared with their parent only.
- **Over cohorts.** Cohorts are the units, with one primary task a kind (`tasks/suites.toml`): tasks
  of one cohort share its patients and are no further evidence. **Δ** to `{REFERENCE}`, its
  interval, the probability that it is better and that the difference is of no consequence (within
  ±{ROPE:g}) are those of a hierarchical model. Probes (retention, retrieval, missing modality,
  few-shot) and labels that were called from what methods see have tables, but no place here.
- **Mean rank**, 1 the best, is over cohorts among the methods that are complete in all of them, and
  the same everywhere. Methods that share a letter of their **groups** cannot be told apart by it;
  that needs {FEWEST_FOR_GROUPS} cohorts.
- The **score** is the mean of the table's first metric over folds and seeds, **±** its standard
  deviation over them. ↑: higher is better, ↓: lower is better.
- The **95 % interval** is that of the mean, by the corrected resampled t of Nadeau and Bengio:
  seeds are averaged within a fold, and folds share training patients, so they do not count as
  independent. It may pass the ends of the metric's scale.
- The interval **over patients** keeps the fitted methods and resamples the test patients of each
  fold, {RESAMPLES:,} times: the luck of who was tested, without that of training.
- **Δ** is the difference to `{REFERENCE}` on the same folds and seeds, with its corrected
  interval; **p** tests it, adjusted by Holm for the methods of its group. **Could show** is the
  smallest difference that this many folds, seeds, patients and events would have found in four
  of five repetitions: about smaller ones nothing is known here.
- **●** is the best score; **=** marks methods that **cannot be told apart** from it (p ≥ 0.05,
  corrected likewise): do not rank them by their scores.
- **⚠ 4/5** marks a row with scores in 4 of 5 folds x seeds: it stands last and has no rank. A
  count beside another metric says the same of it.
- **fit, s** is wall time on the machine that ran it, whatever else it did meanwhile.

</details>
"""


@dataclass(frozen=True)
class Leaderboard:
    """The files.

    Attributes:
        front: The page that is read first.
        tables: By file name, what the front page links to.
        overview: Of the front page, what the first cohorts show over tasks: for other pages.
    """

    front: str
    tables: Mapping[str, str]
    overview: str = ""

    @property
    def whole(self) -> str:
        """Everything that is said, one page after the other."""
        return "\n".join([self.front, *self.tables.values()])

    @property
    def source(self) -> str:
        """What a figure says that it was drawn from: a hash of everything that is said."""
        return f"leaderboard {hashlib.sha256(self.whole.encode()).hexdigest()[:16]}"


def render(board: Board, folder: str = "results/tables") -> Leaderboard:
    """Write the leaderboard.

    Args:
        board: What was recorded.
        folder: Where the tables will be, as the front page links to them.

    Returns:
        Markdown; it depends on what was recorded alone.
    """
    if board.records.empty:
        return Leaderboard(f"{_PREAMBLE}\nThere are no records.\n", {})
    tables = [table for table in board.standings if not is_control(table)]
    main = [table for table in tables if table.protocol == STRICT]
    others = [table for table in tables if table.protocol != STRICT]
    strict = [one for one in board.comparisons if one.protocol == STRICT]
    pages = {
        **_pages(main, _of_kind, ()),
        **_pages(others, _of_setting, board.comparisons),
        **_control_page(board),
        **_ablation_pages(board),
        **_optimism_page(board),
    }
    front = [_PREAMBLE]
    glance = len(main) <= FRONT_TASKS
    for planted, of_sort in groupby(strict, key=lambda one: one.planted):
        title = "Planted cohorts" if planted else "Real cohorts"
        front += _section(title, tuple(of_sort), folder, at_a_glance=glance)
    if board.control is not None:
        front += [
            "## Control check: permuted labels\n",
            f"{inline(control_verdict(board.control))}\n",
            f"[Every method and task]({folder}/permuted-labels.md)\n",
        ]
    front += _optimism_in_brief(board, f"{folder}/optimism-gap.md")
    front += _elsewhere(board, others, folder)
    front += _foot(board, folder)
    if board.missing:
        missing = grid(columns.missing(board.missing), View.FULL)
        pages |= _page("missing", "What is missing, and why", [missing])
    first = "\n".join(overview(strict[0])).strip() if strict else ""
    return Leaderboard("\n".join(front), dict(sorted(pages.items())), first)


def _page(name: str, title: str, text: Sequence[str]) -> dict[str, str]:
    return {f"{name}.md": "\n".join([f"# {title}\n", *text])}


def _of_kind(table: Standing) -> tuple[str, str]:
    name = table.kind if table.budget == "default" else f"{table.kind}-{table.budget}"
    return slug(name), f"{table.kind}: protocol {table.protocol}, budget {table.budget}"


def _of_setting(table: Standing) -> tuple[str, str]:
    name = re.sub(r"[^a-z0-9]+", "-", f"{table.protocol}-{table.budget}".lower()).strip("-")
    if len(name) > LONGEST:  # of many cohorts
        name = slug(table.protocol, table.budget)
    return name, f"Protocol {table.protocol}, budget {table.budget}"


def _pages(
    tables: Sequence[Standing],
    place: Callable[[Standing], tuple[str, str]],
    over_tasks: Sequence[Comparison],
) -> dict[str, str]:
    """Every table in full, those of one place on one page, under what they show together."""
    pages: dict[str, str] = {}
    for (name, title), group in groupby(sorted(tables, key=place), key=place):
        text: list[str] = []
        for one in over_tasks:
            if one.protocol != STRICT and place(one.tables[0]) == (name, title):
                cohorts = "planted" if one.planted else "real"
                if not text and (explained := protocol_explained(one.protocol)):
                    text.append(f"{inline(explained)}\n")
                layout = count(one.n_folds, "fold") if one.n_folds > 1 else "one split"
                text.append(f"## Over cohorts: {cohorts} cohorts, {layout}\n")
                text += _over_tasks(one)
        for table in group:
            text += _full(table)
        pages |= _page(name, escape(title), text)
    return pages


def _control_page(board: Board) -> dict[str, str]:
    if board.control is None:
        return {}
    text = [f"{inline(control_verdict(board.control))}\n"]
    text.append(grid(columns.control(board.control), View.FULL))
    return _page("permuted-labels", "Control check: permuted labels", text)


def _ablation_pages(board: Board) -> dict[str, str]:
    return {
        f"{slug(f'ablations-{parent}')}.md": ablation_page(columns.ablations(found), parent)
        for parent, found in board.ablations.items()
    }


def ablation_page(tables: Sequence[Table[T]], parent: str) -> str:
    """The ablations of one method, deterministic to the byte."""
    text = [f"# Ablations of {code(parent)}\n", f"{inline(ablations_explained(parent))}\n"]
    return "\n".join([*text, *_titled(tables)])


def _titled(tables: Sequence[Table[T]]) -> list[str]:
    """Tables, each under its caption."""
    return [
        text
        for table in tables
        for text in (f"## {escape(table.caption)}\n", grid(table, View.FULL))
    ]


def _optimism_page(board: Board) -> dict[str, str]:
    if not board.optimism:
        return {}
    text = [f"{inline(OPTIMISM_EXPLAINED)}\n", *_titled(columns.optimism(board.optimism))]
    return _page("optimism-gap", "Optimism gap", text)


def _optimism_in_brief(board: Board, link: str) -> list[str]:
    brief = columns.optimism_in_brief(board.optimism)
    if not any(brief.rows):
        return []
    return [
        "## Optimism gap\n",
        f"What the published way of evaluating adds to the score of `{REFERENCE}`: the same"
        f" embeddings and folds, the same probe, evaluated as published (paper) and honestly"
        f" ({HONEST}). [Every method, switch by switch]({link})\n",
        grid(brief, View.FRONT),
    ]


def _section(
    title: str, of_sort: Sequence[Comparison], folder: str, *, at_a_glance: bool
) -> list[str]:
    """Cohorts of one sort: where they come from, the methods over all tasks, and every task."""
    every = [table for one in of_sort for table in one.tables]
    text = [f"## {title}\n", grid(columns.cohorts(every), View.FRONT)]
    for one in of_sort:
        setting = f"protocol {STRICT}, budget {one.budget}, {one.n_folds} folds"
        text.append(f"### Over cohorts: {setting}\n")
        text += _over_tasks(one)
        links = {table.kind: f"{folder}/{_of_kind(table)[0]}.md" for table in one.tables}
        named = ", ".join(f"[{escape(kind)}]({link})" for kind, link in links.items())
        text.append(f"Every table in full, with other metrics and costs: {named}.\n")
        if at_a_glance:
            text += [_at_a_glance(table) for table in one.tables]
    return text


def _over_tasks(of: Comparison) -> list[str]:
    return [*overview(of), "**Task by task**\n", grid(columns.tasks(of, ""), View.FULL)]


def _at_a_glance(table: Standing) -> str:
    """A task's table, folded; ablations stand on a page of their own."""
    rows = [row for row in table.rows if row.role != "ablation"]
    tied = sum(row.tied for row in table.ranked)
    best = f": best {table.best.method}, {tied} of {len(table.ranked)} tied" if table.best else ""
    return "\n".join(
        [
            f"<details><summary>{html(f'{table.task}{best}')}</summary>\n",
            f"{escape(columns.conditions(table))}\n",
            *_warnings(table),
            grid(columns.scores(table, rows), View.FRONT),
            "</details>\n",
        ]
    )


def _full(table: Standing) -> list[str]:
    scores = columns.scores(table)
    conditions = columns.conditions(table)
    return [
        f"## {escape(table.task)}\n",
        f"{escape(conditions)}. Source: {escape(table.source)}."
        f" Licence: {escape(table.licence)}.\n",
        *_warnings(table),
        grid(scores, View.FULL),
        "<details><summary>Other metrics and costs</summary>\n",
        grid(scores, View.DETAILS),
        "</details>\n",
        *([bullets(table.notes)] if table.notes else []),
    ]


def _warnings(table: Standing) -> list[str]:
    if not table.circular:
        return []
    side = code(table.circular)
    return [
        f"⚠ **Circular**: the label was called from {side}; a method that sees {side} is tested on"
        " its own input.\n"
    ]


def _elsewhere(board: Board, others: Sequence[Standing], folder: str) -> list[str]:
    """Links to what the front page does not show."""
    links = [
        f"- [{escape(title)}]({folder}/{name}.md)\n"
        for name, title in sorted({_of_setting(table) for table in others})
    ]
    links += [
        f"- [ablations of {escape(parent)}]({folder}/{slug(f'ablations-{parent}')}.md): what each"
        " part is worth, on every task, with its interval\n"
        for parent in board.ablations
    ]
    return ["## Other protocols, ablations\n", "".join(links)] if links else []


def _foot(board: Board, folder: str) -> list[str]:
    """Whole scores that are not there; single metrics and ablations stand on their page."""
    shown = board.missing_comparisons
    text = ["## What is missing, and why\n"]
    text.append(grid(columns.missing(shown), View.FRONT) if shown else "Nothing.\n")
    if more := len(board.missing) - len(shown):
        text.append(
            f"{more} more reasons concern single metrics or ablations:"
            f" [all that is missing]({folder}/missing.md)\n"
        )
    return text
