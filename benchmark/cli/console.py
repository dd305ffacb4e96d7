"""Where commands print to, and how rows are printed."""

import json
import os
from collections.abc import Sequence
from enum import Enum, auto

from rich.console import Console
from rich.markup import escape
from rich.table import Table


class Voice(Enum):
    """How much a command says of what it does."""

    QUIET = auto()
    NORMAL = auto()
    VERBOSE = auto()


def open_console() -> Console:
    """The terminal; 100 columns, or as many as COLUMNS says, where the output is a file."""
    console = Console()
    return console if console.is_terminal or "COLUMNS" in os.environ else Console(width=100)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) else str(value)


def print_rows(
    rows: list[dict[str, object]], as_json: bool, columns: Sequence[str] | None = None
) -> None:
    """Print rows as a table, or as JSON.

    Args:
        rows: All of the same keys.
        as_json: Whether as JSON, with all keys.
        columns: The keys that the table has; all without it.
    """
    if as_json:
        print(json.dumps(rows, indent=2, sort_keys=True))
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    columns = columns or tuple(rows[0] if rows else ())
    # The first column is a name to be typed: whole, whatever gives way.
    for place, name in enumerate(columns):
        widest = max((len(str(row[name])) for row in rows), default=0) if place == 0 else None
        justify = "right" if name == "parameters" else "left"
        table.add_column(name, justify=justify, min_width=widest)  # type: ignore[arg-type]
    for row in rows:
        table.add_row(*(_cell(row[name]) for name in columns))
    console = open_console()
    unbounded = console.options.update(width=10_000)
    if console.measure(table, options=unbounded).minimum <= console.width:
        console.print(table)
        return
    for row in rows:  # a block a row, where a row is too long for a line
        first, *others = columns
        console.print(f"[bold]{escape(_cell(row[first]))}[/]", highlight=False, overflow="fold")
        block = Table.grid(padding=(0, 2, 0, 0), pad_edge=True)
        block.add_column(style="dim", no_wrap=True)
        block.add_column(overflow="fold")
        for name in others:
            if text := _cell(row[name]):
                block.add_row(f"  {name}", escape(text))
        console.print(block)
