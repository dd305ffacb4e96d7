"""Audit of tables: contradictions found, siblings left alone, layouts recognised."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks.checks.finding import Check, Finding, Severity
from tasks.checks.leaks.contradictions import audit_rows
from tasks.checks.leaks.published_endpoints import PUBLISHED
from tasks.checks.leaks.table_leaks import audit_table, identifier
from tasks.errors import InputError
from tasks.seeds import generator


def write(path: Path, table: pd.DataFrame) -> Path:
    table.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")
    return path


def found(checks: tuple[Finding, ...], check: Check) -> list[tuple[Severity, int]]:
    return [(f.severity, f.n) for f in checks if f.check is check and f.is_there]


def clinical(n: int = 150) -> pd.DataFrame:
    """Overall survival of BRCA as published: 1 = event, days."""
    published = PUBLISHED["BRCA"]["os"]
    rng = generator("clinical", n)
    event = np.arange(n) < round(published.rate * n)
    months = np.where(event, published.event_months, published.censored_months)
    return pd.DataFrame(
        {
            "bcr_patient_barcode": [f"TCGA-A1-{i:04d}" for i in range(n)],
            "vital_status": np.where(event, "Dead", "Alive"),
            "OS": event.astype(int),
            "OS.time": np.round(months * 30.4 * rng.lognormal(0, 0.7, n)),
            "gender": rng.choice(["MALE", "FEMALE"], n),
        }
    )


# Rows that contradict each other


def rows(table: pd.DataFrame, *used: str) -> list[tuple[Severity, int, tuple[str, ...]]]:
    checked = audit_rows("x", table.astype(str), "case_id", used)
    return [(f.severity, f.n, f.examples) for f in checked if f.is_there]


def slides(n: int = 30) -> pd.DataFrame:
    """Two slides a patient."""
    rng = generator("slides")
    patients = [f"TCGA-A1-{i // 2:04d}" for i in range(2 * n)]
    return pd.DataFrame(
        {
            "case_id": patients,
            "slide_id": [f"{p}-01Z-00-DX{1 + i % 2}" for i, p in enumerate(patients)],
            "survival_months": [float(int(p[-4:]) + 1) for p in patients],
            "grade": [int(p[-4:]) % 3 for p in patients],
            "tumour_area": rng.random(2 * n),
        }
    )


def test_slides_of_a_patient_differ_and_patients_do_not() -> None:
    assert rows(slides()) == []


def test_two_outcomes_of_a_patient_are_a_leak() -> None:
    table = slides()
    table.loc[5, "survival_months"] = 99.0
    assert rows(table) == [(Severity.PROBLEM, 1, ("TCGA-A1-0002: survival_months 3.0 / 99.0",))]


def test_one_number_in_two_spellings_is_one() -> None:
    table = slides().astype(str)
    table.loc[5, "survival_months"] = "3"
    table.loc[7, "survival_months"] = "[Not Available]"
    assert rows(table) == []


def test_a_column_that_nearly_always_agrees_is_the_patients() -> None:
    table = slides()
    table.loc[5, "grade"] = 9
    assert rows(table) == [(Severity.WARNING, 1, ("TCGA-A1-0002: grade 2.0 / 9.0",))]
    assert rows(table, "grade") == [(Severity.PROBLEM, 1, ("TCGA-A1-0002: grade 2.0 / 9.0",))]


def test_one_identifier_twice_in_a_table_of_a_row_a_patient() -> None:
    table = pd.DataFrame(
        {
            "case_id": [f"TCGA-A1-{i:04d}" for i in range(60)],
            "stage": ["I", "II", "III"] * 20,
            "score": generator("score").random(60),
        }
    )
    table.loc[59, "case_id"] = "TCGA-A1-0003"  # II, another score; 3 is I
    assert rows(table) == [(Severity.WARNING, 1, ("TCGA-A1-0003: stage i / iii",))]
    renamed = table.rename(columns={"stage": "Subtype"})
    assert rows(renamed) == [(Severity.PROBLEM, 1, ("TCGA-A1-0003: Subtype i / iii",))]
    small = renamed.loc[[3, 5, 59], ["case_id", "Subtype"]]
    assert rows(small) == [(Severity.PROBLEM, 1, ("TCGA-A1-0003: Subtype i / iii",))]
    timed = renamed.rename(columns={"score": "time"})
    ((severity, _, shown),) = rows(timed)
    assert severity is Severity.PROBLEM
    assert len(shown) == 2
    table.loc[[3, 59], "case_id"] = ["TCGA-A1-0003-01A", "TCGA-A1-0003-06A"]
    assert rows(table) == []  # two samples may differ


def test_patients_that_do_not_matter_are_left_alone() -> None:
    table = slides().astype(str)
    table.loc[5, "survival_months"] = "99.0"
    for patient, there in (("TCGA-A1-0007", False), ("TCGA-A1-0002", True)):
        (finding,) = audit_rows("x", table, "case_id", (), {patient})
        assert finding.is_there is there


# Tables of each kind


def test_a_clinical_table(tmp_path: Path) -> None:
    table = clinical()
    checks = audit_table(write(tmp_path / "cdr.csv", table))
    assert {c.check for c in checks} == {
        Check.CONTRADICTING_ROWS,
        Check.EVENT_POLARITY,
        Check.ENDPOINT_ORDER,
    }
    assert {c.severity for c in checks} == {Severity.CLEAN}
    table["OS"] = 1 - table["OS"]
    checks = audit_table(write(tmp_path / "cdr.csv", table))
    assert found(checks, Check.EVENT_POLARITY) == [(Severity.PROBLEM, int(table["OS"].sum()))]
    assert found(checks, Check.ENDPOINT_ORDER) == [(Severity.PROBLEM, 150)]
    table["OS"] = 1 - table["OS"]
    table.loc[3, "vital_status"] = "Alive"
    checks = audit_table(write(tmp_path / "cdr.csv", table))
    assert found(checks, Check.ENDPOINT_ORDER) == [(Severity.WARNING, 1)]


@pytest.mark.parametrize("layout", ["porpoise", "cbioportal", "download", "own days", "own months"])
@pytest.mark.parametrize("flipped", [False, True])
def test_event_polarity_of_each_layout(layout: str, flipped: bool, tmp_path: Path) -> None:
    cdr = clinical()
    event = (cdr["OS"] == 1) ^ flipped
    months = cdr["OS.time"] / 30.4
    word = np.where(event, "1:DECEASED", "0:LIVING")
    patient = cdr["bcr_patient_barcode"]
    tables: dict[str, dict[str, Any]] = {
        "porpoise": {"case_id": patient, "survival_months": months, "censorship": ~event * 1},
        "cbioportal": {"PATIENT_ID": patient, "OS_MONTHS": months, "OS_STATUS": word},
        "download": {
            "Patient ID": patient,
            "Overall Survival (Months)": months,
            "Overall Survival Status": word,
        },
        "own days": {"patient": patient, "time": cdr["OS.time"], "event": event * 1},
        "own months": {"id": patient, "time": months, "Event": event * 1},
    }
    checks = audit_table(write(tmp_path / "table.tsv", pd.DataFrame(tables[layout])))
    severities = {severity for severity, _ in found(checks, Check.EVENT_POLARITY)}
    assert severities == ({Severity.PROBLEM} if flipped else set())


@pytest.mark.parametrize(
    ("header", "name", "twice"),
    [
        ("patient_id,event,time,time", "P", "time"),
        ("patient_id,event,time,time", "TCGA-AA-000", "time"),
        ("patient_id,event,time,event", "P", "event"),
        ("case_id,censorship,survival_months,censorship", "P", "censorship"),
        ("bcr_patient_barcode,OS,OS.time,OS", "TCGA-AA-000", "OS"),
    ],
)
def test_an_outcome_of_two_columns_is_refused(
    header: str, name: str, twice: str, tmp_path: Path
) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"{header}\n" + "".join(f"{name}{i},{i % 2},{i + 3},1\n" for i in range(9)))
    with pytest.raises(InputError, match=f"t.csv: expected one column '{twice}', found 2"):
        audit_table(path)


def test_two_columns_of_vital_status_are_not_read(tmp_path: Path) -> None:
    table = clinical()
    table.insert(1, "again", table["vital_status"])
    checks = audit_table(write(tmp_path / "t.csv", table.rename(columns={"again": "vital_status"})))
    assert [c.summary for c in checks if c.check is Check.ENDPOINT_ORDER] == [
        "there are several columns vital_status"
    ]


def test_contradicting_outcomes_of_a_clinical_table(tmp_path: Path) -> None:
    table = clinical()
    table.loc[149, "bcr_patient_barcode"] = "TCGA-A1-0000"
    checks = audit_table(write(tmp_path / "cdr.csv", table))
    assert found(checks, Check.CONTRADICTING_ROWS) == [(Severity.PROBLEM, 1)]
    (polarity,) = [c for c in checks if c.check is Check.EVENT_POLARITY]
    assert "expected one outcome" in polarity.summary


@pytest.mark.parametrize("layout", ["porpoise", "own"])
@pytest.mark.parametrize("flipped", [False, True])
def test_patients_without_barcodes_are_judged_by_rules_of_thumb(
    layout: str, flipped: bool, tmp_path: Path
) -> None:
    rng = generator("no barcodes")
    event = (rng.random(200) < 0.1) ^ flipped
    columns: dict[str, Any] = {"case_id": [f"patient_{i}" for i in range(200)]}
    if layout == "porpoise":
        columns |= {"survival_months": rng.exponential(30, 200), "censorship": ~event * 1.0}
    else:
        columns |= {"time": rng.exponential(900, 200), "event": event * 1}
    checks = audit_table(write(tmp_path / "t.csv", pd.DataFrame(columns)))
    expected = [(Severity.WARNING, int(event.sum()))] if flipped else []
    assert found(checks, Check.EVENT_POLARITY) == expected


def test_a_layout_that_needs_barcodes_says_so(tmp_path: Path) -> None:
    table = clinical()
    table["bcr_patient_barcode"] = [f"patient_{i}" for i in range(len(table))]
    checks = audit_table(write(tmp_path / "t.csv", table))
    assert [c.summary for c in checks if c.check is Check.EVENT_POLARITY] == [
        "not every bcr_patient_barcode is a barcode"
    ]


@pytest.mark.parametrize("by_genes", [False, True])
def test_a_table_of_features(by_genes: bool, tmp_path: Path) -> None:
    rng = generator("table of features")
    sites = np.repeat(["XA", "XB"], 30)
    values = rng.normal(size=(60, 80)) + np.where(sites == "XA", 0.0, 1.0)[:, None]
    values[9] = values[40]
    ids = [f"TCGA-{site}-{i:04d}-01A" for i, site in enumerate(sites)]
    table = pd.DataFrame(values, index=pd.Index(ids, name="sample"))
    table.columns = pd.Index([f"G{i}" for i in range(80)])
    written = (table.T.rename_axis("gene") if by_genes else table).reset_index()
    checks = audit_table(write(tmp_path / "rna.tsv", written))
    assert found(checks, Check.DUPLICATES) == [(Severity.PROBLEM, 2)]
    assert found(checks, Check.SITE_SIGNATURE) == [(Severity.WARNING, 2)]


def test_features_beside_words(tmp_path: Path) -> None:
    values = generator("beside words").normal(size=(40, 60))
    values[3] = values[30]
    table = pd.DataFrame(values, columns=[f"f{i}" for i in range(60)])
    table.insert(0, "case_id", [f"TCGA-A1-{i:04d}" for i in range(40)])
    table.insert(20, "stain", ["H&E"] * 40)
    table.loc[3, "f7"] = table.loc[30, "f7"] = np.nan
    checks = audit_table(write(tmp_path / "wide.csv", table))
    assert found(checks, Check.DUPLICATES) == [(Severity.PROBLEM, 2)]
    words = table[["case_id"]].assign(**{f"w{i}": "a" for i in range(60)})
    checks = audit_table(write(tmp_path / "words.csv", words))
    assert [checked.check for checked in checks] == [Check.CONTRADICTING_ROWS]


def test_who_a_row_is_of() -> None:
    barcodes = ["TCGA-A1-0001-01A", "TCGA-A1-0002-01A"]
    assert identifier(Path("x"), pd.DataFrame({"a": ["1", "2"], "b": barcodes})) == "b"
    assert identifier(Path("x"), pd.DataFrame({"Patient ID": ["1", "2"], "b": barcodes})) == (
        "Patient ID"
    )
    twice = pd.DataFrame([["1", "2"]], columns=["case_id", "case_id"])
    with pytest.raises(InputError, match="x: expected one column 'case_id', found 2"):
        identifier(Path("x"), twice)
    with pytest.raises(InputError, match=r"x: expected a split file .* found 'a'"):
        identifier(Path("x"), pd.DataFrame({"a": ["1", "2"]}))
