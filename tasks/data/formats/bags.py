"""Per-slide files, or a packed store -> a bag per patient; a file is scanned once, then known."""

import os
from contextlib import suppress
from dataclasses import astuple, dataclass
from pathlib import Path

from tasks.atomic import atomic_write
from tasks.cache_dir import cache_dir
from tasks.data.cohort import BagModality, Slide
from tasks.data.formats.files import Stamp, stamp_of
from tasks.data.formats.folders import (
    alike,
    folder_encoder,
    slide_files,
    slide_name,
)
from tasks.data.formats.slides import Scan, SlideFile, scan_slide
from tasks.data.identifiers import Identifiers
from tasks.data.manifest import BagSource
from tasks.data.notes import Note
from tasks.data.samples import Selection, select_samples
from tasks.data.store.layout import read_contents
from tasks.data.store.precision import StoredPrecision
from tasks.data.store.reading import stored_slides
from tasks.errors import InputError
from tasks.sealed import seal, unseal

_VERSION = "scan 3"


class Scans:
    """Scans by file, kept between runs as sealed lines; a file that changed is scanned again."""

    def __init__(self) -> None:
        self._file = cache_dir() / "slides.txt"
        self._known = self._read()
        self._new: dict[str, tuple[Stamp, Scan]] = {}

    def _read(self) -> dict[str, tuple[Stamp, Scan]]:
        try:
            lines = self._file.read_bytes().splitlines()
        except OSError:
            return {}
        known = {}
        for sealed in map(unseal, lines):
            if sealed is not None and sealed[0][0] == _VERSION:
                (_, path, size, changed), scan = sealed
                known[path] = (size, changed), Scan(*scan)
        return known

    def scan(self, path: Path) -> tuple[Scan, Stamp]:
        """The scan of a file, from the cache if the file is the one that was scanned; and which."""
        try:
            stamp = stamp_of(path.stat())
        except OSError as error:
            raise InputError(f"{path}: expected a file, found: {error.strerror}") from None
        known, scan = self._known.get(str(path), (None, None))
        if scan is None or known != stamp:
            scan = scan_slide(path)
            self._new[str(path)] = stamp, scan
        return scan, stamp

    def save(self) -> None:
        """Add what was scanned to the file; without write access, it is scanned again next time."""
        if not self._new:
            return
        merged = self._read() | self._new  # another process may have written meanwhile
        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(self._file) as file:
                for path, (stamp, scan) in sorted(merged.items()):
                    file.write(seal([_VERSION, path, *stamp], astuple(scan)))


@dataclass(frozen=True)
class FoundSlides:
    """The slides of a folder or a packed store.

    Attributes:
        slides: All of them.
        width: Features per instance.
        filled: Positions of those with instances.
        selection: Which of the filled ones stand for their patients.
    """

    slides: tuple[Slide, ...]
    width: int
    filled: tuple[int, ...]
    selection: Selection


def find_slides(source: BagSource, cohort: str = "") -> FoundSlides:
    """Look at the slides of a source; those of a folder are scanned unless they are known.

    Args:
        source: Where the folder or the store is, and which slides are taken.
        cohort: Whose a store must be; of any cohort if empty.

    Raises:
        InputError: If a file is not readable, holds no identifier, is not like its neighbours, or
            the store is another cohort's; the slides that are taken make no cohort.
    """
    path = Path(os.path.abspath(source.path))  # noqa: PTH100 - keep links
    if path.is_file():
        files, slides, width = _of_store(path, source.cohort or cohort)
    else:
        files, slides, width = _of_folder(path, source.ids)
    filled = tuple(i for i, slide in enumerate(slides) if slide.n_instances)
    if not filled:
        raise InputError(
            f"{source.path}: expected slides with instances, found none among {len(files)} files"
        )
    barcodes = [source.ids.read(files[i].name, str(files[i]), slide=True) for i in filled]
    selection = select_samples(barcodes, source.rule)
    if selection.fault:
        raise InputError(f"{source.path}: {selection.fault}")
    return FoundSlides(tuple(slides), width, filled, selection)


def read_bags(
    name: str, source: BagSource, cohort: str = ""
) -> tuple[BagModality, tuple[Note, ...]]:
    """Read a folder of per-slide files, or a packed store of them, as one bag per patient.

    Slides are taken by the rule of the source. One without instances is left out and counted.

    Args:
        name: The modality's name, for the notes.
        source: Where the folder or the store is.
        cohort: Whose a store must be; of any cohort if empty.

    Returns:
        The modality, whose slides are read when asked for, and notes on what was left out.

    Raises:
        InputError: As `find_slides`.
    """
    found = find_slides(source, cohort)
    selection, n = found.selection, len(found.slides)
    bags: dict[str, tuple[Slide, ...]] = {}
    for row in selection.kept:
        patient = selection.barcodes[row].patient
        bags[patient] = (*bags.get(patient, ()), found.slides[found.filled[row]])
    modality = BagModality({patient: bags[patient] for patient in sorted(bags)}, found.width)
    kept = f"{n} slides in, {len(selection.kept)} kept, {len(bags)} patients, "
    return modality, (
        Note(name, f"{kept}{found.width} features an instance"),
        *selection.notes(name, "slides", {"no instances": n - len(found.filled)}),
    )


def _of_folder(folder: Path, ids: Identifiers) -> tuple[list[Path], list[Slide], int]:
    """Files, slides and width of a folder; every file is scanned once."""
    files = slide_files(folder)
    for file in files.values():
        ids.read(file.name, str(file), slide=True)  # before any is scanned, which takes long
    known = Scans()
    try:
        scans = [known.scan(file) for file in files.values()]
    finally:
        known.save()
    width, _ = alike(list(files.values()), [scan for scan, _ in scans], folder_encoder(folder))
    slides = []
    for (slide, file), (scan, stamp) in zip(files.items(), scans, strict=True):
        read = SlideFile(file, scan.n_instances, scan.width, stamp)
        slides.append(
            Slide(slide, scan.n_instances, scan.content, read, read.coordinates, read.rows)
        )
    return list(files.values()), slides, width


def _of_store(path: Path, cohort: str) -> tuple[list[Path], list[Slide], int]:
    """Source files, slides and width of a packed store; its table is read, not its features."""
    contents = read_contents(path)
    if cohort and contents.cohort != cohort:
        raise InputError(
            f"{path}: expected the store of cohort {cohort}, found that of {contents.cohort!r}; if "
            "it is meant, declare cohort beside its path"
        )
    files = [path / slide.file for slide in contents.slides]
    readers = stored_slides(path, contents)
    slides = [
        Slide(
            slide_name(file),
            read.n_instances,
            sums.content,
            read,
            read.coordinates,
            read.rows,
            read.precision is StoredPrecision.FLOAT16,
        )
        for file, read, sums in zip(files, readers, contents.checksums, strict=True)
    ]
    return files, slides, contents.width
