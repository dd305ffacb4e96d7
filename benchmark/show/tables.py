"""A table as every place draws it: columns that are declared once, and rows in groups."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Flag, auto
from itertools import groupby
from typing import Any, Generic, TypeVar

import numpy as np

from benchmark.show.numbers import NONE, interval, number
from benchmark.show.page_names import method_page

T = TypeVar("T")


class View(Flag):
    """A place that shows tables.

    Attributes:
        MARKDOWN: The leaderboard and its pages.
        TERMINAL: The terminal.
        LATEX: A table for a paper.
        PAGE: The browser.
        OTHERS: Further metrics in the browser.
        METHOD: The page of a method in the browser.
    """

    MARKDOWN = auto()
    TERMINAL = auto()
    LATEX = auto()
    PAGE = auto()
    OTHERS = auto()
    METHOD = auto()


BROWSER = View.PAGE | View.OTHERS | View.METHOD
EVERYWHERE = ~View(0)


class Name(str):
    """A name as it is typed: code, where a place has it."""

    __slots__ = ()


class Strong(str):
    """What a reader should see first."""

    __slots__ = ()


Text = str | Sequence[str]
"""What a cell or a sentence says: a text, or its parts, some of them names or strong."""


def marked(text: str) -> tuple[str, ...]:
    """Words of ours as parts: `names` and **strong** ones as such. Not for texts of others."""
    parts = re.split(r"(`[^`]*`|\*\*[^*]*\*\*)", " ".join(text.split()))
    return tuple(
        Name(part[1:-1]) if part.startswith("`")
        else Strong(part[2:-2]) if part.startswith("**")
        else part
        for part in parts if part
    )  # fmt: skip


@dataclass(frozen=True)
class Strip:
    """An interval to draw, in units of the drawing from 0 to `WIDTH`.

    Attributes:
        low: The lower end of the interval, None without one.
        high: Its upper end.
        mean: The score.
        reference: The reference's score, None without one.
    """

    low: float | None
    high: float | None
    mean: float
    reference: float | None


@dataclass(frozen=True)
class Column(Generic[T]):
    """A column, wherever it is shown.

    Attributes:
        header: What stands above it.
        text: What it says of a row.
        sort: What a row is sorted by in the browser; without it, what it says.
        kind: `number` (aligned to the right), `name` (names the row), `choice` (a few values to
            filter by), `letters` (likewise, each letter a value), `filter` (a choice that has no
            cell), `drawing` or `text`.
        views: Where it is shown.
        heard: What stands above it in the browser, where the header is too short to stand alone.
        descending: Whether the first click sorts from high to low: the better first.
        link: Where its text leads, relative to the root of the report, or from `#` on its page.
        strip: What is drawn in the browser instead of the text.
        shade: How strongly the browser colours a cell, from -5 to 5, positive for the better.
        hint: What the browser says of a cell under the pointer.
    """

    header: str
    text: Callable[[T], Text]
    sort: Callable[[T], float | int | None] | None = None
    kind: str = "text"
    views: View = EVERYWHERE
    heard: str = ""
    descending: bool = False
    link: Callable[[T], str] | None = None
    strip: Callable[[T], Strip | None] | None = None
    shade: Callable[[T], int] | None = None
    hint: Callable[[T], str] | None = None

    @property
    def right(self) -> bool:
        """Whether it is aligned to the right."""
        return self.kind == "number"

    def parts(self, row: T) -> Sequence[str]:
        """The parts of what it says."""
        text = self.text(row)
        return (text,) if isinstance(text, str) else text

    def words(self, row: T) -> str:
        """What it says, without a mark of what is a name."""
        return "".join(self.parts(row))

    def value(self, row: T) -> float | str | None:
        """What the row is sorted by; None, which comes last, where there is nothing."""
        if self.sort is None:
            return self.words(row)
        value = self.sort(row)
        return None if value is None or np.isnan(value) else round(float(value), 9)


@dataclass(frozen=True)
class Group(Generic[T]):
    """Rows that stay together however they are sorted; a title where there are several."""

    rows: tuple[T, ...]
    title: str = ""


@dataclass(frozen=True)
class Table(Generic[T]):
    """A table.

    Attributes:
        caption: What it is of.
        columns: In order.
        groups: Of rows, in order.
        by: What the groups are, to filter by.
        style: `best`, `tied`, `incomplete` or nothing: how a row stands out.
    """

    caption: str
    columns: tuple[Column[T], ...]
    groups: tuple[Group[T], ...]
    style: Callable[[T], str] = lambda row: ""  # noqa: ARG005
    by: str = ""

    def seen(self, view: View) -> "Table[T]":
        """The table as one place shows it."""
        return replace(self, columns=tuple(c for c in self.columns if view in c.views))

    @property
    def rows(self) -> Iterator[T]:
        """All rows."""
        return (row for group in self.groups for row in group.rows)


def table(
    caption: str,
    columns: Iterable[Column[T]],
    rows: Iterable[T],
    style: Callable[[T], str] = lambda row: "",  # noqa: ARG005
) -> Table[T]:
    """A table of one group."""
    return Table(caption, tuple(columns), (Group(tuple(rows)),), style)


def grouped(
    rows: Iterable[T], key: Callable[[T], str], title: Callable[[str], str]
) -> tuple[Group[T], ...]:
    """Rows in groups of neighbours with one key."""
    found = [(title(name), tuple(group)) for name, group in groupby(rows, key=key)]
    return tuple(Group(group, name if len(found) > 1 else "") for name, group in found)


def measured(
    header: str,
    text: Callable[[T], Text],
    value: Callable[[T], float | None],
    views: View = EVERYWHERE,
    *,
    heard: str = "",
    descending: bool = False,
) -> Column[T]:
    """A column of numbers with a text of their own."""
    return Column(header, text, value, "number", views, heard, descending)


def numeric(
    header: str,
    value: Callable[[T], float | None],
    text: Callable[[Any], str] = number,
    views: View = EVERYWHERE,
    *,
    heard: str = "",
    descending: bool = False,
) -> Column[T]:
    """A column of numbers; a dash for None."""

    def shown(row: T) -> str:
        x = value(row)
        return NONE if x is None else text(x)

    return measured(header, shown, value, views, heard=heard, descending=descending)


def span(
    header: str,
    ends: Callable[[T], tuple[float, float]],
    views: View = EVERYWHERE,
    *,
    sign: bool = False,
    heard: str = "",
) -> Column[T]:
    """A column of intervals, sorted by their lower ends."""

    def text(row: T) -> str:
        return interval(*ends(row), sign=sign)

    return measured(header, text, lambda row: ends(row)[0], views, heard=heard)


def choice(header: str, text: Callable[[T], Text], views: View = EVERYWHERE) -> Column[T]:
    """A column of a few values, to filter by."""
    return Column(header, text, kind="choice", views=views)


def filtered(header: str, text: Callable[[T], Text], views: View = BROWSER) -> Column[T]:
    """What rows are filtered by in the browser; it has no cells."""
    return Column(header, text, kind="filter", views=views)


def methods(name: Callable[[T], str], views: View = EVERYWHERE) -> Column[T]:
    """A column of methods, which lead to their pages."""
    return Column(
        "method",
        lambda row: (Name(name(row)),),
        kind="name",
        views=views,
        link=lambda row: method_page(name(row)),
    )


def names(listed: Iterable[str]) -> list[str]:
    """Names between commas, as parts of a text."""
    parts: list[str] = []
    for name in listed:
        parts += [", ", Name(name)] if parts else [Name(name)]
    return parts
