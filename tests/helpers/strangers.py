"""Packages of strangers, as pip leaves them."""

from pathlib import Path

from benchmark.cli.new_method import write_method


def write_site(folder: Path) -> Path:
    """A folder of installed packages: one with a method, one that cannot be imported."""
    write_method("toy-method", folder)
    _install(folder, "toy", "toy_method")
    (folder / "broken_method.py").write_text("import a_package_that_nobody_has\n")
    _install(folder, "broken", "broken_method")
    return folder


def _install(folder: Path, name: str, module: str) -> None:
    """What pip leaves of a package beside its module: its metadata with an entry point."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[mirror_bench.methods]\n{name} = {module}\n")
