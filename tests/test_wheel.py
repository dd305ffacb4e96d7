"""The wheel has every module and data file of the tree, and works away from it."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("benchmark", "methods", "tasks")


def _python(*arguments: str, cwd: Path, path: Path | None = None) -> str:
    environment = os.environ | ({} if path is None else {"PYTHONPATH": str(path)})
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a copy, since the build writes beside the sources."""
    source = tmp_path_factory.mktemp("source")
    for package in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, source / package, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE", "mirror_bench.py"):
        shutil.copy(ROOT / name, source)
    build = "from setuptools import build_meta; build_meta.build_wheel('dist')"
    _python("-c", build, cwd=source)
    (built,) = (source / "dist").glob("*.whl")
    return built


def test_the_wheel_has_every_file_of_the_packages(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        found = {name for name in archive.namelist() if ".dist-info/" not in name}
    expected = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert found == expected | {"mirror_bench.py"}


def test_what_was_unpacked_from_the_wheel_works_without_the_repository(
    wheel: Path, tmp_path: Path
) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    bare = tmp_path / "bare"
    bare.mkdir()

    def command(*arguments: str) -> str:
        return _python("-m", "mirror_bench", *arguments, cwd=bare, path=tmp_path / "site")

    assert command("--version").startswith("mirror-bench ")
    assert "masked-autoencoder" in command("list", "methods")
    command("new-method", "my-method")  # reads package data
    assert [path.name for path in bare.iterdir()] == ["my_method.py"]
