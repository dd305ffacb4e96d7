"""A folder of per-slide files: which file is which slide."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from tasks.data.formats.known_formats import is_slide_file, slide_suffixes
from tasks.errors import InputError

# feature files are often named after the image with its extension: X.svs.h5
_IMAGE_SUFFIXES = (".svs", ".tif", ".tiff", ".ndpi", ".mrxs")


def slide_name(file: Path) -> str:
    """The slide's name: the file's, without the extensions of the features and of the image."""
    stem = file.stem
    for suffix in _IMAGE_SUFFIXES:
        if stem.lower().endswith(suffix):
            return stem[: -len(suffix)]
    return stem


def slide_files(folder: Path) -> dict[str, Path]:
    """The feature files of a folder by slide name, in the order of the names."""
    try:
        entries = sorted(Path(os.path.abspath(folder)).iterdir())  # noqa: PTH100 - keep links
    except OSError as error:
        raise InputError(f"{folder}: expected a folder, found: {error.strerror}") from None
    files: dict[str, Path] = {}
    for file in entries:
        if not is_slide_file(file):
            continue
        other = files.setdefault(slide_name(file), file)
        if other != file:
            raise InputError(f"{file}: expected one file a slide, found {other.name} beside it")
    if not files:
        folders = [entry.name for entry in entries if entry.is_dir()]
        found = f"only the folders {', '.join(folders[:6])}" if folders else "none"
        raise InputError(
            f"{folder}: expected slide files ({', '.join(slide_suffixes())}), found {found}"
        )
    return dict(sorted(files.items()))


class _Seen(Protocol):
    """What is known of a slide's file."""

    @property
    def n_instances(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def encoder(self) -> str: ...
    @property
    def patches(self) -> str: ...


def alike(files: Sequence[Path], seen: Sequence[_Seen], named: str = "") -> tuple[int, str]:
    """The width and the encoder that all slides with instances share; none if there are none.

    Args:
        files: The slides'.
        seen: What each says.
        named: The encoder of those that name none.

    Raises:
        InputError: One has another, or patches of another magnification or size.
    """
    filled = [(file, one) for file, one in zip(files, seen, strict=True) if one.n_instances]
    if not filled:
        return 0, ""
    counts = Counter(one.width for _, one in filled)
    common = min(counts, key=lambda width: (-counts[width], width))
    first, encoder = filled[0][0], filled[0][1].encoder or named
    patches = next((one.patches for _, one in filled if one.patches), "")
    for file, one in filled:
        if one.width != common:
            raise InputError(
                f"{file}: expected {common} features an instance as in the other slides, "
                f"found {one.width}"
            )
        if (one.encoder or named) != encoder:
            raise InputError(
                f"{file}: expected features of encoder {encoder!r} as in {first.name}, "
                f"found {one.encoder or named!r}"
            )
        if one.patches and one.patches != patches:
            raise InputError(
                f"{file}: expected patches of {patches} as in the other slides, found those of "
                f"{one.patches}"
            )
    return common, encoder


def folder_encoder(folder: Path) -> str:
    """TRIDENT names its folders after the encoder: `features_uni_v1`."""
    name = folder.resolve().name
    return name.removeprefix("features_") if name.startswith("features_") else ""
