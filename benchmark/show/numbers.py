"""Numbers as words, the same in every place that shows them."""

import numpy as np

from benchmark.analysis.stats import Estimate

NONE = "-"
"""What stands for a number that is not there."""


def number(x: float, digits: int = 3, *, sign: bool = False) -> str:
    """A number of fixed digits without a minus before zero; a dash for NaN."""
    if np.isnan(x):
        return NONE
    text = f"{x:+.{digits}f}" if sign else f"{x:.{digits}f}"
    return text.lstrip("+-") if float(text) == 0.0 else text


def interval(low: float, high: float, *, sign: bool = False, digits: int = 3) -> str:
    """`low to high`, or a dash where there is none."""
    if np.isnan(low):
        return NONE
    return f"{number(low, digits, sign=sign)} to {number(high, digits, sign=sign)}"


def with_interval(found: Estimate, *, sign: bool = False) -> str:
    """A mean, and its interval in brackets where there is one."""
    span = "" if np.isnan(found.low) else f" ({interval(found.low, found.high, sign=sign)})"
    return number(found.mean, sign=sign) + span


def p_value(p: float) -> str:
    """Three digits, or that it is less than can be shown with them."""
    return "<0.001" if p < 0.001 else number(p)


def seconds(x: float) -> str:
    """Seconds of a fit, one digit below ten."""
    return number(x, 1 if x < 10 else 0)


def signed(x: float) -> str:
    """A difference."""
    return number(x, sign=True)


def whole(n: int) -> str:
    """A whole number."""
    return f"{n:,}"


def size(parameters: int) -> str:
    """A number of parameters, as 950, 12 k or 3.4 M."""
    if parameters < 1_000:
        return str(parameters)
    return f"{parameters / 1e3:.0f} k" if parameters < 1_000_000 else f"{parameters / 1e6:.1f} M"


def count(n: int, what: str) -> str:
    """A number of things, in the singular for one."""
    return f"{n:,} {what}{'' if n == 1 else 's'}"
