"""Duplicate slides and samples under different patients.

A copy is found by its content; a copy that was extracted again, stored at another precision or
written in another order of patches by its mean feature vector.
"""

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tasks.checks.leaks.findings import Check, Checked, Finding, Severity, some
from tasks.checks.leaks.rows import Rows
from tasks.data.preprocess import VectorScaler

TOLERANCE = 0.01
"""Near-duplicate: closer than this fraction of the median distance between two rows. On the TCGA
files at hand the nearest slides or samples of different patients are at 0.31 or more (slide-level
features, expression) and at 0.022 (bags of three regions); a copy at half precision is below
0.001."""

MIN_WIDTH = 8
"""In fewer dimensions strangers come that close by chance."""

MIN_ROWS = 10
"""Fewer rows give no median distance to compare with."""

_BLOCK = 512

_ADVICE = (
    "find out whose it is and drop the others: in different folds a copy is a leak, in one batch "
    "a false negative"
)


def audit_duplicates(where: str, rows: Rows) -> tuple[Checked, ...]:
    """Look for the same slide or sample under different patients.

    Args:
        where: The cohort and modality, or the table.
        rows: Its slides or samples.

    Returns:
        One check of contents; one of mean vectors, skipped where these are too few or too short.
    """
    n, width = rows.vectors.shape
    checks = [Checked(Check.DUPLICATES, f"{where}, content", copies(rows))]
    mean_vectors = f"{where}, mean vectors"
    if n < MIN_ROWS or width < MIN_WIDTH:
        reason = f"{n} rows of {width} features, {MIN_ROWS} of {MIN_WIDTH} are needed"
        return (*checks, Checked(Check.DUPLICATES, mean_vectors, skipped=reason))
    scaled = VectorScaler.fit(rows.vectors).transform(rows.vectors)
    pairs = [
        (i, j)
        for i, j in _close_pairs(scaled)
        if rows.patients[i] != rows.patients[j] and rows.contents[i] != rows.contents[j]
    ]
    return (*checks, Checked(Check.DUPLICATES, mean_vectors, _near(rows, pairs)))


def copies(rows: Rows) -> tuple[Finding, ...]:
    """Contents that belong to more than one patient."""
    by_content: dict[str, list[int]] = defaultdict(list)
    for row, content in enumerate(rows.contents):
        by_content[content].append(row)
    shared = [found for found in by_content.values() if len({rows.patients[i] for i in found}) > 1]
    if not shared:
        return ()
    return (
        Finding(
            Severity.LEAK,
            "identical slides or samples under different patients",
            sum(map(len, shared)),
            len(rows.names),
            "slides or samples",
            _ADVICE,
            some(" = ".join(sorted(rows.names[i] for i in found)) for found in shared),
        ),
    )


def _near(rows: Rows, pairs: list[tuple[int, int]]) -> tuple[Finding, ...]:
    if not pairs:
        return ()
    return (
        Finding(
            Severity.LEAK,
            "slides or samples of different patients with nearly the same mean vector: closer "
            f"than {TOLERANCE:.0%} of the median distance",
            len({i for pair in pairs for i in pair}),
            len(rows.names),
            "slides or samples",
            _ADVICE,
            some(" ~ ".join(sorted((rows.names[i], rows.names[j]))) for i, j in pairs),
        ),
    )


def _close_pairs(values: NDArray[np.float32]) -> Iterator[tuple[int, int]]:
    """Pairs i < j closer than `TOLERANCE` times the median distance, block by block."""
    X = values.astype(np.float64)
    X -= X.mean(axis=0)  # small norms keep the difference of large numbers exact
    squares = np.einsum("ij,ij->i", X, X)
    thinned = X[:: max(1, len(X) // 1000)]
    among = np.einsum("ij,ij->i", thinned, thinned)
    distances = among[:, None] + among[None, :] - 2 * thinned @ thinned.T
    median = np.sqrt(max(np.median(distances[np.triu_indices(len(thinned), 1)]), 0.0))
    limit = (TOLERANCE * median) ** 2
    for start in range(0, len(X), _BLOCK):
        block = X[start : start + _BLOCK]
        d = squares[start : start + _BLOCK, None] + squares[None, start:] - 2 * block @ X[start:].T
        for i, j in np.argwhere(d < limit):
            if i < j:
                yield start + int(i), start + int(j)
