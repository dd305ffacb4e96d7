"""What a packed store looks like inside: an HDF5 file that HDF5 readers and memory maps can read.

    features               [patches, width], slide by slide; float16, bfloat16 or float32
    coordinates            [patches, 2] float64, (x, y) at level 0; no rows where no slide has them
    slides/file            source file of each slide
    slides/offset          first patch of each slide, and the end; [slides + 1]
    slides/content         SHA-256 of the stored features as float32
    slides/placed          1 where the source has coordinates
    slides/coordinates     SHA-256 of the stored coordinates
    slides/encoder         encoder that the source names, or nothing
    slides/source_size     bytes of the source file
    slides/source_sha256   its SHA-256

Attributes of the file: `format`, `precision`, `cohort`, and `table_sha256`, a checksum of all that
is read beside features and coordinates: of the table, the attributes, and where in the file the
rows lie. It is compared whenever a store is opened; features and coordinates are compared with
their own checksums by `data verify`.

Datasets are contiguous and uncompressed: the unit of a random draw is a row, and a memory map finds
it. Chunks of HDF5 cost ten times as long (measured: 11.5 ms for 2,048 of 4,000 rows x 768, 1.3 ms
by memory map). There is no time in the file, so that the same slides give the same bytes.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from tasks.data.formats.files import Stamp, reading, require_file, stamp_of
from tasks.data.store.precision import StoredPrecision
from tasks.errors import InputError

FORMAT = "mirror-bench bags 2"
_HASH = "S64"
_UNFINISHED = b"0" * 64
_ROWS = ("features", "coordinates")


@dataclass(frozen=True)
class PlannedSlide:
    """A slide that has its place in a store.

    Attributes:
        file: Name of the source file.
        n_instances: Patches, zero for an empty slide.
        encoder: Encoder that the source names, or nothing.
        placed: Whether the source has coordinates.
        source_size: Bytes of the source file.
    """

    file: str
    n_instances: int
    encoder: str
    placed: bool
    source_size: int


@dataclass(frozen=True)
class Checksums:
    """SHA-256 of what was read and written of one slide.

    Attributes:
        content: Of the stored features as little-endian float32.
        coordinates: Of the stored coordinates.
        source_sha256: Of the source file.
    """

    content: str
    coordinates: str
    source_sha256: str


@dataclass(frozen=True)
class Places:
    """Where the rows of a store begin in the file, in bytes.

    Attributes:
        features: Of `features`.
        coordinates: Of `coordinates`; None where no slide has them.
    """

    features: int
    coordinates: int | None


@dataclass(frozen=True)
class Contents:
    """What a whole store says of itself.

    Attributes:
        cohort: The cohort that it was made for.
        precision: Of its features.
        width: Features per patch.
        places: Where its rows begin.
        slides: Its slides in their order.
        offsets: First patch of each slide, and the end.
        checksums: Of each slide.
        stamp: Of the file before it was read.
    """

    cohort: str
    precision: StoredPrecision
    width: int
    places: Places
    slides: tuple[PlannedSlide, ...]
    offsets: NDArray[np.int64]
    checksums: tuple[Checksums, ...]
    stamp: Stamp


def offsets_of(slides: Sequence[PlannedSlide]) -> NDArray[np.int64]:
    """First patch of each slide, and the end."""
    return np.cumsum([0, *(slide.n_instances for slide in slides)], dtype=np.int64)


def lay_out(
    path: Path,
    slides: Sequence[PlannedSlide],
    width: int,
    precision: StoredPrecision,
    cohort: str = "",
) -> None:
    """Write a store that has room for everything and values of nothing yet."""
    offsets = offsets_of(slides)
    total = int(offsets[-1])
    rows = total if any(slide.placed for slide in slides) else 0
    with h5py.File(path, "w", libver="earliest") as file:
        file.attrs.create("format", np.bytes_(FORMAT.encode()))
        file.attrs.create("precision", np.bytes_(precision.encode()))
        file.attrs.create("cohort", np.bytes_(cohort.encode()))
        file.attrs.create("table_sha256", np.bytes_(_UNFINISHED))
        _room(file, b"features", precision.hdf5_type(), (total, width))
        _room(file, b"coordinates", h5py.h5t.IEEE_F64LE, (rows, 2))
        for name, values in _table(slides, offsets, [Checksums("", "", "")] * len(slides)).items():
            _room(file, f"slides/{name}".encode(), h5py.h5t.py_create(values.dtype), values.shape)


def _room(file: h5py.File, name: bytes, kind: h5py.h5t.TypeID, shape: tuple[int, ...]) -> None:
    created = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    created.set_layout(h5py.h5d.CONTIGUOUS)
    created.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    created.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    created.set_obj_track_times(False)
    linked = h5py.h5p.create(h5py.h5p.LINK_CREATE)
    linked.set_create_intermediate_group(True)
    h5py.h5d.create(file.id, name, kind, h5py.h5s.create_simple(shape), created, lcpl=linked)


def _table(
    slides: Sequence[PlannedSlide], offsets: NDArray[np.int64], checksums: Sequence[Checksums]
) -> dict[str, NDArray[np.generic]]:
    return {
        "file": _texts([slide.file for slide in slides]),
        "offset": offsets.astype("<i8"),
        "content": np.array([sums.content.encode() for sums in checksums], dtype=_HASH),
        "placed": np.array([slide.placed for slide in slides], dtype="u1"),
        "coordinates": np.array([sums.coordinates.encode() for sums in checksums], dtype=_HASH),
        "encoder": _texts([slide.encoder for slide in slides]),
        "source_size": np.array([slide.source_size for slide in slides], dtype="<i8"),
        "source_sha256": np.array([sums.source_sha256.encode() for sums in checksums], dtype=_HASH),
    }


def _texts(texts: Sequence[str]) -> NDArray[np.bytes_]:
    raw = [text.encode() for text in texts]
    return np.array(raw, dtype=f"S{max([1, *map(len, raw)])}")


def places(path: Path) -> Places:
    """Where the rows of a store that was laid out begin."""
    with h5py.File(path, "r", locking=False) as file:
        return _places(file)


def _places(file: h5py.File) -> Places:
    coordinates = file["coordinates"]
    return Places(
        file["features"].id.get_offset(),
        coordinates.id.get_offset() if len(coordinates) else None,
    )


def complete(path: Path, slides: Sequence[PlannedSlide], checksums: Sequence[Checksums]) -> None:
    """Write the table of the slides; a store without it is not whole."""
    table = _table(slides, offsets_of(slides), checksums)
    with h5py.File(path, "r+", libver="earliest") as file:
        for name, values in table.items():
            file[f"slides/{name}"][...] = values
        file.attrs.modify("table_sha256", np.bytes_(_digest(file, table).encode()))


def _digest(file: h5py.File, table: Mapping[str, NDArray[np.generic]]) -> str:
    """SHA-256 of all that is read beside the rows, and of where these are read."""
    header = [file.attrs[name] for name in ("format", "precision", "cohort")]
    header += [(file[name].shape, file[name].id.get_type().encode()) for name in _ROWS]
    digest = hashlib.sha256(repr((header, _places(file))).encode())
    for name in sorted(table):
        digest.update(f"{name}:{table[name].dtype.str}:{len(table[name])}:".encode())
        digest.update(table[name].tobytes())
    return digest.hexdigest()


def read_contents(path: Path) -> Contents:
    """Read what a store says of itself: its table, not its features.

    Raises:
        InputError: The file is no packed store, or it is not whole.
    """
    require_file(path)
    stamp = stamp_of(path.stat())
    # Files on shared, read-only storage often cannot be locked.
    with reading(path, "a packed store"), h5py.File(path, "r", locking=False) as file:
        return _contents(path, file, stamp)


def _contents(path: Path, file: h5py.File, stamp: Stamp) -> Contents:
    found = file.attrs.get("format")
    if not isinstance(found, bytes) or found.decode() != FORMAT:
        shown = "none" if found is None else repr(found)
        raise InputError(f"{path}: expected a packed store of format {FORMAT!r}, found {shown}")
    features, coordinates = _own(path, file, "features"), _own(path, file, "coordinates")
    names = _table([], offsets_of([]), [])
    table = {name: _own(path, file, f"slides/{name}")[()] for name in names}
    if _digest(file, table).encode() != file.attrs["table_sha256"]:
        raise InputError(f"{path}: expected a whole packed store, found another table of slides")
    offsets = table["offset"].astype(np.int64)
    counts = np.diff(offsets)
    if len(features) != offsets[-1] or len(coordinates) not in (0, offsets[-1]) or min(counts) < 0:
        raise InputError(
            f"{path}: expected {offsets[-1]} patches, found {len(features)} features and "
            f"{len(coordinates)} coordinates"
        )
    precision = StoredPrecision(file.attrs["precision"].decode())
    if features.id.get_type() != precision.hdf5_type():
        raise InputError(f"{path}: expected features in {precision}, found {features.dtype}")
    slides = [
        PlannedSlide(name.decode(), int(n), encoder.decode(), bool(placed), int(source_size))
        for name, n, encoder, placed, source_size in zip(
            table["file"],
            counts,
            table["encoder"],
            table["placed"],
            table["source_size"],
            strict=True,
        )
    ]
    checksums = [
        Checksums(*(text.decode() for text in texts))
        for texts in zip(
            table["content"], table["coordinates"], table["source_sha256"], strict=True
        )
    ]
    return Contents(
        file.attrs["cohort"].decode(),
        precision,
        int(features.shape[1]),
        _places(file),
        tuple(slides),
        offsets,
        tuple(checksums),
        stamp,
    )


def _own(path: Path, file: h5py.File, name: str) -> h5py.Dataset:
    """A dataset whose values are in this file, in one piece and all of them."""
    for part in {name.split("/", maxsplit=1)[0], name}:
        if not isinstance(file.get(part, getlink=True), h5py.HardLink):
            raise InputError(f"{path}: expected `{name}` itself, found a link or nothing")
    dataset = file[name]
    plain = dataset.id.get_create_plist().get_layout() == h5py.h5d.CONTIGUOUS
    if not plain or dataset.external:
        raise InputError(f"{path}: expected `{name}` in one piece in this file, found another form")
    size = path.stat().st_size
    end = (dataset.id.get_offset() or 0) + dataset.id.get_storage_size()
    if (
        dataset.id.get_storage_size() < dataset.size * dataset.id.get_type().get_size()
        or end > size
    ):
        raise InputError(f"{path}: expected a whole packed store, found {size} of {end} bytes")
    return dataset
