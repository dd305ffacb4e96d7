"""Event polarity, judged on outcomes drawn as published and, where they are, on the real ones."""

import gzip
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.checks.finding import Check, Finding, Severity
from tasks.checks.leaks.polarity import audit_polarity, evidence
from tasks.checks.leaks.published_endpoints import (
    HIGHEST_RATE,
    PROJECT_OF_SITE,
    PUBLISHED,
    PublishedOutcome,
    projects_of,
)
from tasks.data.cohort import DAYS_PER_MONTH, Endpoint
from tasks.seeds import generator
from tests.helpers.real import SHARED


def drawn(project: str, name: str, n: int, *axes: str | int) -> Endpoint:
    """An endpoint of a project's site with its published rate and medians, times log-normal."""
    published = PUBLISHED[project][name]
    rng = generator("polarity", project, name, n, *axes)
    event = np.arange(n) < round(published.rate * n)
    median = np.where(event, published.event_months, published.censored_months)
    site = next(site for site, owner in sorted(PROJECT_OF_SITE.items()) if owner == project)
    patients = tuple(f"TCGA-{site}-{i:04d}" for i in range(n))
    return Endpoint(patients, median * rng.lognormal(0, 0.8, n), event)


def reverse(endpoint: Endpoint) -> Endpoint:
    return Endpoint(endpoint.patients, endpoint.time, ~endpoint.event)


def severities(
    findings: tuple[Finding, ...], wanted: Check = Check.EVENT_POLARITY
) -> set[Severity]:
    return {f.severity for f in findings if f.check is wanted and f.is_there}


CLEAR = [(p, e) for p in ("BRCA", "PRAD", "KIRP", "STAD", "GBM", "UCEC") for e in ("os", "pfi")]


@pytest.mark.parametrize(("project", "name"), CLEAR)
@pytest.mark.parametrize("n", [120, 600])
def test_reversed_events_are_a_leak_and_straight_ones_are_not(
    project: str, name: str, n: int
) -> None:
    endpoint = drawn(project, name, n)
    assert not severities(audit_polarity("x", {name: endpoint})) & {
        Severity.PROBLEM,
        Severity.WARNING,
    }
    found = severities(audit_polarity("x", {name: reverse(endpoint)}))
    assert found & {Severity.PROBLEM, Severity.WARNING}
    if abs(PUBLISHED[project][name].rate - 0.5) > 0.25:
        assert found == {Severity.PROBLEM}


