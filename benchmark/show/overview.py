"""The top of the leaderboard: how methods fare over all tasks, and who cannot be told apart."""

from statistics import median

from benchmark.analysis.ranks import Comparison
from benchmark.analysis.standings import ALPHA, FEWEST_TASKS
from benchmark.show import columns
from benchmark.show.escape import markdown_code as code
from benchmark.show.markdown import grid
from benchmark.show.numbers import count, number, p_value
from benchmark.show.tables import View

FEWEST_METHODS = 3
"""Of two, Wilcoxon's test says all there is."""


def overview(of: Comparison) -> list[str]:
    """What the tables of a comparison show together, in words and as a table."""
    if not of.compared:
        return []
    text = _sentences(of)
    if left_out := len(of.tables) - len(of.compared):
        text.append(f"Not counted, with fewer than two methods to rank: {left_out}.")
    return [" ".join(text) + "\n", grid(columns.ranking(of, ""), View.FULL)]


def _sentences(of: Comparison) -> list[str]:
    tables, rows = of.compared, of.rankings
    many = count(len(tables), "task")
    text = [f"**{many}, {count(len(rows), 'ranked method')}.**"]
    same = [code(row.method) for row in rows if "a" in row.group]
    whole = sum(bool(row.group) for row in rows)
    if len(same) == whole > 1:
        text.append("**Over tasks no method can be told apart from another.**")
    elif same:
        text.append(
            f"**Over tasks, {len(same)} of {whole} cannot be told apart from the best mean rank"
            f" (group a): {', '.join(same)}.**"
        )
    text += _tests(of)
    tied = [sum(row.tied for row in table.ranked) for table in tables]
    ranked = [len(table.ranked) for table in tables]
    text.append(
        f"Within a task, {number(median(tied), 0)} of {number(median(ranked), 0)} methods (medians"
        " over tasks) cannot be told apart from the best, itself counted."
    )
    for role, name in (("control", "floor or control"), ("supervised", "supervised reference")):
        if (above := of.above_the_best(role)) is not None:
            text.append(f"A {name} scores above every ranked method in {above} of {many}.")
    return text


def _tests(of: Comparison) -> list[str]:
    """Whether the methods differ at all over tasks, and how far ranks have to lie apart."""
    test = of.difference
    if test is None or test.methods < FEWEST_METHODS:
        return []
    if len(of.compared) < FEWEST_TASKS:
        return [f"Fewer than {FEWEST_TASKS} tasks tell nobody apart over tasks."]
    text = f"Friedman's test that none differs, p {p_value(test.p)}"
    if test.p >= ALPHA:
        return [f"{text}: not shown that any method differs."]
    left_out = f"; {test.absent} that lack a task have no group" if test.absent else ""
    return [
        f"{text}; mean ranks less than {number(test.apart, 2)} apart cannot be told apart"
        f" (Nemenyi, of the {test.methods} that have every task{left_out}). Tasks of one cohort"
        " share its patients, so that these tests see more evidence than there is."
    ]
