"""The one layer that texts of strangers pass on their way into a terminal, a page or a file.

Names, notes, reasons and sources come from manifests and records that others wrote. Here they lose
what a sink would obey (markup, links, formulas, terminal commands, characters that turn the
direction of a line) and stay readable. Pages are escaped by jinja2, whose environment passes every
text through `plain` first, and an SVG by matplotlib, which is handed plain texts.
"""

import html as _html
import re
from collections.abc import Callable
from typing import Any

import pandas as pd
from rich.markup import escape as _rich

_CODE = re.compile(r"[\w./+:@()-](?:[\w ./+:@()-]*[\w./+:@()-])?")
_MARKDOWN = (
    (re.compile(r"([\\`*~|\[\]])"), r"\\\1"),
    (re.compile(r"(?<![^\W_])_|_(?![^\W_])"), r"\_"),
    (re.compile(r"^([#+=-]+)(?=\s)"), r"\\\1"),
    (re.compile(r"&(?=#|\w+;)"), "&amp;"),
    (re.compile(r"<"), "&lt;"),
    (re.compile(r">"), "&gt;"),
    (re.compile(r"://"), ":&#47;/"),
    (re.compile(r"(?i)\b(www)\."), r"\1&#46;"),
    (re.compile(r"@"), "&#64;"),
)
_LATEX = str.maketrans(
    {c: f"\\{c}" for c in "&%$#_{}"}
    | {
        "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
        "<": "$<$", ">": "$>$", "|": r"\textbar{}", '"': "''",
        "↑": r"$\uparrow$", "↓": r"$\downarrow$", "·": r"$\cdot$", "Δ": r"$\Delta$",
        "±": r"$\pm$", "●": r"$\bullet$", "≥": r"$\ge$", "⚠": None,
    }
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def plain(text: str) -> str:
    """One line that commands nothing: what is not printable stands as its escape sequence."""
    if text.isprintable():
        return text
    spaced = re.sub(r"[\t\r\n]+", " ", text)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in spaced)


def markdown(text: str) -> str:
    """Text that stays in its cell or line, without a link, an element or emphasis of its own."""
    escaped = " ".join(plain(text).split())
    for pattern, replacement in _MARKDOWN:
        escaped = pattern.sub(replacement, escaped)
    return escaped


def markdown_code(text: str) -> str:
    """A name as code, or as escaped text where it has what could end the code."""
    name = plain(text)
    return f"`{name}`" if _CODE.fullmatch(name) else markdown(name)


def html(text: str) -> str:
    """Text of an element, or of an attribute in quotes."""
    return _html.escape(plain(text))


def latex(text: str) -> str:
    """Text of a LaTeX document; the signs of the tables become their commands."""
    return plain(text).translate(_LATEX)


def terminal(text: str) -> str:
    """Text among the markup of rich, without a control character."""
    return _rich(plain(text))


def csv_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame whose texts no spreadsheet takes for formulas; numbers are as they were."""
    return frame.rename(columns=csv_cell).apply(lambda column: _each(column, csv_cell))


def csv_cell(value: object) -> object:
    """A cell: a text that would be a formula gets an apostrophe before it."""
    if not isinstance(value, str):
        return value
    return f"'{plain(value)}" if value.startswith(_FORMULA) else plain(value)


def _each(column: "pd.Series[Any]", cell: Callable[[object], object]) -> "pd.Series[Any]":
    """A column with every different text escaped once."""
    if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        return column
    known = {value: cell(value) for value in column.unique() if isinstance(value, str)}
    changed = {value: escaped for value, escaped in known.items() if value != escaped}
    return column.map(lambda value: changed.get(value, value)) if changed else column
