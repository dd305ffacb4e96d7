"""Tables of vectors: identifiers, missing cells, names of genes, scale, outliers."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tasks.checks.data.gene_facts import gene_names, plural
from tasks.checks.data.outliers import far_from_others
from tasks.checks.data.sample_facts import barcodes_of, duplicates, taken
from tasks.checks.data.scale import MILLION, SeenScale, Values, detect_scale, sample_sums
from tasks.checks.finding import Check, Finding, Severity, counted
from tasks.data.barcode import FROM_ELSEWHERE
from tasks.data.cohort import VectorModality
from tasks.data.formats.expression import as_declared
from tasks.data.formats.format import NumericTable
from tasks.data.formats.vectors import SUMMARIES, open_vectors, vectors_of
from tasks.data.manifest import GeneSource, SlideSource, VectorSource
from tasks.data.samples import select_samples
from tasks.errors import InputError

_FAR_CELL = 20.0  # of z-scores: no gene of a thousand samples is there by chance
_OTHER_SCALE = 8.0  # times the median of the samples' 99 % quantiles, or a part of it
_OFF_SUM = 0.05


def verify_vectors(
    part: str, source: VectorSource
) -> tuple[list[Finding], frozenset[str], VectorModality | None]:
    """Look at every cell of a table.

    Returns:
        What is so, the patients whose samples are taken, and the features as they would be loaded,
        if they would be.
    """
    try:
        whole, summaries = open_vectors(source)
    except InputError as error:
        return [Finding(part, Check.FILES, Severity.PROBLEM, str(error))], frozenset(), None
    table, rows, total = whole, source.ids.own(whole.ids), len(whole.ids)
    if len(rows) < total:
        ids = tuple(whole.ids[row] for row in rows)
        table = replace(whole, ids=ids, values=whole.values[rows])
    slides = isinstance(source, SlideSource)
    barcodes, facts = barcodes_of(part, table.ids, source.ids, slides=slides)
    if n := total - len(rows):
        text = f"left out: {FROM_ELSEWHERE}"
        facts.append(Finding(part, Check.SAMPLES, Severity.NOTE, text, n, total, "samples"))
    if not any(barcodes):
        if sum(map(bool, map(source.ids.find, table.columns))) > len(table.columns) / 2:
            facts.append(
                Finding(part, Check.SAMPLES, Severity.PROBLEM,
                     "the table lies the other way: declare the other orientation")
            )  # fmt: skip
        return facts, frozenset(), None
    there = [i for i, barcode in enumerate(barcodes) if barcode is not None]
    known = [barcode for barcode in barcodes if barcode is not None]
    n_patients = len({barcode.patient for barcode in known})
    text = f"{len(table.ids):,} samples of {n_patients:,} patients, {len(table.columns):,} features"
    facts.insert(0, Finding(part, Check.SIZES, Severity.NOTE, text))
    text, n = f"left out: {SUMMARIES}", len(table.columns) + len(summaries)
    facts += counted(part, Check.GENES, Severity.NOTE, text, summaries, n, "features")
    if table.unnamed:
        text, n = "left out: without a name", table.unnamed + n
        facts.append(Finding(part, Check.GENES, Severity.NOTE, text, table.unnamed, n, "features"))
    selection = select_samples(known, source.rule)
    facts += taken(part, selection, source.rule)
    kept = [there[i] for i in selection.kept]
    contents = [hashlib.sha256(table.values[i].tobytes()).hexdigest() for i in kept]
    own = [known[i] for i in selection.kept]
    facts += duplicates(part, [table.ids[i] for i in kept], own, contents)
    facts += _missing(part, table)
    if not slides:
        facts += _genes(part, table.columns)
        facts += _scale(part, table, source)
    else:
        facts += _repeated(part, table.columns)
        facts += _features(part, table)
    modality, refused = _loaded(part, source, whole, facts)
    return facts + refused, selection.patients, modality


def _loaded(
    part: str, source: VectorSource, table: NumericTable, facts: Sequence[Finding]
) -> tuple[VectorModality | None, list[Finding]]:
    """The features as loading makes them, and what it refuses beyond what is a problem already."""
    problems = {fact.check for fact in facts if fact.severity is Severity.PROBLEM}
    if problems & {Check.BARCODES, Check.SAMPLES}:
        return None, []
    try:
        modality, _ = vectors_of(part, source, table, ())
    except InputError as error:
        return None, [Finding(part, Check.FILES, Severity.PROBLEM, str(error))]
    if not isinstance(source, GeneSource):
        return modality, []
    # one after the other, so that the first fault does not hide the second
    declared = {Check.GENES: replace(source, scale=None)}
    if not problems & {Check.SCALE, Check.EMPTY}:
        declared[Check.SCALE] = replace(source, selection=None, gene_sets=None, probemap=None)
    found = []
    for check, genes in declared.items():
        try:
            as_declared(part, modality, genes)
        except InputError as error:
            found.append(Finding(part, check, Severity.PROBLEM, str(error)))
    return modality, found


def _missing(part: str, table: NumericTable) -> Iterator[Finding]:
    absent = np.isnan(table.values)
    if n := int(absent.sum()):
        yield Finding(
            part, Check.NOT_FINITE, Severity.WARNING,
            f"missing cells, in {int(absent.any(axis=1).sum()):,} samples and "
            f"{int(absent.any(axis=0).sum()):,} features; methods impute them", n, absent.size,
            "cells",
        )  # fmt: skip
    for axis, names, what in ((1, table.ids, "samples"), (0, table.columns, "features")):
        empty = [names[i] for i in np.flatnonzero(absent.all(axis=axis))]
        severity = Severity.PROBLEM if axis else Severity.WARNING
        text = f"{what} without a value"
        yield from counted(part, Check.EMPTY, severity, text, empty, len(names), what)
    constant = np.array(table.columns)[_constant(table.values)].tolist()
    what, n = "features of one value: they tell nothing", len(table.columns)
    yield from counted(part, Check.VALUES, Severity.WARNING, what, constant, n, "features")


def _constant(values: Values) -> NDArray[np.bool_]:
    low = np.where(np.isnan(values), np.inf, values).min(axis=0)
    high = np.where(np.isnan(values), -np.inf, values).max(axis=0)
    return np.asarray(low == high)


def _repeated(part: str, columns: Sequence[str]) -> list[Finding]:
    repeated = [name for name, n in Counter(columns).items() if n > 1]
    what, n = "names of several columns, which are averaged", len(set(columns))
    return counted(part, Check.DUPLICATES, Severity.WARNING, what, repeated, n, "features")


def _genes(part: str, columns: Sequence[str]) -> Iterator[Finding]:
    names = gene_names(columns)
    listed = ", ".join(f"{n:,} {plural(kind)}" for kind, n in names.kinds.items())
    mixed = Severity.WARNING if len(names.kinds) > 3 else Severity.NOTE
    yield Finding(part, Check.GENES, mixed, f"features are {listed}")
    yield from _repeated(part, columns)
    groups = (
        (names.merged, "identifiers that differ in the version alone"),
        (names.dates, "symbols that a spreadsheet made dates of, as SEPT2 becomes 2-Sep"),
    )
    n = len(set(columns))
    for which, what in groups:
        yield from counted(part, Check.GENES, Severity.WARNING, what, which, n, "features")


def _scale(part: str, table: NumericTable, source: VectorSource) -> Iterator[Finding]:
    seen = detect_scale(table.values)
    severity = Severity.WARNING if seen.scale is SeenScale.UNKNOWN else Severity.NOTE
    yield Finding(
        part, Check.SCALE, severity, f"{seen.text}; values of {seen.low:.4g} to {seen.high:.4g}"
    )
    declared = source.scale if isinstance(source, GeneSource) else None
    if declared is not None and seen.scale.declared not in (None, declared):
        yield Finding(
            part, Check.SCALE, Severity.PROBLEM,
            f'declared is scale = "{declared}", but the values look like {seen.scale}',
        )  # fmt: skip
    if declared is None and seen.scale in (SeenScale.COUNTS, SeenScale.TPM, SeenScale.LINEAR):
        yield Finding(
            part, Check.SCALE, Severity.WARNING,
            "no logarithm is taken and none is declared: a few genes will rule; declare "
            f'scale = "{seen.scale.declared}"',
        )  # fmt: skip
    yield from _off_samples(part, table, seen.scale, sample_sums(table.values, seen))
    if seen.scale is SeenScale.Z_SCORES:
        yield from _far_cells(part, table)


def _off_samples(
    part: str, table: NumericTable, scale: SeenScale, sums: Values | None
) -> Iterator[Finding]:
    """Samples that are not on the scale of the others, or do not sum to a million."""
    top = np.quantile(np.nan_to_num(np.abs(table.values)), 0.99, axis=1)
    middle = float(np.median(top))
    if middle > 0 and scale is not SeenScale.COUNTS:
        off = (top > _OTHER_SCALE * middle) | (top * _OTHER_SCALE < middle)
        what = (
            f"samples on another scale: their highest values are {_OTHER_SCALE:g} times those of "
            "the others, or a part as small"
        )
        names = np.array(table.ids)[off].tolist()
        yield from counted(part, Check.SCALE, Severity.WARNING, what, names, len(off), "samples")
    if sums is None or len(sums) < 3:
        return
    if abs(float(np.median(sums)) / MILLION - 1) <= _OFF_SUM:
        off = np.abs(sums / MILLION - 1) > _OFF_SUM
        what = f"samples whose TPM do not sum to a million within {_OFF_SUM:.0%}"
    else:
        off = far_from_others(np.log(np.maximum(sums, 1e-12)))
        what = "samples whose sum is far from the others'"
    names = [f"{table.ids[i]} {sums[i]:,.0f}" for i in np.flatnonzero(off)]
    yield from counted(part, Check.OUTLIERS, Severity.WARNING, what, names, len(off), "samples")


def _far_cells(part: str, table: NumericTable) -> Iterator[Finding]:
    size = np.nan_to_num(np.abs(table.values))
    far = size > _FAR_CELL
    if far.any():
        row, column = np.unravel_index(int(np.argmax(size)), size.shape)
        yield Finding(
            part, Check.OUTLIERS, Severity.WARNING,
            f"cells beyond {_FAR_CELL:g} standard deviations, in "
            f"{int(far.any(axis=0).sum()):,} features; {size[row, column]:,.5g} at most: clip or "
            'rank (transform = "rank")', int(far.sum()), size.size, "cells",
            (f"{table.ids[row]} {table.columns[column]} {table.values[row, column]:,.5g}",),
        )  # fmt: skip


def _features(part: str, table: NumericTable) -> Iterator[Finding]:
    known = table.values[~np.isnan(table.values)]
    if known.size:
        yield Finding(
            part, Check.VALUES, Severity.NOTE,
            f"values of {known.min():.4g} to {known.max():.4g}; every method standardises them",
        )  # fmt: skip
