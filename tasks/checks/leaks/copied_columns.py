"""Features that say again what a clinical table or a label says: another unit, another code."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import gammaln

from tasks.data.cohort import Cohort, VectorModality
from tasks.data.formats.cells import number
from tasks.data.formats.clinical import one_spelling
from tasks.data.formats.layouts import open_clinical
from tasks.data.formats.tables import is_missing, is_unknown, read_text_table
from tasks.data.manifest import ClinicalSource, LabelSource
from tasks.errors import InputError

FEWEST = 10
"""Patients: of fewer, values in a row mean nothing."""

ALPHA = 0.001
"""How rarely chance may look like a fault; shared by all columns and questions."""

_MOST_COLUMNS = 200  # a table of more holds features, maybe these
_ONE_LINE = 0.9999  # correlation of a column in days with itself in years
_BLOCK = 1024


@dataclass(frozen=True)
class Known:
    """A column of which it is known what it says.

    Attributes:
        name: What it is, for messages.
        cells: Patient -> what it says, in one spelling.
    """

    name: str
    cells: Mapping[str, str]

    @cached_property
    def numbers(self) -> Mapping[str, float]:
        """Patient -> its number; nobody, where a cell is none."""
        try:
            return {patient: number(cell) for patient, cell in self.cells.items()}
        except ValueError:
            return {}


def known_of(cohort: Cohort) -> Iterator[Known]:
    """What a cohort itself knows: age, sex and stage, and its labels."""
    clinical = cohort.clinical
    if clinical is not None:
        for name, values in zip(clinical.features, clinical.rows(clinical.patients).T, strict=True):
            pairs = zip(clinical.patients, values, strict=True)
            yield Known(f"the {name}", {p: repr(float(v)) for p, v in pairs if not np.isnan(v)})
    for name, label in cohort.labels.items():
        yield Known(f"the classes of the label {name}", label.values)


def known_in(
    sources: Iterable[ClinicalSource | LabelSource], besides: Iterable[Path]
) -> Iterator[Known]:
    """The columns of tables that hold no features.

    Args:
        sources: A clinical table, and those of labels.
        besides: Tables of features, which may be the same.
    """
    read = set(besides)
    for source in sources:
        if source.path in read:
            continue
        read.add(source.path)
        try:
            rows, owners = _rows_of(source)
        except InputError:
            continue  # whoever reads it for what it says tells what is wrong with it
        for position, column in enumerate(map(str, rows.columns)):
            cells: dict[str, str] = {}
            for patient, cell in zip(owners, rows.iloc[:, position], strict=True):
                if not is_missing(cell) and not is_unknown(cell):
                    cells.setdefault(patient, one_spelling(cell))
            yield Known(f"what {source.path.name} has as {column}", cells)


def _rows_of(source: ClinicalSource | LabelSource) -> tuple[pd.DataFrame, Sequence[str]]:
    """A table's rows, and whose they are; no row of one that is as wide as one of features."""
    if isinstance(source, ClinicalSource):
        opened = open_clinical(source)
        rows, owners = opened.rows, opened.owners
    else:
        rows = read_text_table(source.path, (source.id,))
        owners = tuple(source.ids.owner(cell.strip()) for cell in rows[source.id])
    return (rows, owners) if rows.shape[1] <= _MOST_COLUMNS else (rows[:0], ())


def copied_columns(modality: VectorModality, known: Sequence[Known]) -> Iterator[tuple[str, str]]:
    """Features that are a known column in another code or unit, and the known column's name.

    Codes are such if each value stands for one value of the other; how many patients share them
    tells that from chance. Units are such if the two lie on one line.
    """
    row_of = {patient: row for row, patient in enumerate(modality.patients)}
    values: NDArray[np.float32] = modality.values  # noqa: PD011 - not of pandas
    bound = np.log(ALPHA / max(1, modality.width * len(known)))
    asked = []
    for one in known:
        patients = sorted(row_of.keys() & one.cells.keys())
        if len(patients) < FEWEST:
            continue
        codes = np.unique([one.cells[p] for p in patients], return_inverse=True)[1]
        sizes = np.bincount(codes)
        # in how many ways patients may be dealt into as many groups of these sizes
        chance = gammaln(sizes + 1).sum() + gammaln(len(sizes) + 1) - gammaln(len(codes) + 1)
        numbers = np.array([one.numbers[patient] for patient in patients if one.numbers])
        if len(np.unique(numbers)) < 3 or not np.isfinite(numbers).all():
            numbers = np.empty(0)
        rows = np.array([row_of[patient] for patient in patients])
        asked.append((one.name, rows, codes if chance < bound else None, numbers))
    for start in range(0, modality.width, _BLOCK):
        block = values[:, start : start + _BLOCK]
        for name, rows, classes, numbers in asked:
            cells = block[rows]
            found = np.zeros(cells.shape[1], np.bool_)
            if classes is not None:
                found |= _of_one_code(cells, classes)
            if len(numbers):
                found |= _on_one_line(cells, numbers)
            yield from ((modality.features[start + j], name) for j in np.flatnonzero(found))


def _of_one_code(cells: NDArray[np.float32], codes: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Columns with one value a class, and another in each."""
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    same = np.ones(cells.shape[1], np.bool_)
    shared = order[1:][np.diff(codes[order]) == 0]  # rows of the class of the row before
    before = order[:-1][np.diff(codes[order]) == 0]
    for one, other in list(zip(before, shared, strict=True))[:4]:  # most columns end here
        same &= (cells[one] == cells[other]) | np.isnan(cells[one]) | np.isnan(cells[other])
    for j in np.flatnonzero(same):
        column = cells[order, j]
        low, high = np.fmin.reduceat(column, starts), np.fmax.reduceat(column, starts)
        same[j] = (low == high).all() and len(np.unique(low)) == len(starts)
    return same


def _on_one_line(cells: NDArray[np.float32], numbers: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Columns that are a multiple of the numbers, and a constant."""
    there = ~np.isnan(cells)
    count = there.sum(axis=0)
    x = np.where(there, numbers[:, None], 0.0)
    y = np.where(there, cells, 0.0).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        x = np.where(there, x - x.sum(axis=0) / count, 0.0)
        y = np.where(there, y - y.sum(axis=0) / count, 0.0)
        r = (x * y).sum(axis=0) / np.sqrt((x**2).sum(axis=0) * (y**2).sum(axis=0))
    return np.asarray((count >= FEWEST) & (np.abs(r) > _ONE_LINE))
