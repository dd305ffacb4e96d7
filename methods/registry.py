"""The registry of methods: which files declare them, and how a user names them."""

import difflib
import fnmatch
import importlib

from methods.base import MethodSpec
from tasks.errors import InputError

# Explicit, so that the registry can be read: every module offers `SPECS`, a tuple of declarations.
MODULES = (
    "methods.mirror_family",
    "methods.contrastive",
    "methods.pca",
)


def all_methods() -> dict[str, MethodSpec]:
    """Every registered method by name, in the order of the registry.

    Raises:
        ValueError: If two modules declare one name.
    """
    methods: dict[str, MethodSpec] = {}
    for module in MODULES:
        for spec in importlib.import_module(module).SPECS:
            if spec.name in methods:
                raise ValueError(f"method {spec.name!r} is declared twice")
            methods[spec.name] = spec
    return methods


def select_methods(patterns: str) -> tuple[MethodSpec, ...]:
    """The methods named by `all`, or by names and globs between commas.

    Raises:
        InputError: If a pattern matches nothing; names the nearest methods.
    """
    methods = all_methods()
    chosen: dict[str, MethodSpec] = {}
    for pattern in (part.strip() for part in patterns.split(",")):
        matches = [n for n in methods if pattern == "all" or fnmatch.fnmatchcase(n, pattern)]
        if not matches:
            near = difflib.get_close_matches(pattern, methods, cutoff=0.4) or sorted(methods)
            raise InputError(f"unknown method {pattern!r}; did you mean {', '.join(near)}?")
        chosen |= {name: methods[name] for name in matches}
    return tuple(chosen.values())
