"""Cohort: patients, their modalities, endpoints and labels, as methods and tasks see them."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from tasks.short_repr import short_repr

DAYS_PER_MONTH = 365.25 / 12

SIDES = ("wsi", "rna")
"""The two modalities of a pair: slides and expression."""

Features = NDArray[np.float32] | NDArray[np.float16]

ENDPOINTS = ("os", "dss", "dfi", "pfi")
"""Overall and disease-specific survival, disease-free and progression-free interval."""


class Kind(StrEnum):
    """How a modality is shaped: a bag of instances per patient, or one vector per patient."""

    BAG = "bag"
    VECTOR = "vector"


class LabelKind(StrEnum):
    """What a label's classes are.

    Attributes:
        CLASS: Kinds of tumour: histology, a molecular subtype, a stage or grade.
        MUTATION: Whether a gene is mutated, which the label is named after.
    """

    CLASS = "class"
    MUTATION = "mutation"


MUTATED = ("wild-type", "mutated")
"""The classes of a mutation, in the cohorts that are written here."""


@dataclass(frozen=True)
class Selection:
    """That genes are to be selected by a label, fold by fold (`tasks.data.fold_expression`).

    Attributes:
        label: The label of the cohort that the training patients' classes are taken from.
        always: Features that are kept whatever is selected.
    """

    label: str
    always: tuple[str, ...] = ()


@short_repr
@dataclass(frozen=True)
class VectorModality:
    """One vector per patient.

    Attributes:
        patients: Row order of `values`, sorted.
        values: float32 [n_patients, width]; NaN is a missing cell.
        features: Column names, for example gene symbols.
        ranked: Whether each column is to be replaced by its ranks among training patients.
        selection: How columns are to be selected, None to keep all.
        gene_sets: Sets of columns that belong together, by name; they may overlap.
        zscores: Whether somebody else standardised each column over the cohort.
        members: Where that was done within each member of a union, the member of each patient:
            columns are to be replaced by their ranks within it; else empty.
    """

    patients: tuple[str, ...]
    values: NDArray[np.float32]
    features: tuple[str, ...]
    ranked: bool = False
    selection: Selection | None = None
    gene_sets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    zscores: bool = False
    members: Mapping[str, str] = field(default_factory=dict)
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
        return replace(self, patients=kept, values=self.values[rows])

    def rows(self, patients: Iterable[str]) -> NDArray[np.float32]:
        """The values of `patients` in their order, float32 [n, width]."""
        index = {patient: row for row, patient in enumerate(self.patients)}
        return self.values[[index[patient] for patient in patients]]

    def columns(self, features: Sequence[str]) -> NDArray[np.float32]:
        """The columns of `features` in their order, float32 [n_patients, n]."""
        index = {feature: column for column, feature in enumerate(self.features)}
        return self.values[:, [index[feature] for feature in features]]

    def fingerprint(self) -> str:
        """SHA-256 of the patients, the feature names, the values and what was declared of them."""
        digest = hashlib.sha256(repr((self.patients, self.features)).encode())
        if self.ranked or self.selection or self.gene_sets:
            declared = (self.ranked, self.selection, sorted(self.gene_sets.items()))
            digest.update(repr(declared).encode())
        if self.members:
            digest.update(repr(sorted(self.members.items())).encode())
        digest.update(np.ascontiguousarray(self.values).tobytes())
        return digest.hexdigest()


def _nowhere() -> None:
    """The coordinates of a file that has none."""


@short_repr
@dataclass(frozen=True)
class Slide:
    """One slide's instances on disk; they are read when asked for and never kept.

    Attributes:
        name: The slide's barcode.
        n_instances: Number of patches, more than zero.
        content: SHA-256 of the features as float32, so that a copied file is the same data.
        read: Reads the features, float32 [n_instances, width]; picklable.
        coordinates: Reads where the patches lie on the slide, (x, y) [n_instances, 2], or None if
            the file does not say; picklable.
        pick: Reads the features of some rows into an array at about the cost of their bytes;
            picklable. Without it, all are read.
        half: Whether float16 holds every feature exactly, as the file that keeps them so does.
    """

    name: str
    n_instances: int
    content: str
    read: Callable[[], NDArray[np.float32]]
    coordinates: Callable[[], NDArray[np.float64] | None] = _nowhere
    pick: Callable[[NDArray[np.intp], Features], None] | None = None
    half: bool = False

    def read_into(self, out: Features, rows: NDArray[np.intp]) -> None:
        """Read the features of some patches, in the order of `rows`, into `out`.

        Args:
            out: float32, or float16 if the slide is `half`, [len(rows), width], C-contiguous.
            rows: Of the slide, repeats allowed.
        """
        if self.pick is None:
            out[:] = self.read()[rows]
        else:
            self.pick(rows, out)

    def spatial_order(self) -> NDArray[np.intp] | None:
        """The patches in the order of their rows on the slide; None without coordinates."""
        xy = self.coordinates()
        return None if xy is None else np.lexsort(xy.T)


@short_repr
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

    @property
    def dtype(self) -> np.dtype[np.float32] | np.dtype[np.float16]:
        """The smallest type that holds every feature exactly: float16 or float32."""
        half = all(slide.half for slides in self.slides.values() for slide in slides)
        return np.dtype(np.float16) if half else np.dtype(np.float32)

    def n_instances(self, patient: str) -> int:
        """Number of instances of one patient."""
        return sum(slide.n_instances for slide in self.slides[patient])

    def read(self, patient: str) -> NDArray[np.float32]:
        """All instances of one patient, float32 [n_instances, width]."""
        slides = self.slides[patient]
        if len(slides) == 1:
            return slides[0].read()
        found = np.empty((self.n_instances(patient), self.width), dtype=np.float32)
        start = 0
        for slide in slides:
            found[start : start + slide.n_instances] = slide.read()
            start += slide.n_instances
        return found

    def read_rows(self, patient: str, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """Some instances of one patient: `read(patient)[rows]` for about the bytes of the rows.

        Args:
            patient: Whose.
            rows: Of the bag, in any order, repeats allowed.

        Returns:
            float32 [len(rows), width].
        """
        found = np.empty((len(rows), self.width), dtype=np.float32)
        self.read_into(found, patient, rows)
        return found

    def read_into(self, out: Features, patient: str, rows: NDArray[np.intp]) -> None:
        """`read_rows` into a part of a batch: one that is filled again and again costs half.

        Args:
            out: Of float32 or of `dtype`, [len(rows), width], C-contiguous.
            patient: Whose.
            rows: Of the bag, in any order, repeats allowed.
        """
        slides = self.slides[patient]
        if len(slides) == 1:
            slides[0].read_into(out, rows)
            return
        start = 0
        for slide in slides:
            inside = np.flatnonzero((rows >= start) & (rows < start + slide.n_instances))
            part = np.empty((len(inside), self.width), out.dtype)
            slide.read_into(part, rows[inside] - start)
            out[inside] = part
            start += slide.n_instances

    def spatial_order(self, patient: str) -> NDArray[np.intp] | None:
        """Rows of the bag, each slide's as they lie on the slide; None without coordinates."""
        parts: list[NDArray[np.intp]] = []
        start = 0
        for slide in self.slides[patient]:
            order = slide.spatial_order()
            if order is None:
                return None
            parts.append(start + order)
            start += slide.n_instances
        return np.concatenate(parts)

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


