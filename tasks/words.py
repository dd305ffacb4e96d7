"""What kinds of task ask and what metrics say, in plain words."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files


@dataclass(frozen=True)
class Words:
    """A name as the field has it, and a sentence.

    Attributes:
        name: What it is called.
        text: What it asks or says, without a full stop where a metric's.
        also: What else it is called, for who searches.
    """

    name: str
    text: str
    also: tuple[str, ...] = ()


@cache
def _words(of: str) -> Mapping[str, Words]:
    table = tomllib.loads((files("tasks") / "words.toml").read_text(encoding="utf-8"))[of]
    return {
        key: Words(said["name"], said["text"], tuple(said.get("also", ())))
        for key, said in table.items()
    }


def of_kind(kind: str) -> Words | None:
    """What a kind of task asks; None of a kind that somebody else registered."""
    return _words("kinds").get(kind)


def of_metric(metric: str) -> Words | None:
    """What a metric says; None of one that somebody else declared."""
    known = _words("metrics")
    matching = (words for key, words in known.items() if fnmatchcase(metric, key))
    return known.get(metric) or next(matching, None)
