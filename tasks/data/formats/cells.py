"""Single cells and words: read as a number, shown in an error."""

import difflib
from collections.abc import Iterable

_LONGEST = 80


def shown(value: object) -> str:
    """A value in an error: as Python writes it, cut where it is endless."""
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def number(cell: str) -> float:
    """A cell as a number.

    Raises:
        ValueError: It is none; neither is `1_000`, which Python takes for a thousand.
    """
    if "_" in cell:
        raise ValueError(cell)
    return float(cell)


def near(word: str, known: Iterable[str]) -> str:
    """` (did you mean ...?)` with the known words closest to `word`, or nothing."""
    close = difflib.get_close_matches(word, list(known), n=3, cutoff=0.5)
    return f" (did you mean {', '.join(close)}?)" if close else ""
