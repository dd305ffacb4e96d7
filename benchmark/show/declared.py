"""What a method declares of itself, as pages show it: plain texts, no method is imported."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Declared:
    """A method's declaration.

    Attributes:
        citation: Paper or package it is written from.
        needs: The modalities that it learns from.
        departures: What differs from the paper in every budget, a phrase each.
        settings: Name, value under budget `default`, value under budget `paper`, where they differ.
        delta: Of a variant, what it changes of its parent.
    """

    citation: str
    needs: tuple[str, ...]
    departures: tuple[str, ...] = ()
    settings: tuple[tuple[str, str, str], ...] = ()
    delta: tuple[tuple[str, str], ...] = ()


Declarations = Mapping[str, Declared]
"""By the method's name; what is not registered here has none."""
