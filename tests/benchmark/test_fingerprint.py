"""A method's fingerprint: of everything that it imports from its own package, however written."""

import importlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.engine import fingerprint as code
from methods.registry import all_methods

METHOD = '''"""A method."""
from . import side
from .net import layers
from stranger import tools
import stranger.deep.inside

try:
    from nobody_has.this import speed
except ImportError:
    speed = None

def build(config): ...
'''
FILES = ("side.py", "net.py", "tools.py", "deep/inside.py", "unused.py")


@pytest.fixture
def fingerprint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """Of the method of a stranger's package, as it lies on the disk now."""
    root = tmp_path / "stranger"
    (root / "deep").mkdir(parents=True)
    for name in ("__init__.py", "deep/__init__.py", *FILES):
        (root / name).write_text("layers = 1\n")
    (root / "method.py").write_text(METHOD)
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("stranger.method")
    spec = replace(all_methods()["pca"], build=module.build)

    def now() -> str:
        for kept in (code._closure, code._module_digest):
            kept.cache_clear()
        return code.code_fingerprint(spec)

    return now


def test_an_edit_of_what_a_method_imports_is_seen(
    tmp_path: Path, fingerprint: Callable[[], str]
) -> None:
    seen = [fingerprint()]
    for name in FILES:
        (tmp_path / "stranger" / name).write_text("layers = 2\n")
        seen.append(fingerprint())
    (tmp_path / "stranger" / "net.py").write_text("# a comment\nlayers = 2\n")
    assert seen[-1] == seen[-2] == fingerprint()  # what it does not import, and what is no code
    assert len(set(seen)) == len(FILES)
