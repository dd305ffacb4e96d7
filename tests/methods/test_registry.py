"""The registry: a stranger's package takes part, and a broken one is seen but breaks nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.cli.new_method import write_method
from methods.base import Role
from methods.registry import all_methods, registry, select_methods, variants
from tasks.errors import InputError

PROGRAM = Path(sys.executable).with_name("mirror-bench")


def install(folder: Path, name: str, module: str) -> None:
    """What pip leaves of a package: its module's folder and its metadata with an entry point."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[mirror_bench.methods]\n{name} = {module}\n")


def mirror_bench(*arguments: str, path: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [PROGRAM, *arguments],
        env={**os.environ, "PYTHONPATH": str(path)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of installed packages: one with a method, one that cannot be imported."""
    folder = tmp_path_factory.mktemp("site")
    write_method("toy-method", folder)
    install(folder, "toy", "toy_method")
    (folder / "broken_method.py").write_text("import a_package_that_nobody_has\n")
    install(folder, "broken", "broken_method")
    return folder


def test_nothing_of_this_repository_is_unavailable() -> None:
    assert registry().unavailable == {}


def test_a_strangers_method_is_listed_and_a_broken_one_says_why(site: Path) -> None:
    listed = mirror_bench("list", "methods", "--json", path=site)
    assert listed.returncode == 0, listed.stderr
    rows = {row["name"]: row for row in json.loads(listed.stdout)}
    assert rows["toy-method"]["available"]
    assert rows["toy-method"]["parameters"] == (1536 + 1) * 192 + (4096 + 1) * 192
    assert not rows["broken"]["available"]
    assert "a_package_that_nobody_has" in rows["broken"]["reason"]
    assert set(all_methods()) < set(rows)


def test_naming_a_broken_one_is_one_clear_line(site: Path) -> None:
    refused = mirror_bench("run", "--methods", "broken", "--tasks", "survival", path=site)
    assert refused.returncode == 2
    assert "unavailable: ModuleNotFoundError" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_a_strangers_method_stands_on_the_leaderboard(site: Path, tmp_path: Path) -> None:
    options = "--tasks survival --cohorts PLANTED-VECTORS --budget smoke --folds 2 --seeds 0"
    ran = mirror_bench(
        *("run", "--methods", "toy-method,pca", *options.split(), "--results", str(tmp_path)),
        path=site,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    board = tmp_path / "board.md"
    made = mirror_bench(
        "leaderboard", "--results", str(tmp_path), "--output", str(board), path=site
    )
    assert made.returncode == 0, made.stderr
    assert "`toy-method`" in (tmp_path / "tables" / "survival-smoke.md").read_text()


def test_all_leaves_out_ablations_and_what_needs_something() -> None:
    chosen = select_methods("all")
    assert all(spec.role is not Role.ABLATION for spec in chosen)
    assert "mirror-checkpoint" not in [spec.name for spec in chosen]
    assert "mirror-detached" in [spec.name for spec in select_methods("mirror*")]


def test_variants_are_one_method_with_a_delta() -> None:
    first, *others = variants("mirror")
    assert first.name == "mirror"
    assert "random-init" in {spec.name for spec in others}
    assert {spec.parent for spec in others} == {"mirror"}
    assert len(others) >= 13
    with pytest.raises(InputError, match="pca"):
        variants("pca")


@pytest.mark.parametrize("name", ["My Method", "x_y", "-a", ""])
def test_a_new_method_has_a_name_that_a_command_line_takes(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        write_method(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_new_method_never_overwrites(tmp_path: Path) -> None:
    write_method("mine", tmp_path)
    with pytest.raises(InputError, match=r"mine\.py"):
        write_method("mine", tmp_path)
