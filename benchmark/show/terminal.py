"""The leaderboard on the terminal: the same standings, within 100 columns."""

from collections.abc import Callable
from itertools import groupby

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from benchmark.analysis.deduplicate import deduplicate
from benchmark.analysis.missing import missing_scores, of_comparisons
from benchmark.analysis.standings import REFERENCE, Measure, Row, Standing, standings
from benchmark.show.columns import conditions, directed, mark, score
from benchmark.show.markdown import interval, number, p_value

WIDTH = 100
"""Columns that the tables are made for; a narrower terminal shows fewer of the other metrics."""

_SHORT = {
    "self-supervised": "self-supervised",
    "ablation": "ablations",
    "control": "floors, controls",
    "supervised": "supervised",
}
_STYLE = {"●": "bold green", "=": "green"}


def show(records: pd.DataFrame, console: Console) -> None:
    """Print a table per task, then what is missing and why.

    Args:
        records: A row per (trial, task, metric), in any order.
        console: Where to.
    """
    if records.empty:
        console.print("There are no records.")
        return
    scores = deduplicate(records)
    tables = standings(scores)
    width = min(console.width, WIDTH)
    source = ""
    for table in tables:
        console.print()
        if table.source != source:
            source = table.source
            heading = Text(f"{source} · licence: {table.licence}", style="bold underline")
            console.print(heading, width=width)
            console.print()
        console.print(Text(table.task, style="bold"))
        console.print(Text(conditions(table), style="dim"))
        if table.circular:
            warning = f"circular: the label was called from {table.circular}"
            console.print(Text(f"⚠ {warning}", style="yellow"))
        console.print(_fit(table, console, width), width=width)
    console.print()
    console.print(
        f"● best  [green]=[/] cannot be told apart from it (p ≥ 0.05)  ⚠ folds or seeds missing"
        f"  Δ difference to {REFERENCE}\n± standard deviation over folds and seeds  [ ] 95 %"
        " interval, corrected for folds that share patients",
        style="dim",
        width=width,
        highlight=False,
    )
    found = missing_scores(scores, tables)
    told = of_comparisons(found, tables)
    for gap in told:
        what = gap.metrics or "every metric"
        line = (
            f"{gap.status}: {', '.join(gap.methods)} on {', '.join(gap.tasks)},"
            f" {gap.cells} folds x seeds, {what} ({gap.protocol}, {gap.budget}): {gap.reason}"
        )
        console.print(f"[yellow]⚠[/] {escape(line)}", width=width, highlight=False)
    if len(told) < len(found):
        console.print(
            f"{len(found) - len(told)} more reasons concern single metrics or ablations:"
            " `mirror-bench leaderboard` writes them all into tables/missing.md",
            style="dim",
            width=width,
            highlight=False,
        )


def _fit(table: Standing, console: Console, width: int) -> Table:
    """The table with as many of the other metrics as there is room for."""
    for kept in range(len(table.others), 0, -1):
        drawn = _draw(table, kept)
        if console.measure(drawn, options=console.options.update(width=1000)).maximum <= width:
            return drawn
    return _draw(table, 0)


def _draw(table: Standing, kept: int) -> Table:
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    shown: list[tuple[str, Callable[[Row], str]]] = [
        (f"{directed(table.primary)} ± sd", score),
        ("[95 %]", lambda row: interval(row.score.low, row.score.high)),
    ]
    if table.has_reference:
        shown += [
            (f"Δ to {REFERENCE}", lambda row: number(row.difference.mean, sign=True)),
            (
                "[95 %]",
                lambda row: interval(row.difference.low, row.difference.high, sign=True),
            ),
            ("p", lambda row: p_value(row.difference.p)),
        ]
    shown += [_mean(i, measure) for i, measure in enumerate(table.others[:kept])]
    grid.add_column("", no_wrap=True)
    grid.add_column("method", no_wrap=True)
    for header, _ in shown:
        grid.add_column(escape(header), justify="right", no_wrap=True)
    for role, rows in groupby(table.rows, key=lambda row: row.role):
        group = tuple(rows)
        if len(group) < len(table.rows):
            grid.add_row("", Text(_SHORT[role], style="italic dim"))
        for row in group:
            sign = mark(table, row)
            style = _STYLE.get(sign, "yellow" if sign else "")
            grid.add_row(sign, row.method, *(cell(row) for _, cell in shown), style=style)
    return grid


def _mean(i: int, measure: Measure) -> tuple[str, Callable[[Row], str]]:
    return directed(measure), lambda row: number(row.others[i][0])
