"""The leaderboard: a pure function from a board to Markdown, deterministic to the byte."""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from benchmark.analysis.board import Board
from benchmark.analysis.control import is_control
from benchmark.analysis.findings import Findings
from benchmark.analysis.over_cohorts import FEWEST_FOR_GROUPS, Comparison
from benchmark.analysis.standings import REFERENCE, Standing
from benchmark.analysis.stats.hierarchical import ROPE
from benchmark.show import columns
from benchmark.show.escape import markdown as escape
from benchmark.show.escape import markdown_code as code
from benchmark.show.export import missing_sheet, sheet_of
from benchmark.show.first_screen import Section, first_screen
from benchmark.show.markdown import bullets, grid, inline
from benchmark.show.numbers import count
from benchmark.show.page_names import LONGEST, slug
from benchmark.show.sentences import (
    OPTIMISM_EXPLAINED,
    UNSETTLED_EXPLAINED,
    VARIANTS_EXPLAINED,
    ablations_explained,
    control_verdict,
    protocol_explained,
)
from benchmark.show.tables import T, Table, View
from tasks.kinds.published.switches import HONEST

FIRST = "differences"
"""Name of the figure that stands on the first page."""

FRONT_TASKS = 60
"""Tasks that have a line on the front page; of more, the primary ones have."""


