"""Event polarity: whether 1 really means that the event happened.

A reversed event column changes no shape and raises no error, and published benchmarks have had one.
Patients of TCGA's tissue-source sites are compared with what the TCGA Clinical Data Resource says
of their project, by two things that reversal changes: the rate of events, and the median time of
events against that of censored patients. For other patients there are only rules of thumb.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import binom

from tasks.checks.finding import Check, Finding, Severity, clean, skipped, some
from tasks.checks.leaks.published_endpoints import (
    HIGHEST_RATE,
    PUBLISHED,
    PublishedOutcome,
    projects_of,
)
from tasks.data.cohort import Endpoint

MIN_PATIENTS = 20
"""Fewer than these say nothing."""

# A cohort is a selection out of a project (those with slides, one histology): how far its rate and
# the logarithm of its ratio of medians may lie from the project's beyond sampling error, as
# standard deviations.
_RATE_SHIFT = 0.07
_RATIO_SHIFT = 0.25
_MEDIAN_ERROR = 1.25  # of a median of log times: sqrt(pi / 2), times a spread of about 1
_MIN_GROUP = 8  # events, or censored patients, for a median of theirs

# Log-likelihood ratios for "reversed" against "as written".
_CERTAIN = 5.0
_LIKELY = 2.0
_MISFIT = 9.0  # squared standard deviations by which the data must miss what is published

_WRONG_UNIT = math.log(6.0)  # days read as months are 30 times too long

# In the 105 endpoints of projects with 60 patients and 5 events or more, the share of events among
# the tenth that was followed longest exceeds the whole's by 0.20 at most (PFI of UVM).
_TAIL = 0.1
_TAIL_EXCESS = 0.3
_TAIL_CHANCE = 0.01  # how rarely so many events must fall among so few by chance

_REVERSED = (
    "look up what 1 means in the source (PORPOISE and its family: censored; cBioPortal and most "
    "others: event) and declare it: format, or event_value"
)


_Judged = tuple[Severity, str, str, str]
"""Severity, summary, what is counted, and advice."""


@dataclass(frozen=True)
class Evidence:
    """How well an endpoint fits what is published, as written and reversed.

    Attributes:
        misfit: Sum of squared standard deviations from what is published.
        reversed_misfit: The same of the endpoint with its events reversed.
        scale: Mean logarithm of the ratio of observed to published medians; NaN if unknown.
    """

    misfit: float
    reversed_misfit: float
    scale: float

    @property
    def ratio(self) -> float:
        """Log-likelihood ratio; positive where the reversed endpoint fits better."""
        return (self.misfit - self.reversed_misfit) / 2


def audit_polarity(where: str, endpoints: Mapping[str, Endpoint]) -> tuple[Finding, ...]:
    """Check each endpoint, project by project, and the endpoints against each other.

    Args:
        where: The cohort or table.
        endpoints: By name; of `os`, `dss`, `dfi`, `pfi` something is published.
    """
    if not endpoints:
        return (skipped(where, Check.EVENT_POLARITY, "there is no endpoint"),)
    findings = [
        replace(finding, where=f"{where}: {name}" + (f", {project}" if project else ""))
        for name, endpoint in sorted(endpoints.items())
        for project, finding in endpoint_polarity(name, endpoint)
    ]
    if {"os", "dss"} <= set(endpoints):
        findings.append(endpoint_order(where, endpoints["os"], endpoints["dss"]))
    return tuple(findings)


def endpoint_polarity(name: str, endpoint: Endpoint) -> Iterator[tuple[str, Finding]]:
    """Check one endpoint: a finding a TCGA project; the project's name is empty for the others."""
    for project, part in _by_project(endpoint).items():
        n = len(part.patients)
        published = PUBLISHED.get(project, {}).get(name)
        if n < MIN_PATIENTS:
            reason = f"{n} patients, {MIN_PATIENTS} are needed"
            yield project, skipped(name, Check.EVENT_POLARITY, reason)
            continue
        if published is None or published.n_patients < MIN_PATIENTS:
            judged = _by_thumb(part)
        else:
            judged = _against_published(part, project, published)
        if judged is None:
            yield project, clean(name, Check.EVENT_POLARITY)
            continue
        severity, summary, unit, advice = judged
        concerned = n if unit == "patients" else int(part.event.sum())
        check = Check.EVENT_POLARITY
        yield project, Finding(name, check, severity, summary, concerned, n, unit, (), advice)


def evidence(endpoint: Endpoint, published: PublishedOutcome) -> Evidence:
    """Compare an endpoint with a project's, as written and reversed."""
    n, event = len(endpoint.patients), endpoint.event
    rate = float(event.mean())
    spread = published.rate * (1 - published.rate) * (1 / n + 1 / published.n_patients)
    variance = spread + _RATE_SHIFT**2
    misfit = (rate - published.rate) ** 2 / variance
    reversed_misfit = (1 - rate - published.rate) ** 2 / variance
    scale = math.nan
    sizes = (int(event.sum()), int((~event).sum()))
    if min(sizes) >= _MIN_GROUP:
        medians = [float(np.median(endpoint.time[event == happened])) for happened in (True, False)]
        if min(medians) > 0:
            observed = math.log(medians[0] / medians[1])
            expected = math.log(published.event_months / published.censored_months)
            n_censored = published.n_patients - published.n_events
            counts = (*sizes, published.n_events, n_censored)
            variance = _MEDIAN_ERROR**2 * sum(1 / max(k, 1) for k in counts) + _RATIO_SHIFT**2
            misfit += (observed - expected) ** 2 / variance
            reversed_misfit += (-observed - expected) ** 2 / variance
            product = published.event_months * published.censored_months
            scale = math.log(medians[0] * medians[1] / product) / 2
    return Evidence(misfit, reversed_misfit, scale)


