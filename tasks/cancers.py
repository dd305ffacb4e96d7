"""What cohorts are of, in plain words."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files


@cache
def _names() -> Mapping[str, str]:
    return tomllib.loads((files("tasks") / "cancers.toml").read_text(encoding="utf-8"))


def plain_name(cohort: str) -> str:
    """The cancer of a cohort, or the cohort's own name."""
    return _names().get(cohort, cohort)
