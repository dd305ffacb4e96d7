"""A folder of gdc-client: a folder a file, of STAR's counts of one sample each.

Which sample a file is of, the GDC's sample sheet says, or a name of file or folder that holds it.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.data.formats.cells import near
from tasks.data.formats.files import reading
from tasks.data.formats.format import Format, NumericTable
from tasks.errors import InputError

ENDINGS = (".augmented_star_gene_counts.tsv", ".augmented_star_gene_counts.tsv.gz")
QUANTITIES = (
    "unstranded", "tpm_unstranded", "fpkm_unstranded", "fpkm_uq_unstranded", "stranded_first",
    "stranded_second",
)  # fmt: skip
SHEETS = ("gdc_sample_sheet*.tsv", "*sample_sheet*.tsv")
_DEEPEST = 3


def count_files(folder: Path) -> dict[str, Path]:
    """The files below a folder by their names, in that order; logs and partial files are not."""
    return {path.name: path for path in sorted(_below(folder, 0), key=lambda path: path.name)}


def _below(folder: Path | str, depth: int) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name == "logs":
                continue
            if entry.name.endswith(ENDINGS):
                yield Path(entry.path)
            elif depth < _DEEPEST and entry.is_dir():
                yield from _below(entry.path, depth + 1)


def sample_sheet(folder: Path) -> Path | None:
    """The GDC's sample sheet in the folder or beside it."""
    places = (folder, folder.resolve().parent)
    found = (path for place in places for sheet in SHEETS for path in sorted(place.glob(sheet)))
    return next(found, None)


def samples_of(folder: Path, files: dict[str, Path]) -> dict[str, str]:
    """The sample of each file that the sheet names; of the others its name."""
    sheet = sample_sheet(folder)
    if sheet is None:
        return {name: f"{path.parent.name}/{name}" for name, path in files.items()}
    with reading(sheet, "a sample sheet of the GDC"):
        table = pd.read_csv(sheet, sep="\t", dtype=str, keep_default_na=False)
    for column in ("File Name", "Sample ID"):
        if column not in table:
            found = ", ".join(map(str, table.columns[:8]))
            raise InputError(f"{sheet}: expected a column {column!r}, found {found}")
    named = dict(zip(table["File Name"], table["Sample ID"], strict=True))
    lost = [name for name in files if name not in named]
    if lost:
        raise InputError(
            f"{sheet}: expected a row of every file, found none of {len(lost)}, such as {lost[0]}"
        )
    return {name: named[name] for name in files}


def _vectors(folder: Path, _id: str, quantity: str) -> NumericTable:
    """A row a file; genes as Ensembl's identifiers."""
    with reading(folder, "a folder of STAR's counts"):
        files = count_files(folder)
    if quantity not in QUANTITIES:
        raise InputError(
            f"{folder}: expected quantity = one of {', '.join(QUANTITIES)}, found {quantity!r}"
            f"{near(quantity, QUANTITIES)}"
        )
    samples = samples_of(folder, files)
    genes: tuple[str, ...] = ()
    values: NDArray[np.float32] | None = None
    for row, path in enumerate(files.values()):
        names, column = _counts(path, quantity)
        if values is None:
            genes = names
            values = np.empty((len(files), len(genes)), np.float32)
        elif names != genes:
            raise InputError(f"{path}: expected the genes of {next(iter(files))}, found others")
        values[row] = column
    return NumericTable(tuple(samples[name] for name in files), genes, np.asarray(values))


def first_counts(folder: Path, quantity: str, n: int) -> NumericTable:
    """The first few files, to look at."""
    files = list(count_files(folder).values())[:n]
    read = [_counts(path, quantity) for path in files]
    return NumericTable(
        tuple(path.name for path in files), read[0][0], np.stack([values for _, values in read])
    )


def _counts(path: Path, quantity: str) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    wanted = ["gene_id", quantity]
    with reading(path, "STAR's counts as the GDC writes them"):
        table = pd.read_csv(path, sep="\t", comment="#", usecols=wanted, dtype={"gene_id": str})
        table = table[~table["gene_id"].str.startswith("N_")]
        cells = table[quantity].to_numpy(np.float64)
    wrong = ~np.isfinite(cells)
    if not len(cells) or wrong.any():
        found = (
            f"{table['gene_id'].iloc[int(wrong.argmax())]} without one" if len(cells) else "none"
        )
        raise InputError(f"{path}: {quantity}: expected a number of every gene, found {found}")
    return tuple(table["gene_id"]), cells


def _sniff(path: Path, _head: bytes) -> bool:
    if not path.is_dir():
        return False
    try:
        return next(_below(path, 0), None) is not None
    except OSError:
        return False


FORMAT = Format(
    "a folder of STAR's counts, a file a sample, as gdc-client brings them",
    _sniff,
    vectors=_vectors,
    why_not='it is expression: [modalities.rna] path = "..." and quantity = "tpm_unstranded"',
    quantities=lambda _: QUANTITIES,
)
