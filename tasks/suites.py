"""The primary task of each cohort and kind: by what methods are compared over cohorts."""

import tomllib
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from importlib.resources import files

from tasks.names import ARROW

_UNIONS, _WORDS = "unions", "words"
_OVERALL = "os"


@cache
def _suites() -> Mapping[str, Mapping[str, str]]:
    return {kind: labels for kind, labels in _file().items() if kind not in (_UNIONS, _WORDS)}


@cache
def _file() -> Mapping[str, Mapping[str, str]]:
    return tomllib.loads((files("tasks") / "suites.toml").read_text(encoding="utf-8"))


def useful_kinds() -> tuple[str, ...]:
    """The kinds of task whose scores say what a representation is worth to a patient.

    Every other kind is a probe: it describes what an embedding holds. What passes its input through
    wins such a one.
    """
    return tuple(_suites())


def primary_task(kind: str, cohort: str, labels: Collection[str]) -> str | None:
    """The label or endpoint by which methods are compared on a cohort.

    Args:
        kind: Of task.
        cohort: Its name.
        labels: Those there are that no modality was used to call.

    Returns:
        The one that `suites.toml` names; of a cohort that it does not name overall survival, or
        the only one. None where that is not there, for probes, and between two cohorts, whose
        patients others share.
    """
    suite = _suites().get(kind)
    if suite is None or ARROW in cohort:
        return None
    by_default = _OVERALL if _OVERALL in labels or len(labels) != 1 else next(iter(labels))
    label = suite.get(cohort, by_default)
    return label if label in labels else None


def in_words(task: str) -> str:
    """What a task, KIND/COHORT/LABEL, tells apart, in plain words where there are any."""
    kind, _, of_label = task.partition("/")
    label = of_label.rsplit("/", maxsplit=1)[1]
    return f"{label} mutated or not" if kind == "mutation" else _file()[_WORDS].get(of_label, label)


def apart(cohorts: Iterable[str]) -> frozenset[str]:
    """The cohorts that share no patients: a union is left out where a member of it is there."""
    every = frozenset(cohorts)
    unions: Mapping[str, Collection[str]] = _file()[_UNIONS]
    return frozenset(name for name in every if every.isdisjoint(unions.get(name, ())))
