"""Per-slide files -> a packed store: resumable after a kill, verified, whole or not there."""

import hashlib
import os
import shutil
from io import BufferedRandom
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.data.formats.slides import finite_chunks, read_coordinates
from tasks.data.store.journal import Journal, Written, open_journal
from tasks.data.store.layout import (
    Checksums,
    Places,
    PlannedSlide,
    complete,
    lay_out,
    offsets_of,
    places,
    read_contents,
)
from tasks.data.store.plan import Plan, Progress
from tasks.data.store.precision import StoredPrecision
from tasks.data.store.reading import COORDINATE
from tasks.data.store.verifying import UNPLACED, verify_store
from tasks.errors import InputError

_SPARE_BYTES = 64 << 20


def import_store(plan: Plan, output: Path, progress: Progress) -> bool:
    """Write a store; after a kill, the same call goes on where the last one was.

    Until the store is whole, two files lie beside it: `.NAME.partial`, the store with room for
    everything, and `.NAME.journal`, what was written into it. At the end it is read back and
    compared with the checksums of what was read; only then it gets its name.

    Args:
        plan: What to write.
        output: The store.
        progress: Told of every slide.

    Returns:
        False if the store was there already, whole and of the same slides.

    Raises:
        InputError: A source file is broken or changed meanwhile, a value is too large for the
            precision, there is no room, or the output is something else already.
    """
    if output.exists():
        _check_same(plan, output)
        return False
    try:
        with open_journal(output) as journal:
            if not output.exists():
                _write(plan, output, journal, progress)
            journal.remove()
    except OSError as error:
        raise InputError(
            f"{output}: expected a store that can be written, found: {error.strerror or error}"
        ) from error
    return True


def _write(plan: Plan, output: Path, journal: Journal, progress: Progress) -> None:
    partial = output.with_name(f".{output.name}.partial")
    layout = plan.layout_digest()
    written = _unchanged(plan, journal.read(layout)) if partial.exists() else []
    if not written:
        _make_room(plan, partial)
    journal.begin(layout, written)
    _copy(plan, partial, written, journal, progress)
    complete(partial, plan.slides, [slide.checksums for slide in written])
    try:
        verify_store(partial, progress)
    except InputError:
        partial.unlink()  # not to be gone on with: the next import starts anew
        raise
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(output)


def _check_same(plan: Plan, output: Path) -> None:
    contents = read_contents(output)
    planned = plan.slides, plan.precision, plan.cohort
    if (contents.slides, contents.precision, contents.cohort) != planned:
        raise InputError(
            f"{output}: expected no file yet or the store of these {len(plan.slides)} slides in "
            f"{plan.precision}, found one of {len(contents.slides)} slides in "
            f"{contents.precision}, not the same; to import anew, move it away"
        )
    # Files that are older than the store are those that it was made from. The time of a file's
    # contents may be copied with them (`rsync -t`); that of its inode is when it came here.
    made = output.stat().st_mtime_ns
    for path, checksums in zip(plan.files, contents.checksums, strict=True):
        status = path.stat()
        newer = max(status.st_mtime_ns, status.st_ctime_ns) > made
        if newer and _sha256(path) != checksums.source_sha256:
            raise InputError(
                f"{path}: expected the file that {output} was made from, found another content, "
                "changed since; to import anew, move the store away"
            )


def _sha256(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def _unchanged(plan: Plan, written: list[Written]) -> list[Written]:
    """The slides from the first one on whose files are still those that were read."""
    for i, (done, slide) in enumerate(zip(written, plan.slides, strict=False)):
        if (done.source_size, done.stamp) != (slide.source_size, plan.stamps[i]):
            return written[:i]
    return written


def _make_room(plan: Plan, partial: Path) -> None:
    partial.unlink(missing_ok=True)
    free = shutil.disk_usage(partial.parent).free
    if free < plan.n_bytes + _SPARE_BYTES:
        raise InputError(
            f"{partial.parent}: expected {plan.n_bytes / 1e9:.1f} GB of free space, "
            f"found {free / 1e9:.1f} GB"
        )
    lay_out(partial, plan.slides, plan.width, plan.precision, plan.cohort)


def _copy(
    plan: Plan, partial: Path, written: list[Written], journal: Journal, progress: Progress
) -> None:
    """Write the slides that are not `written` yet, and add them to it and to the journal."""
    offsets, where = offsets_of(plan.slides).tolist(), places(partial)
    with partial.open("r+b") as out:
        for i in range(len(written), len(plan.slides)):
            progress("writing patches", offsets[i], plan.n_instances)
            checksums = _copy_slide(plan, i, offsets[i], where, out)
            out.flush()
            written.append(Written(plan.slides[i].source_size, plan.stamps[i], checksums))
            journal.add(written[-1])


def _copy_slide(plan: Plan, i: int, first: int, where: Places, out: BufferedRandom) -> Checksums:
    path, slide = plan.files[i], plan.slides[i]
    changed = InputError(f"{path}: expected the file as it was a moment ago, found that it changed")
    source_sha256 = _sha256(path)
    content, n = hashlib.sha256(), 0
    out.seek(where.features + first * plan.width * plan.precision.dtype.itemsize)
    for values in finite_chunks(path):
        if values.shape[1] != plan.width or n + len(values) > slide.n_instances:
            raise changed
        stored = plan.precision.pack(values)
        kept = plan.precision.unpack(stored)
        _check_range(path, plan.precision, values, kept, n)
        out.write(stored.tobytes())
        content.update(kept.tobytes())
        n += len(values)
    if n != slide.n_instances:
        raise changed
    xy = _coordinates(path, slide)
    if where.coordinates is not None:
        out.seek(where.coordinates + first * 2 * COORDINATE.itemsize)
        out.write(xy.tobytes())
    return Checksums(content.hexdigest(), hashlib.sha256(xy.tobytes()).hexdigest(), source_sha256)


def _coordinates(path: Path, slide: PlannedSlide) -> NDArray[np.float64]:
    """The coordinates as they are stored."""
    xy = read_coordinates(path, slide.n_instances) if slide.placed else None
    if xy is None:
        xy = np.full((slide.n_instances, 2), UNPLACED)
    return np.ascontiguousarray(xy, dtype=COORDINATE)


def _check_range(
    path: Path,
    precision: StoredPrecision,
    values: NDArray[np.float32],
    kept: NDArray[np.float32],
    n: int,
) -> None:
    beyond = np.isinf(kept)
    if beyond.any():
        row, column = (int(i) for i in np.argwhere(beyond)[0])
        raise InputError(
            f"{path}: instance {n + row}, feature {column}: expected a number that {precision} "
            f"can hold, found {values[row, column]}; --precision float32 holds it"
        )
