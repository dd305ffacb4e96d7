"""Per-slide feature files: HDF5 of TRIDENT, CLAM and UNI2-h, and tensors saved by torch."""

import hashlib
import re
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from tasks.data.cohort import Features
from tasks.data.formats.files import Stamp, reading, require_file, stamp_of
from tasks.data.formats.hdf5 import own_dataset
from tasks.data.formats.tables import near
from tasks.errors import InputError, NotFiniteError

if TYPE_CHECKING:
    from torch import Tensor

HDF5_SUFFIXES = (".h5", ".hdf5")
TORCH_SUFFIXES = (".pt", ".pth")
_CHUNK_BYTES = 8 << 20

_Shape = tuple[int, ...]


def _layout(path: Path, shape: _Shape, kind: str) -> tuple[int, int, bool]:
    """Instances, width and whether a leading axis of one is there (UNI2-h).

    The axis is dropped only where there are three, so that a slide of one instance stays one.
    """
    leading = len(shape) == 3 and shape[0] == 1
    body = shape[1:] if leading else shape
    if body and body[0] == 0 and len(body) <= 2:
        return 0, 0, leading
    if len(body) != 2 or body[1] == 0:
        raise InputError(
            f"{path}: expected features of shape [N, D] or [1, N, D], found {list(shape)}"
        )
    if kind not in "fiu":
        raise InputError(f"{path}: expected features that are numbers, found another type")
    return body[0], body[1], leading


@contextmanager
def _hdf5_features(path: Path) -> Iterator[h5py.Dataset]:
    """The dataset of the features; whatever HDF5 says against the file names it."""
    require_file(path)
    # files on shared, read-only storage often cannot be locked
    with reading(path, "a whole HDF5 file"), h5py.File(path, "r", locking=False) as file:
        features = own_dataset(path, file, "features")
        if features is None:
            keys = list(file)
            shown = ", ".join(keys[:8]) or "nothing"
            raise InputError(
                f"{path}: expected a dataset `features`, found {shown}{near('features', keys)}"
            )
        yield features


