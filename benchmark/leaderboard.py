"""The leaderboard: a pure function from records to markdown, deterministic to the byte."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import pandas as pd

from benchmark.gaps import Gap, gaps
from benchmark.markdown import NONE, escape, grid, interval, number, p_value
from benchmark.optimism import optimism_section
from benchmark.patients import RESAMPLES, patient_intervals
from benchmark.standings import (
    FEWEST_TASKS,
    REFERENCE,
    Measure,
    Ranking,
    Row,
    Standing,
    rankings,
    score_matrix,
    settle,
    standings,
)
from benchmark.stats import critical_difference, friedman

__all__ = [
    "NONE",
    "Column",
    "columns",
    "conditions",
    "details",
    "directed",
    "interval",
    "mark",
    "number",
    "p_value",
    "render",
    "score",
    "seconds",
    "size",
]

FEWEST_METHODS = 3
"""Of two, Wilcoxon's test says all there is."""

ROLE_TITLES = {
    "self-supervised": "Self-supervised methods",
    "ablation": "Ablations: their parent with one part taken away or mended, not ranked",
    "control": "Floors and controls, not ranked",
    "supervised": "Supervised references: trained on the training patients' labels, not ranked",
}

_PREAMBLE = """\
# Leaderboard

How to read it:

- **Protocol.** `strict`: folds of patients; whatever is fitted (genes, scalers, encoders, heads
  and their penalties) sees training patients only, and every test patient is scored once. `paper`
  re-enacts a published protocol, leaks included. `+permuted-labels`: outcomes were dealt anew
  among the patients, so that whatever is above chance is wrong. `+site-folds`: folds of whole
  tissue-source sites. Protocols and budgets never share a table.
- **Groups.** Only self-supervised methods are ranked. Ablations, floors and controls, and
  supervised references, which were told the training patients' outcomes, stand apart.
- The **score** is the mean of the table's first metric over folds and seeds, **±** its standard
  deviation over them. ↑: higher is better, ↓: lower is better.
- The **95 % interval** is that of the mean, by the corrected resampled t of Nadeau and Bengio:
  seeds are averaged within a fold, and folds share training patients, so they do not count as
  independent.
{over_patients}\
- **Δ** is the difference to `{reference}` on the same folds and seeds, with its corrected
  interval; **p** tests it, adjusted by Holm for the methods of its group. **Could show** is the
  smallest difference that this many folds, seeds, patients and events would have found in four
  of five repetitions: about smaller ones nothing is known here.
- **●** is the best score; **=** marks methods that **cannot be told apart** from it (p ≥ 0.05,
  corrected likewise): do not rank them by their scores.
- **⚠ 4/5** marks a row with scores in 4 of 5 folds x seeds: it stands last and has no rank. A
  count beside another metric says the same of it.
- **fit, s** is wall time on the machine that ran it, whatever else it did meanwhile.
- Over tasks, ranks are means with Student's interval over tasks, and by kind of task; **p** is
  Wilcoxon's signed-rank test, adjusted by Holm; it needs {fewest} tasks.
"""

_OVER_PATIENTS = f"""\
- The interval **over patients** keeps the fitted methods and resamples the test patients of each
  fold, {RESAMPLES:,} times: the luck of who was tested, without that of training.
"""


@dataclass(frozen=True)
class Column:
    """A column of a table, as an entry.

    Attributes:
        header: What stands above it.
        cell: The text of a row.
        shown: Whether a table has it.
        right: Whether it is aligned to the right.
    """

    header: str
    cell: Callable[[Standing, Row], str]
    shown: Callable[[Standing], bool] = lambda table: True  # noqa: ARG005
    right: bool = True


def score(row: Row) -> str:
    """Mean ± standard deviation."""
    spread = "" if np.isnan(row.spread) else f" ± {number(row.spread)}"
    return number(row.score.mean) + spread


def mark(table: Standing, row: Row) -> str:
    """● the best, = tied with it, ⚠ incomplete with its count, or nothing."""
    if row.cells < table.cells:
        return f"⚠ {row.cells}/{table.cells}"
    if row is table.best:
        return "●"
    return "=" if row.tied else ""


def seconds(x: float) -> str:
    """Seconds of a fit, one digit below ten."""
    return number(x, 1 if x < 10 else 0)


