"""One vector per slide or sample, before slides are pooled to patients."""

import hashlib
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.data.cohort import BagModality, VectorModality
from tasks.data.formats.tables import is_missing
from tasks.data.formats.vectors import barcodes_of, open_vectors
from tasks.data.manifest import Orientation, VectorSource
from tasks.data.samples import select_samples
from tasks.data.split_files import owner


@dataclass(frozen=True)
class Rows:
    """Slides or samples as vectors.

    Attributes:
        names: What each row is called.
        patients: Whose it is.
        contents: SHA-256 of each row's whole content: of a bag, all its instances.
        vectors: float32 [n_rows, width]; of a bag, its mean instance; NaN is a missing cell.
        columns: Names of the features, where they have names.
    """

    names: tuple[str, ...]
    patients: tuple[str, ...]
    contents: tuple[str, ...]
    vectors: NDArray[np.float32]
    columns: tuple[str, ...] = ()


def table_rows(source: VectorSource) -> Rows:
    """The rows of a table of vectors: the samples and slides that stand for their patients.

    Raises:
        InputError: As `tasks.data.formats.vectors.read_vectors`.
    """
    table, _ = open_vectors(source)
    by_genes = source.orientation is Orientation.GENES
    names = table.ids
    values = table.values.astype(np.float32)  # noqa: PD011 - a NumericTable is no frame
    rows = source.ids.own(names)
    barcodes = barcodes_of(source, names, "column" if by_genes else "row", rows)
    kept = select_samples(barcodes, source.rule).kept
    rows, barcodes = [rows[i] for i in kept], [barcodes[i] for i in kept]
    if len(rows) < len(names):
        names, values = tuple(names[row] for row in rows), values[rows]
    contents = tuple(hashlib.sha256(row.tobytes()).hexdigest() for row in values)
    patients = tuple(barcode.patient for barcode in barcodes)
    return Rows(names, patients, contents, values, table.columns)


def feature_rows(table: pd.DataFrame, id_column: str) -> Rows:
    """The columns of numbers of a table of text; none if it has none.

    Args:
        table: Its cells as text.
        id_column: Whose a row is.
    """
    columns: dict[str, NDArray[np.float64]] = {}
    for position, name in enumerate(map(str, table.columns)):
        cells = table.iloc[:, position]
        numbers = pd.to_numeric(cells, errors="coerce").to_numpy(dtype=np.float64)
        absent = np.isnan(numbers)
        if name != id_column and not absent.all() and cells[absent].map(is_missing).all():
            columns[name] = numbers
    values = np.stack([*columns.values()], axis=1) if columns else np.empty((len(table), 0))
    vectors = np.where(np.isfinite(values), values, np.nan).astype(np.float32)
    names = tuple(table[id_column].str.strip())
    contents = tuple(hashlib.sha256(row.tobytes()).hexdigest() for row in vectors)
    return Rows(names, tuple(map(owner, names)), contents, vectors, tuple(columns))


def bag_rows(modality: BagModality) -> Rows:
    """The mean instance of each slide; every slide is read once, one at a time."""
    slides = [
        (patient, slide) for patient in modality.patients for slide in modality.slides[patient]
    ]
    return Rows(
        tuple(slide.name for _, slide in slides),
        tuple(patient for patient, _ in slides),
        tuple(slide.content for _, slide in slides),
        np.stack([slide.read().mean(axis=0, dtype=np.float64) for _, slide in slides]).astype(
            np.float32
        ),
    )


def pooled(rows: Rows) -> VectorModality:
    """The mean of each patient's rows."""
    patients = tuple(sorted(set(rows.patients)))
    row_of = {patient: row for row, patient in enumerate(patients)}
    owners = np.array([row_of[patient] for patient in rows.patients])
    there = ~np.isnan(rows.vectors)
    total = np.zeros((len(patients), rows.vectors.shape[1]))
    count = np.zeros_like(total)
    np.add.at(total, owners, np.where(there, rows.vectors, 0.0))
    np.add.at(count, owners, there)
    means = np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)
    names = tuple(f"feature_{column}" for column in range(means.shape[1]))
    return VectorModality(patients, means, names)
