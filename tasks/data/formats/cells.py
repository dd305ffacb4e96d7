"""Single cells: read as a number, shown in an error."""

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
