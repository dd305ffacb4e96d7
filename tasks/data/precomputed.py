"""Embeddings that somebody made elsewhere -> one vector per patient of a cohort."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.data.barcode import Barcode
from tasks.data.cohort import Cohort, Precomputed, VectorModality
from tasks.data.formats.embedding_tables import read_embedding_table
from tasks.data.manifest import MANIFEST, EmbeddingSource, Manifest, SlideSource
from tasks.data.notes import Note, left_out_notes
from tasks.data.samples import select_samples
from tasks.errors import InputError
from tasks.names import covered_name

Given = tuple[tuple[str, Path], ...]
"""Names and files that stand in no cohort.toml, for every cohort alike."""

PART = "embeddings"
"""What stands before their names, in notes and checks."""


def read_precomputed(
    folder: Path,
    manifest: Manifest,
    given: Given,
    patients: Collection[str],
    pairs: Collection[str],
) -> tuple[dict[str, Precomputed], tuple[Note, ...]]:
    """Read all embeddings of a cohort; arguments and errors as of the two functions below."""
    found: dict[str, Precomputed] = {}
    notes: list[Note] = []
    for name, source in embedding_sources(folder, manifest, given).items():
        found[name], facts = read_embeddings(name, source, patients, pairs)
        notes += facts
    return found, tuple(notes)


def as_vectors(embeddings: Mapping[str, Precomputed]) -> dict[str, VectorModality]:
    """The tables under the names that checks show."""
    return {f"{PART}.{name}": one.vectors for name, one in embeddings.items()}


def read_embeddings(
    name: str, source: EmbeddingSource, patients: Collection[str], pairs: Collection[str]
) -> tuple[Precomputed, tuple[Note, ...]]:
    """Read embeddings; the slides or samples of a patient are averaged.

    A table may be of more patients than the cohort has, as one of all of TCGA is: rows of others
    are counted and left out.

    Args:
        name: Theirs.
        source: Where they are, and how they are laid out.
        patients: The cohort's.
        pairs: Those of them with every modality.

    Returns:
        The embeddings, and notes on what came in and what was left out.

    Raises:
        InputError: The file is not readable (`read_embedding_table`), or no row is of a patient of
            the cohort.
    """
    slides, wanted = source.side == "wsi", set(patients)

    def find(text: str) -> Barcode | None:
        """Whose an identifier is: of a slide or sample, or the patient itself."""
        if text in wanted:
            return Barcode(text, source.ids.sites.get(text, ""), None, text)
        return source.ids.find(text, slide=slides)

    table = read_embedding_table(
        source.path, source.id, source.drop, lambda text: find(text) is not None
    )
    read = [find(text) for text in table.ids]
    strange = [text for text, one in zip(table.ids, read, strict=True) if one is None]
    of_cohort = [row for row, one in enumerate(read) if one is not None and one.patient in wanted]
    if not of_cohort:
        first = table.ids[0][:60] if table.ids else "none with a number"
        others = (
            f", {len(read) - len(strange)} of other patients" if len(strange) < len(read) else ""
        )
        raise InputError(
            f"{source.path}: expected identifiers of the cohort's patients, such as "
            f"{min(wanted, default='none')}, found none among {len(read)} rows, such as "
            f"{first!r}{others}"
        )
    barcodes = [one for row in of_cohort if (one := read[row]) is not None]
    selection = select_samples(barcodes, source.rule)
    if selection.fault:
        raise InputError(f"{source.path}: {selection.fault}")
    # sorted by identifier, so that a mean is the same whatever the order of the file
    rows = sorted(
        (selection.barcodes[i].patient, table.ids[of_cohort[i]], of_cohort[i])
        for i in selection.kept
    )
    values, owners = _means([(patient, row) for patient, _, row in rows], table.values)
    vectors = VectorModality(owners, values, table.features)
    found = _of(source.side, vectors, source.pretrained_on, pairs)
    part = f"{PART} {name}"
    unit = "slides" if slides else "samples"
    text = (
        f"{len(table.ids) + table.empty} rows x {vectors.width} in, "
        f"{len(rows)} kept of {len(owners)} patients"
        f"{', those of a patient averaged' if len(rows) > len(owners) else ''}; "
        f"{found.covered} of {found.pairs} patients with both sides covered; "
        f"{made_elsewhere(found.pretrained_on)}"
    )
    notes = [Note(part, text)]
    reasons = {
        "without a single number": table.empty,
        "identifiers that are none of this cohort's sort": len(strange),
        "of patients who are not in the cohort": len(read) - len(strange) - len(of_cohort),
    }
    notes += left_out_notes(part, "rows", reasons)
    notes += selection.notes(part, unit, {})
    return found, tuple(notes)


def made_elsewhere(pretrained_on: Sequence[str]) -> str:
    """What the model behind the embeddings has seen, in words."""
    if not pretrained_on:
        return "trained elsewhere, on what is not declared"
    return f"trained elsewhere on {', '.join(pretrained_on)}"


def _means(
    rows: Sequence[tuple[str, int]], values: NDArray[np.float32]
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """The mean of each patient's rows, which stand together; and the patients."""
    starts = [i for i, (patient, _) in enumerate(rows) if i == 0 or rows[i - 1][0] != patient]
    ordered = values[[row for _, row in rows]]
    owners = tuple(rows[i][0] for i in starts)
    if len(owners) == len(rows):
        return ordered, owners
    counts = np.diff([*starts, len(rows)])[:, None]
    sums = np.add.reduceat(ordered, starts, axis=0, dtype=np.float64)
    return (sums / counts).astype(np.float32), owners


