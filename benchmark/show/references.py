"""The papers of the methods, as BibTeX."""

import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

OURS = "mirror-bench"
"""The key of the entry of this software."""


@cache
def _read() -> dict[str, Any]:
    return tomllib.loads((files("benchmark.show") / "references.toml").read_text("utf-8"))


def entries() -> Mapping[str, str]:
    """Key -> its entry, lines as BibTeX is written."""
    return dict(_read()["entries"])


def papers(method: str, parent: str | None = None) -> tuple[str, ...]:
    """Keys of the papers that a method is from, else those of what it is a variant of.

    Args:
        method: Its name.
        parent: The method that it varies, if any.
    """
    methods = _read()["methods"]
    return tuple(methods.get(method, methods.get(parent, ())))


def keys(methods: Iterable[tuple[str, str | None]]) -> Mapping[str, tuple[str, ...]]:
    """Method -> keys of its papers, of those that have any.

    Args:
        methods: Names with their parents.
    """
    found = {method: papers(method, parent) for method, parent in methods}
    return {method: of for method, of in found.items() if of}
