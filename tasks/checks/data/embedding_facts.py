"""Embeddings that were made elsewhere: whose they are, whom they lack, what does not vary."""

import hashlib
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import numpy as np

from tasks.checks.finding import Check, Finding, Severity, counted
from tasks.checks.leaks.duplicates import copies
from tasks.checks.leaks.rows import Rows
from tasks.data.cohort import Precomputed
from tasks.data.manifest import EmbeddingSource, Manifest
from tasks.data.notes import About
from tasks.data.precomputed import PART, embedding_sources, read_embeddings
from tasks.errors import InputError
from tasks.names import OF


def verify_all_embeddings(
    folder: Path, manifest: Manifest, patients: Collection[str], pairs: Collection[str]
) -> tuple[list[Finding], dict[str, Precomputed]]:
    """What is so of every table that a cohort.toml declares, and those that would be loaded."""
    facts: list[Finding] = []
    loaded = {}
    for name, source in embedding_sources(folder, manifest).items():
        seen, found = verify_embeddings(name, source, patients, pairs)
        facts += seen
        if found is not None:
            loaded[name] = found
    return facts, loaded


def verify_embeddings(
    name: str, source: EmbeddingSource, patients: Collection[str], pairs: Collection[str]
) -> tuple[list[Finding], Precomputed | None]:
    """Look at every number of a table of embeddings; arguments as of `read_embeddings`.

    Returns:
        What is so, and the embeddings as they would be loaded, if they would be.
    """
    part = f"{PART}.{name}"
    try:
        found, notes = read_embeddings(name, source, patients, pairs)
    except InputError as error:
        return [Finding(part, Check.FILES, Severity.PROBLEM, str(error))], None
    facts = [
        Finding(
            part,
            Check.SAMPLES if note.about is About.LEFT_OUT else Check.SIZES,
            Severity.NOTE,
            note.text,
        )
        for note in notes
    ]
    lacking = set(pairs) - set(found.vectors.patients)
    what = (
        "patients with both sides and no embedding: the row is skipped on this cohort; "
        f"--cohorts COHORT{OF}{name} asks every method of the others alone"
    )
    facts += counted(part, Check.PARTNERS, Severity.WARNING, what, lacking, len(pairs), "patients")
    values = found.vectors.values
    same = np.flatnonzero((values == values[0]).all(axis=0))
    constant = [found.vectors.features[j] for j in same] if len(values) > 1 else []
    what = "features that are the same for everybody, and say nothing"
    width = found.vectors.width
    facts += counted(part, Check.VALUES, Severity.WARNING, what, constant, width, "features")
    contents = tuple(hashlib.sha256(row.tobytes()).hexdigest() for row in values)
    owners = found.vectors.patients
    across = copies(part, Rows(owners, owners, contents, np.empty((len(owners), 0), np.float32)))
    if across.is_there:
        facts.append(replace(across, advice=""))
    return facts, found
