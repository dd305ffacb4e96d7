"""What a cohort is and what it is not good for, computed from its files."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tasks.checks.finding import Check, Finding, Severity
from tasks.checks.leaks.circular_labels import audit_label
from tasks.checks.leaks.rows import bag_rows, pooled
from tasks.checks.leaks.sites import audit_label_by_site, audit_site_signature
from tasks.data.cohort import BagModality, Cohort, Endpoint, Label, VectorModality
from tasks.data.formats.bags import find_slides
from tasks.data.formats.vectors import find_samples
from tasks.data.load import load_cohort
from tasks.data.manifest import BagSource, Manifest, read_manifest
from tasks.data.union import PROJECT
from tasks.metrics.time_to_event import Outcomes, median_follow_up

FEW = 100
"""Events, and patients without, below which a C-index or AUROC is too uncertain to compare by
(Collins et al., Stat Med 35:214, 2016)."""


@dataclass(frozen=True)
class SideFacts:
    """A modality: how many patients have it, and its features."""

    n_patients: int
    width: int


@dataclass(frozen=True)
class Bags:
    """The slides of a cohort whose patients are bags.

    Attributes:
        n_slides: Slides.
        n_instances: Instances of all slides.
        fewest: Instances of the smallest slide.
        median: Of the middle one.
        most: Of the largest one.
    """

    n_slides: int
    n_instances: int
    fewest: int
    median: float
    most: int


@dataclass(frozen=True)
class EndpointFacts:
    """An endpoint among the patients with both sides.

    Attributes:
        name: Of the endpoint.
        n_patients: Those for whom it is known.
        n_events: Events among them.
        follow_up: Median, in months, by the reverse Kaplan-Meier estimator; NaN if it is not
            reached.
    """

    name: str
    n_patients: int
    n_events: int
    follow_up: float


@dataclass(frozen=True)
class LabelFacts:
    """A label among the patients with both sides.

    Attributes:
        name: Of the label.
        counts: Class -> its patients.
        called_from: Who called it from what; empty if nobody says.
    """

    name: str
    counts: Mapping[str, int]
    called_from: str


@dataclass(frozen=True)
class Card:
    """A cohort at a glance.

    Attributes:
        name: The cohort's.
        members: Names of the cohorts that it is a union of.
        source: Where its data come from.
        licence: What they may be used for.
        encoder: What made its slide features.
        pretrained_on: Whose slides that had been trained on.
        n_patients: With either side.
        n_complete: With both, of whom endpoints and labels are told.
        sides: By modality.
        bags: Its slides; None where a slide or a patient is one vector.
        left_out: Why slides were left out -> how many.
        endpoints: In the cohort's order.
        labels: Likewise.
        limits: What it is not good for.
        note: What whoever uses it must know, as its manifest says.
    """

    name: str
    members: tuple[str, ...]
    source: str
    licence: str
    encoder: str
    pretrained_on: tuple[str, ...]
    n_patients: int
    n_complete: int
    sides: Mapping[str, SideFacts]
    bags: Bags | None
    left_out: Mapping[str, int]
    endpoints: tuple[EndpointFacts, ...]
    labels: tuple[LabelFacts, ...]
    limits: tuple[Finding, ...]
    note: str


def card_of(folder: Path) -> Card:
    """Look at a cohort.

    Raises:
        InputError: It cannot be loaded.
    """
    manifest, cohort = read_manifest(folder), load_cohort(folder)
    complete = cohort.complete()
    endpoints = {name: one.subset(complete) for name, one in cohort.endpoints.items()}
    labels = {name: one.subset(complete) for name, one in cohort.labels.items()}
    slides = cohort.modalities.get("wsi")
    return Card(
        cohort.name,
        cohort.members,
        cohort.source,
        cohort.licence,
        cohort.encoder,
        cohort.pretrained_on,
        len(cohort.patients),
        len(complete),
        {side: SideFacts(len(m.patients), m.width) for side, m in cohort.modalities.items()},
        _bags(slides) if isinstance(slides, BagModality) else None,
        _left_out(manifest),
        tuple(_endpoint(name, one) for name, one in endpoints.items()),
        tuple(_label(name, one) for name, one in labels.items()),
        tuple(_limits(manifest, cohort, endpoints, labels)),
        manifest.provenance.note,
    )


def _bags(slides: BagModality) -> Bags:
    counts = np.array([s.n_instances for of in slides.slides.values() for s in of])
    median = float(np.median(counts))
    return Bags(len(counts), int(counts.sum()), int(counts.min()), median, int(counts.max()))


def _left_out(manifest: Manifest) -> dict[str, int]:
    """Of slides alone; a union's are told of its members."""
    source = manifest.modalities.get("wsi")
    if source is None:
        return {}
    found = find_slides(source) if isinstance(source, BagSource) else find_samples(source)
    return {why: len(rows) for why, rows in found.selection.left_out.items()}


