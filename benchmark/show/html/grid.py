"""Tables as the pages show them: sorted, filtered and read aloud all in one way."""

from dataclasses import dataclass

import numpy as np

from benchmark.show.html.strip import Strip


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes:
        text: What it says.
        value: What it is sorted by; None where there is nothing to sort by, which comes last.
        link: Where the text leads, relative to the root of the report; empty for nowhere.
        strip: The interval to draw instead of the text, if any.
    """

    text: str
    value: float | str | None = None
    link: str = ""
    strip: Strip | None = None


@dataclass(frozen=True)
class Header:
    """What stands above a column.

    Attributes:
        text: Its name.
        kind: `number`, `text`, `name` (names the row), or `drawing`, which nothing is sorted by.
        descending: Whether the first click sorts from high to low: the better first.
        choice: Whether the table can be filtered by the column's values.
    """

    text: str
    kind: str = "text"
    descending: bool = False
    choice: bool = False


@dataclass(frozen=True)
class Line:
    """A row; its style is `best`, `tied`, `incomplete` or nothing."""

    cells: tuple[Cell, ...]
    style: str = ""


@dataclass(frozen=True)
class Group:
    """Rows that stay together however they are sorted; a title only where there are several."""

    lines: tuple[Line, ...]
    title: str = ""


@dataclass(frozen=True)
class Grid:
    """A table.

    Attributes:
        caption: What it is of.
        headers: One per column.
        groups: In order.
    """

    caption: str
    headers: tuple[Header, ...]
    groups: tuple[Group, ...]


def said(text: str, link: str = "") -> Cell:
    """Words, sorted by themselves."""
    return Cell(text, text, link)


def valued(text: str, value: float | None) -> Cell:
    """A number as it is shown, sorted by what it is."""
    return Cell(text, None if value is None or np.isnan(value) else round(float(value), 9))
