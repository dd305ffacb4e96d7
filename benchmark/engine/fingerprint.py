"""Fingerprint of a method's source: editing a method makes its records those of an older one."""

import ast
import hashlib
import importlib.util
from collections.abc import Collection, Iterator, Sequence
from functools import cache
from pathlib import Path

from methods.base import MethodSpec


def code_fingerprint(spec: MethodSpec) -> str:
    """Hash the syntax of the method's module and of all it imports from its own package.

    Comments, docstrings and layout do not count; a change of arithmetic does. The contracts
    (`methods.base`, `tasks`) are left out: their versions are the tasks' and the splits'.
    """
    digest = hashlib.sha256()
    for module in sorted(_closure(spec.build.__module__)):
        digest.update(_module_digest(module).encode())
    return digest.hexdigest()[:16]


@cache
def _closure(module: str) -> frozenset[str]:
    """`module` and the modules of its package that it imports, directly or not."""
    ours = {module.split(".", 1)[0], "methods"}
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in seen or name == "methods.base":
            continue
        seen.add(name)
        waiting.extend(_imports(name, ours))
    return frozenset(seen)


def _source(module: str) -> Path | None:
    spec = importlib.util.find_spec(module)
    return Path(spec.origin) if spec is not None and spec.origin else None


def _imports(module: str, ours: Collection[str]) -> Iterator[str]:
    """The modules that a module imports from some packages; others may not even be installed."""
    path = _source(module)
    if path is None:
        return
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.ImportFrom):
            name = "." * node.level + (node.module or "")
            resolved = importlib.util.resolve_name(name, package)
            if resolved.split(".", 1)[0] in ours:
                yield resolved
                yield from _submodules(resolved, [alias.name for alias in node.names])
        elif isinstance(node, ast.Import):
            names = (alias.name for alias in node.names)
            yield from (name for name in names if name.split(".", 1)[0] in ours)


def _submodules(package: str, names: Sequence[str]) -> Iterator[str]:
    """Which of the names that are imported from a package are modules in it."""
    spec = importlib.util.find_spec(package)
    for folder in (spec and spec.submodule_search_locations) or ():
        for name in names:
            if (Path(folder) / f"{name}.py").is_file() or (Path(folder) / name).is_dir():
                yield f"{package}.{name}"


@cache
def _module_digest(module: str) -> str:
    path = _source(module)
    if path is None:
        return module
    tree = ast.parse(path.read_bytes())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (
            ast.get_docstring(node) is not None
        ):
            node.body = node.body[1:]
    return hashlib.sha256(f"{module}:{ast.dump(tree)}".encode()).hexdigest()
