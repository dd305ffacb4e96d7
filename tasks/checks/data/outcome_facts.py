"""Endpoints, covariates and classes of a cohort's patients."""

from collections.abc import Collection, Iterator

import numpy as np

from tasks.checks.data.facts import Check, Fact, Weight, some
from tasks.checks.leaks.findings import Severity
from tasks.checks.leaks.polarity import audit_polarity
from tasks.data.cohort import Endpoint
from tasks.data.formats.clinical import read_endpoints
from tasks.data.formats.covariates import read_covariates
from tasks.data.formats.labels import read_label
from tasks.data.manifest import ClinicalSource, LabelSource
from tasks.errors import InputError

_FEWEST_EVENTS = 10
_FEWEST_OF_CLASS = 10
_LONGEST = 480.0  # months: nobody in TCGA is followed for 40 years
_WEIGHTS = {
    Severity.LEAK: Weight.PROBLEM,
    Severity.WARNING: Weight.WARNING,
    Severity.NOTE: Weight.FACT,
}


def verify_clinical(source: ClinicalSource | None, patients: Collection[str]) -> Iterator[Fact]:
    """Look at every endpoint and covariate of the cohort's patients."""
    if source is None:
        yield Fact("clinical", Check.OUTCOME, Weight.WARNING, "no clinical file, so no endpoint")
        return
    try:
        endpoints, notes = read_endpoints(source, patients)
    except InputError as error:
        yield Fact("clinical", Check.OUTCOME, Weight.PROBLEM, str(error))
        return
    facts = [fact for name, one in endpoints.items() for fact in _endpoint(name, one, patients)]
    for note in notes:
        part, _, text = note.partition(": ")
        if part not in endpoints or " left out: " in text:  # what else it says is said already
            facts.append(Fact(part, Check.OUTCOME, Weight.FACT, text))
    facts += _polarity(endpoints)
    order = ["clinical", *endpoints]
    yield from sorted(facts, key=lambda fact: order.index(fact.part))
    try:
        _, notes = read_covariates(source, patients)
    except InputError as error:
        yield Fact("clinical", Check.COVARIATES, Weight.PROBLEM, str(error))
        return
    for note in notes:
        text = note.removeprefix("clinical: ")
        weight = Weight.WARNING if "contradictory" in text else Weight.FACT
        yield Fact("clinical", Check.COVARIATES, weight, text)


def _endpoint(name: str, endpoint: Endpoint, patients: Collection[str]) -> Iterator[Fact]:
    n_patients = len(patients)
    n, events = len(endpoint.patients), int(endpoint.event.sum())
    if not n:
        yield Fact(
            name, Check.OUTCOME, Weight.PROBLEM, "nobody has a time and a status", 0, n_patients,
            "patients",
        )  # fmt: skip
        return
    enough = events >= _FEWEST_EVENTS and n - events >= _FEWEST_EVENTS
    yield Fact(
        name,
        Check.OUTCOME,
        Weight.FACT if enough else Weight.WARNING,
        f"{events} events ({events / n:.0%}), times of {endpoint.time.min():.1f} to "
        f"{endpoint.time.max():.1f} months, {np.median(endpoint.time):.1f} in the median"
        + ("" if enough else "; too few events, or too few without, to score by"),
        n,
        n_patients,
        "patients",
    )
    for what, found in (
        ("times of zero: they say nothing of the order of events", endpoint.time == 0),
        (f"times beyond {_LONGEST:g} months: days read as months?", endpoint.time > _LONGEST),
    ):
        if found.any():
            yield Fact(
                name, Check.TIMES, Weight.WARNING, what, int(found.sum()), n, "patients",
                some(endpoint.patients[i] for i in np.flatnonzero(found)),
            )  # fmt: skip


def _polarity(endpoints: dict[str, Endpoint]) -> Iterator[Fact]:
    """As the audit says it: against what is published of the TCGA project."""
    for checked in audit_polarity("", endpoints):
        part = checked.where.removeprefix(": ").partition(",")[0] or "clinical"
        for found in checked.findings:
            yield Fact(
                part, Check.POLARITY, _WEIGHTS[found.severity], f"{found.summary}: {found.advice}",
                found.n, found.total, found.unit, found.examples[:5],
            )  # fmt: skip
        if checked.skipped:
            text = f"polarity not checked: {checked.skipped}"
            yield Fact(part, Check.POLARITY, Weight.FACT, text)
        elif not checked.findings and part in endpoints:
            yield Fact(
                part, Check.POLARITY, Weight.FACT,
                "nothing speaks against the value that is taken for an event",
            )  # fmt: skip


def verify_label(name: str, source: LabelSource, patients: Collection[str]) -> Iterator[Fact]:
    """Look at the classes of the cohort's patients."""
    try:
        label, notes = read_label(name, source, patients)
    except InputError as error:
        yield Fact(name, Check.CLASSES, Weight.PROBLEM, str(error))
        return
    for note in notes:
        yield Fact(name, Check.CLASSES, Weight.FACT, note.removeprefix(f"{name}: "))
    values = list(label.values.values())
    few = [f"{c} {values.count(c)}" for c in label.classes if values.count(c) < _FEWEST_OF_CLASS]
    if few:
        yield Fact(
            name, Check.CLASSES, Weight.WARNING,
            f"classes of fewer than {_FEWEST_OF_CLASS} patients", len(few), len(label.classes),
            "classes", tuple(few[:5]),
        )  # fmt: skip
