"""The leaderboard: a pure function from records to markdown, deterministic to the byte."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import groupby

import pandas as pd

from benchmark.analysis import control as control_check
from benchmark.analysis.ablations import deltas
from benchmark.analysis.deduplicate import deduplicate
from benchmark.analysis.intervals import RESAMPLES, Intervals
from benchmark.analysis.missing import Missing, missing_scores, of_comparisons
from benchmark.analysis.standings import FEWEST_TASKS, REFERENCE, Standing, standings
from benchmark.show import control_table
from benchmark.show.ablation_tables import markdown
from benchmark.show.columns import brief, columns, conditions, details, rows_table
from benchmark.show.markdown import escape, grid
from benchmark.show.optimism_tables import optimism_brief, optimism_section
from benchmark.show.overview import overview, task_lines

FRONT_TASKS = 80
"""Tasks whose tables stand on the front page; of more, a browser of code shows a part of it."""

STRICT = "strict"

_FEW = 5
"""Methods that are named one by one, however many others there are."""

_PREAMBLE = f"""\
# Leaderboard

Made by `mirror-bench leaderboard` from the records alone. **Which methods cannot be told apart?**
Over tasks, those that share a letter in the column *groups*. In one task, those that its line
names, marked **=** in its table. Do not rank such methods by their scores.

<details><summary>How to read the numbers</summary>

- **Protocol.** `strict`: folds of patients; whatever is fitted (genes, scalers, encoders, heads
  and their penalties) sees training patients only, and every test patient is scored once. `paper`
  re-enacts a published protocol, leaks included. `+permuted-labels`: outcomes were dealt anew
  among the patients, so that whatever is above chance is wrong. `+site-folds`: folds of whole
  tissue-source sites; `-x3`: the patients were dealt into folds three times. Protocols and budgets
  never share a table.
- **Set apart.** Only self-supervised methods are ranked. Floors and controls, and supervised
  references, which were told the training patients' outcomes, show the ranks that they would have,
  each alone among the ranked. Ablations are compared with their parent only.