@short_repr
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

    def subset(self, patients: Iterable[str]) -> "Endpoint":
        """The endpoint of `patients` alone; those it does not know are skipped."""
        wanted = set(patients)
        rows = [row for row, patient in enumerate(self.patients) if patient in wanted]
        kept = tuple(self.patients[row] for row in rows)
        return Endpoint(kept, self.time[rows], self.event[rows])


@short_repr
@dataclass(frozen=True)
class Label:
    """A class per patient.

    Attributes:
        values: Class of each patient that has one of `classes`.
        classes: Class names in their declared order.
        derived_from: The modality that the label was called from, or `clinical`, if any: circular
            as a test of it.
        kind: What the classes are; of a mutation there are two, and the second is mutated.
        called_from: Who called it from what, for the reader.
    """

    values: Mapping[str, str]
    classes: tuple[str, ...]
    derived_from: str | None = None
    kind: LabelKind = LabelKind.CLASS
    called_from: str = ""

    def subset(self, patients: Iterable[str]) -> "Label":
        """The label of `patients` alone; those it does not know are skipped."""
        wanted = set(patients)
        return replace(self, values={p: c for p, c in self.values.items() if p in wanted})


@short_repr
@dataclass(frozen=True)
class Precomputed:
    """Embeddings that somebody made elsewhere, a vector a patient.

    Attributes:
        side: What they are of, `wsi` or `rna`.
        vectors: Of the cohort's patients who have some.
        pretrained_on: What the model that made them has seen, as whoever declares them says.
        pairs: The cohort's patients with every modality, as it was loaded.
        covered: How many of these have an embedding.
    """

    side: str
    vectors: VectorModality
    pretrained_on: tuple[str, ...]
    pairs: int
    covered: int

    def subset(self, patients: Iterable[str]) -> "Precomputed":
        """Those of `patients` alone; what the whole cohort has is still known."""
        return replace(self, vectors=self.vectors.subset(patients))


