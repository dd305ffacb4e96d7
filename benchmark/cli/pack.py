"""`mirror-bench data import`: a cohort's per-slide files into one packed store."""

import os
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

import tomlkit
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from tasks.atomic import atomic_write
from tasks.data.formats.files import reading
from tasks.data.identifiers import Identifiers
from tasks.data.manifest import MANIFEST, BagSource, read_manifest
from tasks.data.store.importing import import_store
from tasks.data.store.plan import plan_store
from tasks.data.store.precision import StoredPrecision
from tasks.errors import InputError

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
    parsed = read_manifest(folder)
    modalities = parsed.modalities
    bags = {name: s.path for name, s in modalities.items() if isinstance(s, BagSource)}
    ids = parsed.ids.reader()
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
            _pack(parsed.name, path, folder / f"{name}.h5", precision, console, ids)
            console.print(
                f'Use it in {manifest}, [modalities.{name}]: path = "{name}.h5"', **_PLAIN
            )
        return
    with reading(manifest, "TOML in UTF-8"):
        edited = tomlkit.parse(manifest.read_text(encoding="utf-8-sig"))
    _repoint(edited, parsed, output)
    for name in bags:
        edited["modalities"][name]["path"] = f"{name}.h5"
    text = edited.as_string()
    _check_manifest(output / MANIFEST, text)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{output}: expected a folder that can be written, found: {error.strerror}"
        ) from error
    for name, path in bags.items():
        _pack(parsed.name, path, output / f"{name}.h5", precision, console, ids)
    try:
        with atomic_write(output / MANIFEST) as file:
            file.write(text.encode())
    except OSError as error:
        raise InputError(
            f"{output / MANIFEST}: expected a file that can be written, found: {error.strerror}"
        ) from error
    console.print(f"Use it with --data {output}", **_PLAIN)


def _pack(
    cohort: str,
    folder: Path,
    store: Path,
    precision: StoredPrecision,
    console: Console,
    ids: Identifiers,
) -> None:
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

        plan = plan_store(folder, precision, progress, cohort, ids)
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


def _repoint(table: MutableMapping[str, Any], parsed: object, output: Path) -> None:
    """Make every path of a table, and of the tables below it, lead from `output` to its file."""
    for key, value in table.items():
        meant = parsed[key] if isinstance(parsed, Mapping) else getattr(parsed, key)
        if isinstance(meant, Path):
            there = os.path.relpath(os.path.realpath(meant), os.path.realpath(output))
            table[key] = Path(there).as_posix()
        elif isinstance(value, MutableMapping):
            _repoint(value, meant, output)


def _check_manifest(file: Path, text: str) -> None:
    try:
        found = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: expected no such file yet, found: {error}") from error
    if found != text:
        raise InputError(f"{file}: expected no such file yet, or what is written there, found more")
