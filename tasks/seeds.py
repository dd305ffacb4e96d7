"""Seeds from hashes of names: never from the order of work, the number of workers or the time."""

import hashlib

import numpy as np


def derive_seed(*axes: str | int) -> int:
    """Hash the axes that may change a number into a seed.

    Args:
        axes: What the number depends on, for example `("init", "mirror", "TCGA-BRCA", 0, 1)`.
            `1` and `"1"` are different axes, and `("ab", "c")` differs from `("a", "bc")`.

    Returns:
        An integer in [0, 2**63).
    """
    digest = hashlib.sha256(repr(axes).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(*axes: str | int) -> np.random.Generator:
    """A numpy generator seeded by `derive_seed(*axes)`."""
    return np.random.default_rng(derive_seed(*axes))
