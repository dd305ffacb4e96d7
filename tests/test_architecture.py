"""The house: which floor imports which, and that its names are its own."""

import ast
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FORBIDDEN = {
    "tasks": {"methods", "benchmark"},
    "methods": {"benchmark"},
    "benchmark": {"tests"},
}


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.add(node.module or "")
    return {name.split(".", 1)[0] for name in names}


@pytest.mark.parametrize("package", FORBIDDEN)
def test_imports_run_one_way(package: str) -> None:
    files = list((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        assert not imported(path) & FORBIDDEN[package], path


@pytest.mark.parametrize("package", FORBIDDEN)
def test_the_names_are_ours_alone(package: str) -> None:
    assert set(packages_distributions()[package]) == {"mirror-bench"}


@pytest.mark.parametrize(
    "module",
    [
        "benchmark.show.leaderboard",
        "benchmark.records.store",
        "benchmark.cli.main",
        "benchmark.show.html",
    ],
)
def test_tables_need_no_torch(module: str) -> None:
    program = (
        f"import sys, {module}; sys.exit(bool({{'torch', 'ray', 'mlflow'}} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