def _by_project(endpoint: Endpoint) -> dict[str, Endpoint]:
    """The endpoint of the patients of each TCGA project; of the others under the empty name."""
    projects = projects_of(endpoint.patients)
    rows: dict[str, list[int]] = defaultdict(list)
    for row, patient in enumerate(endpoint.patients):
        rows[projects.get(patient, "")].append(row)
    return {
        project: Endpoint(
            tuple(endpoint.patients[row] for row in found),
            endpoint.time[found],
            endpoint.event[found],
        )
        for project, found in sorted(rows.items())
    }


def _against_published(
    endpoint: Endpoint, project: str, published: PublishedOutcome
) -> _Judged | None:
    seen = evidence(endpoint, published)
    rates = f"{endpoint.event.mean():.0%} have the event"
    theirs = f"TCGA-CDR has {published.rate:.0%} in {project}"
    medians = _medians(endpoint, published)
    if seen.ratio >= _LIKELY:
        certain = seen.ratio >= _CERTAIN and seen.misfit >= _MISFIT > seen.reversed_misfit
        reversed_ = f"events {'are' if certain else 'may be'} reversed: {rates}, {theirs}{medians}"
        return Severity.PROBLEM if certain else Severity.WARNING, reversed_, "events", _REVERSED
    if abs(seen.scale) >= _WRONG_UNIT:
        return (
            Severity.WARNING,
            f"times are {math.exp(seen.scale):.3g} times those of {project} in TCGA-CDR",
            "patients",
            "check the unit of time: declare days or months as the source has it",
        )
    if seen.misfit >= 2 * _MISFIT:
        return (
            Severity.WARNING,
            f"events are unlike what is published, either way round: {rates}, {theirs}{medians}",
            "events",
            "check which patients were selected, and the endpoint's source",
        )
    if seen.ratio > -_LIKELY:
        return (
            Severity.NOTE,
            f"polarity cannot be told: {rates}, {theirs}; reversed, it would look much the same",
            "events",
            "look up what 1 means in the source",
        )
    return None


def _medians(endpoint: Endpoint, published: PublishedOutcome) -> str:
    event, time = endpoint.event, endpoint.time
    if not event.any() or event.all():
        return ""
    return (
        f"; median {np.median(time[event]):.1f} months of events and {np.median(time[~event]):.1f}"
        f" of the censored, published {published.event_months} and {published.censored_months}"
    )


def _by_thumb(endpoint: Endpoint) -> _Judged | None:
    """Rules of thumb: nearly everybody has the event, or those followed longest all have it."""
    n, event = len(endpoint.patients), endpoint.event
    rate = float(event.mean())
    longest = np.argsort(endpoint.time, kind="stable")[-max(MIN_PATIENTS // 2, int(n * _TAIL)) :]
    k = int(event[longest].sum())
    tail = k / len(longest)
    reasons = []
    if rate > HIGHEST_RATE:
        reasons.append(
            f"{rate:.0%} have the event; no published cohort at hand has over {HIGHEST_RATE:.0%}"
        )
    if tail - rate > _TAIL_EXCESS and binom.sf(k - 1, len(longest), rate) < _TAIL_CHANCE:
        reasons.append(
            f"of those followed longest {tail:.0%} have the event, of all {rate:.0%}; who is "
            "followed to the end of a study is mostly censored"
        )
    if not reasons:
        return None
    return Severity.WARNING, f"events may be reversed: {'; '.join(reasons)}", "events", _REVERSED


def endpoint_order(where: str, overall: Endpoint, specific: Endpoint) -> Finding:
    """Who died of the disease has died: in TCGA-CDR without exception."""
    died = dict(zip(overall.patients, overall.event, strict=True))
    both = [
        (patient, bool(of_disease), bool(died[patient]))
        for patient, of_disease in zip(specific.patients, specific.event, strict=True)
        if patient in died
    ]
    wrong = [patient for patient, of_disease, dead in both if of_disease and not dead]
    if not wrong:
        return clean(where, Check.ENDPOINT_ORDER)
    many = len(wrong) >= max(3, 0.01 * len(both))
    return Finding(
        where,
        Check.ENDPOINT_ORDER,
        Severity.PROBLEM if many else Severity.WARNING,
        "patients who died of the disease (dss) but did not die (os)"
        + ("; one of the two, or both, are reversed" if many else ""),
        len(wrong),
        len(both),
        "patients",
        some(wrong),
        _REVERSED if many else "mend these rows",
    )