def _hdf5_chunks(path: Path) -> Iterator[NDArray[np.float32]]:
    with _hdf5_features(path) as features:
        n, width, leading = _layout(path, features.shape or (), features.dtype.kind)
        rows = max(1, _CHUNK_BYTES // max(1, 4 * width))
        for start in range(0, n, rows):
            part = np.s_[start : start + rows]
            yield _float32(features[0, part] if leading else features[part])


def _torch_values(path: Path, *, mapped: bool = False) -> "Tensor":
    """The tensor of a file, [n, width] of any real type; one without elements if it has none.

    Args:
        path: The file.
        mapped: Leave the values on the disk until they are used, where the file allows it.
    """
    import torch  # noqa: PLC0415 - seconds to import, and only `.pt` needs it

    require_file(path)
    _refuse_deflated(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is wrong with the file is said below, once
            mmap = mapped and zipfile.is_zipfile(path)
            with torch.serialization.safe_globals(_array_parts()):
                found = torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
    except Exception as error:
        # torch's own message advises to load the file without protection: not repeated here
        code = re.search(r"GLOBAL ([\w.]+)", str(error))
        what = f"a pickle that calls for {code[1]}, not run" if code else "none that can be read"
        raise InputError(f"{path}: expected a tensor saved by torch.save, found {what}") from error
    tensor = _tensor(path, found)
    with reading(path, "a dense tensor"):
        # strides of zero make a tensor of any size out of one number
        if (
            tensor.is_meta
            or tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes()
        ):
            raise InputError(
                f"{path}: expected a tensor with its values, found one of shape "
                f"{list(tensor.shape)} without them"
            )
        kind = "c" if tensor.is_complex() else "b" if tensor.dtype == torch.bool else "f"
        n, width, leading = _layout(path, tuple(tensor.shape), kind)
        values = tensor.detach()[0] if leading else tensor.detach()
        return values if n else torch.empty(0, width)


def _array_parts() -> "list[Callable[..., Any] | tuple[Callable[..., Any], str]]":
    """What a pickled array of numbers is made of, all that torch may call beside its own parts."""
    multiarray = np._core.multiarray
    rebuild = multiarray._reconstruct
    kinds = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")
    dtypes = [type(np.dtype(kind)) for kind in kinds]
    # its name up to NumPy 1, and from NumPy 2 on
    return [(rebuild, "numpy.core.multiarray._reconstruct"), rebuild, np.ndarray, np.dtype, *dtypes]


def _tensor(path: Path, found: object) -> "Tensor":
    """What was saved as a tensor; TRIDENT saves arrays of NumPy."""
    import torch  # noqa: PLC0415 - as above

    if isinstance(found, np.ndarray):
        # an array can be pickled by its shape alone
        if found.nbytes > path.stat().st_size:
            raise InputError(
                f"{path}: expected an array with its values, found one of shape "
                f"{list(found.shape)} without them"
            )
        with reading(path, "an array of numbers"):
            return torch.from_numpy(np.ascontiguousarray(found))
    if not isinstance(found, torch.Tensor) or found.layout is not torch.strided:
        what = type(found).__name__
        raise InputError(f"{path}: expected a dense tensor alone, found {what}")
    return found


def _torch_chunks(path: Path) -> Iterator[NDArray[np.float32]]:
    values = _torch_values(path)
    if len(values):
        with reading(path, "a dense tensor"):
            chunk = _float32(values.float().numpy())
        yield chunk


def _refuse_deflated(path: Path) -> None:
    """Refuse a torch file that unpacks to more than it is: torch.save stores, never deflates."""
    with reading(path, "a tensor saved by torch.save"):
        if not zipfile.is_zipfile(path):
            return  # the layout before torch 1.6, or no torch file at all
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(part.file_size for part in archive.infolist())
    if unpacked > path.stat().st_size:
        raise InputError(
            f"{path}: expected a tensor saved by torch.save, found an archive that unpacks to "
            f"{unpacked} bytes"
        )


def _float32(values: NDArray[Any]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):  # what overflows is refused with the other infinities
        return np.ascontiguousarray(values, dtype="<f4")


def _chunks(path: Path) -> Iterator[NDArray[np.float32]]:
    """The features of a slide, float32 [n, width] piece by piece; nothing if it has none."""
    if path.suffix.lower() in HDF5_SUFFIXES:
        return _hdf5_chunks(path)
    return _torch_chunks(path)


@dataclass(frozen=True)
class Scan:
    """What one pass over a slide file found.

    Attributes:
        n_instances: Number of instances; zero if the slide has none.
        width: Features per instance; zero if it has none.
        content: SHA-256 of the features as little-endian float32, row by row.
    """

    n_instances: int
    width: int
    content: str


def finite_chunks(path: Path) -> Iterator[NDArray[np.float32]]:
    """The features of a slide, float32 [n, width] piece by piece; nothing if it has none.

    Raises:
        NotFiniteError: A feature is not finite.
        InputError: If the file is not readable, has no `features`, or these are not
            two-dimensional.
    """
    n = 0
    for chunk in _chunks(path):
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
    return Scan(n, width, digest.hexdigest())


@dataclass(frozen=True)
class Peek:
    """What a slide file says of itself before its features are read.

    Attributes:
        n_instances: Number of instances; zero if the slide has none.
        width: Features per instance; zero if it has none.
        encoder: The encoder that the file names, or nothing.
        placed: Whether it has coordinates.
    """

    n_instances: int
    width: int
    encoder: str
    placed: bool


def peek_slide(path: Path) -> Peek:
    """Look at a slide file without reading its features.

    Raises:
        InputError: If the file is not readable, has no `features`, or these are not
            two-dimensional.
    """
    if path.suffix.lower() not in HDF5_SUFFIXES:
        values = _torch_values(path, mapped=True)
        return Peek(len(values), values.shape[1], "", placed=False)
    with _hdf5_features(path) as features:
        n, width, _ = _layout(path, features.shape or (), features.dtype.kind)
        encoder = features.attrs.get("encoder", "")  # TRIDENT writes it
        encoder = encoder.decode() if isinstance(encoder, bytes) else str(encoder)
        placed = own_dataset(path, features.file, "coords") is not None
        return Peek(n, width, encoder, placed)


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
        for chunk in _chunks(self.path):
            if chunk.shape == features.shape:
                return chunk
            features[n : n + len(chunk)] = chunk
            n += len(chunk)
        return features

    def rows(self, rows: NDArray[np.intp], out: Features) -> None:
        """Read the features of some instances, in their order, into `out` [len(rows), width].

        Only their bytes are read where the file has rows that can be found: tensors saved by torch
        and HDF5 without chunks. Of HDF5 in chunks, reading all costs less than finding each.
        """
        self._check_stamp()
        if self.path.suffix.lower() not in HDF5_SUFFIXES:
            tensor = _torch_values(self.path, mapped=True)
            out[:] = tensor[rows].float().numpy()
            return
        with _hdf5_features(self.path) as features:
            dtype, at = features.dtype, features.id.get_offset()
            plain = features.id.get_storage_size() == features.size * dtype.itemsize
        if at is None or not plain:
            out[:] = self()[rows]
            return
        values = np.memmap(self.path, dtype, "r", at, (self.n_instances, self.width))
        out[:] = values.take(rows, axis=0)

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
    if path.suffix.lower() not in HDF5_SUFFIXES:
        return None
    require_file(path)
    with reading(path, "readable `coords`"), h5py.File(path, "r", locking=False) as file:
        coords = own_dataset(path, file, "coords")
        if coords is None:
            return None
        xy = np.asarray(coords[()], dtype=np.float64)
    xy = xy[0] if xy.ndim == 3 and len(xy) == 1 else xy
    if xy.shape != (n_instances, 2):
        raise InputError(
            f"{path}: expected `coords` of shape [{n_instances}, 2], found {list(xy.shape)}"
        )
    return xy
