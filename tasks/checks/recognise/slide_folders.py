"""Folders of per-slide features, and the tool that wrote them."""

import re
from collections.abc import Sequence
from pathlib import Path

from tasks.checks.finding import Finding
from tasks.checks.recognise.candidates import Slides, Vectors, mixture_of, unused
from tasks.data.barcode import Barcode
from tasks.data.formats.folders import alike, folder_encoder
from tasks.data.formats.hdf5_slides import open_features
from tasks.data.formats.slide_embeddings import is_embeddings
from tasks.data.formats.slides import peek_slide
from tasks.data.formats.tables import read_numeric_table
from tasks.data.formats.torch_slides import SUFFIXES
from tasks.data.identifiers import Identifiers
from tasks.data.manifest import Orientation
from tasks.errors import InputError

_TRIDENT_FOLDER = re.compile(r"(slide_)?features_(?P<encoder>.+)", re.IGNORECASE)
_TRIDENT_JOB = re.compile(r"[\d.]+x_\d+px_\d+px_overlap", re.IGNORECASE)
_CLAM = {"h5_files": "HDF5 features of CLAM", "pt_files": "tensors of CLAM"}


def survey_slides(
    folder: Path, files: Sequence[Path], ids: Identifiers
) -> Slides | Vectors | Finding:
    """Look at a folder's slide files: every name, and what every file says of itself.

    Args:
        folder: The folder.
        files: Its slide files, sorted.
        ids: How their names are read.
    """
    barcodes = [ids.find(file.name, slide=True) for file in files]
    patients = frozenset(barcode.patient for barcode in barcodes if barcode and barcode.patient)
    if not patients:
        return unused(folder, f"{len(files)} files such as {files[0].name}: no {ids.what} in them")
    if None in barcodes:
        strange = [f.name for f, barcode in zip(files, barcodes, strict=True) if barcode is None]
        n = len(strange)
        return unused(
            folder,
            f"{n} of {len(files)} files without a {ids.what}, which `run` needs in every name: "
            f"take {strange[0]} away{' and the others' if n > 1 else ''}, or rename",
        )
    if is_embeddings(folder):
        return _embeddings(folder, files, barcodes)
    peeks = []
    try:
        peeks = [peek_slide(file) for file in files]
        width, encoder = alike(files, peeks, folder_encoder(folder))
    except InputError as error:
        return unused(folder, str(error).removeprefix(f"{folder}/"))
    encoder = peeks[0].encoder.strip() or _encoder_of_job(folder) or encoder
    return Slides(
        folder,
        _tool(folder, files[0], width, encoder),
        patients,
        len(files),
        width,
        encoder,
        mixture_of([barcode for barcode in barcodes if barcode]),
    )


def _embeddings(
    folder: Path, files: Sequence[Path], barcodes: Sequence[Barcode | None]
) -> Vectors | Finding:
    known = [barcode for barcode in barcodes if barcode]
    try:
        table = read_numeric_table(folder, "")
    except InputError as error:
        return unused(folder, str(error).removeprefix(f"{folder}/"))
    return Vectors(
        folder,
        f"slide embeddings, a file a slide: {len(files)} of {len(table.columns)} features",
        "",
        Orientation.SAMPLES,
        "wsi",
        frozenset(barcode.patient for barcode in known),
        len(table.columns),
        None,
        mixture_of(known),
    )


def _shape(file: Path) -> tuple[int, ...]:
    """The shape of an HDF5 file's features; () if it has none."""
    try:
        with open_features(file) as features:
            return tuple(features.shape or ())
    except InputError:
        return ()


def _encoder_of_job(folder: Path) -> str:
    """The encoder that TRIDENT names a folder after; nothing where it is not TRIDENT's."""
    named = _TRIDENT_FOLDER.fullmatch(folder.name)
    return named["encoder"] if named and _TRIDENT_JOB.fullmatch(folder.parent.name) else ""


def _tool(folder: Path, file: Path, width: int, encoder: str) -> str:
    """Which tool wrote a folder, by its name, its first file and the encoder that files name."""
    if folder.name in _CLAM:
        return _CLAM[folder.name]
    shape = _shape(file)
    if len(shape) == 3 and shape[0] == 1:
        return "features with a leading axis, as UNI2-h's are distributed" + (
            "" if width == 1536 else f" (but {width} wide, not 1536)"
        )
    if _encoder_of_job(folder):
        return f"TRIDENT, encoder {encoder}, patches {folder.parent.name}"
    saved = "tensors saved by torch.save" if file.suffix.lower() in SUFFIXES else "Parquet files"
    kind = "HDF5 files" if shape else saved
    if encoder:
        return f"{kind} of the encoder {encoder}"
    named = _TRIDENT_FOLDER.fullmatch(folder.name)
    return f"{kind}, by the folder's name of the encoder {named['encoder']}" if named else kind
