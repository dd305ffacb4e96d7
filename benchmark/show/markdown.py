"""Tables and texts as Markdown, deterministic to the byte."""

from collections.abc import Iterable, Sequence

from benchmark.show.escape import markdown as escape
from benchmark.show.escape import markdown_code
from benchmark.show.tables import Column, Name, Strong, T, Table, View


def inline(parts: Iterable[str]) -> str:
    """Parts of a text in one line, names as code."""
    return "".join(map(_part, parts))


def _part(part: str) -> str:
    if isinstance(part, Name):
        return markdown_code(part)
    if isinstance(part, Strong):
        return f"**{escape(part)}**"
    # With the spaces at its ends, which part it from its neighbours.
    start = " " if part.startswith(" ") else ""
    end = " " if part.endswith(" ") and part.strip() else ""
    return f"{start}{escape(part)}{end}"


def grid(table: Table[T], view: View) -> str:
    """A table; titles of groups stand in the column that names the rows."""
    columns = table.seen(view).columns
    rule = ("---:" if column.right else ":---" for column in columns)
    lines = [tuple(inline([column.header]) for column in columns), tuple(rule)]
    for group in table.groups:
        if group.title:
            title = f"*{escape(group.title)}*"
            lines.append(tuple(title if column.kind == "name" else "" for column in columns))
        lines += [tuple(_cell(column, row) for column in columns) for row in group.rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(column: Column[T], row: T) -> str:
    # Numbers are texts of ours, and stay what they are.
    parts = column.parts(row)
    own = column.right and not any(isinstance(part, (Name, Strong)) for part in parts)
    return "".join(parts) if own else inline(parts)


def bullets(texts: Sequence[str]) -> str:
    """A list of texts."""
    return "".join(f"- {escape(text)}\n" for text in texts)
