"""Slide files as the field's tools write them, for tests of what reads them."""

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import torch
from numpy.typing import NDArray

Features = NDArray[np.float32]
Writer = Callable[[Path, str, Features], Path]


def barcode(i: int) -> str:
    """A slide name of TCGA's shape with the UUID that slides have there."""
    return f"TCGA-AA-{i:04d}-01Z-00-DX1.{i:08d}-0000-4000-8000-000000000000"


def coordinates(features: Features) -> NDArray[np.int64]:
    """Where patches lie: from right to left, so that their order in the file is not spatial."""
    n = len(features)
    return np.column_stack([256 * np.arange(n)[::-1], 512 * (np.arange(n) % 7)])


def trident(folder: Path, name: str, features: Features) -> Path:
    """TRIDENT: resizable, a chunk a row, float16, the encoder as an attribute."""
    path = folder / f"{name}.h5"
    with h5py.File(path, "w") as file:
        width = features.shape[1]
        stored = file.create_dataset(
            "features",
            data=features.astype(np.float16),
            maxshape=(None, width),
            chunks=(1, width),
        )
        stored.attrs["encoder"] = "uni_v1"
        stored.attrs["name"] = name
        file.create_dataset("coords", data=coordinates(features), maxshape=(None, 2))
    return path


def clam(folder: Path, name: str, features: Features) -> Path:
    """CLAM: float32 features, int32 coordinates."""
    path = folder / f"{name}.h5"
    with h5py.File(path, "w") as file:
        file["features"] = features
        file["coords"] = coordinates(features).astype(np.int32)
    return path


def uni2(folder: Path, name: str, features: Features) -> Path:
    """UNI2-h as it is handed out: a leading axis of one, named after the image."""
    path = folder / f"{name}.svs.h5"
    with h5py.File(path, "w") as file:
        file["features"] = features[None]
        file["coords"] = coordinates(features)[None]
    return path


def torch_file(folder: Path, name: str, features: Features) -> Path:
    """A tensor saved by torch."""
    path = folder / f"{name}.pt"
    torch.save(torch.from_numpy(features), path)
    return path


WRITERS: tuple[Writer, ...] = (trident, clam, uni2, torch_file)


def bag(i: int, n: int, width: int) -> Features:
    """Features over nine orders of magnitude, some too small for float16's full precision."""
    rng = np.random.default_rng(i)
    values = rng.standard_normal((n, width)) * 10.0 ** rng.integers(-7, 3, (n, width))
    return values.astype(np.float32)
