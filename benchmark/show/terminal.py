"""The leaderboard on the terminal: the same standings, within 100 columns."""

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from benchmark.analysis.board import Board
from benchmark.analysis.standings import REFERENCE
from benchmark.show import columns
from benchmark.show.escape import plain
from benchmark.show.sentences import control_verdict
from benchmark.show.tables import T, Table, View

WIDTH = 100
"""Columns that the tables are made for; a narrower terminal shows fewer of the other metrics."""

_GAP = 2
_NAMES = 1  # the column of names, in which titles of groups stand
_KEPT = 3
"""Columns that stay at any width: mark, name and score; of an ablation name, score and Δ."""
_MARKS = {"best": "bold green", "tied": "green", "incomplete": "yellow"}


def show(board: Board, console: Console) -> None:
    """Print a table per task, then what is missing and why.

    Args:
        board: What was recorded.
        console: Where to.
    """
    if board.records.empty:
        console.print("There are no records.")
        return
    width = min(console.width, WIDTH)

    def line(text: str, style: str = "") -> None:
        console.print(Text(plain(text), style=style), width=width)

    source = ""
    for table in board.standings:
        console.print()
        if table.source != source:
            source = table.source
            line(f"{source} · licence: {table.licence}", "bold underline")
            console.print()
        line(table.task, "bold")
        line(columns.conditions(table), "dim")
        if table.circular:
            line(f"⚠ circular: the label was called from {table.circular}", "yellow")
        others = [columns.directed(measure) for measure in table.others]
        console.print(grid(columns.scores(table), width, others), width=width)
    console.print()
    console.print(
        f"● best  [green]=[/] cannot be told apart from it (p ≥ 0.05)  ⚠ folds or seeds missing"
        f"  Δ difference to {board.baseline or REFERENCE}\n"
        "± standard deviation over folds and seeds  95 % intervals are corrected for folds that"
        " share patients",
        style="dim",
        width=width,
        highlight=False,
    )
    if board.control is not None:
        line("".join(control_verdict(board.control)))
    for found in board.missing_comparisons:
        what = ", ".join(found.metrics) or "every metric"
        line(
            f"⚠ {found.status}: {', '.join(found.methods)} on {', '.join(found.tasks)},"
            f" {found.cells} folds x seeds, {what} ({found.protocol}, {found.budget}):"
            f" {found.reason}"
        )
    if more := len(board.missing) - len(board.missing_comparisons):
        line(
            f"{more} more reasons concern single metrics or ablations:"
            " `mirror-bench leaderboard` writes them all into tables/missing.md",
            "dim",
        )


def grid(table: Table[T], width: int = WIDTH, others: list[str] | None = None) -> Grid:
    """A table for the terminal.

    Args:
        table: What to draw.
        width: That it may take.
        others: Headers of columns that give way to it first, the last one before the others; then
            all from the right but `_KEPT`.
    """
    shown = list(table.seen(View.TERMINAL).columns)
    texts = {column.header: [plain(column.words(row)) for row in table.rows] for column in shown}
    widths = {
        header: max(map(cell_len, (header, *cells))) + _GAP for header, cells in texts.items()
    }
    titles = [plain(group.title.split(",")[0]) for group in table.groups]
    named = shown[_NAMES].header
    widths[named] = max(widths[named], *(cell_len(title) + _GAP for title in titles))
    kept = [column.header for column in shown if column.header not in (others or [])]
    for header in (*reversed(others or []), *reversed(kept[_KEPT:])):
        if sum(widths[column.header] for column in shown) - _GAP > width:
            shown = [column for column in shown if column.header != header]
    drawn = Grid(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="dim")
    for column in shown:
        head = Text(plain(column.header))
        drawn.add_column(head, justify="right" if column.right else "left", no_wrap=True)
    at = 0
    for group, title in zip(table.groups, titles, strict=True):
        if title:
            drawn.add_row(*[""] * _NAMES, Text(title, style="italic dim"))
        for row in group.rows:
            cells = (Text(texts[column.header][at]) for column in shown)
            drawn.add_row(*cells, style=_MARKS.get(table.style(row), ""))
            at += 1
    return drawn
