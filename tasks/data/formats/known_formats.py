"""The formats that are known: which modules declare them, and which one a file is of."""

import importlib
import zlib
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

from tasks.data.formats import foreign
from tasks.data.formats.files import unpacked
from tasks.data.formats.format import Format, SlideReader
from tasks.errors import InputError

ENTRY_POINTS = "mirror_bench.formats"

# Explicit, so that the list can be read; in the order in which they are asked.
MODULES = (
    "tasks.data.formats.torch_slides",
    "tasks.data.formats.h5ad",
    "tasks.data.formats.hdf5_slides",
    "tasks.data.formats.parquet_slides",
    "tasks.data.formats.parquet",
    "tasks.data.formats.excel",
    "tasks.data.formats.slide_embeddings",
    "tasks.data.formats.star_counts",
    "tasks.data.formats.delimited",
)
_HEAD = 512
_OF_TABLES_TOO = (".parquet",)


@cache
def formats() -> tuple[Format, ...]:
    """Those of installed packages, what is told to be read is not, and ours.

    Raises:
        InputError: An installed package declares none.
    """
    found: list[Format] = []
    for entry in sorted(entry_points(group=ENTRY_POINTS)):
        try:
            found.append(_checked(importlib.import_module(entry.module).FORMAT))
        except Exception as error:
            text = " ".join(str(error).split()) or type(error).__name__
            raise InputError(
                f"{ENTRY_POINTS}: {entry.name}: expected a module with FORMAT, found: {text}"
            ) from error
    ours = [importlib.import_module(name).FORMAT for name in MODULES]
    return (*found, *foreign.FORMATS, *ours)


def _checked(declared: object) -> Format:
    if not isinstance(declared, Format):
        raise TypeError(f"FORMAT is a {type(declared).__name__}")
    return declared


def format_of(path: Path) -> Format | None:
    """The format of a file or folder by its first bytes and its name; None if it is of none."""
    head = _head(path)
    return next((each for each in formats() if each.sniff(path, head)), None)


def _head(path: Path) -> bytes:
    if not path.is_file():  # a pipe may never say anything
        return b""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
        if head.startswith(b"\x1f\x8b"):
            with unpacked(path) as packed:
                head = packed.read(_HEAD)
    except (OSError, EOFError, zlib.error):
        return b""
    return head


@cache
def slide_suffixes() -> tuple[str, ...]:
    """Of the names of slides' files."""
    return tuple(suffix for each in formats() if each.slide for suffix in each.slide.suffixes)


def is_slide_file(path: Path) -> bool:
    """Whether a file is named as slides' are, and is no table where those have the ending too."""
    suffix = path.suffix.lower()
    if suffix not in slide_suffixes() or path.name.startswith("."):
        return False
    if suffix not in _OF_TABLES_TOO:
        return True
    found = format_of(path)
    return found is None or found.table is None


def slide_reader(path: Path) -> SlideReader:
    """How a slide's file is read: by its first bytes, or else by its name.

    Raises:
        InputError: It is of a format that no slide is of.
    """
    found = format_of(path)
    if found is not None and found.slide is not None:
        return found.slide
    by_name = (each.slide for each in formats() if each.slide)
    named = next((each for each in by_name if path.suffix.lower() in each.suffixes), None)
    if named is None or (found is not None and found.table is None):
        found = found or Format("another", lambda *_: True)
        raise found.refused(path, "the features of a slide")
    return named
