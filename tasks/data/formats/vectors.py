"""A table of vectors on disk -> one vector per patient."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tasks.data.barcode import FROM_ELSEWHERE, Barcode, is_of
from tasks.data.cohort import VectorModality
from tasks.data.formats.cells import near
from tasks.data.formats.format import NumericTable
from tasks.data.formats.known_formats import format_of
from tasks.data.formats.tables import read_numeric_table
from tasks.data.manifest import LabelSource, Orientation, SlideSource, TruthSource, VectorSource
from tasks.data.samples import Selection, select_samples
from tasks.errors import InputError

# STAR and HTSeq write these among the genes; a million counts with them in it is of no genes.
_SUMMARIES = re.compile(
    r"N_(unmapped|multimapping|noFeature|ambiguous)"
    r"|__(no_feature|ambiguous|too_low_aQual|not_aligned|alignment_not_unique)"
)
NOTES_ON_GENES = frozenset(
    [
        "entrez_gene_id",
        "hugo_symbol",
        "gene_id",
        "gene_name",
        "gene_symbol",
        "gene_type",
        "gene_biotype",
        "description",
        "cytoband",
        "chrom",
        "chromosome",
        "chromstart",
        "chromend",
        "start",
        "end",
        "strand",
        "length",
    ]
)
"""Columns that stand beside the samples where a row is a gene: cBioPortal's, the GDC's, GTEx'."""

SUMMARIES = "rows of an aligner's summary, which are no genes"


