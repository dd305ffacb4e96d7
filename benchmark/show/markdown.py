"""Numbers and tables as markdown, deterministic to the byte."""

from collections.abc import Iterable

import numpy as np

NONE = "-"
"""What stands for a number that is not there."""


def number(x: float, digits: int = 3, *, sign: bool = False) -> str:
    """A number of fixed digits without a minus before zero; a dash for NaN."""
    if np.isnan(x):
        return NONE
    text = f"{x:+.{digits}f}" if sign else f"{x:.{digits}f}"
    return text.lstrip("+-") if float(text) == 0.0 else text


def interval(low: float, high: float, *, sign: bool = False) -> str:
    """`low to high`, or a dash where there is none."""
    return NONE if np.isnan(low) else f"{number(low, sign=sign)} to {number(high, sign=sign)}"


def p_value(p: float) -> str:
    """Three digits, or that it is less than can be shown with them."""
    return "<0.001" if p < 0.001 else number(p)


def escape(text: str) -> str:
    """Text that stays in its cell, whatever a reason or a note contains."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def grid(header: tuple[str, ...], rows: Iterable[tuple[str, ...]], right: tuple[bool, ...]) -> str:
    """A table; `right` says which columns are aligned to the right."""
    rule = ("---:" if to_the_right else ":---" for to_the_right in right)
    return "".join(f"| {' | '.join(row)} |\n" for row in (header, rule, *rows))
