"""What cohorts are of, in plain words, and what else that is called."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True)
class Cancer:
    """A cancer that a cohort is of.

    Attributes:
        name: In plain words.
        synonyms: What else who searches may call it.
    """

    name: str
    synonyms: tuple[str, ...] = ()


@cache
def cancers() -> Mapping[str, Cancer]:
    """By the name of the cohort, those of TCGA and of their unions."""
    table = tomllib.loads((files("tasks") / "cancers.toml").read_text(encoding="utf-8"))
    return {cohort: Cancer(said["name"], tuple(said["synonyms"])) for cohort, said in table.items()}


def plain_name(cohort: str) -> str:
    """The cancer of a cohort, or the cohort's own name."""
    known = cancers().get(cohort)
    return cohort if known is None else known.name
