"""Sets of genes that belong together: pathways, hallmarks, functional families."""

from collections.abc import Collection, Mapping, Sequence

FEWEST_GENES = 5
"""Genes of a set that a cohort has to have: the mean of fewer is noise. Of MSigDB's 50 hallmarks
the smallest keeps five among the 1,550 genes of PORPOISE's tables."""

GeneSets = Mapping[str, tuple[str, ...]]


def restricted(
    sets: Mapping[str, Sequence[str]], features: Collection[str], fewest: int = 1
) -> dict[str, tuple[str, ...]]:
    """The sets as far as their members are among some features.

    Args:
        sets: The members of each set, by name.
        features: What is there.
        fewest: A set that keeps fewer members is left out.
    """
    there = set(features)
    kept = {name: tuple(m for m in members if m in there) for name, members in sets.items()}
    return {name: members for name, members in kept.items() if len(members) >= fewest}
