"""What a packed store will hold, found by looking at slide files without reading their features."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tasks.data.formats.folders import alike, folder_encoder, slide_files
from tasks.data.formats.slides import peek_slide
from tasks.data.identifiers import TCGA, Identifiers
from tasks.data.store.layout import FORMAT, PlannedSlide
from tasks.data.store.precision import StoredPrecision
from tasks.data.store.reading import COORDINATE
from tasks.errors import InputError

Progress = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and how much there is."""


@dataclass(frozen=True)
class Plan:
    """What a store will hold.

    Attributes:
        files: The source files in the order of the slides' names.
        stamps: When each was changed last, ns.
        slides: The same slides as the store knows them.
        width: Features per patch.
        precision: Of the features in the store.
        cohort: The cohort that the store is for.
    """

    files: tuple[Path, ...]
    stamps: tuple[int, ...]
    slides: tuple[PlannedSlide, ...]
    width: int
    precision: StoredPrecision
    cohort: str = ""

    @property
    def n_instances(self) -> int:
        """Patches of all slides."""
        return sum(slide.n_instances for slide in self.slides)

    @property
    def n_bytes(self) -> int:
        """Bytes of all features and coordinates."""
        placed = any(slide.placed for slide in self.slides)
        row = self.width * self.precision.dtype.itemsize + 2 * COORDINATE.itemsize * placed
        return self.n_instances * row

    def layout_digest(self) -> str:
        """SHA-256 of what decides where in the store each slide lies."""
        rows = [(s.file, s.n_instances, s.encoder, s.placed) for s in self.slides]
        text = json.dumps([FORMAT, self.cohort, self.width, self.precision, rows])
        return hashlib.sha256(text.encode()).hexdigest()


def plan_store(
    folder: Path,
    precision: StoredPrecision,
    progress: Progress,
    cohort: str = "",
    ids: Identifiers = TCGA,
) -> Plan:
    """Look at the slide files of a folder, to make the store of a cohort of them.

    Raises:
        InputError: As `plan_slides`.
    """
    files = tuple(slide_files(folder).values())
    return plan_slides(files, precision, progress, cohort, folder_encoder(folder), ids)


def plan_slides(
    files: tuple[Path, ...],
    precision: StoredPrecision,
    progress: Progress,
    cohort: str = "",
    encoder: str = "",
    ids: Identifiers = TCGA,
) -> Plan:
    """Look at slide files, to make the store of a cohort of them.

    Args:
        files: In the order in which they go into the store.
        precision: Of the features in the store.
        progress: Told of every slide.
        cohort: The cohort that the store is for.
        encoder: Of the files that name none.
        ids: How their names are read.

    Raises:
        InputError: A file is not readable, holds no identifier, is not like its neighbours, or
            comes from another encoder; or all are empty.
    """
    slides, peeks, stamps = [], [], []
    for n, file in enumerate(files):
        progress("looking at slides", n, len(files))
        ids.read(file.name, str(file), slide=True)
        seen, status = peek_slide(file), file.stat()
        slides.append(
            PlannedSlide(
                file.name, seen.n_instances, seen.encoder or encoder, seen.placed, status.st_size
            )
        )
        peeks.append(seen)
        stamps.append(status.st_mtime_ns)
    if not any(slide.n_instances for slide in slides):
        where = files[0].parent
        raise InputError(f"{where}: expected slides with instances, found {len(files)} empty ones")
    width, _ = alike(files, peeks, encoder)
    return Plan(files, tuple(stamps), tuple(slides), width, precision, cohort)
