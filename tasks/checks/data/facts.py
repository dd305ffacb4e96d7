"""What a verification says of a cohort: facts, warnings and problems, each with its counts."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

MAX_EXAMPLES = 5


class Weight(StrEnum):
    """What a fact means for the cohort.

    PROBLEM: `run` refuses the cohort, or scores what is wrong; the verification fails.
    WARNING: it is left out or runs, and deserves a look.
    FACT: what the data are.
    """

    PROBLEM = "problem"
    WARNING = "warning"
    FACT = "fact"


class Check(StrEnum):
    """What is looked at; the words are part of the JSON and stay."""

    MANIFEST = "manifest"
    FILES = "files"
    BARCODES = "barcodes"
    SAMPLES = "samples"
    SIZES = "sizes"
    WIDTHS = "widths"
    NOT_FINITE = "not-finite"
    EMPTY = "empty"
    DUPLICATES = "duplicates"
    COORDINATES = "coordinates"
    VALUES = "values"
    GENES = "genes"
    SCALE = "scale"
    OUTLIERS = "outliers"
    PARTNERS = "partners"
    OUTCOME = "outcome"
    TIMES = "times"
    POLARITY = "polarity"
    COVARIATES = "covariates"
    CLASSES = "classes"
    MEMBERS = "members"


@dataclass(frozen=True)
class Fact:
    """One thing that is so.

    Attributes:
        part: Of what: `wsi`, `rna`, `clinical`, an endpoint or a label.
        check: What was looked at.
        weight: What it means.
        summary: One sentence.
        n: How many `unit` are concerned.
        total: Of how many.
        unit: What is counted, in the plural; empty if nothing is.
        examples: Some of them.
    """

    part: str
    check: Check
    weight: Weight
    summary: str
    n: int = 0
    total: int = 0
    unit: str = ""
    examples: tuple[str, ...] = ()


@dataclass(frozen=True)
class CohortFacts:
    """A cohort as it was found.

    Attributes:
        name: The cohort.
        folder: Its folder.
        facts: In the order of the work.
    """

    name: str
    folder: str
    facts: tuple[Fact, ...]

    def count(self, weight: Weight) -> int:
        """Number of facts of a weight."""
        return sum(fact.weight is weight for fact in self.facts)


def some(examples: Iterable[str]) -> tuple[str, ...]:
    """The first few, sorted, each once."""
    return tuple(sorted(set(examples))[:MAX_EXAMPLES])