def _reading(to: str) -> str:
    return f"""\
<details><summary>How to read the numbers</summary>

- **best**: of the self-supervised methods, with the 95 % interval of its mean over folds and
  repeats. **tied on it**: how many of them this task alone cannot tell from it: do
  not rank those. **floor**: the best of what learns nothing, plain features and age, sex and stage
  among it. **supervised**: the best of those that were told outcomes.
- ↑: higher is better. **⚠**: a circular label, called from what the methods see.
- Over cohorts one primary task a kind counts (`tasks/suites.toml`), as tasks of one cohort share
  its patients; no consequence: within ±{ROPE:g}. Mean ranks group methods from
  {FEWEST_FOR_GROUPS} cohorts on.
- Pages have every method, its **Δ** to `{to}` and what that **could show**, for all
  methods at once. **∅** found nothing: one prediction for everybody.
- `strict` fits everything, genes and penalties included, on training patients alone; `paper`
  re-enacts a published protocol, leaks included. They never share a table.

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
        """All pages, one after the other, without the csv files."""
        pages = (text for name, text in self.tables.items() if name.endswith(".md"))
        return "\n".join([self.front, *pages])

    @property
    def source(self) -> str:
        """What a figure says that it was drawn from: a hash of all numbers, and of no word."""
        numbers = "".join(text for name, text in self.tables.items() if name.endswith(".csv"))
        return f"leaderboard {hashlib.sha256(numbers.encode()).hexdigest()[:16]}"


def render(board: Board, folder: str = "results/tables", figure: str = "") -> Leaderboard:
    """Write the leaderboard.

    Args:
        board: What was recorded.
        folder: Where the tables will be, as the front page links to them.
        figure: Likewise the first figure; empty where it is not drawn.

    Returns:
        Markdown and csv; it depends on what was recorded alone.
    """
    if board.records.empty:
        return Leaderboard("# Leaderboard\n\nThere are no records.\n", {})
    main = [table for one in board.main for table in one.tables]
    every = [table for table in board.standings if not is_control(table)]
    keys = {table.key for table in main}
    others = [table for table in every if table.key not in keys]
    first = next(iter(board.main), None)
    pages = {
        **_pages(main, _of_kind, ()),
        **_pages(others, _of_setting, [one for one in board.comparisons if not one.plain]),
        **_over_cohorts_pages(board.main),
        **_control_page(board),
        **_ablation_pages(board),
        **_optimism_page(board),
        **_training_page(board),
        **_variants_page(board),
    }
    text = "\n".join(_first_screen(board, first)).strip() if first else ""
    front = ["# Leaderboard\n", f"{text}\n"]
    if first:
        if figure and Findings(first.kinds).kinds:
            front.append(f"![What methods add to plain features, over cohorts]({figure})\n")
        front += [_reading(board.baseline or REFERENCE), *_tasks(first, folder)]
        front += ["## Cohorts\n", grid(columns.sources(first.tables), View.MARKDOWN)]
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
        pages["missing.csv"] = missing_sheet(board.missing)
    return Leaderboard("\n".join(front), dict(sorted(pages.items())), text)


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
        of_page = tuple(group)
        text: list[str] = []
        for one in over_tasks:
            if place(one.tables[0]) == (name, title):
                if not text and (explained := protocol_explained(one.protocol)):
                    text.append(f"{inline(explained)}\n")
                text.append(f"## Over cohorts: {_sort(one)}\n")
                text += _over_cohorts(one)
        text.append(f"All metrics, costs and digits: [{name}.csv]({name}.csv).\n")
        for table in of_page:
            text += _full(table)
        pages |= _page(name, escape(title), text) | {f"{name}.csv": sheet_of(of_page)}
    return pages


def _sort(of: Comparison) -> str:
    layout = count(of.n_folds, "fold") if of.n_folds > 1 else "one split"
    return f"{'planted' if of.planted else 'real'} cohorts, budget {of.budget}, {layout}"


def _name_of(of: Comparison) -> str:
    parts = ["planted" if of.planted else "real", of.budget, count(of.n_folds, "fold")]
    return slug("-".join(part.replace(" ", "-") for part in parts if part != "default"))


def _over_cohorts_pages(main: Sequence[Comparison]) -> dict[str, str]:
    """Every method over the cohorts of each kind, and a line a task."""
    pages: dict[str, str] = {}
    for one in main:
        pages |= _page(_name_of(one), f"Over cohorts: {_sort(one)}", _over_cohorts(one))
    return pages


def _first_screen(board: Board, first: Comparison) -> list[str]:
    """What was found, and what to use for whom."""
    text = [part for section in first_screen(first, board.control) for part in _section(section)]
    found = Findings(first.kinds)
    return [
        *text,
        *(grid(columns.advice(kind.of, kind.use), View.MARKDOWN) for kind in found.kinds[:1]),
    ]


def _section(section: Section) -> list[str]:
    title, *lines = (
        inline((line,) if isinstance(line, str) else line)
        for line in (section.title, *section.lines)
    )
    return [f"{title}\n", "".join(f"- {line}\n" for line in lines)]


def _control_page(board: Board) -> dict[str, str]:
    if board.control is None:
        return {}
    text = [f"{inline(control_verdict(board.control))}\n"]
    text.append(grid(columns.control(board.control), View.MARKDOWN))
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
        for text in (f"## {escape(table.caption)}\n", grid(table, View.MARKDOWN))
    ]


def _optimism_page(board: Board) -> dict[str, str]:
    if not board.optimism:
        return {}
    text = [f"{inline(OPTIMISM_EXPLAINED)}\n", *_titled(columns.optimism(board.optimism))]
    return _page("optimism-gap", "Optimism gap", text)


def _training_page(board: Board) -> dict[str, str]:
    if not board.unsettled:
        return {}
    text = [f"{UNSETTLED_EXPLAINED}\n", grid(columns.unsettled(board.unsettled), View.MARKDOWN)]
    return _page("unsettled", "Fits that are not settled", text)


def _variants_page(board: Board) -> dict[str, str]:
    if not board.variants:
        return {}
    text = [f"{VARIANTS_EXPLAINED}\n", grid(columns.variants(board.variants), View.MARKDOWN)]
    return _page("variants", "Searches and readouts", text)


def _optimism_in_brief(board: Board, link: str) -> list[str]:
    brief = columns.optimism_in_brief(board.optimism)
    if not any(brief.rows):
        return []
    return [
        "## Optimism gap\n",
        f"What the published way of evaluating adds to the score of `{REFERENCE}`: the same"
        f" embeddings and folds, the same probe, evaluated as published (paper) and honestly"
        f" ({HONEST}). [Every method, switch by switch]({link})\n",
        grid(brief, View.MARKDOWN),
    ]


def _tasks(of: Comparison, folder: str) -> list[str]:
    """A line a task; of very many, the primary ones."""
    shown = of.tables
    if len(shown) > FRONT_TASKS:
        shown = tuple(table for kind in of.kinds for table in kind.tables) or shown
    links = {table.kind: f"{folder}/{_of_kind(table)[0]}.md" for table in of.tables}
    named = ", ".join(f"[{escape(kind)}]({link})" for kind, link in links.items())
    return [
        "## Task by task\n",
        f"Every method on every task: {named}.\n",
        grid(columns.tasks(shown, ""), View.MARKDOWN),
    ]


def _over_cohorts(of: Comparison) -> list[str]:
    found = Findings(of.kinds)
    text = [part for section in first_screen(of) for part in _section(section)]
    for kind in found.kinds:
        text.append(f"**{escape(kind.of.kind)}**: every method over its cohorts\n")
        text.append(grid(columns.ranking(kind.of, "", found.level), View.MARKDOWN))
    return [*text, "**Task by task**\n", grid(columns.tasks(of.tables, ""), View.MARKDOWN)]


def _full(table: Standing) -> list[str]:
    """Every method but ablations, which have a page of their own."""
    rows = [row for row in table.rows if row.role != "ablation"]
    return [
        f"## {escape(table.task)}\n",
        f"{escape(columns.conditions(table))}\n",
        *_warnings(table),
        grid(columns.scores(table, rows), View.MARKDOWN),
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
        f"- [{_sort(one)}]({folder}/{_name_of(one)}.md): every method over cohorts\n"
        for one in board.main
    ]
    links += [
        f"- [{escape(title)}]({folder}/{name}.md)\n"
        for name, title in sorted({_of_setting(table) for table in others})
    ]
    links += [
        f"- [ablations of {escape(parent)}]({folder}/{slug(f'ablations-{parent}')}.md): what each"
        " part is worth, on every task, with its interval\n"
        for parent in board.ablations
    ]
    if board.variants:
        links.append(f"- [searches and readouts]({folder}/variants.md): what they add\n")
    return ["## Over cohorts, other protocols, ablations\n", "".join(links)] if links else []


def _foot(board: Board, folder: str) -> list[str]:
    """Whole scores that are not there, a line a reason; single metrics and ablations elsewhere."""
    shown = board.missing_comparisons
    text = ["## What is missing, and why\n"]
    text.append(grid(columns.reasons(shown), View.MARKDOWN) if shown else "Nothing.\n")
    if board.missing:
        more = len(board.missing) - len(shown)
        also = f"; {more} more concern single metrics or ablations" if more else ""
        text.append(f"[All that is missing]({folder}/missing.csv){also}.\n")
    if board.unsettled:
        some = count(len(board.unsettled), "method")
        text.append(
            f"Training ended far from converged, or in a collapse, in some fits of {some}:"
            f" [which]({folder}/unsettled.md).\n"
        )
    return text
