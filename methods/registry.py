"""The registry of methods: which files declare them, and how a user names them.

A module declares methods by offering `SPECS`, a tuple of `MethodSpec`. Modules of this repository
are listed here; an installed package of somebody else offers its own in the entry-point group
`mirror_bench.methods`.
"""

import difflib
import fnmatch
import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points

from methods.base import MethodSpec, Role
from methods.precomputed import BESIDE, precomputed_spec
from tasks.data.cohort import SIDES, Cohort
from tasks.errors import InputError

ENTRY_POINTS = "mirror_bench.methods"

# Explicit, so that the registry can be read.
MODULES = (
    "methods.mirror.family",
    "methods.mirror.checkpoint",
    "methods.contrastive",
    "methods.redundancy",
    "methods.byol",
    "methods.tangle",
    "methods.masked_autoencoder",
    "methods.morpheus",
    "methods.one_modality",
    "methods.linear",
    "methods.prototypes",
    "methods.drim",
    "methods.comm",
    "methods.floors",
    "methods.supervised.mil",
    "methods.supervised.clam",
    "methods.supervised.dsmil",
    "methods.supervised.snn",
    "methods.supervised.mcat",
    "methods.supervised.motcat",
    "methods.supervised.survpath",
    "methods.supervised.porpoise",
    "methods.supervised.late_fusion",
    "methods.supervised.forest",
    "methods.supervised.coxnet",
)


@dataclass(frozen=True)
class Registry:
    """What could be imported, and what could not.

    Attributes:
        methods: Declarations by name, those of this repository first.
        unavailable: Module or entry point -> why its methods are not there.
    """

    methods: dict[str, MethodSpec]
    unavailable: dict[str, str]


@cache
def registry() -> Registry:
    """Every method of this repository and of the installed packages.

    A module that cannot be imported, or that declares a name again, is listed with its reason; the
    others are not touched by it.
    """
    found = Registry({}, {})
    for name, module in _sources():
        try:
            specs = tuple(importlib.import_module(module).SPECS)
            if wrong := [spec for spec in specs if not isinstance(spec, MethodSpec)]:
                raise TypeError(f"SPECS: MethodSpec expected, {type(wrong[0]).__name__} found")
            taken = [spec.name for spec in specs if spec.name in found.methods]
            if taken:
                raise ValueError(f"method {taken[0]!r} is declared already")
        except Exception as error:  # noqa: BLE001  a stranger's module may raise anything
            text = " ".join(str(error).split()) or "no message"
            found.unavailable[name] = f"{type(error).__name__}: {text}"
        else:
            found.methods.update({spec.name: spec for spec in specs})
    return found


def _sources() -> Iterator[tuple[str, str]]:
    """Name under which a failure is shown, and the module to import."""
    yield from ((module, module) for module in MODULES)
    for entry in sorted(entry_points(group=ENTRY_POINTS)):
        yield entry.name, entry.module


def all_methods() -> dict[str, MethodSpec]:
    """Every available method by name, in the order of the registry."""
    return registry().methods


def find_method(name: str, cohort: Cohort) -> MethodSpec:
    """A method that was selected before: of the registry, or of the cohort's embeddings."""
    if name in all_methods():
        return all_methods()[name]
    made = cohort.embeddings.get(name.partition(BESIDE)[0])
    return precomputed_spec(
        name, made.side if made else SIDES[0], made.pretrained_on if made else ()
    )


def select_methods(patterns: str, made: Sequence[MethodSpec] = ()) -> tuple[MethodSpec, ...]:
    """The methods named by `all`, or by names and globs between commas.

    `all` is every method but the ablations, which say more about their parent than about the
    field (`mirror-bench ablate` runs them, and so does naming them), and those that need to be
    given something, such as a checkpoint. Of embeddings that were made elsewhere it has those
    alone; beside another side they are asked by name.

    Args:
        patterns: What is asked for.
        made: Methods of such embeddings (`methods.precomputed`).

    Raises:
        InputError: If a pattern matches nothing; names the nearest methods. Or embeddings have the
            name of a method.
    """
    for spec in made:
        if spec.name in all_methods():
            raise InputError(
                f"embeddings.{spec.name}: expected another name than a method's, found "
                f"{spec.name!r}, which `mirror-bench list methods` has"
            )
    methods = all_methods() | {spec.name: spec for spec in made}
    chosen: dict[str, MethodSpec] = {}
    for pattern in (part.strip() for part in patterns.split(",")):
        matches = [
            name
            for name, spec in methods.items()
            if (pattern == "all" and _in_all(spec)) or fnmatch.fnmatchcase(name, pattern)
        ]
        if not matches:
            missing = registry().unavailable
            if pattern in missing:
                raise InputError(f"method {pattern!r} is unavailable: {missing[pattern]}")
            near = difflib.get_close_matches(pattern, methods, cutoff=0.4) or sorted(methods)
            raise InputError(f"unknown method {pattern!r}; did you mean {', '.join(near)}?")
        chosen |= {name: methods[name] for name in matches}
    return tuple(chosen.values())


def _in_all(spec: MethodSpec) -> bool:
    beside = spec.role is Role.PRECOMPUTED and BESIDE in spec.name
    return spec.role is not Role.ABLATION and not spec.needs and not beside


def variants(name: str) -> tuple[MethodSpec, ...]:
    """A method and all that is it with a delta, the method first.

    Raises:
        InputError: There is no such method, or nothing varies it.
    """
    (spec,) = select_methods(name)[:1]
    children = [s for s in all_methods().values() if s.parent == name]
    if not children:
        having = sorted({s.parent for s in all_methods().values() if s.parent})
        raise InputError(f"{name!r} has no ablations; expected one of {', '.join(having)}")
    return (spec, *children)