def size(parameters: int | None) -> str:
    """A number of parameters, as 950, 12 k or 3.4 M."""
    if parameters is None:
        return NONE
    if parameters < 1_000:
        return str(parameters)
    return f"{parameters / 1e3:.0f} k" if parameters < 1_000_000 else f"{parameters / 1e6:.1f} M"


def directed(measure: Measure) -> str:
    """A metric's name and its direction."""
    return f"{measure.name} {'↑' if measure.higher_is_better else '↓'}"


def _has_reference(table: Standing) -> bool:
    return table.has_reference


def _has_patients(table: Standing) -> bool:
    return any(not np.isnan(row.patients).any() for row in table.rows)


_BEFORE = (
    Column("", mark, right=False),
    Column("method", lambda _, row: f"`{row.method}`", right=False),
    Column("family", lambda _, row: escape(row.family), right=False),
)
_SCORE = (
    Column("95 % interval", lambda _, row: interval(row.score.low, row.score.high)),
    Column("over patients", lambda _, row: interval(*row.patients), _has_patients),
    Column(
        f"Δ to {REFERENCE}",
        lambda _, row: number(row.difference.mean, sign=True),
        _has_reference,
    ),
    Column(
        "of Δ",
        lambda _, row: interval(row.difference.low, row.difference.high, sign=True),
        _has_reference,
    ),
    Column("p", lambda _, row: p_value(row.difference.p), _has_reference),
    Column("could show", lambda _, row: number(row.smallest), _has_reference),
)
_AFTER = (
    Column("fit, s", lambda _, row: seconds(row.seconds)),
    Column("parameters", lambda _, row: size(row.parameters)),
)
_COSTS = (
    Column("GFLOP/step", lambda _, row: NONE if row.flops is None else number(row.flops / 1e9, 2)),
    Column("memory, MB", lambda _, row: number(row.memory, 0)),
)


def columns(table: Standing) -> tuple[Column, ...]:
    """The columns by which a table compares."""
    primary = Column(f"{directed(table.primary)} ± sd", lambda _, row: score(row))
    every = (*_BEFORE, primary, *_SCORE, *_AFTER)
    return tuple(column for column in every if column.shown(table))


def details(table: Standing) -> tuple[Column, ...]:
    """The columns of what else was measured: a table's other metrics, and further costs."""
    others = tuple(_other(i, measure) for i, measure in enumerate(table.others))
    return (_BEFORE[1], *others, *_COSTS)


def _other(i: int, measure: Measure) -> Column:
    def cell(table: Standing, row: Row) -> str:
        mean, cells = row.others[i]
        partial = 0 < cells < row.cells
        return f"{number(mean)} ({cells}/{table.cells})" if partial else number(mean)

    return Column(directed(measure), cell)


def conditions(table: Standing) -> str:
    """What holds for every row of a table, in one line: protocol, budget, cohort, counts."""
    fewest, most = table.n_patients
    patients = f"{most:,} patients" if fewest == most else f"{fewest:,} to {most:,} patients"
    events = "" if table.n_events is None else f", {table.n_events:,} events"
    seeds = f"{len(table.seeds)} seed{'s' if len(table.seeds) > 1 else ''}"
    return (
        f"protocol {table.protocol} · budget {table.budget} · {table.cohort}: {patients}{events}"
        f" · {table.n_folds} folds x {seeds}"
    )


def render(records: pd.DataFrame, predictions: pd.DataFrame | None = None) -> str:
    """Write the leaderboard.

    Args:
        records: A row per (trial, task, metric), in any order.
        predictions: A row per (trial, task, test patient), for the intervals over patients.

    Returns:
        Markdown, ending in a newline; it depends on what was recorded alone.
    """
    intervals = {} if predictions is None else patient_intervals(predictions)
    preamble = _PREAMBLE.format(
        reference=REFERENCE,
        fewest=FEWEST_TASKS,
        over_patients=_OVER_PATIENTS if intervals else "",
    )
    text = [preamble]
    if records.empty:
        return "\n".join([*text, "There are no records.\n"])
    settled = settle(records)
    tables = standings(settled, intervals)
    for (source, licence), section in groupby(tables, key=lambda t: (t.source, t.licence)):
        text += _section(source, licence, tuple(section))
    text += optimism_section(settled)
    return "\n".join([*text, *_foot(gaps(settled, tables))])