def _endpoint(name: str, endpoint: Endpoint) -> EndpointFacts:
    outcomes = Outcomes(endpoint.time, endpoint.event)
    n = len(endpoint.patients)
    return EndpointFacts(name, n, outcomes.n_events, median_follow_up(outcomes))


def _label(name: str, label: Label) -> LabelFacts:
    counts = Counter(label.values.values())
    return LabelFacts(name, {one: counts[one] for one in label.classes}, label.called_from)


def _limits(
    manifest: Manifest,
    cohort: Cohort,
    endpoints: Mapping[str, Endpoint],
    labels: Mapping[str, Label],
) -> Iterator[Finding]:
    if cohort.planted:
        text = "its patients are planted"
        yield _limit(cohort.name, Check.VALUES, text, "no number of it says anything of cancer")
    if cohort.members:
        text = f"{' and '.join(cohort.members)} differ in sites and processing as in tissue"
        advice = "no score of which member a patient is of stands without folds of whole sites"
        yield _limit(PROJECT, Check.COHORT_SIGNATURE, text, advice)
    for name, one in endpoints.items():
        n_events = int(one.event.sum())
        yield from _few(name, {"events": n_events, "without the event": len(one.event) - n_events})
    for name, label in labels.items():
        counts = Counter(label.values.values())
        yield from _few(name, {value: counts[value] for value in label.classes})
        signs = [audit_label_by_site(name, label)]
        if name != PROJECT:
            column = manifest.labels[name].column if name in manifest.labels else name
            signs += audit_label(name, name, label, column, cohort)
        yield from (sign for sign in signs if sign.is_there)
    yield from _limits_of_features(cohort)


def _few(where: str, counts: Mapping[str, int]) -> Iterator[Finding]:
    few = [f"{n} {what}" for what, n in counts.items() if n < FEW]
    if few:
        advice = f"fewer than {FEW}: small differences between methods are within chance"
        yield _limit(where, Check.OUTCOME, ", ".join(few), advice)


def _limits_of_features(cohort: Cohort) -> Iterator[Finding]:
    genes, slides = cohort.modalities.get("rna"), cohort.modalities.get("wsi")
    if isinstance(genes, VectorModality) and genes.zscores:
        text = "z-scores that somebody made of all patients, those of test folds too"
        advice = "never tell cohorts apart by them: the processing alone does"
        yield _limit("rna", Check.SCALE, text, advice)
    if cohort.pretrained_on:
        text = f"the slide encoder has seen {', '.join(cohort.pretrained_on)} slides"
        advice = "scores on those say less of slides from elsewhere"
        yield _limit("wsi", Check.VALUES, text, advice)
    if slides is not None:
        of_patients = pooled(bag_rows(slides)) if isinstance(slides, BagModality) else slides
        signature = audit_site_signature("wsi", of_patients)
        if signature.is_there:
            yield signature
    if isinstance(slides, VectorModality):
        advice = "nothing that looks at parts of a slide can be judged"
        yield _limit("wsi", Check.SIZES, "one vector a slide", advice)
    elif slides is not None and all(slides.spatial_order(p) is None for p in slides.patients[:1]):
        advice = "nothing that needs neighbours can be judged"
        yield _limit("wsi", Check.COORDINATES, "instances without coordinates", advice)


def _limit(where: str, check: Check, summary: str, advice: str) -> Finding:
    return Finding(where, check, Severity.WARNING, summary, advice=advice)
