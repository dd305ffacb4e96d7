"""What is taken for a part of a cohort is read as `run` would read it, before it is taken."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from tasks.checks.leaks.copied_columns import known_in
from tasks.checks.leaks.unfit_columns import unfit_columns
from tasks.checks.recognise.candidates import Classes, Clinical, Vectors
from tasks.data.cohort import Cohort, VectorModality
from tasks.data.formats.clinical import read_endpoints
from tasks.data.formats.expression import as_declared
from tasks.data.formats.vectors import read_vectors
from tasks.data.identifiers import Identifiers
from tasks.data.manifest import (
    ClinicalSource,
    GeneSource,
    LabelSource,
    SlideVectorSource,
    TableSource,
    TimeUnit,
)
from tasks.errors import InputError

_LARGEST = 64 << 20
"""Bytes of a table; a larger one takes minutes, and `data verify` reads it."""


def refusal(found: Vectors | Clinical, ids: Identifiers) -> str:
    """Why a candidate cannot be read; empty if it can, or is too large to try.

    Args:
        found: The candidate.
        ids: How identifiers are read.
    """
    if _is_large(found):
        return ""
    try:
        if isinstance(found, Vectors):
            _read_vectors(found, replace(ids, known=None))
        elif found.columns is not None:  # of a known layout, and read already
            read_endpoints(_clinical(found, replace(ids, known=None)), found.patients)
    except InputError as error:
        return str(error).removeprefix(f"{found.path}: ")
    return ""


def refusal_of_sets(found: Vectors, sets: Path, ids: Identifiers) -> str:
    """Why gene sets are of no use to expression; empty if they are, or it is too large to try."""
    if _is_large(found):
        return ""
    try:
        _read_vectors(found, replace(ids, known=None), sets)
    except InputError as error:
        return str(error).removeprefix(f"{sets}: ")
    return ""


def without_unfit(
    found: Vectors, tables: Iterable[Clinical | Classes], ids: Identifiers
) -> Vectors:
    """The table without columns that its values, and other tables, show to be no features."""
    if _is_large(found):
        return found
    ids = replace(ids, known=None)
    features = _read_vectors(found, ids)
    cohort = Cohort("", features.patients, {found.side: features})
    known = list(known_in(_sources(tables, ids), [found.path]))
    unfit = tuple(one.column for one in unfit_columns(cohort, {}, known))
    kept = len(features.features) > len(unfit)
    return replace(found, drop=(*found.drop, *unfit)) if kept else found


def _is_large(found: Vectors | Clinical) -> bool:
    return found.path.is_dir() or found.path.stat().st_size > _LARGEST


def _sources(
    tables: Iterable[Clinical | Classes], ids: Identifiers
) -> Iterator[ClinicalSource | LabelSource]:
    for one in tables:
        if isinstance(one, Clinical):
            yield _clinical(one, ids)
        else:
            yield LabelSource(one.path, one.id, one.column, tuple(one.patients), ids=ids)


def _read_vectors(
    found: Vectors, ids: Identifiers, gene_sets: Path | None = None
) -> VectorModality:
    if found.side == "rna":
        genes = GeneSource(
            found.path,
            found.id,
            found.orientation,
            found.scale,
            gene_sets=gene_sets,
            quantity=found.quantity,
            drop=found.drop,
            ids=ids,
        )
        vectors, _ = read_vectors(found.side, genes)
        as_declared(found.side, vectors, genes)
        return vectors
    slides = SlideVectorSource(
        found.path,
        found.id,
        found.orientation,
        slides=found.mixture.choice if found.mixture else None,
        quantity=found.quantity,
        drop=found.drop,
        ids=ids,
    )
    return read_vectors(found.side, slides)[0]


def _clinical(found: Clinical, ids: Identifiers) -> ClinicalSource:
    """By the first of its values, whichever is the event's: both are read or neither."""
    columns = found.columns
    if columns is None:
        return ClinicalSource(found.path, found.format, ids=ids)
    status = columns.statuses[0]
    return TableSource(
        found.path,
        found.format,
        columns.id,
        columns.times[0],
        TimeUnit.DAYS,
        status.column,
        next(iter(status.values)),
        ids=ids,
    )
