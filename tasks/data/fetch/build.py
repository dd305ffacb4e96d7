"""A cohort's folder from its sources, all of it or nothing; and what was built, checked again.

What is kept: small tables stay in `sources` as they came, since several cohorts share them. The
files of slides do not: they would double the space. They lie beside the cohorts only until the
store that they are packed into has been read back and compared with what was read, and the SHA-256
of what was read with the catalogue's. Every file of a finished cohort is then written down with its
SHA-256 in `fetched.txt`, under a key made of the SHA-256 of all published files, so that the same
command can say later, without any of them, that every byte is what was built of them.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import tomlkit

from tasks.atomic import sync_folder
from tasks.data.cohort import Cohort
from tasks.data.fetch.catalogue import Catalogue, Recipe, Sources
from tasks.data.load import load_cohort
from tasks.data.manifest import MANIFEST
from tasks.sealed import seal, unseal

SEAL = "fetched.txt"


def build_cohort(
    catalogue: Catalogue, recipe: Recipe, sources: Sources, folder: Path, scratch: Path
) -> tuple[Cohort, tuple[str, ...]]:
    """Write a cohort and read it back, before it appears under its name.

    Args:
        catalogue: Says where the data come from and what to know of them.
        recipe: The cohort.
        sources: Its files.
        folder: Where the cohort's folder goes; there must be none yet.
        scratch: A folder on the same disk to write in.

    Returns:
        The cohort, and which labels or classes of labels were left out since too few have them.

    Raises:
        InputError: If a source is not what it should be.
        OSError: If something cannot be written.
    """
    draft = scratch / recipe.cohort
    draft.mkdir()
    tables: dict[str, Any] = {"name": recipe.cohort}
    for part in recipe.parts:
        _merge(tables, part.write(recipe.cohort, sources, draft))
    labels = dict(sorted(tables.pop("labels", {}).items()))
    cohort = _written(catalogue, recipe, tables, labels, draft)
    kept, left_out = _frequent(labels, cohort, catalogue.fewest)
    if left_out:
        cohort = _written(catalogue, recipe, tables, kept, draft)
    built = {path.name: _sha256(path) for path in sorted(draft.iterdir())}
    (draft / SEAL).write_bytes(seal(_key(recipe), built))
    _sync(draft)
    draft.rename(folder)
    sync_folder(folder.parent)
    return cohort, left_out


def build_union(catalogue: Catalogue, name: str, folder: Path, scratch: Path) -> None:
    """Write the folder of a union, whose members lie beside it.

    Raises:
        OSError: If it cannot be written.
    """
    draft = scratch / name
    draft.mkdir()
    members = [f"../{member}" for member in catalogue.unions[name]]
    text = tomlkit.dumps({"name": name, "union": members})
    header = f"# Written by mirror-bench data fetch {catalogue.name}\n"
    (draft / MANIFEST).write_text(header + text, encoding="utf-8")
    _sync(draft)
    draft.rename(folder)
    sync_folder(folder.parent)


def changed_files(recipe: Recipe, folder: Path) -> tuple[str, ...] | None:
    """The files of a built cohort that are not, or no longer, what is built of these sources.

    Returns:
        Their names; `SEAL` alone if the cohort was built of other sources. None if nothing says
        what was built.
    """
    file = folder / SEAL
    if not file.is_file():
        return None
    key, built = unseal(file.read_bytes()) or (None, {})
    if key != _key(recipe):
        return (SEAL,)
    return tuple(
        name
        for name, sha256 in built.items()
        if not (folder / name).is_file() or _sha256(folder / name) != sha256
    )


def _merge(tables: dict[str, Any], more: Mapping[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, Mapping) and key in tables:
            tables[key] |= value
        else:
            tables[key] = value


def _written(
    catalogue: Catalogue,
    recipe: Recipe,
    tables: Mapping[str, Any],
    labels: Mapping[str, Any],
    draft: Path,
) -> Cohort:
    """The cohort that a manifest makes of the tables; as it reads back."""
    provenance = {
        "source": catalogue.source,
        "licence": catalogue.licence,
        "note": catalogue.note,
    }
    text = tomlkit.dumps(
        {**tables, **({"labels": labels} if labels else {}), "provenance": provenance}
    )
    header = "".join(f"# {line}\n" for line in _header(catalogue, recipe))
    (draft / MANIFEST).write_text(header + text, encoding="utf-8")
    return load_cohort(draft)


def _header(catalogue: Catalogue, recipe: Recipe) -> Iterator[str]:
    yield f"Written by mirror-bench data fetch {catalogue.name} from"
    for part in recipe.parts:
        if part.packed:  # the store lists them
            folder = Path(part.files[0].key).parent.as_posix()
            yield f"  {len(part.files)} files of {folder}"
            continue
        for file in part.files:
            yield f"  {file.key}"
            yield f"    SHA-256 {file.sha256}"
    yield "Paths are relative to this file."


def _frequent(
    labels: Mapping[str, Any], cohort: Cohort, fewest: int
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The labels, and their classes, of which there are patients enough; and what is left out."""
    paired = cohort.complete()
    kept: dict[str, Any] = {}
    left_out = []
    for name, label in labels.items():
        n = Counter(cohort.labels[name].subset(paired).values.values())
        classes = [word for word in label["classes"] if n[word] >= fewest]
        if len(classes) >= 2:
            kept[name] = {**label, "classes": classes}
        if len(classes) < len(label["classes"]):
            counts = ", ".join(f"{word} {n[word]}" for word in label["classes"])
            lacking = ", ".join(word for word in label["classes"] if n[word] < fewest)
            what = f"without {lacking}" if name in kept else "left out"
            left_out.append(f"label {name}: {what}, {fewest} patients are needed ({counts})")
    return kept, tuple(left_out)


def _key(recipe: Recipe) -> str:
    files = sorted((file.key, file.sha256) for file in recipe.files)
    return hashlib.sha256(repr(files).encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(folder: Path) -> None:
    """Put a folder's files on the disk before it gets its name."""
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    sync_folder(folder)
