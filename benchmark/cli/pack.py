"""`mirror-bench data import`: a cohort's per-slide files into one packed store."""

import json
import os
import re
import tomllib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from tasks.data.manifest import MANIFEST, BagSource, read_manifest
from tasks.data.store.importing import import_store
from tasks.data.store.plan import plan_store
from tasks.data.store.precision import StoredPrecision
from tasks.errors import InputError

_HEADER = re.compile(r"\s*\[([^\[\]]+)\]")
_PATH = re.compile(r"""(\s*path\s*=\s*)("(?:[^"\\]|\\.)*"|'[^']*')(\s*(?:#.*)?)$""")
_PLAIN: dict[str, Any] = {"markup": False, "highlight": False, "soft_wrap": True}


def pack_cohort(
    folder: Path, output: Path | None, precision: StoredPrecision, console: Console
) -> None:
    """Write the store of a cohort's slides, and say or write how it is used.

    Args:
        folder: The cohort's folder; nothing in it is changed.
        output: A new folder for a cohort that uses the store, its other paths leading back to the
            first one's files; without it, the store is written beside the cohort.toml.
        precision: Of the features.
        console: Where progress and the outcome are shown.

    Raises:
        InputError: The cohort has no slide files, or one of them is broken; the output cannot be
            written.
    """
    manifest = folder / MANIFEST
    modalities = read_manifest(folder).modalities
    bags = {name: s.path for name, s in modalities.items() if isinstance(s, BagSource)}
    if not bags:
        raise InputError(f"{manifest}: modalities: expected one of kind bag to import, found none")
    for name, path in bags.items():
        if not path.is_dir():
            raise InputError(
                f"{manifest}: modalities.{name}.path: expected a folder of slide files, "
                f"found a file: {path}"
            )
    if output is None:
        for name, path in bags.items():
            _pack(path, folder / f"{name}.h5", precision, console)
            console.print(
                f'Use it in {manifest}, [modalities.{name}]: path = "{name}.h5"', **_PLAIN
            )
        return
    text = _repointed(manifest, output, bags)
    _check_manifest(output / MANIFEST, text)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{output}: expected a folder that can be written, found: {error.strerror}"
        ) from error
    for name, path in bags.items():
        _pack(path, output / f"{name}.h5", precision, console)
    _write_manifest(output / MANIFEST, text)
    console.print(f"Use it with --data {output}", **_PLAIN)


def _pack(folder: Path, store: Path, precision: StoredPrecision, console: Console) -> None:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    )
    shown = console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=not shown) as bar:
        task = bar.add_task("")

        def progress(doing: str, done: int, total: int) -> None:
            bar.update(task, description=doing, completed=done, total=max(1, total))

        plan = plan_store(folder, precision, progress)
        new = import_store(plan, store, progress)
    empty = sum(slide.n_instances == 0 for slide in plan.slides)
    placed = sum(slide.placed for slide in plan.slides)
    encoders = {slide.encoder for slide in plan.slides if slide.n_instances}
    size = store.stat().st_size
    facts = [
        f"{len(plan.slides):,} slides ({empty:,} empty, {placed:,} with coordinates)",
        f"{plan.n_instances:,} patches x {plan.width:,} in {precision}",
        f"encoder {', '.join(sorted(encoders)) or 'not named'}",
        f"{size / 1e9:.2f} GB" if size >= 1e8 else f"{size / 1e6:.2f} MB",
    ]
    verb = "Wrote" if new else "Already there, whole:"
    console.print(f"{verb} {store}: {'; '.join(facts)}", **_PLAIN)


def _repointed(manifest: Path, target: Path, bags: Collection[str]) -> str:
    """The manifest as text for another folder: bags are stores there, other paths lead back."""
    text = manifest.read_text(encoding="utf-8-sig")
    section = ""
    lines = []
    for line in text.splitlines():
        if found := _HEADER.match(line):
            section = found[1].strip()
        if found := _PATH.match(line):
            path = tomllib.loads(f"path = {found[2]}")["path"]
            new = _path_from(target, manifest, section, path, bags)
            line = f"{found[1]}{json.dumps(new, ensure_ascii=False)}{found[3]}"  # noqa: PLW2901
        lines.append(line)
    moved = "\n".join(lines) + "\n"
    wanted = tomllib.loads(text)
    for section, table in _tables(wanted):
        if isinstance(table.get("path"), str):
            table["path"] = _path_from(target, manifest, section, table["path"], bags)
    if tomllib.loads(moved) != wanted:
        raise InputError(
            f"{manifest}: expected every `path = ...` on a line of its own below its [section], "
            "found another form; import without --output and change the path by hand"
        )
    return moved


def _path_from(target: Path, manifest: Path, section: str, path: str, bags: Collection[str]) -> str:
    name = section.removeprefix("modalities.")
    if section.startswith("modalities.") and name in bags:
        return f"{name}.h5"
    there = os.path.realpath(manifest.parent / path)
    return Path(os.path.relpath(there, os.path.realpath(target))).as_posix()


def _tables(table: dict[str, Any], name: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """A table and all below it, with their names in full."""
    yield name, table
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _tables(value, f"{name}.{key}" if name else key)


def _check_manifest(file: Path, text: str) -> None:
    try:
        found = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: expected no such file yet, found: {error}") from error
    if found != text:
        raise InputError(f"{file}: expected no such file yet, or what is written there, found more")


def _write_manifest(file: Path, text: str) -> None:
    temporary = file.with_name(f".{file.name}.partial")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(file)
    except OSError as error:
        raise InputError(
            f"{file}: expected a file that can be written, found: {error.strerror}"
        ) from error
