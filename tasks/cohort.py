"""Cohort: patients, their modalities, endpoints and labels, as methods and tasks see them."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

DAYS_PER_MONTH = 365.25 / 12


class Kind(StrEnum):
    """How a modality is shaped: a bag of instances per patient, or one vector per patient."""

    BAG = "bag"
    VECTOR = "vector"


@dataclass(frozen=True)
class VectorModality:
    """One vector per patient.

    Attributes:
        patients: Row order of `values`, sorted.
        values: float32 [n_patients, width]; NaN is a missing cell.
        features: Column names, for example gene symbols.
    """

    patients: tuple[str, ...]
    values: NDArray[np.float32]
    features: tuple[str, ...]
    kind: Kind = field(default=Kind.VECTOR, init=False)

    @property
    def width(self) -> int:
        """Number of features."""
        return int(self.values.shape[1])

    def subset(self, patients: Iterable[str]) -> "VectorModality":
        """The same modality restricted to `patients`; those it does not have are skipped."""
        wanted = set(patients)
        rows = [i for i, patient in enumerate(self.patients) if patient in wanted]
        kept = tuple(self.patients[i] for i in rows)
        return VectorModality(kept, self.values[rows], self.features)

    def rows(self, patients: Iterable[str]) -> NDArray[np.float32]:
        """The values of `patients` in their order, float32 [n, width]."""
        index = {patient: row for row, patient in enumerate(self.patients)}
        return self.values[[index[patient] for patient in patients]]

    def fingerprint(self) -> str:
        """SHA-256 of the patients, the feature names and the values."""
        digest = hashlib.sha256(repr((self.patients, self.features)).encode())
        digest.update(np.ascontiguousarray(self.values).tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class Slide:
    """One slide's instances on disk; they are read when asked for and never kept.

    Attributes:
        name: The slide's barcode.
        n_instances: Number of patches, more than zero.
        content: SHA-256 of the features as float32, so that a copied file is the same data.
        read: Reads the features, float32 [n_instances, width]; picklable.
    """

    name: str
    n_instances: int
    content: str
    read: Callable[[], NDArray[np.float32]]


@dataclass(frozen=True)
class BagModality:
    """A bag of instances per patient: the patches of all the patient's slides, slide by slide.

    Attributes:
        slides: The slides of each patient, in the order of their names.
        width: Features per instance.
    """

    slides: Mapping[str, tuple[Slide, ...]]
    width: int
    kind: Kind = field(default=Kind.BAG, init=False)

    @property
    def patients(self) -> tuple[str, ...]:
        """The patients that have a bag, sorted."""
        return tuple(sorted(self.slides))

    def n_instances(self, patient: str) -> int:
        """Number of instances of one patient."""
        return sum(slide.n_instances for slide in self.slides[patient])

    def read(self, patient: str) -> NDArray[np.float32]:
        """All instances of one patient, float32 [n_instances, width]."""
        parts = [slide.read() for slide in self.slides[patient]]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def subset(self, patients: Iterable[str]) -> "BagModality":
        """The same modality restricted to `patients`; those it does not have are skipped."""
        wanted = set(patients)
        kept = {patient: self.slides[patient] for patient in self.patients if patient in wanted}
        return BagModality(kept, self.width)

    def fingerprint(self) -> str:
        """SHA-256 of the patients, the slides' names and their contents."""
        rows = [
            (patient, [(slide.name, slide.content) for slide in self.slides[patient]])
            for patient in self.patients
        ]
        return hashlib.sha256(repr((self.width, rows)).encode()).hexdigest()


Modality = VectorModality | BagModality


@dataclass(frozen=True)
class Endpoint:
    """A time-to-event endpoint of the patients for whom it is known.

    Attributes:
        patients: Sorted; a patient without time or status is not here.
        time: float64 [n], months since diagnosis.
        event: bool [n], True where the event happened, False where the patient was censored.
    """

    patients: tuple[str, ...]
    time: NDArray[np.float64]
    event: NDArray[np.bool_]


@dataclass(frozen=True)
class Label:
    """A class per patient.

    Attributes:
        values: Class of each patient that has one of `classes`.
        classes: Class names in their declared order.
        derived_from: The modality that the label was called from, if any: circular as a test of it.
    """

    values: Mapping[str, str]
    classes: tuple[str, ...]
    derived_from: str | None = None


@dataclass(frozen=True)
class Cohort:
    """A cohort of patients; a patient enters with every modality it has.

    Attributes:
        name: For example `TCGA-BRCA`.
        patients: Every patient with at least one modality, sorted.
        modalities: `wsi` (slides) and `rna` (expression).
        endpoints: `os`, `dss`, `dfi`, `pfi`: those that the clinical table has.
        labels: Class labels by name.
        truth: For planted cohorts, the true latent factors: name -> values by row of `patients`.
        source: Where the data come from, as the manifest says.
        licence: Their licence, as the manifest says.
        notes: What came in, what was left out and why: one line each, for the reader.
    """

    name: str
    patients: tuple[str, ...]
    modalities: Mapping[str, Modality]
    endpoints: Mapping[str, Endpoint] = field(default_factory=dict)
    labels: Mapping[str, Label] = field(default_factory=dict)
    truth: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    source: str = ""
    licence: str = ""
    notes: tuple[str, ...] = ()

    def subset(self, patients: Iterable[str]) -> "Cohort":
        """The features of `patients` alone: no outcome, no label, no truth.

        This is what a method sees, so that it cannot learn from what it is judged by.
        """
        wanted = set(patients)
        kept = tuple(patient for patient in self.patients if patient in wanted)
        modalities = {name: modality.subset(kept) for name, modality in self.modalities.items()}
        return Cohort(self.name, kept, modalities)

    def complete(self) -> tuple[str, ...]:
        """The patients that have every modality, sorted."""
        having = [set(modality.patients) for modality in self.modalities.values()]
        return tuple(patient for patient in self.patients if all(patient in h for h in having))

    def fingerprint(self) -> str:
        """SHA-256 of everything a number can depend on: features, endpoints, labels."""
        digest = hashlib.sha256(self.name.encode())
        for name, modality in sorted(self.modalities.items()):
            digest.update(f"{name}:{modality.fingerprint()}".encode())
        for name, endpoint in sorted(self.endpoints.items()):
            rows = (name, endpoint.patients, endpoint.time.tolist(), endpoint.event.tolist())
            digest.update(repr(rows).encode())
        for name, label in sorted(self.labels.items()):
            digest.update(repr((name, sorted(label.values.items()), label.classes)).encode())
        return digest.hexdigest()

    def with_endpoints(self, endpoints: Mapping[str, Endpoint]) -> "Cohort":
        """The same cohort with other endpoints, for example permuted ones."""
        return replace(self, endpoints=endpoints)
