"""Folders of per-slide features, and the tool that wrote them."""

import re
from collections.abc import Sequence
from pathlib import Path

import h5py

from tasks.checks.finding import Finding
from tasks.checks.recognise.candidates import Slides, mixture_of, unused
from tasks.data.formats.files import reading
from tasks.data.formats.hdf5 import own_dataset
from tasks.data.formats.slides import HDF5_SUFFIXES, TORCH_SUFFIXES, peek_slide
from tasks.data.split_files import find_barcode
from tasks.errors import InputError

SLIDE_SUFFIXES = HDF5_SUFFIXES + TORCH_SUFFIXES

_TRIDENT_FOLDER = re.compile(r"(slide_)?features_(?P<encoder>.+)", re.IGNORECASE)
_TRIDENT_JOB = re.compile(r"[\d.]+x_\d+px_\d+px_overlap", re.IGNORECASE)
_CLAM = {"h5_files": "HDF5 features of CLAM", "pt_files": "tensors of CLAM"}


def survey_slides(folder: Path, files: Sequence[Path]) -> Slides | Finding:
    """Look at a folder's slide files: every name, and three of the files.

    Args:
        folder: The folder.
        files: Its slide files, sorted.
    """
    barcodes = [find_barcode(file.name) for file in files]
    patients = frozenset(barcode.patient for barcode in barcodes if barcode)
    if not patients:
        return unused(
            folder, f"{len(files)} files such as {files[0].name}: no TCGA barcode in them"
        )
    if None in barcodes:
        strange = [f.name for f, barcode in zip(files, barcodes, strict=True) if barcode is None]
        n = len(strange)
        return unused(
            folder,
            f"{n} of {len(files)} files without a TCGA barcode, which `run` needs in every name: "
            f"take {strange[0]} away{' and the others' if n > 1 else ''}, or rename",
        )
    widths, encoder = set(), ""
    for file in sorted({files[0], files[len(files) // 2], files[-1]}):
        try:
            found = peek_slide(file)
        except InputError as error:
            if len(embedding := _shape(file)) == 1:
                return unused(
                    folder,
                    f"slide embeddings of {embedding[0]} features, one vector a slide: put them "
                    'into a table, a row a slide, and declare it with kind = "vector"',
                )
            return unused(folder, str(error))
        widths |= {found.width} if found.n_instances else set()
        encoder = encoder or found.encoder
    if len(widths) > 1:
        return unused(folder, f"slides of different widths: {', '.join(map(str, sorted(widths)))}")
    width = widths.pop() if widths else 0
    encoder = encoder.strip() or _encoder_of_job(folder)
    return Slides(
        folder,
        _tool(folder, files[0], width, encoder),
        patients,
        len(files),
        width,
        encoder,
        mixture_of([barcode for barcode in barcodes if barcode]),
    )


def _shape(file: Path) -> tuple[int, ...]:
    """The shape of an HDF5 file's features; () if it has none."""
    if file.suffix.lower() not in HDF5_SUFFIXES:
        return ()
    try:
        with reading(file, "a whole HDF5 file"), h5py.File(file, "r", locking=False) as opened:
            features = own_dataset(file, opened, "features")
            return () if features is None else tuple(features.shape or ())
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
    kind = "HDF5 files" if shape else "tensors saved by torch.save"
    if encoder:
        return f"{kind} of the encoder {encoder}"
    named = _TRIDENT_FOLDER.fullmatch(folder.name)
    return f"{kind}, by the folder's name of the encoder {named['encoder']}" if named else kind
