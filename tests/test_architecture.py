"""The house: which floor and which room imports which, and that its names are its own."""

import ast
import subprocess
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from fnmatch import fnmatch
from graphlib import TopologicalSorter
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FORBIDDEN = {
    "tasks": {"methods", "benchmark"},
    "methods": {"benchmark"},
    "benchmark": {"tests"},
}
ROOMS = {
    "records": set[str](),
    "engine": {"records"},
    "analysis": {"records"},
    "show": {"analysis", "records"},
    "cli": {"show", "analysis", "engine", "records"},
}
"""Of `benchmark/`: what each room may import beside itself."""
SAME_FLOOR_NAMES = {"__init__", "__main__"}


def modules(package: str) -> Iterator[tuple[str, Path]]:
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def is_module(name: str) -> bool:
    place = ROOT / name.replace(".", "/")
    return place.is_dir() or place.with_suffix(".py").is_file()


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            below = {f"{node.module}.{alias.name}" for alias in node.names}
            submodules = {name for name in below if is_module(name)}
            names |= submodules or {node.module or ""}
    return names


@pytest.mark.parametrize("package", FORBIDDEN)
def test_imports_run_one_way(package: str) -> None:
    files = list(modules(package))
    assert files
    for _, path in files:
        roots = {name.split(".", 1)[0] for name in imported(path)}
        assert not roots & FORBIDDEN[package], path


def test_rooms_of_the_referee_import_one_way() -> None:
    for name, path in modules("benchmark"):
        if name == "benchmark":
            continue
        room = name.split(".")[1]
        taken = {n.split(".")[1] for n in imported(path) if n.startswith("benchmark.")}
        assert taken <= ROOMS[room] | {room}, f"{path}: {taken - ROOMS[room] - {room}}"


@pytest.mark.parametrize("package", FORBIDDEN)
def test_no_circle_of_modules(package: str) -> None:
    known = dict(modules(package))
    graph = {
        name: {taken for taken in imported(path) if taken in known and taken != name}
        for name, path in known.items()
    }
    assert list(TopologicalSorter(graph).static_order())


@pytest.mark.parametrize("package", FORBIDDEN)
def test_no_two_modules_of_one_name_on_a_floor(package: str) -> None:
    places = defaultdict(list)
    for _, path in modules(package):
        if path.stem not in SAME_FLOOR_NAMES:
            places[path.stem].append(str(path.relative_to(ROOT)))
    assert {stem: paths for stem, paths in places.items() if len(paths) > 1} == {}


@pytest.mark.parametrize("package", FORBIDDEN)
def test_the_names_are_ours_alone(package: str) -> None:
    assert set(packages_distributions()[package]) == {"mirror-bench"}


def test_who_reads_results_needs_no_training_nor_a_display() -> None:
    program = """
import sys
import benchmark.records.store, benchmark.show.leaderboard, benchmark.show.terminal
import benchmark.show.figures, benchmark.show.html.serve
print({"torch", "ray", "mlflow", "methods", "scikit_posthocs"} & set(sys.modules))
import benchmark.cli.main
print({"torch", "ray", "mlflow"} & set(sys.modules))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env={}
    )
    assert done.stdout.split() == ["set()", "set()"]


def test_whatever_is_no_code_is_declared_as_package_data() -> None:
    """Or it is missing where the package is installed."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    patterns = {
        f"{package.replace('.', '/')}/{pattern}"
        for package, wanted in declared["package-data"].items()
        for pattern in wanted
    }
    listed = subprocess.run(
        ["git", "ls-files", *FORBIDDEN], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()
    if not listed:
        pytest.skip("no git here")
    files = [path for path in listed if not path.endswith(".py")]
    assert "tasks/data/fetch/hipt_slides.tsv.gz" in files
    assert [path for path in files if not any(fnmatch(path, each) for each in patterns)] == []