def _section(source: str, licence: str, tables: tuple[Standing, ...]) -> list[str]:
    cohorts = ", ".join(sorted({table.cohort for table in tables}))
    text = [f"## {source}\n", f"Cohorts: {cohorts}. Source: {source}. Licence: {licence}.\n"]
    settings = sorted({(table.protocol, table.budget) for table in tables}, key=_strict_first)
    for protocol, budget in settings:
        chosen = [t for t in tables if (t.protocol, t.budget) == (protocol, budget)]
        text += [
            f"### Overview, protocol {protocol}, budget {budget}\n",
            f"Mean rank over {len(chosen)} task{'s' if len(chosen) > 1 else ''}; 1 is the best."
            f"{_over_tasks(chosen)}\n",
            _overview(rankings(chosen), len(chosen)),
        ]
    for table in tables:
        text += _task(table)
    return text


def _strict_first(setting: tuple[str, str]) -> tuple[bool, str, str]:
    protocol, budget = setting
    return (protocol != "strict", protocol, budget)


def _over_tasks(tables: Sequence[Standing]) -> str:
    """Whether the methods differ at all over tasks, and how far ranks have to lie apart."""
    methods, scores = score_matrix(tables)
    if len(methods) < FEWEST_METHODS:
        return ""
    test = friedman(scores)
    if test.n_tasks < FEWEST_TASKS:
        return ""
    apart = critical_difference(len(methods), test.n_tasks)
    return (
        f" Over the {test.n_tasks} tasks that all {len(methods)} methods have in full: Friedman's"
        f" test that none differs, p {p_value(test.p)}; mean ranks less than {number(apart, 2)}"
        " apart cannot be told apart (Nemenyi)."
    )


def _overview(rows: tuple[Ranking, ...], n_tasks: int) -> str:
    kinds = tuple(dict.fromkeys(kind for row in rows for kind, _ in row.kinds))
    kinds = kinds if len(kinds) > 1 else ()
    header = (
        "method",
        "mean rank",
        "95 % interval",
        *kinds,
        "tasks",
        "best or tied",
        f"p against {REFERENCE}",
    )
    cells = (
        (
            f"`{row.method}`",
            number(row.mean_rank, 2),
            NONE
            if np.isnan(row.interval[0])
            else f"{number(row.interval[0], 1)} to {number(row.interval[1], 1)}",
            *(number(dict(row.kinds).get(kind, np.nan), 1) for kind in kinds),
            f"{row.tasks}/{n_tasks}",
            f"{row.best}/{row.tasks}",
            p_value(row.p),
        )
        for row in rows
    )
    return grid(header, cells, (False, *(True for _ in header[1:])))


def _task(table: Standing) -> list[str]:
    shown = columns(table)
    text = [f"### {table.task}\n", f"{conditions(table)}\n"]
    if table.circular:
        text.append(
            f"⚠ **Circular**: the label was called from `{table.circular}`; a method that sees"
            f" `{table.circular}` is tested on its own input.\n"
        )
    for role, rows in groupby(table.rows, key=lambda row: row.role):
        group = tuple(rows)
        if len(group) < len(table.rows):
            text.append(f"**{ROLE_TITLES[role]}**\n")
        text.append(_columns(table, shown, group))
    text += [
        "<details><summary>Other metrics and costs</summary>\n",
        _columns(table, details(table), table.rows),
        "</details>\n",
    ]
    if table.notes:
        text.append("".join(f"- {escape(note)}\n" for note in table.notes))
    return text


def _columns(table: Standing, shown: tuple[Column, ...], rows: tuple[Row, ...]) -> str:
    return grid(
        tuple(column.header for column in shown),
        (tuple(column.cell(table, row) for column in shown) for row in rows),
        tuple(column.right for column in shown),
    )


def _foot(missing: tuple[Gap, ...]) -> list[str]:
    text = ["## What is missing, and why\n"]
    if not missing:
        return [*text, "Nothing.\n"]
    header = ("status", "methods", "protocol", "budget", "folds x seeds", "what", "tasks", "reason")
    cells = (
        (
            gap.status,
            ", ".join(f"`{method}`" for method in gap.methods),
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
    return [*text, grid(header, cells, right)]