@dataclass(frozen=True)
class Cohort:
    """A cohort of patients; a patient enters with every modality it has.

    Attributes:
        name: For example `TCGA-BRCA`.
        patients: Every patient with at least one modality, sorted.
        modalities: `wsi` (slides) and `rna` (expression).
        endpoints: `os`, `dss`, `dfi`, `pfi`: those that the clinical table has.
        labels: Class labels by name.
        clinical: Age in years, sex (1 male) and stage (1 to 4), NaN where unknown: features that
            a method may see, not a modality of the pair. None where the cohort has none.
        truth: For planted cohorts, the true latent factors: name -> values by row of `patients`.
        source: Where the data come from, as the manifest says.
        licence: Their licence, as the manifest says.
        notes: What came in, what was left out and why: one line each, for the reader.
        members: Names of the cohorts that it is a union of; none if it is one itself.
        planted: Whether its patients are planted: its numbers say nothing about cancer.
        encoder: What made the slide features, empty if that is not declared.
        pretrained_on: Whose slides that had been trained on, without labels.
        sites: Where each patient comes from, where a table says so and not its barcode.
        held_out: Patients who are tested and never learnt from: of a transfer, its second cohort's.
        embeddings: Those that were made elsewhere, by name: what one method reads and no other, so
            that they are no part of the fingerprint.
    """

    name: str
    patients: tuple[str, ...]
    modalities: Mapping[str, Modality]
    endpoints: Mapping[str, Endpoint] = field(default_factory=dict)
    labels: Mapping[str, Label] = field(default_factory=dict)
    clinical: VectorModality | None = None
    truth: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    source: str = ""
    licence: str = ""
    notes: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    planted: bool = False
    encoder: str = ""
    pretrained_on: tuple[str, ...] = ()
    held_out: tuple[str, ...] = ()
    sites: Mapping[str, str] = field(default_factory=dict)
    embeddings: Mapping[str, Precomputed] = field(default_factory=dict)

    def __repr__(self) -> str:
        """About five lines, and not its arrays."""
        of = f" of {', '.join(self.members)}" if self.members else ""
        planted = ", planted" if self.planted else ""
        events = (f"{k} ({e.event.sum()} of {len(e.event)})" for k, e in self.endpoints.items())
        labels = (f"{k} ({len(v.classes)} classes)" for k, v in self.labels.items())
        return "\n".join(
            [
                f"Cohort {self.name}{of}: {len(self.patients)} patients, {len(self.complete())} "
                f"with every modality{planted}",
                *(
                    f"  {name}: {modality.kind} of {modality.width}, "
                    f"{len(modality.patients)} patients"
                    for name, modality in self.modalities.items()
                ),
                f"  endpoints (events): {', '.join(events) or 'none'}",
                f"  labels: {', '.join(labels) or 'none'}",
            ]
        )

    def subset(self, patients: Iterable[str]) -> "Cohort":
        """The features of `patients` alone: no outcome, no label, no truth.

        This is what a method sees, so that it cannot learn from what it is judged by.
        """
        wanted = set(patients)
        kept = tuple(patient for patient in self.patients if patient in wanted)
        modalities = {name: modality.subset(kept) for name, modality in self.modalities.items()}
        clinical = None if self.clinical is None else self.clinical.subset(kept)
        embeddings = {name: one.subset(kept) for name, one in self.embeddings.items()}
        return Cohort(
            self.name,
            kept,
            modalities,
            clinical=clinical,
            planted=self.planted,
            embeddings=embeddings,
        )

    def complete(self, sides: Iterable[str] | None = None) -> tuple[str, ...]:
        """The patients that have every modality, or every one of `sides`, sorted."""
        wanted = self.modalities if sides is None else sides
        having = [set(self.modalities[side].patients) for side in wanted]
        return tuple(patient for patient in self.patients if all(patient in h for h in having))

    def fingerprint(self) -> str:
        """SHA-256 of everything a number can depend on: features, endpoints, labels."""
        digest = hashlib.sha256(self.name.encode())
        for name, modality in sorted(self.modalities.items()):
            digest.update(f"{name}:{modality.fingerprint()}".encode())
        if self.clinical is not None:
            digest.update(f"clinical:{self.clinical.fingerprint()}".encode())
        for name, endpoint in sorted(self.endpoints.items()):
            rows = (name, endpoint.patients, endpoint.time.tolist(), endpoint.event.tolist())
            digest.update(repr(rows).encode())
        for name, label in sorted(self.labels.items()):
            digest.update(repr((name, sorted(label.values.items()), label.classes)).encode())
        return digest.hexdigest()
