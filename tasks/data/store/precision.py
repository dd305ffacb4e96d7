"""Feature values as a store keeps them: float32, float16 or bfloat16."""

from enum import StrEnum

import h5py
import numpy as np
from numpy.typing import NDArray

from tasks.data.cohort import Features

_PIECE = 2**19  # values, a MiB

Stored = NDArray[np.generic]
"""Values as they lie on the disk: float32, or int16 with the bits of float16 or bfloat16."""


class StoredPrecision(StrEnum):
    """How many bits of a feature a store keeps.

    Encoders mostly compute in half precision, so `float16` loses nothing of what they wrote;
    `bfloat16` keeps fewer digits and the whole range of float32.
    """

    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"
    FLOAT32 = "float32"

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """The type of `Stored` values."""
        return np.dtype("<f4") if self is StoredPrecision.FLOAT32 else np.dtype("<i2")

    def hdf5_type(self) -> h5py.h5t.TypeFloatID:
        """The type that the file declares, so that any reader of HDF5 sees the right numbers."""
        if self is StoredPrecision.FLOAT32:
            return h5py.h5t.IEEE_F32LE
        if self is StoredPrecision.FLOAT16:
            return h5py.h5t.IEEE_F16LE
        kind = h5py.h5t.IEEE_F32LE.copy()
        kind.set_fields(15, 7, 8, 0, 7)  # sign, exponent and mantissa of the upper half of float32
        kind.set_precision(16)
        kind.set_size(2)
        kind.set_ebias(127)
        return kind

    def pack(self, values: NDArray[np.float32]) -> Stored:
        """Round to the nearest value that is kept; what is too large becomes infinite."""
        import torch  # noqa: PLC0415 - seconds to import, and only stores need it here

        if self is StoredPrecision.FLOAT32:
            return values
        kept = torch.from_numpy(values).to(getattr(torch, self))
        return kept.view(torch.int16).numpy()

    def unpack(self, stored: Stored) -> NDArray[np.float32]:
        """The values as float32, exactly; ten times quicker by torch than by numpy."""
        import torch  # noqa: PLC0415 - as above

        if self is StoredPrecision.FLOAT32:
            return stored.astype(np.float32, copy=False)
        return torch.from_numpy(stored).view(getattr(torch, self)).float().numpy()

    def unpack_rows(self, stored: Stored, rows: NDArray[np.intp], out: Features) -> None:
        """Some rows of stored values [n, width] into `out` [len(rows), width], exactly."""
        import torch  # noqa: PLC0415 - as above

        values = torch.from_numpy(stored).view(getattr(torch, self))
        wanted, found = torch.from_numpy(rows), torch.from_numpy(out)
        if found.dtype == values.dtype:
            torch.index_select(values, 0, wanted, out=found)
            return
        # Piece by piece, so that what was picked is still in the cache when it is unpacked.
        length = max(1, _PIECE // values.shape[1])
        piece = values.new_empty(length, values.shape[1])
        for some, target in zip(wanted.split(length), found.split(length), strict=True):
            picked = piece[: len(some)]
            torch.index_select(values, 0, some, out=picked)
            target.copy_(picked)
