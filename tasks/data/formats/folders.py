"""A folder of per-slide files: which file is which slide."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tasks.data.formats.known_formats import slide_suffixes
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
        if file.suffix.lower() not in slide_suffixes() or file.name.startswith("."):
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


def common_width(files: Sequence[Path], widths: Sequence[int]) -> int:
    """The width that all slides share; zero if there are none.

    Raises:
        InputError: One has another.
    """
    if not files:
        return 0
    counts = Counter(widths)
    common = min(counts, key=lambda width: (-counts[width], width))
    for file, width in zip(files, widths, strict=True):
        if width != common:
            raise InputError(
                f"{file}: expected {common} features an instance as in the other slides, "
                f"found {width}"
            )
    return common


def one_encoder(files: Sequence[Path], encoders: Sequence[str]) -> str:
    """The encoder that all slides name; nothing if none does.

    Raises:
        InputError: One names another.
    """
    for file, encoder in zip(files, encoders, strict=True):
        if encoder != encoders[0]:
            raise InputError(
                f"{file}: expected features of encoder {encoders[0]!r} as in {files[0].name}, "
                f"found {encoder!r}"
            )
    return encoders[0] if encoders else ""


def folder_encoder(folder: Path) -> str:
    """TRIDENT names its folders after the encoder: `features_uni_v1`."""
    name = folder.resolve().name
    return name.removeprefix("features_") if name.startswith("features_") else ""
