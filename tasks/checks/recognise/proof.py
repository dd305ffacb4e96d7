"""What is taken for a part of a cohort is read as `run` would read it, before it is taken."""

from dataclasses import replace

from tasks.checks.recognise.candidates import Clinical, Vectors
from tasks.data.formats.clinical import read_endpoints
from tasks.data.formats.expression import as_declared
from tasks.data.formats.vectors import read_vectors
from tasks.data.identifiers import Identifiers
from tasks.data.manifest import GeneSource, SlideVectorSource, TableSource, TimeUnit
from tasks.errors import InputError

_LARGEST = 64 << 20
"""Bytes of a table; a larger one takes minutes, and `data verify` reads it."""


def refusal(found: Vectors | Clinical, ids: Identifiers) -> str:
    """Why a candidate cannot be read; empty if it can, or is too large to try.

    Args:
        found: The candidate.
        ids: How identifiers are read.
    """
    path = found.path
    if path.is_dir() or path.stat().st_size > _LARGEST:
        return ""
    try:
        if isinstance(found, Vectors):
            _read_vectors(found, replace(ids, known=None))
        else:
            _read_table(found, replace(ids, known=None))
    except InputError as error:
        return str(error).removeprefix(f"{path}: ")
    return ""


def _read_vectors(found: Vectors, ids: Identifiers) -> None:
    if found.side == "rna":
        genes = GeneSource(
            found.path,
            found.id,
            found.orientation,
            found.scale,
            quantity=found.quantity,
            drop=found.drop,
            ids=ids,
        )
        vectors, _ = read_vectors(found.side, genes)
        as_declared(found.side, vectors, genes)
        return
    slides = SlideVectorSource(
        found.path,
        found.id,
        found.orientation,
        slides=found.mixture.choice if found.mixture else None,
        quantity=found.quantity,
        drop=found.drop,
        ids=ids,
    )
    read_vectors(found.side, slides)


def _read_table(found: Clinical, ids: Identifiers) -> None:
    """By the first of its values, whichever is the event's: both are read or neither."""
    columns = found.columns
    if columns is None:
        return  # of a known layout, and read already
    status = columns.statuses[0]
    source = TableSource(
        found.path,
        found.format,
        columns.id,
        columns.times[0],
        TimeUnit.DAYS,
        status.column,
        next(iter(status.values)),
        ids=ids,
    )
    read_endpoints(source, found.patients)
