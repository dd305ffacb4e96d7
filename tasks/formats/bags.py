"""A folder of per-slide files -> a bag per patient; each file is scanned once, then remembered."""

import json
import os
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from tasks.barcode import parse_barcode, select_samples
from tasks.cache_dir import cache_dir
from tasks.cohort import BagModality, Slide
from tasks.errors import InputError
from tasks.formats.slides import HDF5_SUFFIXES, TORCH_SUFFIXES, Scan, SlideFile, scan_slide
from tasks.manifest import BagSource

_FILE_SUFFIXES = HDF5_SUFFIXES + TORCH_SUFFIXES
# feature files are often named after the image with its extension: X.svs.h5
_IMAGE_SUFFIXES = (".svs", ".tif", ".tiff", ".ndpi", ".mrxs")


class _Scans:
    """Scans by file, kept in one JSON between runs; a file that changed is scanned again."""

    def __init__(self) -> None:
        self._file = cache_dir() / "slides.json"
        self._known = self._read()
        self._new: dict[str, dict[str, int | str]] = {}

    def _read(self) -> dict[str, dict[str, int | str]]:
        try:
            known = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}  # no cache, or a broken one: scan again
        return known if isinstance(known, dict) else {}

    def scan(self, path: Path) -> Scan:
        """The scan of a file, from the cache if the file is the one that was scanned."""
        try:
            status = path.stat()
        except OSError as error:
            raise InputError(f"{path}: expected a file, found: {error.strerror}") from None
        stamp: dict[str, int | str] = {"size": status.st_size, "mtime_ns": status.st_mtime_ns}
        known = self._known.get(str(path))
        if isinstance(known, dict) and stamp.items() <= known.items():
            try:
                return Scan(**{k: v for k, v in known.items() if k not in stamp})  # type: ignore[arg-type]
            except TypeError:
                pass  # written by another version
        scan = scan_slide(path)
        self._new[str(path)] = stamp | asdict(scan)
        return scan

    def save(self) -> None:
        """Add what was scanned to the file; without write access, it is scanned again next time."""
        if not self._new:
            return
        merged = self._read() | self._new  # another process may have written meanwhile
        temporary = None
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=self._file.parent, prefix="slides-")
            with os.fdopen(handle, "w", encoding="utf-8") as out:
                json.dump(merged, out)
            Path(temporary).replace(self._file)
        except OSError:
            if temporary is not None:
                Path(temporary).unlink(missing_ok=True)


def _stem(file: Path) -> str:
    """The slide's name: the file's, without the extensions of the features and of the image."""
    stem = file.stem
    for suffix in _IMAGE_SUFFIXES:
        if stem.lower().endswith(suffix):
            return stem[: -len(suffix)]
    return stem


def _slide_files(folder: Path) -> dict[str, Path]:
    """The feature files of a folder by slide name, in the order of the names."""
    try:
        entries = sorted(Path(os.path.abspath(folder)).iterdir())  # noqa: PTH100 - keep links
    except OSError as error:
        raise InputError(f"{folder}: expected a folder, found: {error.strerror}") from None
    files: dict[str, Path] = {}
    for file in entries:
        if file.suffix.lower() not in _FILE_SUFFIXES or file.name.startswith("."):
            continue
        other = files.setdefault(_stem(file), file)
        if other != file:
            raise InputError(f"{file}: expected one file a slide, found {other.name} beside it")
    if not files:
        folders = [entry.name for entry in entries if entry.is_dir()]
        found = f"only the folders {', '.join(folders[:6])}" if folders else "none"
        raise InputError(
            f"{folder}: expected slide files ({', '.join(_FILE_SUFFIXES)}), found {found}"
        )
    return dict(sorted(files.items()))


def _check_widths(files: Sequence[Path], scans: Sequence[Scan]) -> int:
    """The width that all slides share."""
    widths = Counter(scan.width for scan in scans)
    common = min(widths, key=lambda width: (-widths[width], width))
    for file, scan in zip(files, scans, strict=True):
        if scan.width != common:
            raise InputError(
                f"{file}: expected {common} features an instance as in the other slides, "
                f"found {scan.width}"
            )
    return common


def read_bags(name: str, source: BagSource) -> tuple[BagModality, tuple[str, ...]]:
    """Read a folder of per-slide files as one bag per patient.

    Slides of primary tumours are taken, of another tumour only where the patient has no primary
    one. A slide without instances is left out and counted.

    Args:
        name: The modality's name, for the notes.
        source: Where the folder is.

    Returns:
        The modality, whose slides are read when asked for, and notes on what was left out.

    Raises:
        InputError: If a file is not readable, holds no TCGA barcode, or is not like its neighbours.
    """
    files = _slide_files(source.path)
    barcodes = [parse_barcode(file.name, str(file)) for file in files.values()]
    known = _Scans()
    try:
        scans = [known.scan(file) for file in files.values()]
    finally:
        known.save()
    rows = list(zip(files.items(), barcodes, scans, strict=True))
    filled = [row for row in rows if row[2].n_instances]
    selection = select_samples([barcode for _, barcode, _ in filled])
    if not selection.kept:
        raise InputError(
            f"{source.path}: expected slides of tumours with instances, found none "
            f"among {len(files)} files"
        )
    width = _check_widths([file for (_, file), _, _ in filled], [scan for _, _, scan in filled])
    slides: dict[str, tuple[Slide, ...]] = {}
    for i in selection.kept:
        (slide_name, file), barcode, scan = filled[i]
        read = SlideFile(file, scan.n_instances, scan.width)
        slide = Slide(slide_name, scan.n_instances, scan.content, read, read.coordinates)
        slides[barcode.patient] = (*slides.get(barcode.patient, ()), slide)
    modality = BagModality({patient: slides[patient] for patient in sorted(slides)}, width)
    notes = [
        f"{name}: {len(files)} slides in, {len(selection.kept)} kept, {len(slides)} patients, "
        f"{width} features an instance"
    ]
    if len(filled) < len(rows):
        notes.append(f"{name}: {len(rows) - len(filled)} slides left out: no instances")
    notes += [f"{name}: {n} slides left out: {why}" for why, n in selection.left_out.items()]
    return modality, tuple(notes)