def _mean(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over rows of the cells that are there, the same whatever the order of the rows."""
    ordered = np.sort(rows, axis=0)  # sums of floats depend on their order; NaN goes last
    there = ~np.isnan(ordered)
    count = there.sum(axis=0)
    total = np.where(there, ordered, 0.0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _by_name(names: Iterable[tuple[int, str]]) -> dict[str, list[int]]:
    """Positions by name, in the order of the first of each."""
    found: dict[str, list[int]] = {}
    for position, name in names:
        found.setdefault(name, []).append(position)
    return found


def barcodes_of(
    source: VectorSource | LabelSource | TruthSource,
    names: Sequence[str],
    place: str,
    rows: Sequence[int] | None = None,
) -> list[Barcode]:
    """Whose each name is, or those of `rows`; they are a `place`, `row` or `column`."""
    slides = isinstance(source, SlideSource)
    return [
        source.ids.read(names[row], f"{source.path}: {place} {row + 1}", slide=slides)
        for row in (range(len(names)) if rows is None else rows)
    ]


def open_vectors(source: VectorSource) -> tuple[NumericTable, tuple[str, ...]]:
    """Open a table of vectors, a row a sample whatever its orientation.

    Returns:
        The table without the lines of an aligner's summary, and their names.

    Raises:
        InputError: If the table is not readable or not numeric, or has nothing but a summary.
    """
    by_genes = source.orientation is Orientation.GENES
    notes = NOTES_ON_GENES if by_genes else ()
    table = read_numeric_table(source.path, source.id, source.quantity, notes)
    if by_genes:
        table = NumericTable(table.columns, table.ids, table.values.T, table.unnamed)
    if source.quantity:
        table = _of_quantity(source, table)
    for name in source.drop:
        if name not in table.columns:
            close = near(name, table.columns)
            raise InputError(f"{source.path}: drop: expected a feature, found {name!r}{close}")
    summaries = tuple(name for name in table.columns if _SUMMARIES.fullmatch(name))
    out = {*summaries, *source.drop}
    if not out:
        return table, ()
    kept = [j for j, name in enumerate(table.columns) if name not in out]
    if not kept:
        raise InputError(f"{source.path}: expected features, found {', '.join(sorted(out)[:8])}")
    columns = tuple(table.columns[j] for j in kept)
    return replace(table, columns=columns, values=table.values[:, kept]), summaries


def _of_quantity(source: VectorSource, table: NumericTable) -> NumericTable:
    """The samples whose names begin with the quantity, where the format knows none itself."""
    of = format_of(source.path)
    if of is not None and of.vectors is not None:
        return table
    rows = [row for row, name in enumerate(table.ids) if is_of(name, source.quantity)]
    if not rows:
        raise InputError(
            f"{source.path}: quantity: expected samples named {source.quantity}_... or "
            f"..._{source.quantity}, found {table.ids[0][:60]!r}"
        )
    return replace(table, ids=tuple(table.ids[row] for row in rows), values=table.values[rows])


def read_vectors(name: str, source: VectorSource) -> tuple[VectorModality, tuple[str, ...]]:
    """Read a table as one vector per patient.

    A patient's rows are averaged, and so are columns (genes) of one name; a missing cell does not
    count. Which samples stand for their patients is the rule of the source.

    Args:
        name: The modality's name, for the notes.
        source: Where the table is and how it is laid out.

    Returns:
        The modality, and notes on what came in and what was left out.

    Raises:
        InputError: If the table is not readable, not numeric, an id holds no TCGA barcode, or the
            samples that are taken make no cohort.
    """
    return vectors_of(name, source, *open_vectors(source))


@dataclass(frozen=True)
class FoundSamples:
    """The samples of a table.

    Attributes:
        rows: Of those that are TCGA's.
        selection: Which of them stand for their patients.
    """

    rows: tuple[int, ...]
    selection: Selection


def find_samples(source: VectorSource, table: NumericTable | None = None) -> FoundSamples:
    """Look at the identifiers of a table, which is opened unless it is given.

    Raises:
        InputError: The table cannot be read, an id holds no TCGA barcode, or the samples that are
            taken make no cohort.
    """
    ids = (open_vectors(source)[0] if table is None else table).ids
    place = "column" if source.orientation is Orientation.GENES else "row"
    place = f'orientation "{source.orientation}", {place}'
    rows = source.ids.own(ids)
    selection = select_samples(barcodes_of(source, ids, place, rows), source.rule)
    if selection.fault:
        raise InputError(f"{source.path}: {selection.fault}")
    return FoundSamples(tuple(rows), selection)


def vectors_of(
    name: str, source: VectorSource, table: NumericTable, summaries: Sequence[str]
) -> tuple[VectorModality, tuple[str, ...]]:
    """As `read_vectors`, of what `open_vectors` gave."""
    found = find_samples(source, table)
    rows, selection = found.rows, found.selection
    kept = [rows[i] for i in selection.kept]
    owners = [selection.barcodes[i].patient for i in selection.kept]
    by_patient = _by_name(sorted(zip(kept, owners, strict=True), key=lambda pair: pair[1]))
    by_feature = _by_name(enumerate(table.columns))
    patients, features = tuple(by_patient), tuple(by_feature)
    firsts = [columns[0] for columns in by_feature.values()]
    repeated = [(j, c) for j, c in enumerate(by_feature.values()) if len(c) > 1]
    values = np.empty((len(patients), len(features)), np.float32)
    # a patient at a time: a genome of thousands is not held again in double precision
    for i, own in enumerate(by_patient.values()):
        mean = _mean(table.values[own].astype(np.float64))
        values[i] = mean[firsts]
        for j, columns in repeated:
            values[i, j] = _mean(mean[columns][:, None])[0]
    modality = VectorModality(patients, values, features)
    notes = [
        f"{name}: {len(table.ids)} samples in, {len(kept)} kept, {len(patients)} patients, "
        f"{modality.width} features"
    ]
    if summaries:
        notes.append(f"{name}: {len(summaries)} features left out: {SUMMARIES}")
    if table.unnamed:
        notes.append(f"{name}: {table.unnamed} features left out: without a name")
    notes += selection.notes(name, "samples", {FROM_ELSEWHERE: len(table.ids) - len(rows)})
    if len(kept) > len(patients):
        notes.append(f"{name}: {len(kept) - len(patients)} further samples of a patient averaged")
    if len(table.columns) > len(features):
        notes.append(f"{name}: {len(table.columns) - len(features)} repeated features averaged")
    missing = int(np.isnan(modality.values).sum())
    if missing:
        notes.append(f"{name}: {missing} missing cells")
    return modality, tuple(notes)


def read_truth(source: TruthSource, patients: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """The planted factors, float64 [n patients] each, in the order of `patients`.

    Raises:
        InputError: If a patient has no row or two, or a factor's name is repeated.
    """
    table = read_numeric_table(source.path, source.id)
    owners = [barcode.patient for barcode in barcodes_of(source, table.ids, "row")]
    rows = {patient: row for row, patient in enumerate(owners)}
    if len(rows) != len(owners):
        twice = next(p for p in owners if owners.count(p) > 1)
        raise InputError(f"{source.path}: patient {twice}: expected one row, found several")
    if len(set(table.columns)) != len(table.columns):
        raise InputError(f"{source.path}: expected different column names, found one repeated")
    absent = [patient for patient in patients if patient not in rows]
    if absent:
        raise InputError(f"{source.path}: patient {absent[0]}: expected a row, found none")
    values = table.values[[rows[patient] for patient in patients]]
    columns = values.astype(np.float64).T
    return {name: columns[j].copy() for j, name in enumerate(table.columns)}
