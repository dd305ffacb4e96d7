"""What a format declares: how it is told, and what can be read of it, or why nothing can.

A format is one module with one declaration, `FORMAT`. Modules of this repository are listed in
`known_formats`; an installed package of somebody else offers its own in the entry-point group
`mirror_bench.formats`.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.data.cohort import Features
from tasks.errors import InputError


@dataclass(frozen=True)
class Wanted:
    """What is asked of a table.

    Attributes:
        text: Columns to keep as text, the rest typed; None: all text, missing cells empty.
        rows: How many of the first rows; None: all.
        sheet: Of a book of several.
        ragged: Whether a row may be shorter than the header.
        column: The only one to read; None: all.
    """

    text: Collection[str] | None = None
    rows: int | None = None
    sheet: str = ""
    ragged: bool = False
    column: str | None = None


@dataclass(frozen=True)
class NumericTable:
    """A table of numbers.

    Attributes:
        ids: The identifier of each row, as written.
        columns: Names of the columns, the identifier's apart.
        values: float64, of many samples float32 [n rows, n columns]; NaN is a missing cell,
            infinities are refused.
        unnamed: How many features had no name, and were left out.
    """

    ids: tuple[str, ...]
    columns: tuple[str, ...]
    values: NDArray[np.float64] | NDArray[np.float32]
    unnamed: int = 0


@dataclass(frozen=True)
class Peek:
    """What a slide file says of itself before its features are read.

    Attributes:
        n_instances: Number of instances; zero if the slide has none.
        width: Features per instance; zero if it has none.
        encoder: The encoder that the file names, or nothing.
        placed: Whether it has coordinates.
        patches: Magnification and size of its patches, as far as the file says.
    """

    n_instances: int
    width: int
    encoder: str = ""
    placed: bool = False
    patches: str = ""


def _nowhere(_path: Path) -> None:
    """The coordinates of files that have none."""


@dataclass(frozen=True)
class SlideReader:
    """How files of one slide each are read.

    Attributes:
        suffixes: Of their names.
        peek: Looks at a file without reading its features.
        chunks: The features, float32 [n, width] piece by piece; nothing if there are none.
        coordinates: Where a file's n patches lie, (x, y) [n, 2] or [1, n, 2], as it says; None if
            it does not.
        pick: Reads some rows into an array at about the cost of their bytes; False where reading
            all costs no more.
    """

    suffixes: tuple[str, ...]
    peek: Callable[[Path], Peek]
    chunks: Callable[[Path], Iterator[NDArray[np.float32]]]
    coordinates: Callable[[Path], NDArray[np.float64] | None] = _nowhere
    pick: Callable[[Path, NDArray[np.intp], Features], bool] | None = None


@dataclass(frozen=True)
class Format:
    """A format.

    Attributes:
        name: What it is, for messages.
        sniff: Whether a file, by its path and first bytes, or a folder, without bytes, is of it.
        table: Reads it as a table of text or of typed columns.
        vectors: Reads it as numbers, by the name of the identifiers and of the quantity that is
            wanted, both of which may be empty.
        slide: Reads it as a slide's features.
        why_not: What to do where what is wanted cannot be read.
        quantities: The quantities that a file or folder has, the best first, where there are some.
    """

    name: str
    sniff: Callable[[Path, bytes], bool]
    table: Callable[[Path, Wanted], pd.DataFrame] | None = None
    vectors: Callable[[Path, str, str], NumericTable] | None = None
    slide: SlideReader | None = None
    why_not: str = ""
    quantities: Callable[[Path], tuple[str, ...]] | None = None

    def refused(self, path: Path, expected: str) -> InputError:
        """The line for a file of this format where another thing is expected."""
        advice = f": {self.why_not}" if self.why_not else ""
        return InputError(f"{path}: expected {expected}, found {self.name}{advice}")


def bag_layout(path: Path, shape: tuple[int, ...], kind: str) -> tuple[int, int, bool]:
    """Instances, width and whether a leading axis of one is there (UNI2-h).

    The axis is dropped only where there are three, so that a slide of one instance stays one.

    Args:
        path: The file, for the error.
        shape: Of its features.
        kind: Of NumPy's type of them, such as `f`.
    """
    leading = len(shape) == 3 and shape[0] == 1
    body = shape[1:] if leading else shape
    if body and body[0] == 0 and len(body) <= 2:
        return 0, 0, leading
    if len(body) != 2 or body[1] == 0:
        vector = ': a vector a slide is of a modality of kind = "vector"' if len(body) == 1 else ""
        raise InputError(
            f"{path}: expected features of shape [N, D] or [1, N, D], found {list(shape)}{vector}"
        )
    if kind not in "fiu":
        raise InputError(f"{path}: expected features that are numbers, found another type")
    return body[0], body[1], leading


def float32(values: NDArray[Any]) -> NDArray[np.float32]:
    """Values as little-endian float32; what overflows becomes an infinity, and is refused so."""
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(values, dtype="<f4")
