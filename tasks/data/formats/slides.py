"""Per-slide feature files, whatever their format: scanned once, then read when asked for."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.data.cohort import Features
from tasks.data.formats.files import Stamp, require_file, stamp_of
from tasks.data.formats.format import Peek
from tasks.data.formats.known_formats import slide_reader
from tasks.errors import InputError, NotFiniteError


@dataclass(frozen=True)
class Scan:
    """What one pass over a slide file found.

    Attributes:
        n_instances: Number of instances; zero if the slide has none.
        width: Features per instance; zero if it has none.
        content: SHA-256 of the features as little-endian float32, row by row.
        encoder: The encoder that the file names, or nothing.
        patches: Magnification and size of its patches, as far as the file says.
    """

    n_instances: int
    width: int
    content: str
    encoder: str = ""
    patches: str = ""


def finite_chunks(path: Path) -> Iterator[NDArray[np.float32]]:
    """The features of a slide, float32 [n, width] piece by piece; nothing if it has none.

    Raises:
        NotFiniteError: A feature is not finite.
        InputError: If the file is not readable, has no `features`, or these are not
            two-dimensional.
    """
    n = 0
    require_file(path)
    for chunk in slide_reader(path).chunks(path):
        finite = np.isfinite(chunk)
        if not finite.all():
            row, column = (int(i) for i in np.argwhere(~finite)[0])
            raise NotFiniteError(
                f"{path}: instance {n + row}, feature {column}: expected a finite number, "
                f"found {chunk[row, column]}"
            )
        yield chunk
        n += len(chunk)


def scan_slide(path: Path) -> Scan:
    """Read a slide file once, in pieces.

    Raises:
        InputError: As `finite_chunks`.
    """
    digest = hashlib.sha256()
    n = width = 0
    for chunk in finite_chunks(path):
        digest.update(chunk.tobytes())
        n, width = n + len(chunk), chunk.shape[1]
    seen = peek_slide(path)
    return Scan(n, width, digest.hexdigest(), seen.encoder, seen.patches)


def peek_slide(path: Path) -> Peek:
    """Look at a slide file without reading its features.

    Raises:
        InputError: If the file is not readable, has no `features`, or these are not
            two-dimensional.
    """
    require_file(path)
    return slide_reader(path).peek(path)


@dataclass(frozen=True)
class SlideFile:
    """Reads one slide's features when called; picklable.

    Attributes:
        path: The file, absolute.
        n_instances: Rows that the scan found.
        width: Columns that the scan found.
        stamp: Of the file that was scanned; another in its place is refused.
    """

    path: Path
    n_instances: int
    width: int
    stamp: Stamp

    def __call__(self) -> NDArray[np.float32]:
        """The features, float32 [n_instances, width]."""
        self._check_stamp()
        features = np.empty((self.n_instances, self.width), dtype=np.float32)
        n = 0
        for chunk in slide_reader(self.path).chunks(self.path):
            if chunk.shape == features.shape:
                return chunk
            features[n : n + len(chunk)] = chunk
            n += len(chunk)
        return features

    def rows(self, rows: NDArray[np.intp], out: Features) -> None:
        """Read the features of some instances, in their order, into `out` [len(rows), width].

        Only their bytes are read where the format has rows that can be found.
        """
        self._check_stamp()
        pick = slide_reader(self.path).pick
        if pick is None or not pick(self.path, rows, out):
            out[:] = self()[rows]

    def coordinates(self) -> NDArray[np.float64] | None:
        """Where the patches lie, (x, y) [n_instances, 2]; None if the file has no such `coords`."""
        self._check_stamp()
        return read_coordinates(self.path, self.n_instances)

    def _check_stamp(self) -> None:
        require_file(self.path)
        if stamp_of(self.path.stat()) != self.stamp:
            raise InputError(
                f"{self.path}: expected the file as it was when the cohort was loaded, found that "
                "it changed"
            )


def read_coordinates(path: Path, n_instances: int) -> NDArray[np.float64] | None:
    """Where the patches of a slide file lie.

    Returns:
        (x, y) [n_instances, 2]; None if the file has no `coords`.

    Raises:
        InputError: If the file is not readable, or its `coords` are of another shape.
    """
    require_file(path)
    xy = slide_reader(path).coordinates(path)
    if xy is None:
        return None
    xy = xy[0] if xy.ndim == 3 and len(xy) == 1 else xy
    if xy.shape != (n_instances, 2):
        raise InputError(
            f"{path}: expected `coords` of shape [{n_instances}, 2], found {list(xy.shape)}"
        )
    return xy