- **Mean rank** is over tasks, 1 the best, with Student's interval over tasks, and by kind of task.
  **Wins**: tasks in which it has the best score. **p** is Wilcoxon's signed-rank test over tasks,
  adjusted by Holm; it needs {FEWEST_TASKS} tasks.
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
    """

    front: str
    tables: Mapping[str, str]

    @property
    def whole(self) -> str:
        """Everything that is said, one page after the other."""
        return "\n".join([self.front, *self.tables.values()])

    @property
    def source(self) -> str:
        """What a figure says that it was drawn from: a hash of everything that is said."""
        return f"leaderboard {hashlib.sha256(self.whole.encode()).hexdigest()[:16]}"


def render(
    records: pd.DataFrame, intervals: Intervals | None = None, folder: str = "results/tables"
) -> Leaderboard:
    """Write the leaderboard.

    Args:
        records: A row per (trial, task, metric), in any order.
        intervals: Over patients, if their predictions are at hand.
        folder: Where the tables will be, as the front page links to them.

    Returns:
        Markdown; it depends on what was recorded alone.
    """
    if records.empty:
        return Leaderboard(f"{_PREAMBLE}\nThere are no records.\n", {})
    scores = deduplicate(records)
    tables = standings(scores, intervals)
    controls = [table for table in tables if control_check.is_control(table)]
    main = [table for table in tables if table.protocol == STRICT]
    others = [table for table in tables if table not in main and table not in controls]
    pages = {
        **_pages(main, _of_kind),
        **_pages(others, _of_setting),
        **_control_page(controls),
        **_ablation_pages(scores),
        **_page("optimism-gap", "Optimism gap", optimism_section(scores)),
    }
    front = [_PREAMBLE]
    glance = len(main) <= FRONT_TASKS
    for title, embedded in (("Real cohorts", False), ("Planted cohorts", True)):
        chosen = [table for table in main if table.embedded is embedded]
        front += _section(title, chosen, folder, at_a_glance=glance)
    if controls:
        front += [
            "## Control check: permuted labels\n",
            control_table.verdict(controls),
            f"[Every method and task]({folder}/permuted-labels.md)\n",
        ]
    front += optimism_brief(scores, f"{folder}/optimism-gap.md")
    front += _elsewhere(pages, others, folder)
    missing = missing_scores(scores, tables)
    front += _foot(missing, tables, folder)
    pages |= _page("missing", "What is missing, and why", _gap_table(missing, tables))
    return Leaderboard("\n".join(front), dict(sorted(pages.items())))


def _page(name: str, title: str, text: Sequence[str]) -> dict[str, str]:
    return {f"{name}.md": "\n".join([f"# {title}\n", *text])} if text else {}


def _of_kind(table: Standing) -> tuple[str, str]:
    name = table.kind if table.budget == "default" else f"{table.kind}-{table.budget}"
    return name, f"{table.kind}: protocol {table.protocol}, budget {table.budget}"


def _of_setting(table: Standing) -> tuple[str, str]:
    name = re.sub(r"[^a-z0-9]+", "-", f"{table.protocol}-{table.budget}".lower()).strip("-")
    return name, f"Protocol {table.protocol}, budget {table.budget}"


def _pages(
    tables: Sequence[Standing], place: Callable[[Standing], tuple[str, str]]
) -> dict[str, str]:
    """Every table in full, those of one place on one page."""
    found: dict[str, str] = {}
    for (name, title), group in groupby(sorted(tables, key=place), key=place):
        on_page = tuple(group)
        text = [] if on_page[0].protocol == STRICT else _apart(on_page)
        for table in on_page:
            text += _full(table)
        found |= _page(name, title, text)
    return found


def _control_page(tables: Sequence[Standing]) -> dict[str, str]:
    if not tables:
        return {}
    text = [control_table.verdict(tables), control_table.check_table(tables)]
    return _page("permuted-labels", "Control check: permuted labels", text)


def _ablation_pages(scores: pd.DataFrame) -> dict[str, str]:
    strict = scores[scores["protocol"] == STRICT]
    parents = strict.loc[strict["role"] == "ablation", "parent"].dropna()
    return {
        f"ablations-{parent}.md": markdown(found, parent)
        for parent in sorted(parents.unique())
        if (found := deltas(strict, parent))
    }


def _section(
    title: str, tables: Sequence[Standing], folder: str, *, at_a_glance: bool
) -> list[str]:
    """Cohorts of one sort: where they come from, the methods over all tasks, and every task."""
    if not tables:
        return []
    text = [f"## {title}\n", _cohorts(tables)]
    by_budget = sorted(tables, key=lambda table: (table.budget, table.n_folds, table.task))
    for (budget, n_folds), group in groupby(by_budget, key=lambda t: (t.budget, t.n_folds)):
        chosen = tuple(group)
        text.append(f"### Over tasks: protocol {STRICT}, budget {budget}, {n_folds} folds\n")
        text += _over_tasks(chosen)
        links = {table.kind: f"{folder}/{_of_kind(table)[0]}.md" for table in chosen}
        named = ", ".join(f"[{kind}]({link})" for kind, link in links.items())
        text.append(f"Every table in full, with other metrics and costs: {named}.\n")
        if at_a_glance:
            text += [_at_a_glance(table) for table in chosen]
    return text


def _apart(tables: Sequence[Standing]) -> list[str]:
    """The methods over all tasks: real and planted cohorts, and other folds, do not mix."""
    text: list[str] = []
    for (embedded, folds), group in groupby(sorted(tables, key=_sort), key=_sort):
        cohorts = "planted" if embedded else "real"
        text += [f"## Over tasks: {cohorts} cohorts, {folds} folds\n", *_over_tasks(tuple(group))]
    return text


def _sort(table: Standing) -> tuple[bool, int]:
    return table.embedded, table.n_folds


def _over_tasks(tables: Sequence[Standing]) -> list[str]:
    return [*overview(tables), "**Task by task**\n", task_lines(tables)]


def _cohorts(tables: Sequence[Standing]) -> str:
    most = {t.cohort: 0 for t in tables}
    for table in tables:
        most[table.cohort] = max(most[table.cohort], table.n_patients[1])
    first = {table.cohort: table for table in reversed(tables)}
    cells = (
        (name, f"{most[name]:,}", escape(first[name].source), escape(first[name].licence))
        for name in sorted(first)
    )
    header = ("cohort", "patients tested, at most", "source", "licence")
    return grid(header, cells, (False, True, False, False))


def _at_a_glance(table: Standing) -> str:
    """A task's table, folded; ablations stand on a page of their own."""
    rows = [row for row in table.rows if row.role != "ablation"]
    tied = sum(row.tied for row in table.ranked)
    best = f": best {table.best.method}, {tied} of {len(table.ranked)} tied" if table.best else ""
    return "\n".join(
        [
            f"<details><summary>{table.task}{best}</summary>\n",
            f"{conditions(table)}\n",
            *_warnings(table),
            rows_table(table, brief(table), rows),
            "</details>\n",
        ]
    )


