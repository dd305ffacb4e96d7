"""One vector per slide or sample, before slides are pooled to patients."""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.cohort import BagModality, VectorModality
from tasks.formats.tables import read_numeric_table
from tasks.formats.vectors import barcodes_of
from tasks.manifest import Orientation, VectorSource


@dataclass(frozen=True)
class Rows:
    """Slides or samples as vectors.

    Attributes:
        names: What each row is called.
        patients: Whose it is.
        contents: SHA-256 of each row's whole content: of a bag, all its instances.
        values: float32 [n_rows, width]; of a bag, its mean instance; NaN is a missing cell.
    """

    names: tuple[str, ...]
    patients: tuple[str, ...]
    contents: tuple[str, ...]
    values: NDArray[np.float32]


def table_rows(source: VectorSource) -> Rows:
    """The rows of a table of vectors, every sample and slide in it.

    Raises:
        InputError: As `tasks.formats.vectors.read_vectors`.
    """
    table = read_numeric_table(source.path, source.id)
    by_genes = source.orientation is Orientation.GENES
    names = table.columns if by_genes else table.ids
    values = (table.values.T if by_genes else table.values).astype(np.float32)
    barcodes = barcodes_of(source.path, names, "column" if by_genes else "row")
    contents = tuple(hashlib.sha256(row.tobytes()).hexdigest() for row in values)
    return Rows(names, tuple(barcode.patient for barcode in barcodes), contents, values)


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
    there = ~np.isnan(rows.values)
    total = np.zeros((len(patients), rows.values.shape[1]))
    count = np.zeros_like(total)
    np.add.at(total, owners, np.where(there, rows.values, 0.0))
    np.add.at(count, owners, there)
    means = np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)
    names = tuple(f"feature_{column}" for column in range(means.shape[1]))
    return VectorModality(patients, means, names)
