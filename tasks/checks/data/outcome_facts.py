"""Endpoints, covariates and classes of a cohort's patients."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

import numpy as np

from tasks.checks.finding import Check, Finding, Severity, counted
from tasks.checks.leaks.polarity import endpoint_order, endpoint_polarity
from tasks.data.cohort import Endpoint, Label, VectorModality
from tasks.data.formats.clinical import read_endpoints
from tasks.data.formats.covariates import read_covariates
from tasks.data.formats.labels import read_label
from tasks.data.manifest import ClinicalSource, LabelSource
from tasks.data.notes import About
from tasks.errors import InputError

_FEWEST_EVENTS = 10
_FEWEST_OF_CLASS = 10
_LONGEST = 480.0  # months: nobody in TCGA is followed for 40 years


def verify_clinical(
    source: ClinicalSource | None, patients: Collection[str]
) -> tuple[list[Finding], Mapping[str, Endpoint], VectorModality | None]:
    """Look at every endpoint and covariate of the cohort's patients.

    Returns:
        What is so, the endpoints and the covariates, those that can be read.
    """
    if source is None:
        text = "no clinical file, so no endpoint"
        return [Finding("clinical", Check.OUTCOME, Severity.WARNING, text)], {}, None
    try:
        endpoints, notes = read_endpoints(source, patients)
    except InputError as error:
        return [Finding("clinical", Check.OUTCOME, Severity.PROBLEM, str(error))], {}, None
    facts = [fact for name, one in endpoints.items() for fact in _endpoint(name, one, patients)]
    facts += [
        Finding(note.part, Check.OUTCOME, Severity.NOTE, note.text)
        for note in notes
        if note.part not in endpoints or note.about is About.LEFT_OUT  # the rest is said already
    ]
    facts += _polarity(endpoints)
    order = ["clinical", *endpoints]
    facts.sort(key=lambda fact: order.index(fact.where))
    try:
        covariates, notes = read_covariates(source, patients)
    except InputError as error:
        facts.append(Finding("clinical", Check.COVARIATES, Severity.PROBLEM, str(error)))
        return facts, endpoints, None
    for note in notes:
        doubt = note.about is About.CONTRADICTION
        severity = Severity.WARNING if doubt else Severity.NOTE
        facts.append(Finding(note.part, Check.COVARIATES, severity, note.text))
    return facts, endpoints, covariates


def _endpoint(name: str, endpoint: Endpoint, patients: Collection[str]) -> Iterator[Finding]:
    n_patients = len(patients)
    n, events = len(endpoint.patients), int(endpoint.event.sum())
    if not n:
        yield Finding(
            name, Check.OUTCOME, Severity.PROBLEM, "nobody has a time and a status", 0, n_patients,
            "patients",
        )  # fmt: skip
        return
    enough = events >= _FEWEST_EVENTS and n - events >= _FEWEST_EVENTS
    yield Finding(
        name,
        Check.OUTCOME,
        Severity.NOTE if enough else Severity.WARNING,
        f"{events} events ({events / n:.0%}), times of {endpoint.time.min():.1f} to "
        f"{endpoint.time.max():.1f} months, {np.median(endpoint.time):.1f} in the median"
        + ("" if enough else "; too few events, or too few without, to score by"),
        n,
        n_patients,
        "patients",
    )
    for what, wrong in (
        ("times of zero: they say nothing of the order of events", endpoint.time == 0),
        (f"times beyond {_LONGEST:g} months: days read as months?", endpoint.time > _LONGEST),
    ):
        who = [endpoint.patients[i] for i in np.flatnonzero(wrong)]
        yield from counted(name, Check.TIMES, Severity.WARNING, what, who, n, "patients")


def _polarity(endpoints: Mapping[str, Endpoint]) -> Iterator[Finding]:
    """As the audit says it: against what is published of the TCGA project."""
    if not endpoints:
        text = "polarity not checked: there is no endpoint"
        yield Finding("clinical", Check.POLARITY, Severity.NOTE, text)
    for name, endpoint in endpoints.items():
        for _, finding in endpoint_polarity(name, endpoint):
            yield _as_fact(finding)
    if {"os", "dss"} <= set(endpoints):
        order = endpoint_order("clinical", endpoints["os"], endpoints["dss"])
        if order.is_there:
            yield _as_fact(order)


def _as_fact(finding: Finding) -> Finding:
    """A finding of the audit as a verification says it."""
    if finding.severity is Severity.CLEAN:
        text = "nothing speaks against the value that is taken for an event"
        return Finding(finding.where, Check.POLARITY, Severity.NOTE, text)
    if finding.severity is Severity.SKIPPED:
        text = f"polarity not checked: {finding.summary}"
        return Finding(finding.where, Check.POLARITY, Severity.NOTE, text)
    summary = f"{finding.summary}: {finding.advice}"
    return replace(finding, check=Check.POLARITY, summary=summary, advice="")


def verify_label(
    name: str, source: LabelSource, patients: Collection[str]
) -> tuple[list[Finding], Label | None]:
    """Look at the classes of the cohort's patients; what is so, and the label if it can be read."""
    try:
        label, notes = read_label(name, source, patients)
    except InputError as error:
        return [Finding(name, Check.CLASSES, Severity.PROBLEM, str(error))], None
    facts = [Finding(name, Check.CLASSES, Severity.NOTE, note.text) for note in notes]
    values = list(label.values.values())
    few = [f"{c} {values.count(c)}" for c in label.classes if values.count(c) < _FEWEST_OF_CLASS]
    what = f"classes of fewer than {_FEWEST_OF_CLASS} patients"
    n = len(label.classes)
    return facts + counted(name, Check.CLASSES, Severity.WARNING, what, few, n, "classes"), label
