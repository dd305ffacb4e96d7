"""The kinds of task there are, and which instances a command line means."""

import fnmatch
from collections.abc import Iterable
from difflib import get_close_matches

from tasks.base import Protocol, Task
from tasks.data.cohort import Cohort
from tasks.errors import InputError
from tasks.kinds.few_shot import FewShot
from tasks.kinds.few_shot_survival import FewShotSurvival
from tasks.kinds.missing_modality import MissingModality
from tasks.kinds.mutation import Mutation
from tasks.kinds.published.paper_few_shot import PaperFewShot
from tasks.kinds.published.paper_subtyping import PaperSubtyping
from tasks.kinds.published.paper_survival import PaperSurvival
from tasks.kinds.retention import Retention, TruthRetention
from tasks.kinds.retrieval import Retrieval
from tasks.kinds.subtyping import Subtyping
from tasks.kinds.survival import Survival, SurvivalDiscrete
from tasks.names import ARROW

KINDS: tuple[type[Task], ...] = (
    Survival,
    SurvivalDiscrete,
    Subtyping,
    Mutation,
    FewShot,
    FewShotSurvival,
    Retrieval,
    MissingModality,
    Retention,
)

_CLASSES: tuple[type[Task], ...] = (*KINDS, TruthRetention)
METRICS = frozenset(metric.name for task in _CLASSES for metric in task.metrics)
"""The names of all metrics that instances of these kinds have."""

PUBLISHED: tuple[type[Task], ...] = (PaperSurvival, PaperSubtyping, PaperFewShot)
"""The kinds that protocol `paper` asks, each in the name of the strict one."""


def classes_of(protocol: Protocol, kind: str) -> tuple[type[Task], ...]:
    """What a protocol asks under the name of a kind; nothing if there is no such kind."""
    known = _CLASSES if protocol is Protocol.STRICT else PUBLISHED
    return tuple(one for one in known if one.kind == kind)


TRANSFER = "transfer"
"""Stands for every kind of the tasks between two cohorts."""


def all_tasks(cohorts: Iterable[Cohort]) -> tuple[Task, ...]:
    """Every instance that these cohorts allow, kind by kind, cohort by cohort."""
    listed = tuple(cohorts)
    return tuple(task for kind in KINDS for cohort in listed for task in kind.instances(cohort))


def select_tasks(patterns: str, cohorts: Iterable[Cohort]) -> tuple[Task, ...]:
    """The instances that `all|KIND|KIND/INSTANCE,..` names.

    A kind (or a glob of kinds) means its default instances, `all` those of every kind and survival
    on every endpoint; a pattern with a slash is a glob of full names, such as `survival/*/dss`.
    `transfer` stands for every kind, in transfers alone: `transfer/A->B/os`.

    Returns:
        Instances in the order of `all_tasks`, each once.

    Raises:
        InputError: A pattern matches nothing; the message has near matches.
    """
    check_kinds(patterns)
    listed = tuple(cohorts)
    available = all_tasks(listed)
    chosen: set[str] = set()
    for pattern in (part.strip() for part in patterns.split(",")):
        names = [task.name for task in available if _matches(pattern, task)]
        if not names:
            raise InputError(_no_match(pattern, available, listed))
        chosen.update(names)
    return tuple(task for task in available if task.name in chosen)


def check_kinds(patterns: str) -> None:
    """Refuse what names no kind of task, which no cohort need be read for.

    Raises:
        InputError: A pattern begins with no kind; the message has near ones.
    """
    known = ["all", TRANSFER, *(kind.kind for kind in KINDS)]
    for pattern in (part.strip() for part in patterns.split(",")):
        kind, _, instance = pattern.partition("/")
        if not fnmatch.filter(known, kind):
            close = get_close_matches(kind, known) or known
            near = ", ".join(f"{name}/{instance}" if instance else name for name in close)
            asked = "did you mean" if close is not known else "expected one of"
            raise InputError(f"--tasks: no task matches {pattern!r}: {asked} {near}")


def under(protocol: Protocol, tasks: Iterable[Task]) -> tuple[Task, ...]:
    """The same questions as a protocol asks them, without those that it does not ask.

    Args:
        protocol: Which.
        tasks: Instances of `all_tasks`.
    """
    if protocol is Protocol.STRICT:
        return tuple(tasks)
    kinds = {kind.kind: kind for kind in PUBLISHED}
    return tuple(
        kinds[task.kind](task.cohort, task.label, default=task.default)
        for task in tasks
        if task.kind in kinds
    )


def _matches(pattern: str, task: Task) -> bool:
    """Whether one pattern means this instance."""
    kind, _, instance = pattern.partition("/")
    if kind == TRANSFER:
        if ARROW not in task.cohort:
            return False
        pattern = f"*/{instance}" if instance else "all"
    if "/" in pattern:
        return fnmatch.fnmatchcase(task.name, pattern)
    if pattern == "all":
        return task.default or task.whole
    return task.default and fnmatch.fnmatchcase(task.kind, pattern)


def _no_match(pattern: str, available: tuple[Task, ...], cohorts: tuple[Cohort, ...]) -> str:
    """The message for a pattern that matches nothing."""
    kinds = [kind.kind for kind in KINDS]
    names = [task.name for task in available]
    near = get_close_matches(pattern, names)
    if reason := _makes_no_task(pattern, cohorts):
        expected = reason
    elif pattern in kinds:
        expected = "no cohort here has what this kind of task needs"
    elif near:
        expected = f"did you mean {', '.join(near)}?"
    else:
        expected = f"expected one of {', '.join(names) or 'no instance'}"
    return f"--tasks: no task matches {pattern!r}: {expected}"


def _makes_no_task(pattern: str, cohorts: tuple[Cohort, ...]) -> str:
    """Why the endpoint or label that a full name asks for makes no task; nothing if it is none."""
    _, _, instance = pattern.partition("/")
    name, _, label = instance.partition("/")
    for cohort in cohorts:
        if cohort.name != name:
            continue
        endpoint, classes = cohort.endpoints.get(label), cohort.labels.get(label)
        if endpoint is not None and not endpoint.event.any():
            return f"{label} has no event in {len(endpoint.event)} patients"
        if classes is not None and len(set(classes.values.values())) < 2:
            return f"{label} has {len(classes.values)} patients of one class"
    return ""