def _of(
    side: str, vectors: VectorModality, pretrained_on: tuple[str, ...], pairs: Collection[str]
) -> Precomputed:
    covered = len(set(pairs) & set(vectors.patients))
    return Precomputed(side, vectors, pretrained_on, len(pairs), covered)


def joined(
    where: str, members: Sequence[Cohort], pairs: Collection[str]
) -> tuple[dict[str, Precomputed], tuple[str, ...]]:
    """The embeddings that all members of a union have; of others, a note.

    Raises:
        InputError: Those of one name differ in width or side.
    """
    found: dict[str, Precomputed] = {}
    notes = []
    for name in dict.fromkeys(name for member in members for name in member.embeddings):
        lacking = [member.name for member in members if name not in member.embeddings]
        if lacking:
            notes.append(f"{PART} {name}: left out, {', '.join(lacking)} has none")
            continue
        parts = [member.embeddings[name] for member in members]
        sorts = {(part.side, part.vectors.features) for part in parts}
        if len(sorts) > 1:
            listed = ", ".join(
                f"{part.side} of {part.vectors.width} in {member.name}"
                for part, member in zip(parts, members, strict=True)
            )
            raise InputError(
                f"{where}: {PART} {name}: expected the same columns in every member, found {listed}"
            )
        patients = [patient for part in parts for patient in part.vectors.patients]
        order = sorted(range(len(patients)), key=patients.__getitem__)
        vectors = VectorModality(
            tuple(patients[row] for row in order),
            np.concatenate([part.vectors.values for part in parts])[order],
            parts[0].vectors.features,
        )
        seen = tuple(dict.fromkeys(one for part in parts for one in part.pretrained_on))
        found[name] = _of(parts[0].side, vectors, seen, pairs)
    return found, tuple(notes)


def covered(cohort: Cohort, name: str) -> Cohort:
    """The cohort of those patients alone who have these embeddings, under a name that says so.

    Raises:
        InputError: The cohort has no such embeddings.
    """
    if name not in cohort.embeddings:
        known = ", ".join(cohort.embeddings) or "none"
        raise InputError(
            f"{covered_name(cohort.name, name)}: expected embeddings of {cohort.name}, {known}, "
            f"found {name!r}"
        )
    having = cohort.embeddings[name].vectors.patients
    kept = set(having)
    rows = np.array([patient in kept for patient in cohort.patients], dtype=bool)
    part = cohort.subset(having)
    pairs = part.complete()
    note = (
        f"the {len(part.patients)} of {len(cohort.patients)} patients of {cohort.name} who have "
        f"embeddings {name}: every method here is fitted and scored on these alone"
    )
    return replace(
        cohort,
        name=covered_name(cohort.name, name),
        patients=part.patients,
        modalities=part.modalities,
        clinical=part.clinical,
        endpoints={key: endpoint.subset(kept) for key, endpoint in cohort.endpoints.items()},
        labels={key: label.subset(kept) for key, label in cohort.labels.items()},
        truth={key: values[rows] for key, values in cohort.truth.items()},
        notes=(note, *cohort.notes),
        embeddings={
            key: _of(one.side, one.vectors.subset(kept), one.pretrained_on, pairs)
            for key, one in cohort.embeddings.items()
        },
    )


def embedding_sources(
    folder: Path, manifest: Manifest, given: Given = ()
) -> dict[str, EmbeddingSource]:
    """The embeddings that a cohort.toml declares, and those that are given beside it.

    Slides are taken as those of the cohort are, where the embeddings say nothing else.

    Raises:
        InputError: One of the names is given twice.
    """
    slides = manifest.modalities.get("wsi")
    chosen = slides.slides if isinstance(slides, SlideSource) else None
    sources = {}
    for name, source in manifest.embeddings.items():
        of_slides = source.side == "wsi" and source.slides is None
        sources[name] = replace(source, slides=chosen) if of_slides else source
    for name, path in given:
        if name in sources:
            raise InputError(
                f"--embeddings {name}={path}: expected another name than {folder / MANIFEST} "
                f"declares, found [embeddings.{name}] there"
            )
        sources[name] = EmbeddingSource(path, slides=chosen, ids=manifest.ids.reader())
    return sources
