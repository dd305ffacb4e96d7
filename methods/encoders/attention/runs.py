"""How a large bag is computed piece by piece: heads and channels do not depend on each other."""

# Numbers in one temporary of a piece: 16 MiB of float32.
VALUES_AT_ONCE = 2**22


def runs(count: int, values: int, at_once: int | None = None) -> list[slice]:
    """Cut `count` equal pieces into runs whose temporaries stay small; at least one piece each.

    Args:
        count: Heads, or channels, that can be computed apart.
        values: Numbers in a temporary of one of them.
        at_once: Numbers in a temporary of a run; None for `VALUES_AT_ONCE`.
    """
    length = max(1, (at_once or VALUES_AT_ONCE) // max(1, values))
    return [slice(start, min(start + length, count)) for start in range(0, count, length)]
