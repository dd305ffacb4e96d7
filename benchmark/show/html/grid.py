"""A table of the page: its cells as HTML.

Written out here, as a template takes most of the time of a page of ten thousand cells.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from markupsafe import Markup
from markupsafe import escape as _escape

from benchmark.show.columns import STRIP_WIDTH
from benchmark.show.escape import plain
from benchmark.show.tables import Column, Group, Strip, Table

_LONG = 32
"""Characters of a text that may be broken into lines."""

_CHOICES = ("choice", "letters")

_DIGITS = 6
"""Of what a row is sorted by."""


@lru_cache(maxsize=65_536)
def escape(text: str) -> str:
    """Text of an element or an attribute, whoever wrote it."""
    return str(_escape(plain(text)))


def kind_of(column: Column[Any]) -> str:
    """The class of its cells."""
    return "text" if column.kind in _CHOICES else column.kind


def choices(column: Column[Any]) -> str:
    """The attribute that says how rows are filtered by its cells, if they are."""
    return Markup("").join(
        Markup(' data-choice="{}"').format(k) for k in _CHOICES if k == column.kind
    )


def shown(table: Table[Any]) -> Sequence[Column[Any]]:
    """The columns with cells, what names a row before the others: it stays in sight."""
    columns = [column for column in table.columns if column.kind != "filter"]
    return sorted(columns, key=lambda column: column.kind != "name")


def filters(table: Table[Any]) -> Sequence[Column[Any]]:
    """The columns without cells, to filter by."""
    return [column for column in table.columns if column.kind == "filter"]


def bodies(table: Table[Any], root: str) -> Markup:
    """Its groups of rows.

    Args:
        table: As one place shows it.
        root: From the page to the root of the report.
    """
    text = "".join(_body(table, group, root) for group in table.groups)
    return Markup(text)  # noqa: S704 (every text of others passed `escape`)


def _body(table: Table[Any], group: Group[Any], root: str) -> str:
    rows = "".join(_row(table, row, root) for row in group.rows)
    return f"<tbody>\n{_title(table, group)}{rows}</tbody>\n"


def _title(table: Table[Any], group: Group[Any]) -> str:
    if not group.title:
        return ""
    return (
        f'<tr class="group"><th scope="rowgroup" colspan="{len(shown(table))}">'
        f"<span>{escape(group.title)}</span></th></tr>\n"
    )


def _row(table: Table[Any], row: Any, root: str) -> str:
    style = table.style(row)
    cells = "".join(_cell(column, row, root) for column in shown(table))
    chosen = "".join(
        f' data-filter-{i}="{escape(column.words(row))}"' for i, column in enumerate(filters(table))
    )
    return f"<tr{_attribute('class', style)}{chosen}>{cells}</tr>\n"


def _cell(column: Column[Any], row: Any, root: str) -> str:
    words = column.words(row)
    tag, scope = ("th", ' scope="row"') if column.kind == "name" else ("td", "")
    long = " long" if len(words) > _LONG else ""
    inside = escape(words)
    if column.strip:
        inside = "".join(_strip(column.strip(row), words))
    elif column.link and (link := column.link(row)):
        place = link if link.startswith("#") else root + link
        inside = f'<a href="{escape(place)}">{inside}</a>'
    value = _value(column, row, words)
    style = f"{kind_of(column)}{long}{_shade(column, row)}".removeprefix("text").strip()
    hint = _attribute("title", column.hint(row) if column.hint else "")
    return f"<{tag}{scope}{_attribute('class', style)}{hint}{value}>{inside}</{tag}>"


def _shade(column: Column[Any], row: Any) -> str:
    """The classes of a coloured cell."""
    if column.shade is None:
        return ""
    shade = column.shade(row)
    return " map" if shade == 0 else f" map {'above' if shade > 0 else 'below'}-{abs(shade)}"


def _value(column: Column[Any], row: Any, words: str) -> str:
    """What the row is sorted by, where that is not what it says."""
    if column.kind == "drawing":
        return ""
    value = column.value(row)
    text = f"{value:.{_DIGITS}g}" if isinstance(value, float) else value or ""
    return "" if text == words else f' data-value="{escape(text)}"'


def _attribute(name: str, value: str) -> str:
    return f' {name}="{escape(value)}"' if value else ""


def _strip(strip: Strip | None, words: str) -> Iterator[str]:
    if strip is None:
        return
    yield f'<svg class="strip" width="{STRIP_WIDTH}" height="16" viewBox="0 0 {STRIP_WIDTH} 16"'
    yield f' aria-hidden="true"><title>{escape(words)}</title>'
    if strip.reference is not None:
        yield f'<path class="reference" d="M{strip.reference} 0V16"/>'
    if strip.low is not None:
        yield f'<path class="span" d="M{strip.low} 8H{strip.high}"/>'
    yield f'<circle cx="{strip.mean}" cy="8" r="3.5"/></svg>'