def _full(table: Standing) -> list[str]:
    return [
        f"## {table.task}\n",
        f"{conditions(table)}. Source: {escape(table.source)}. Licence: {escape(table.licence)}.\n",
        *_warnings(table),
        rows_table(table, columns(table), table.rows),
        "<details><summary>Other metrics and costs</summary>\n",
        rows_table(table, details(table), table.rows),
        "</details>\n",
        *(["".join(f"- {escape(note)}\n" for note in table.notes)] if table.notes else []),
    ]


def _warnings(table: Standing) -> list[str]:
    if not table.circular:
        return []
    return [
        f"⚠ **Circular**: the label was called from `{table.circular}`; a method that sees"
        f" `{table.circular}` is tested on its own input.\n"
    ]


def _elsewhere(pages: Mapping[str, str], others: Sequence[Standing], folder: str) -> list[str]:
    """Links to what the front page does not show."""
    names = {_of_setting(table) for table in others}
    links = [f"- [{title}]({folder}/{name}.md)\n" for name, title in sorted(names)]
    links += [
        f"- [{name.removesuffix('.md').replace('-', ' of ', 1)}]({folder}/{name}): what each part"
        " is worth, on every task, with its interval\n"
        for name in pages
        if name.startswith("ablations-")
    ]
    return ["## Other protocols, ablations\n", "".join(links)] if links else []


def _foot(missing: Sequence[Missing], tables: Sequence[Standing], folder: str) -> list[str]:
    """Whole scores that are not there; single metrics and ablations stand on their page."""
    shown = of_comparisons(missing, tables)
    text = ["## What is missing, and why\n", *(_gap_table(shown, tables) or ["Nothing.\n"])]
    if len(shown) < len(missing):
        text.append(
            f"{len(missing) - len(shown)} more reasons concern single metrics or ablations:"
            f" [all that is missing]({folder}/missing.md)\n"
        )
    return text


def _gap_table(missing: Sequence[Missing], tables: Sequence[Standing]) -> list[str]:
    if not missing:
        return []
    run: dict[tuple[str, str], set[str]] = defaultdict(set)
    for table in tables:
        run[table.protocol, table.budget] |= {row.method for row in table.rows}
    header = ("status", "methods", "protocol", "budget", "folds x seeds", "what", "tasks", "reason")
    cells = (
        (
            gap.status,
            _named(gap.methods, run[gap.protocol, gap.budget]),
            gap.protocol,
            gap.budget,
            str(gap.cells),
            gap.metrics or "every metric",
            ", ".join(gap.tasks),
            escape(gap.reason),
        )
        for gap in missing
    )
    right = tuple(name == "folds x seeds" for name in header)
    return [grid(header, cells, right)]


def _named(methods: Sequence[str], run: Set[str]) -> str:
    """The methods, or the few of those that were run that they are not."""
    others = sorted(run - set(methods))
    if len(methods) <= max(_FEW, len(others)):
        return ", ".join(f"`{method}`" for method in methods)
    but = f" but {', '.join(f'`{method}`' for method in others)}" if others else ""
    return f"all {len(methods)} methods{but}"