def test_what_cannot_be_told_is_said() -> None:
    for endpoint in (drawn("SKCM", "os", 400), reverse(drawn("SKCM", "os", 400))):
        (checked,) = audit_polarity("x", {"os": endpoint})
        assert checked.severity is Severity.NOTE
        assert "cannot be told" in checked.summary


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 200), st.floats(0.05, 0.95), st.integers(0, 10**6))
def test_evidence_is_antisymmetric(n: int, rate: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    patients = tuple(map(str, range(n)))
    endpoint = Endpoint(patients, rng.lognormal(3, 1, n), rng.random(n) < rate)
    published = PUBLISHED["LUAD"]["os"]
    one, other = evidence(endpoint, published), evidence(reverse(endpoint), published)
    assert math.isclose(one.ratio, -other.ratio, abs_tol=1e-9)
    assert math.isclose(one.misfit, other.reversed_misfit, abs_tol=1e-9)


def test_evidence_by_hand() -> None:
    # 3 of 10 patients, too few of either for medians: the rate alone.
    endpoint = Endpoint(tuple("abcdefghij"), np.ones(10), np.arange(10) < 3)
    found = evidence(endpoint, PublishedOutcome(100, 20, 10.0, 20.0))
    variance = 0.2 * 0.8 * (1 / 10 + 1 / 100) + 0.07**2
    assert math.isclose(found.misfit, 0.1**2 / variance)
    assert math.isclose(found.reversed_misfit, 0.5**2 / variance)
    assert math.isnan(found.scale)


def test_days_taken_for_months() -> None:
    endpoint = drawn("BRCA", "os", 300)
    wrong = Endpoint(endpoint.patients, endpoint.time * DAYS_PER_MONTH, endpoint.event)
    (checked,) = audit_polarity("x", {"os": wrong})
    assert checked.severity is Severity.WARNING
    assert "check the unit" in checked.advice


def test_projects_are_judged_apart() -> None:
    brca, prad = reverse(drawn("BRCA", "os", 200)), drawn("PRAD", "os", 200)
    both = Endpoint(
        brca.patients + prad.patients,
        np.concatenate([brca.time, prad.time]),
        np.concatenate([brca.event, prad.event]),
    )
    found = {f.where: f for f in audit_polarity("x", {"os": both})}
    assert found["x: os, BRCA"].severity is Severity.PROBLEM
    assert found["x: os, PRAD"].severity is Severity.CLEAN


# Patients of no TCGA project


def unknown(event: np.ndarray, time: np.ndarray) -> Endpoint:
    return Endpoint(tuple(f"P{i}" for i in range(len(event))), time, event.astype(bool))


def test_an_unknown_cohort_where_nearly_everybody_has_the_event() -> None:
    rng = generator("unknown")
    event, time = rng.random(200) < 0.12, rng.exponential(30, 200)
    assert not severities(audit_polarity("x", {"os": unknown(event, time)}))
    assert severities(audit_polarity("x", {"os": unknown(~event, time)})) == {Severity.WARNING}


def test_an_unknown_cohort_where_those_followed_longest_have_the_event() -> None:
    """Deaths of a study that ends at 60 months: who reaches the end is censored."""
    rng = generator("administrative")
    death = rng.exponential(70, 400)
    event, time = death < 60, np.minimum(death, 60 - 20 * rng.random(400))
    event &= death <= time
    assert not severities(audit_polarity("x", {"os": unknown(event, time)}))
    assert severities(audit_polarity("x", {"os": unknown(~event, time)})) == {Severity.WARNING}


def test_borrowed_barcodes_are_no_project() -> None:
    assert "Q1" in PROJECT_OF_SITE
    assert "Q0" not in PROJECT_OF_SITE
    assert projects_of(["TCGA-Q1-0001", "TCGA-Q0-0001"]) == {}
    assert projects_of(["TCGA-A1-0001", "TCGA-05-0001"]) == {
        "TCGA-A1-0001": "BRCA",
        "TCGA-05-0001": "LUAD",
    }


def test_too_few_patients_say_nothing() -> None:
    (checked,) = audit_polarity("x", {"os": drawn("BRCA", "os", 10)})
    assert checked.severity is Severity.SKIPPED
    assert checked.summary == "10 patients, 20 are needed"
    assert audit_polarity("x", {})[0].summary == "there is no endpoint"


# Endpoints against each other


def test_who_died_of_the_disease_has_died() -> None:
    n = 400
    patients = tuple(f"P{i}" for i in range(n))
    time = np.full(n, 10.0)
    died = np.arange(n) < 80
    of_disease = np.arange(n) < 50

    def order(os: np.ndarray, dss: np.ndarray) -> set[Severity]:
        endpoints = {"os": Endpoint(patients, time, os), "dss": Endpoint(patients, time, dss)}
        return severities(audit_polarity("x", endpoints), Check.ENDPOINT_ORDER)

    assert order(died, of_disease) == set()
    assert order(~died, of_disease) == {Severity.PROBLEM}
    assert order(died, ~of_disease) == {Severity.PROBLEM}
    assert order(~died, ~of_disease) == {Severity.PROBLEM}
    one_wrong = died.copy()
    one_wrong[0] = False
    assert order(one_wrong, of_disease) == {Severity.WARNING}


# The real resource


@pytest.fixture(scope="module")
def cdr() -> pd.DataFrame:
    path = SHARED / "data" / "tcga" / "tcga_cdr.csv.gz"
    if not path.is_file():
        pytest.skip(f"{path} is not there (MIRROR_BENCH_SHARED)")
    with gzip.open(path, "rt") as file:
        return pd.read_csv(file, low_memory=False)


def test_the_published_table_is_what_the_resource_says(cdr: pd.DataFrame) -> None:
    sites = cdr["bcr_patient_barcode"].str.split("-").str[1]
    assert dict(zip(sites, cdr["type"], strict=True)) == dict(PROJECT_OF_SITE)
    assert cdr.groupby(sites)["type"].nunique().max() == 1
    cdr = cdr[cdr["Redaction"] != "Redacted"]
    for project, rows in cdr.groupby("type"):
        for name in ("os", "dss", "dfi", "pfi"):
            event, days = rows[name.upper()], rows[f"{name.upper()}.time"]
            known = event.notna() & days.notna()
            found = PUBLISHED[str(project)].get(name)
            if found is None:
                assert event[known].nunique() < 2
                continue
            assert (found.n_patients, found.n_events) == (known.sum(), event[known].sum())
            months = days[known] / DAYS_PER_MONTH
            happened = event[known] == 1
            assert abs(months[happened].median() - found.event_months) <= 0.051
            assert abs(months[~happened].median() - found.censored_months) <= 0.051
    assert 0.8 < HIGHEST_RATE < 0.9


def test_real_endpoints_pass_and_reversed_ones_are_seen(cdr: pd.DataFrame) -> None:
    """Every project and endpoint as it is, and a random hundred of its patients, both ways."""
    seen = total = 0
    for project, rows in cdr[cdr["Redaction"] != "Redacted"].groupby("type"):
        for name in PUBLISHED[str(project)]:
            known = rows[[name.upper(), f"{name.upper()}.time"]].notna().all(axis=1)
            part = rows[known]
            if len(part) < 60:
                continue
            order = generator("real", str(project), name).permutation(len(part))
            for kept in (order, order[:100]):
                endpoint = Endpoint(
                    tuple(part["bcr_patient_barcode"].iloc[kept]),
                    part[f"{name.upper()}.time"].to_numpy()[kept] / DAYS_PER_MONTH,
                    part[name.upper()].to_numpy()[kept] == 1,
                )
                straight = severities(audit_polarity("x", {name: endpoint}))
                assert not straight & {Severity.PROBLEM, Severity.WARNING}, (project, name)
                found = severities(audit_polarity("x", {name: reverse(endpoint)}))
                total += 1
                seen += bool(found & {Severity.PROBLEM, Severity.WARNING})
    assert seen / total > 0.9
