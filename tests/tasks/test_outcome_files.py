"""Endpoints and labels as users have them: read right, or one line that names the place."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tasks.data.cohort import Endpoint
from tasks.data.formats.clinical import read_endpoints
from tasks.data.formats.covariates import read_covariates
from tasks.data.formats.labels import read_label
from tasks.data.manifest import (
    ClinicalFormat,
    ClinicalSource,
    LabelSource,
    TableSource,
    TimeUnit,
)
from tasks.errors import InputError
from tests.helpers.user_files import A, B, C, write

MONTH = 365.25 / 12


def endpoints(
    path: Path, layout: ClinicalFormat, columns: dict[str, Any] | None = None
) -> tuple[dict[str, Endpoint], tuple[str, ...]]:
    source = ClinicalSource(path, layout) if columns is None else TableSource(path, **columns)
    return read_endpoints(source, {A, B, C})


def outcomes(endpoint: Endpoint) -> dict[str, tuple[float, bool]]:
    rows = zip(endpoint.patients, endpoint.time.tolist(), endpoint.event.tolist(), strict=True)
    return {patient: (round(time, 6), event) for patient, time, event in rows}


CDR = "bcr_patient_barcode,OS,OS.time,PFI,PFI.time,Redaction\n"


def test_tcga_cdr(tmp_path: Path) -> None:
    first = f"{A},1,365.25,0,#N/A,\n{B},0.0,0,[Not Available],5,\n"
    text = f"{CDR}{first}{C},1,9,1,9,Redacted\nTCGA-ZZ-9999,7,x,,,\n"
    found, notes = endpoints(write(tmp_path / "c.csv", text), ClinicalFormat.TCGA_CDR)
    assert outcomes(found["os"]) == {A: (12.0, True), B: (0.0, False)}
    assert outcomes(found["pfi"]) == {}
    assert set(found) == {"os", "pfi"}
    assert notes == (
        "clinical: 1 patients left out of every endpoint: redacted",
        "os: 2 patients of 2, 1 events",
        "pfi: 0 patients of 2, 0 events",
        "pfi: 2 patients left out: no time or no status",
    )


def test_negative_times_are_left_out_and_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "c.csv", f"{CDR}{A},1,-3,,,\n{B},0,30,,,\n{C},0,,,,\n")
    found, notes = endpoints(path, ClinicalFormat.TCGA_CDR)
    assert found["os"].patients == (B,)
    assert notes[:3] == (
        "os: 1 patients of 3, 0 events",
        "os: 1 patients left out: no time or no status",
        "os: 1 patients left out: negative time",
    )


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            f"{A},1,9,,,\n{A},0,9,,,\n",
            f"patient {A}, os: expected one outcome, found 0.2957 months",
        ),
        (f"{A},1,9,,,\n{A}-01A,1,8,,,\n", f"patient {A}, os: expected one outcome"),
        (f"{A},2,9,,,\n", f"patient {A}, column 'OS': expected 0 or 1, found '2'"),
        (f"{A},dead,9,,,\n", "expected 0 or 1, found 'dead'"),
        (f"{A},1,soon,,,\n", f"patient {A}, column 'OS.time': expected a number, found 'soon'"),
        (f"{A},1,inf,,,\n", "expected a number, found 'inf'"),
        ("P1,1,9,,,\n", "row 1, column 'bcr_patient_barcode': expected a TCGA barcode"),
    ],
)
def test_bad_outcomes(tmp_path: Path, rows: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        endpoints(write(tmp_path / "c.csv", CDR + rows), ClinicalFormat.TCGA_CDR)


def test_rows_that_agree_are_one(tmp_path: Path) -> None:
    path = write(tmp_path / "c.csv", f"{CDR}{A},1,30,,,\n{A},1.0,30.0,,,\n{A},,30,,,\n")
    found, _ = endpoints(path, ClinicalFormat.TCGA_CDR)
    assert found["os"].patients == (A,)


def test_half_an_endpoint_or_none(tmp_path: Path) -> None:
    path = write(tmp_path / "c.csv", f"bcr_patient_barcode,OS\n{A},1\n")
    with pytest.raises(InputError, match=r"expected a column 'OS\.time' beside 'OS'"):
        endpoints(path, ClinicalFormat.TCGA_CDR)
    path = write(tmp_path / "c.csv", f"bcr_patient_barcode,x\n{A},1\n")
    with pytest.raises(InputError, match=r"expected columns such as 'OS\.time' and 'OS'"):
        endpoints(path, ClinicalFormat.TCGA_CDR)


def test_cdr_as_xlsx(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    frame = pd.DataFrame({"bcr_patient_barcode": [A], "OS": [1.0], "OS.time": [365.25]})
    frame.to_excel(tmp_path / "cdr.xlsx", sheet_name="TCGA-CDR")
    found, _ = endpoints(tmp_path / "cdr.xlsx", ClinicalFormat.TCGA_CDR)
    assert outcomes(found["os"]) == {A: (12.0, True)}
    frame.to_excel(tmp_path / "cdr.xlsx", sheet_name="Sheet1")
    found, _ = endpoints(tmp_path / "cdr.xlsx", ClinicalFormat.TCGA_CDR)
    assert outcomes(found["os"]) == {A: (12.0, True)}
    with pd.ExcelWriter(tmp_path / "cdr.xlsx") as book:
        frame.to_excel(book, sheet_name="Sheet1")
        frame.to_excel(book, sheet_name="Sheet2")
    with pytest.raises(InputError, match="expected a sheet TCGA-CDR, found Sheet1, Sheet2"):
        endpoints(tmp_path / "cdr.xlsx", ClinicalFormat.TCGA_CDR)


def test_cbioportal_study_file(tmp_path: Path) -> None:
    text = (
        "#Patient\tStatus\tMonths\tDFS\tDFS\n#a\tb\tc\td\te\n#STRING\tSTRING\tNUMBER\t\t\n#1\t1\t1\t1\t1\n"
        "PATIENT_ID\tOS_STATUS\tOS_MONTHS\tDFS_STATUS\tDFS_MONTHS\n"
        f"{A}\t1:DECEASED\t10.5\t0:DiseaseFree\t3\n{B}\t0:LIVING\t20\t1:Recurred/Progressed\t4\n"
        f"{C}\tNA\t\t\t\n"
    )
    found, _ = endpoints(write(tmp_path / "p.txt", text), ClinicalFormat.CBIOPORTAL)
    assert outcomes(found["os"]) == {A: (10.5, True), B: (20.0, False)}
    assert outcomes(found["dfi"]) == {A: (3.0, False), B: (4.0, True)}


@pytest.mark.parametrize("separator", ["\t", ","])
def test_cbioportal_download(tmp_path: Path, separator: str) -> None:
    rows = [
        [
            "Study ID",
            "Patient ID",
            "Sample ID",
            "Overall Survival (Months)",
            "Overall Survival Status",
        ],
        ["x", A, f"{A}-01", "10.5", "DECEASED"],
        ["x", A, f"{A}-06", "10.5", "1:DECEASED"],
        ["x", B, f"{B}-01", "2", "LIVING"],
    ]
    path = write(tmp_path / "d.tsv", "\n".join(separator.join(row) for row in rows))
    found, _ = endpoints(path, ClinicalFormat.CBIOPORTAL)
    assert outcomes(found["os"]) == {A: (10.5, True), B: (2.0, False)}
    path.write_text(path.read_text().replace("LIVING", "PERHAPS"))
    with pytest.raises(InputError, match=r"expected a status that begins with 0: or 1:.*PERHAPS"):
        endpoints(path, ClinicalFormat.CBIOPORTAL)


def test_porpoise_writes_one_for_censored(tmp_path: Path) -> None:
    text = f"case_id,survival_months,censorship\n{A},7.5,1.0\n{A},7.5,1.0\n{B},2,0\n"
    found, _ = endpoints(write(tmp_path / "p.csv", text), ClinicalFormat.PORPOISE)
    assert outcomes(found["os"]) == {A: (7.5, False), B: (2.0, True)}
    text = f"case_id,os_survival_days,os_censorship\n{A},365.25,1\n"
    found, _ = endpoints(write(tmp_path / "mmp.csv", text), ClinicalFormat.PORPOISE)
    assert outcomes(found["os"]) == {A: (12.0, False)}


def test_gdc_json(tmp_path: Path) -> None:
    cases = [
        {"submitter_id": A, "demographic": {"vital_status": "Dead", "days_to_death": 365.25}},
        {
            "submitter_id": B,
            "demographic": {"vital_status": "Alive"},
            "diagnoses": [{"days_to_last_follow_up": None}],
            "follow_ups": [{"days_to_follow_up": 10}, {"days_to_follow_up": 730.5}, {}],
        },
        {"submitter_id": C, "demographic": {"vital_status": "Not Reported"}},
    ]
    path = write(tmp_path / "c.json", json.dumps(cases))
    found, notes = endpoints(path, ClinicalFormat.GDC)
    assert outcomes(found["os"]) == {A: (12.0, True), B: (24.0, False)}
    assert "os: 1 patients left out: no time or no status" in notes
    for old, new, message in [
        ('"Dead"', '"Gone"', "vital_status: expected Alive or Dead, found 'Gone'"),
        ("365.25", '"x"', "days_to_death: expected a number of days"),
        ('"submitter_id"', '"id"', "case 1: expected an object with submitter_id"),
        ("[{", "{", "expected JSON"),
    ]:
        with pytest.raises(InputError, match=message):
            endpoints(
                write(tmp_path / "bad.json", json.dumps(cases).replace(old, new, 1)),
                ClinicalFormat.GDC,
            )


def declared(value: str) -> dict[str, Any]:
    return {
        "format": ClinicalFormat.TABLE, "id": "id", "time": "t", "time_unit": TimeUnit.DAYS,
        "event": "e", "event_value": value,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("value", "happened", "censored"),
    [
        ("1", "1.0", "0"),
        ("0", "0", "1"),
        ("Dead", "dead", "Alive"),
        ("True", "TRUE", "FALSE"),
        ("2", "2", "1.0"),
    ],
)
def test_declared_table(tmp_path: Path, value: str, happened: str, censored: str) -> None:
    path = write(
        tmp_path / "t.csv", f"id,t,e\n{A},{MONTH},{happened}\n{B},{2 * MONTH},{censored}\n{C},9,\n"
    )
    found, _ = endpoints(path, ClinicalFormat.TABLE, declared(value))
    assert outcomes(found["os"]) == {A: (1.0, True), B: (2.0, False)}


@pytest.mark.parametrize(
    ("value", "statuses", "expected"),
    [
        ("Dead", "Dead,Unknown,Not Reported", {A: True}),
        ("Dead", "Dead,Alive,unknown", {A: True, B: False}),
        ("1", "1,0,Not Available", {A: True, B: False}),
        ("Unknown", "Unknown,Alive,Alive", {A: True, B: False, C: False}),
    ],
)
def test_a_status_that_nobody_knows_is_missing(
    tmp_path: Path, value: str, statuses: str, expected: dict[str, bool]
) -> None:
    rows = "".join(f"{p},9,{s}\n" for p, s in zip((A, B, C), statuses.split(","), strict=True))
    path = write(tmp_path / "t.csv", f"id,t,e\n{rows}")
    found, notes = endpoints(path, ClinicalFormat.TABLE, declared(value))
    assert {p: event for p, (_, event) in outcomes(found["os"]).items()} == expected
    assert len(expected) == 3 or "no time or no status" in " ".join(notes)


@pytest.mark.parametrize(
    ("value", "statuses", "message"),
    [
        ("1", "1,2", f"patient {B}, column 'e': expected 0 or 1, found '2'"),
        ("Dead", "Deceased,Alive", "declared event_value 'Dead', found 'Alive', 'Deceased'"),
        ("Dead", "Dead,Alive,Lost", "expected 'Dead' .event. or one other value, found"),
    ],
)
def test_undeclared_status(tmp_path: Path, value: str, statuses: str, message: str) -> None:
    rows = "".join(f"{p},9,{s}\n" for p, s in zip((A, B, C), statuses.split(","), strict=False))
    with pytest.raises(InputError, match=message):
        endpoints(
            write(tmp_path / "t.csv", f"id,t,e\n{rows}"), ClinicalFormat.TABLE, declared(value)
        )


def label(path: Path, column: str = "type") -> LabelSource:
    return LabelSource(path, "id", column, ("IDC", "ILC"), "rna")


def test_label(tmp_path: Path) -> None:
    text = f"id,type\n{A}-01A,IDC\n{A}-01B,IDC\n{B},MDLC\n{C},[Unknown]\nTCGA-ZZ-9999,ILC\n"
    found, notes = read_label("histology", label(write(tmp_path / "l.csv", text)), {A, B, C})
    assert (dict(found.values), found.classes, found.derived_from) == (
        {A: "IDC"},
        ("IDC", "ILC"),
        "rna",
    )
    assert notes == (
        "histology: 1 patients of 3: IDC 1, ILC 0",
        "histology: 1 patients left out, of other classes: MDLC 1",
        "histology: 1 patients without a class",
        "histology: nobody is of the declared class 'ILC'",
    )


def test_bad_labels(tmp_path: Path) -> None:
    path = write(tmp_path / "l.csv", f"id,type\n{A},IDC\n{A},ILC\n")
    with pytest.raises(InputError, match=f"patient {A}, column 'type'.*found 'IDC' and 'ILC'"):
        read_label("histology", label(path), {A})
    with pytest.raises(InputError, match=r"expected a column 'typ'.*did you mean type"):
        read_label("histology", label(path, "typ"), {A})


GDC_TSV = (
    "cases.submitter_id\tdemographic.vital_status\tdemographic.days_to_death\t"
    "diagnoses.days_to_last_follow_up\tdiagnoses.age_at_diagnosis\n"
    f"{A}\tDead\t365.25\t'--\t21915\n{A}\tDead\t365.25\t'--\t21915\n"
    f"{B}\tAlive\t'--\t100\t'--\n{B}\tAlive\t'--\t730.5\t'--\n"
)
BIOTAB = (
    "bcr_patient_uuid\tbcr_patient_barcode\tvital_status\tdeath_days_to\tlast_contact_days_to\t"
    "age_at_diagnosis\nbcr_patient_uuid\tbcr_patient_barcode\tvital_status\tdays_to_death\t"
    "days_to_last_followup\tage\nCDE_ID:\tCDE_ID:2003301\tCDE_ID:5\tCDE_ID:6\tCDE_ID:7\tCDE_ID:8\n"
    f"u\t{A}\tDead\t365.25\t[Not Applicable]\t60\n"
    f"u\t{B}\tAlive\t[Not Applicable]\t730.5\t[Not Available]\n"
)


@pytest.mark.parametrize("text", [GDC_TSV, GDC_TSV.replace("cases.submitter", "case_submitter"),
                                  BIOTAB])  # fmt: skip
def test_clinical_tables_of_the_gdc(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "clinical.tsv", text)
    found, _ = endpoints(path, ClinicalFormat.GDC)
    assert outcomes(found["os"]) == {A: (12.0, True), B: (24.0, False)}
    covariates, _ = read_covariates(ClinicalSource(path, ClinicalFormat.GDC), {A, B})
    assert covariates is not None
    assert covariates.rows([A])[0, 0] == pytest.approx(60)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\tb\n1\t2\n", "expected a list of cases"),
        (GDC_TSV.replace("Dead", "Gone"), "expected Alive or Dead, found 'Gone'"),
        (GDC_TSV.replace("365.25", "soon"), "expected a number of days, found 'soon'"),
        (GDC_TSV.replace("365.25", "1e9"), "expected a number of days"),
    ],
)
def test_broken_clinical_tables_of_the_gdc(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        endpoints(write(tmp_path / "clinical.tsv", text), ClinicalFormat.GDC)
