"""A whole store, read once and compared with its checksums."""

import hashlib
from pathlib import Path

import numpy as np

from tasks.data.store.layout import read_contents
from tasks.data.store.plan import Progress
from tasks.data.store.reading import stored_slides
from tasks.errors import InputError

UNPLACED = np.nan
"""The coordinates of a slide without any, where other slides have some."""

_PIECE_BYTES = 16 << 20


def verify_store(path: Path, progress: Progress) -> None:
    """Read a whole store and compare it with its checksums.

    Raises:
        InputError: It is not what was written, or no packed store.
    """
    contents = read_contents(path)
    total = int(contents.offsets[-1])
    step = max(1, _PIECE_BYTES // (4 * contents.width))
    for i, reader in enumerate(stored_slides(path, contents)):
        progress("reading back", int(contents.offsets[i]), total)
        content = hashlib.sha256()
        for start in range(0, reader.n_instances, step):
            content.update(reader.part(start, min(start + step, reader.n_instances)).tobytes())
        xy = reader.coordinates()
        if xy is None:
            xy = np.full((reader.n_instances, 2), UNPLACED)
        found = content.hexdigest(), hashlib.sha256(xy.tobytes()).hexdigest()
        sums = contents.checksums[i]
        if found != (sums.content, sums.coordinates):
            raise InputError(
                f"{path}: slide {contents.slides[i].file}: expected what was imported, "
                "found other values"
            )
    progress("reading back", total, total)
