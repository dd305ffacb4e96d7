"""The slides of a packed store, read by memory map: workers share one page cache, and keep none."""

import mmap
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.data.cohort import Features
from tasks.data.formats.files import Stamp, stamp_of
from tasks.data.store.layout import Contents
from tasks.data.store.precision import Stored, StoredPrecision
from tasks.errors import InputError

COORDINATE = np.dtype("<f8")
# Below this share of a slide's patches, only the pages of those drawn are asked of the disk; above
# it, what lies between them is read along in less time than it takes to ask for each.
SPARSE = 1 / 4


@dataclass(frozen=True)
class StoredSlide:
    """Reads one slide of a store when called; picklable, and holds nothing open.

    The map covers the slide alone and is gone after every read, so that a process never counts
    more than one slide of the page cache as its own.

    Attributes:
        path: The store, absolute.
        precision: Of its features.
        n_instances: Patches of the slide.
        width: Features per patch.
        start: Where its features begin in the file, bytes.
        coordinates_start: Where its coordinates begin; None if it has none.
        stamp: Of the file that all this was read from.
    """

    path: Path
    precision: StoredPrecision
    n_instances: int
    width: int
    start: int
    coordinates_start: int | None
    stamp: Stamp

    def __call__(self) -> NDArray[np.float32]:
        """The features, float32 [n_instances, width]."""
        return self.part(0, self.n_instances)

    def part(self, first: int, last: int) -> NDArray[np.float32]:
        """The features of a run of patches, float32 [last - first, width]."""
        dtype = self.precision.dtype
        at = self.start + first * self.width * dtype.itemsize
        return self.precision.unpack(self._read(dtype, at, last - first, self.width))

    def rows(self, rows: NDArray[np.intp], out: Features) -> None:
        """Read the features of some patches, in their order, into `out` [len(rows), width]."""
        dtype = self.precision.dtype
        row_bytes = self.width * dtype.itemsize
        page = self.start // mmap.ALLOCATIONGRANULARITY * mmap.ALLOCATIONGRANULARITY
        skipped = self.start - page
        try:
            with self.path.open("rb", buffering=0) as file:
                self._check(file.fileno())
                view = mmap.mmap(
                    file.fileno(),
                    skipped + self.n_instances * row_bytes,
                    access=mmap.ACCESS_COPY,  # nobody writes, but torch takes no other
                    offset=page,
                )
                if len(rows) < SPARSE * self.n_instances:
                    starts = skipped + np.sort(rows) * row_bytes
                    if not _in_memory(file.fileno(), page + starts):
                        _ask_for(view, starts, row_bytes)
        except (OSError, ValueError) as error:
            raise InputError(
                f"{self.path}: expected the store as it was, found: {error}"
            ) from error
        stored: Stored = np.frombuffer(view, dtype, self.n_instances * self.width, skipped)
        self.precision.unpack_rows(stored.reshape(-1, self.width), rows, out)

    def coordinates(self) -> NDArray[np.float64] | None:
        """Where the patches lie, (x, y) [n_instances, 2]; None if the source did not say."""
        if self.coordinates_start is None:
            return None
        xy = self._read(COORDINATE, self.coordinates_start, self.n_instances, 2)
        return xy.astype(np.float64, copy=False)

    def _read(
        self, dtype: np.dtype[np.generic], at: int, n: int, width: int
    ) -> NDArray[np.generic]:
        try:
            with self.path.open("rb") as file:
                self._check(file.fileno())
                values = np.fromfile(file, dtype, n * width, offset=at)
        except OSError as error:
            raise InputError(
                f"{self.path}: expected the store as it was, found: {error}"
            ) from error
        if values.size < n * width:
            raise InputError(f"{self.path}: expected the store as it was, found a shorter one")
        return values.reshape(n, width)

    def _check(self, opened: int) -> None:
        if stamp_of(os.fstat(opened)) != self.stamp:
            raise InputError(
                f"{self.path}: expected the store as it was when the cohort was loaded, found that "
                "it changed"
            )


def _in_memory(file: int, places: NDArray[np.intp]) -> bool:
    """Whether a few of these places, and so likely all, are in the page cache.

    To ask for 2,048 rows takes twice the time of reading them from there.
    """
    byte, flags = bytearray(1), getattr(os, "RWF_NOWAIT", 0)
    try:
        return all(os.preadv(file, [byte], at, flags) for at in places[:: len(places) // 16 + 1])
    except OSError:  # one is not, or the file system does not say
        return False


def _ask_for(view: mmap.mmap, starts: NDArray[np.intp], size: int) -> None:
    """Have the disk fetch these rows at once, and nothing between them."""
    view.madvise(mmap.MADV_RANDOM)
    for start in starts.tolist():
        first = start // mmap.PAGESIZE * mmap.PAGESIZE
        view.madvise(mmap.MADV_WILLNEED, first, start + size - first)


def stored_slides(path: Path, contents: Contents) -> list[StoredSlide]:
    """A reader for each slide of a store, in their order."""
    row_bytes = contents.width * contents.precision.dtype.itemsize
    features, coordinates = contents.places.features, contents.places.coordinates
    found = []
    for slide, first in zip(contents.slides, contents.offsets[:-1].tolist(), strict=True):
        xy = None
        if slide.placed and coordinates is not None:
            xy = coordinates + first * 2 * COORDINATE.itemsize
        found.append(
            StoredSlide(
                path,
                contents.precision,
                slide.n_instances,
                contents.width,
                features + first * row_bytes,
                xy,
                contents.stamp,
            )
        )
    return found
