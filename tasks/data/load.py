"""A folder with a cohort.toml -> a Cohort, aligned by patient, with notes on what was left out."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from tasks.data.cohort import Cohort, Endpoint, Label, Modality, VectorModality
from tasks.data.formats.bags import read_bags
from tasks.data.formats.clinical import read_endpoints
from tasks.data.formats.covariates import read_covariates
from tasks.data.formats.expression import as_declared
from tasks.data.formats.labels import read_label
from tasks.data.formats.vectors import read_truth, read_vectors
from tasks.data.manifest import (
    MANIFEST,
    BagSource,
    ClinicalSource,
    GeneSource,
    SlideSource,
    read_manifest,
)
from tasks.data.precomputed import Given, as_vectors, read_precomputed
from tasks.data.union import united
from tasks.errors import InputError


def find_cohorts(data: Path) -> tuple[Path, ...]:
    """The cohort folders that `data` means, in the order of their names.

    Args:
        data: A folder of cohorts, or a cohort's folder itself.

    Raises:
        InputError: If there is no such folder, or no cohort.toml in it or one level below.
    """
    try:
        if (data / MANIFEST).is_file():
            return (data,)
        entries = sorted(data.iterdir())
        folders = tuple(entry for entry in entries if (entry / MANIFEST).is_file())
    except OSError as error:
        raise InputError(f"{data}: expected a folder of cohorts, found: {error.strerror}") from None
    if not folders:
        raise InputError(
            f"{data}: expected a {MANIFEST} in it or in a folder of it, found none in "
            f"{sum(entry.is_dir() for entry in entries)} folders"
        )
    return folders


@dataclass(frozen=True)
class Loaded:
    """A cohort, and what it was made of.

    Attributes:
        cohort: As methods and tasks see it.
        as_read: Of each folder that was read, its own or those of a union's members, the cohort as
            the tables there have it, before genes become logarithms.
    """

    cohort: Cohort
    as_read: Mapping[Path, Cohort]


class NotAsDeclaredError(InputError):
    """Expression is not what cohort.toml says of it.

    Attributes:
        as_read: As that of `Loaded`; one of its columns may be why.
    """

    def __init__(self, message: str, as_read: Mapping[Path, Cohort]) -> None:
        super().__init__(message)
        self.as_read = as_read


def load_cohort(folder: Path, given: Given = ()) -> Cohort:
    """Load a cohort; bags stay on disk, and are scanned once while their files are unchanged.

    Args:
        folder: The folder with the cohort.toml.
        given: Embeddings beside those that it declares.

    Raises:
        InputError: If anything in the manifest or in the files it names is not as it should be.
    """
    return load(folder, given).cohort


def load(folder: Path, given: Given = ()) -> Loaded:
    """As `load_cohort`, with the tables as they were read.

    Raises:
        NotAsDeclaredError: If everything can be read, and expression contradicts the manifest.
        InputError: If anything else is not as it should be.
    """
    manifest = read_manifest(folder)
    if manifest.union:
        for member in manifest.union:
            if read_manifest(member).union:
                raise InputError(
                    f"{folder / MANIFEST}: union: expected cohorts, found a union itself: {member}"
                )
        parts = [load(part, given) for part in manifest.union]
        whole = united(folder / MANIFEST, manifest, [part.cohort for part in parts])
        return Loaded(whole, {path: one for part in parts for path, one in part.as_read.items()})
    modalities: dict[str, Modality] = {}
    as_read: dict[str, Modality] = {}
    contradiction: InputError | None = None
    notes = [f"note: {manifest.provenance.note}"] if manifest.provenance.note else []
    for name, source in manifest.modalities.items():
        if isinstance(source, BagSource):
            modalities[name], read = read_bags(name, source, manifest.name)
            notes += read
            continue
        vectors, facts = read_vectors(name, source)
        notes += facts
        as_read[name] = vectors
        if isinstance(source, GeneSource):
            try:
                vectors, facts = as_declared(name, vectors, source)
                notes += facts
            except InputError as error:
                contradiction = contradiction or error
        modalities[name] = vectors
    having = {name: set(modality.patients) for name, modality in modalities.items()}
    patients = tuple(sorted(set.union(*having.values())))
    if len(having) > 1:
        notes.append(
            f"patients: {len(patients)}, {len(set.intersection(*having.values()))} with both, "
            + ", ".join(
                f"{len(set(patients) - there)} without {name}" for name, there in having.items()
            )
        )
    members = frozenset(patients)
    pairs = set.intersection(*having.values())
    embeddings, facts = read_precomputed(folder, manifest, given, members, pairs)
    notes += facts
    endpoints, clinical, facts = _read_clinical(manifest.clinical, members)
    notes += facts
    labels: dict[str, Label] = {}
    for name, label in manifest.labels.items():
        labels[name], facts = read_label(name, label, members)
        notes += facts
    slides = manifest.modalities.get("wsi")
    of_slides = slides if isinstance(slides, SlideSource) else None
    truth = {} if manifest.truth is None else read_truth(manifest.truth, patients)
    cohort = Cohort(
        manifest.name,
        patients,
        modalities,
        endpoints,
        labels,
        clinical,
        truth,
        manifest.provenance.source,
        manifest.provenance.licence,
        tuple(map(str, notes)),
        planted=manifest.truth is not None,
        encoder=of_slides.encoder if of_slides else "",
        pretrained_on=of_slides.pretrained_on if of_slides else (),
        sites={p: site for p, site in manifest.ids.reader().sites.items() if p in members},
        embeddings=embeddings,
    )
    as_read |= as_vectors(embeddings)
    tables = {folder: replace(cohort, modalities=modalities | as_read)}
    if contradiction:
        raise NotAsDeclaredError(str(contradiction), tables) from contradiction
    return Loaded(cohort, tables)


def _read_clinical(
    source: ClinicalSource | None, members: frozenset[str]
) -> tuple[dict[str, Endpoint], VectorModality | None, tuple[str, ...]]:
    """Endpoints and covariates of the members, and notes on both."""
    if source is None:
        return {}, None, ("clinical: no file, so no endpoint",)
    endpoints, of_endpoints = read_endpoints(source, members)
    clinical, of_covariates = read_covariates(source, members)
    return endpoints, clinical, (*of_endpoints, *of_covariates)
