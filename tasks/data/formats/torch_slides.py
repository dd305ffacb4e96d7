"""Files that torch.save wrote, of a slide each: a tensor, an array, or {features, coords}."""

import re
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tasks.data.cohort import Features
from tasks.data.formats.files import reading, require_file
from tasks.data.formats.format import Format, Peek, SlideReader, bag_layout, float32
from tasks.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

SUFFIXES = (".pt", ".pth")
_KEYS = ("features", "feats", "embeddings")


def _values(path: Path, *, mapped: bool = False) -> "Tensor":
    """The tensor of a file, [n, width] of any real type; one without elements if it has none.

    Args:
        path: The file.
        mapped: Leave the values on the disk until they are used, where the file allows it.
    """
    import torch  # noqa: PLC0415 - seconds to import, and only `.pt` needs it

    tensor = features_of(path, mapped=mapped)
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
        n, width, leading = bag_layout(path, tuple(tensor.shape), kind)
        values = tensor.detach()[0] if leading else tensor.detach()
        return values if n else torch.empty(0, width)


def features_of(path: Path, *, mapped: bool = True) -> "Tensor":
    """What a file holds, of whatever shape; left on the disk until used, where it allows that."""
    found = _loaded(path, mapped=mapped)
    if isinstance(found, dict):
        named = next((key for key in _KEYS if key in found), None)
        if named is None:
            keys = ", ".join(map(str, list(found)[:8])) or "nothing"
            raise InputError(f"{path}: expected a tensor or a dict of `features`, found {keys}")
        found = found[named]
    return _tensor(path, found)


def _loaded(path: Path, *, mapped: bool) -> object:
    import torch  # noqa: PLC0415 - as above

    require_file(path)
    _refuse_deflated(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is wrong with the file is said below, once
            mmap = mapped and zipfile.is_zipfile(path)
            with torch.serialization.safe_globals(_array_parts()):
                return torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
    except Exception as error:
        # torch's own message advises to load the file without protection: not repeated here
        code = re.search(r"GLOBAL ([\w.]+)", str(error))
        what = f"a pickle that calls for {code[1]}, not run" if code else "none that can be read"
        raise InputError(f"{path}: expected a tensor saved by torch.save, found {what}") from error


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


def _peek(path: Path) -> Peek:
    values = _values(path, mapped=True)
    found = _loaded(path, mapped=True) if path.stat().st_size else None
    return Peek(
        len(values), values.shape[1], "", placed=isinstance(found, dict) and "coords" in found
    )


def _chunks(path: Path) -> Iterator[NDArray[np.float32]]:
    values = _values(path)
    if len(values):
        with reading(path, "a dense tensor"):
            chunk = float32(values.float().numpy())
        yield chunk


def _pick(path: Path, rows: NDArray[np.intp], out: Features) -> bool:
    out[:] = _values(path, mapped=True)[rows].float().numpy()
    return True


def _coordinates(path: Path) -> NDArray[np.float64] | None:
    found = _loaded(path, mapped=True)
    if not isinstance(found, dict) or "coords" not in found:
        return None
    return np.asarray(_tensor(path, found["coords"]).double().numpy())


FORMAT = Format(
    "a file of torch.save",
    lambda path, head: (
        path.suffix.lower() in SUFFIXES and head.startswith((b"PK\x03\x04", b"\x80"))
    ),
    slide=SlideReader(SUFFIXES, _peek, _chunks, _coordinates, _pick),
    why_not='a folder of slides\' files goes into a modality of kind = "bag"',
)
