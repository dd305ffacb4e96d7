"""The short form of a dataclass that holds arrays: their shapes, and how many of what is many."""

from collections.abc import Sized
from dataclasses import fields
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")

LONGEST = 60
"""Characters of a value that is shown as it is."""


def short_repr(cls: type[T]) -> type[T]:
    """Give a dataclass a `repr` of one line: `Endpoint(patients=<240>, time=float64[240], ..)`."""
    cls.__repr__ = _repr  # type: ignore[method-assign]
    return cls


def _repr(self: Any) -> str:
    values = (f"{field.name}={_short(getattr(self, field.name))}" for field in fields(self))
    return f"{type(self).__name__}({', '.join(values)})"


def _short(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{list(value.shape)}"
    if callable(value):
        return "<function>"
    if isinstance(value, str) or not isinstance(value, Sized):
        text = repr(value)
        return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
    number = f"<{len(value)}>"
    if len(value) > LONGEST:
        return number
    text = repr(value)
    return text if len(text) <= LONGEST else number
