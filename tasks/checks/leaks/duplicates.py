"""Duplicate slides and samples under different patients.

A copy is found by its content; a copy that was extracted again, stored at another precision or
written in another order of patches by its mean feature vector.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from tasks.checks.finding import Check, Finding, Severity, clean, skipped, some
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


def audit_duplicates(where: str, rows: Rows) -> tuple[Finding, ...]:
    """Look for the same slide or sample under different patients.

    Args:
        where: The cohort and modality, or the table.
        rows: Its slides or samples.

    Returns:
        One finding of contents; one of mean vectors, skipped where they are too few or too short.
    """
    n, width = rows.vectors.shape
    content = copies(f"{where}, content", rows)
    mean_vectors = f"{where}, mean vectors"
    if n < MIN_ROWS or width < MIN_WIDTH:
        reason = f"{n} rows of {width} features, {MIN_ROWS} of {MIN_WIDTH} are needed"
        return content, skipped(mean_vectors, Check.DUPLICATES, reason)
    scaled = VectorScaler.fit(rows.vectors).transform(rows.vectors)
    pairs = [
        (i, j)
        for i, j in _close_pairs(scaled)
        if rows.patients[i] != rows.patients[j] and rows.contents[i] != rows.contents[j]
    ]
    near = (
        "slides or samples of different patients with nearly the same mean vector: closer than "
        f"{TOLERANCE:.0%} of the median distance"
    )
    examples = [" ~ ".join(sorted((rows.names[i], rows.names[j]))) for i, j in pairs]
    n_rows = len({i for pair in pairs for i in pair})
    return content, _finding(mean_vectors, near, n_rows, rows, examples)


def copies(where: str, rows: Rows) -> Finding:
    """Contents that belong to more than one patient."""
    by_content: dict[str, list[int]] = defaultdict(list)
    for row, content in enumerate(rows.contents):
        by_content[content].append(row)
    shared = [group for group in by_content.values() if len({rows.patients[i] for i in group}) > 1]
    examples = [" = ".join(sorted(rows.names[i] for i in group)) for group in shared]
    same = "identical slides or samples under different patients"
    return _finding(where, same, sum(map(len, shared)), rows, examples)


def _finding(where: str, summary: str, n: int, rows: Rows, examples: Sequence[str]) -> Finding:
    if not n:
        return clean(where, Check.DUPLICATES)
    return Finding(
        where,
        Check.DUPLICATES,
        Severity.PROBLEM,
        summary,
        n,
        len(rows.names),
        "slides or samples",
        some(examples),
        _ADVICE,
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
