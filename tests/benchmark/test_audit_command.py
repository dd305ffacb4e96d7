"""`mirror-bench audit` as a whole: every kind of path, exit codes, the JSON's keys."""

import gzip
import io
import json
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from benchmark.cli.audit import audit
from tasks.checks.leaks.published_endpoints import PUBLISHED
from tasks.errors import InputError
from tasks.seeds import generator
from tests.helpers.real import SHARED

MANIFEST = """
name = "{name}"
[modalities.wsi]
kind = "bag"
path = "bags"
[modalities.rna]
kind = "vector"
path = "rna.csv"
id = "sample"
[clinical]
format = "table"
path = "clinical.csv"
id = "case_id"
time = "months"
time_unit = "months"
event = "dead"
event_value = {event_value}
[labels.histology]
path = "clinical.csv"
id = "case_id"
column = "histology"
classes = ["A", "B"]
"""


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIRROR_BENCH_CACHE", str(tmp_path / "cache"))


def write_cohort(folder: Path, project: str = "BRCA", *, event_value: int = 1) -> Path:
    """Fifty patients at each of two sites of a project, and nothing wrong with them."""
    sites = {"BRCA": ("A1", "A2"), "UCEC": ("A5", "AJ")}[project]
    rng = generator("audit cohort", project)
    (folder / "bags").mkdir(parents=True)
    patients = [f"TCGA-{site}-{i:04d}" for i in range(50) for site in sites]
    for patient in patients[:30]:
        with h5py.File(folder / "bags" / f"{patient}-01Z-00-DX1.h5", "w") as file:
            file["features"] = rng.normal(size=(4, 12)).astype(np.float32)
    rna = pd.DataFrame(rng.normal(size=(100, 40)), columns=[f"G{i}" for i in range(40)])
    rna.insert(0, "sample", [f"{patient}-01A" for patient in patients])
    rna.to_csv(folder / "rna.csv", index=False)
    published = PUBLISHED[project]["os"]
    dead = rng.permutation(100) < 100 * published.rate
    months = np.where(dead, published.event_months, published.censored_months)
    pd.DataFrame(
        {
            "case_id": patients,
            "months": months * rng.lognormal(0, 0.7, 100),
            "dead": dead.astype(int),
            "histology": rng.choice(["A", "B"], 100),
        }
    ).to_csv(folder / "clinical.csv", index=False)
    text = MANIFEST.format(name=f"MY-{project}", event_value=event_value)
    (folder / "cohort.toml").write_text(text)
    return folder


def run(path: Path) -> tuple[int, dict[str, Any]]:
    out = io.StringIO()
    code = audit(path, True, Console(file=out, width=80))
    report: dict[str, Any] = json.loads(out.getvalue())
    return code, report


def shown(path: Path) -> str:
    out = io.StringIO()
    audit(path, False, Console(file=out, width=100))
    return out.getvalue()


def kinds(report: dict[str, Any]) -> set[tuple[str, str]]:
    return {(finding["check"], finding["severity"]) for finding in report["findings"]}


def edit(path: Path, change: Any) -> None:
    table = pd.read_csv(path)
    change(table)
    table.to_csv(path, index=False)


# Cohorts


def test_a_clean_cohort(tmp_path: Path) -> None:
    code, report = run(write_cohort(tmp_path / "brca"))
    assert (code, report["target"], report["leaks"], report["findings"]) == (0, "cohort", False, [])
    outcomes = {check["check"]: check["outcome"] for check in report["checks"]}
    assert outcomes["event-polarity"] == outcomes["duplicates"] == "clean"
    assert "no leak: 0 leaks, 0 warnings, 0 notes" in shown(tmp_path / "brca")


def test_a_cohort_that_declares_the_wrong_event(tmp_path: Path) -> None:
    code, report = run(write_cohort(tmp_path / "brca", event_value=0))
    assert code == 1
    assert kinds(report) == {("event-polarity", "leak")}
    assert "events are reversed" in shown(tmp_path / "brca")


def test_what_is_planted_in_a_cohort_is_found(tmp_path: Path) -> None:
    folder = write_cohort(tmp_path / "brca")
    bags = sorted((folder / "bags").iterdir())
    bags[3].write_bytes(bags[9].read_bytes())
    with h5py.File(bags[5]) as source, h5py.File(bags[12], "w") as copy:
        copy["features"] = np.asarray(source["features"])[::-1].astype(np.float16)

    def shift(table: pd.DataFrame) -> None:
        site = table["sample"].str[5:7] == "A1"
        table.loc[site, table.columns[1:]] += 1.5

    edit(folder / "rna.csv", shift)

    def confound(table: pd.DataFrame) -> None:
        table["histology"] = np.where(table["case_id"].str[5:7] == "A1", "A", "B")

    edit(folder / "clinical.csv", confound)
    code, report = run(folder)
    assert code == 1
    assert kinds(report) == {
        ("duplicates", "leak"),
        ("site-signature", "warning"),
        ("label-by-site", "warning"),
        ("derived-label", "warning"),  # what the site tells, expression tells too
    }
    assert [f["n"] for f in report["findings"] if f["check"] == "duplicates"] == [2, 2]


def test_rows_that_contradict_each_other_keep_a_cohort_from_loading(tmp_path: Path) -> None:
    folder = write_cohort(tmp_path / "brca")

    def twice(table: pd.DataFrame) -> None:
        table.loc[99, "case_id"] = table.loc[0, "case_id"]

    edit(folder / "clinical.csv", twice)
    code, report = run(folder)
    assert code == 1
    assert kinds(report) == {("contradicting-rows", "leak")}
    (loading,) = [check for check in report["checks"] if check["check"] == "loading"]
    assert loading["outcome"] == "skipped"
    assert "expected one outcome" in loading["reason"]


def test_an_identifier_that_no_column_is_called(tmp_path: Path) -> None:
    folder = write_cohort(tmp_path / "brca")
    head, label = (folder / "cohort.toml").read_text().split("[labels.histology]")
    label = label.replace("clinical.csv", "labels.csv").replace('"case_id"', '"case"')
    (folder / "cohort.toml").write_text(f"{head}[labels.histology]{label}")
    shutil.copy(folder / "clinical.csv", folder / "labels.csv")
    with pytest.raises(InputError, match=r"labels\.csv: expected a column 'case', found .*_id"):
        run(folder)


def test_a_folder_of_cohorts(tmp_path: Path) -> None:
    write_cohort(tmp_path / "data" / "brca")
    ucec = write_cohort(tmp_path / "data" / "ucec", "UCEC")
    code, report = run(tmp_path / "data")
    assert (code, report["target"], report["findings"]) == (0, "cohorts", [])

    def shift(table: pd.DataFrame) -> None:
        table.loc[:, table.columns[1:]] += 1.5
        table.loc[0, "sample"] = "TCGA-A1-0000-01A"

    edit(ucec / "rna.csv", shift)
    code, report = run(tmp_path / "data")
    assert code == 0
    assert kinds(report) == {("cohort-signature", "warning"), ("cohort-overlap", "warning")}


def test_projects_inside_a_cohort(tmp_path: Path) -> None:
    """A union of two projects: the site tells the project, and expression does."""
    folder = write_cohort(tmp_path / "union")
    ucec = write_cohort(tmp_path / "ucec", "UCEC")
    both = [pd.read_csv(one / "rna.csv").set_index("sample") for one in (folder, ucec)]
    pd.concat([both[0], both[1] + 2.0]).reset_index().to_csv(folder / "rna.csv", index=False)
    both = [pd.read_csv(one / "clinical.csv") for one in (folder, ucec)]
    both[0]["histology"], both[1]["histology"] = "A", "B"
    pd.concat(both).to_csv(folder / "clinical.csv", index=False)
    _, report = run(folder)
    assert {("cohort-signature", "warning"), ("label-by-site", "warning")} <= kinds(report)
    (finding,) = [f for f in report["findings"] if f["check"] == "cohort-signature"]
    assert (finding["n"], finding["total"], finding["unit"]) == (2, 2, "TCGA projects")


# Split files and tables


def test_the_documented_keys(tmp_path: Path) -> None:
    path = tmp_path / "splits_4.csv"
    path.write_text(",train,val\n0,TCGA-AA-0001,TCGA-AA-0001\n1,TCGA-AA-0002,TCGA-BB-0003\n")
    code, report = run(path)
    assert code == 1
    assert list(report) == [
        "checks", "counts", "findings", "folds", "leaks", "path", "target", "unseen", "version",
    ]  # fmt: skip
    assert report["counts"] == {"leak": 1, "warning": 0, "note": 1}
    assert report["folds"] == [
        {"where": str(path), "fold": 4, "patients": {"train": 2, "val": 2}, "leaked_patients": 1}
    ]
    first = report["findings"][0]
    assert list(first) == [
        "advice", "check", "examples", "fold", "n", "severity", "summary", "total", "unit", "where",
    ]  # fmt: skip
    assert (first["check"], first["fold"], first["n"]) == ("shared-patients", 4, 1)
    assert first["examples"] == ["TCGA-AA-0001"]
    assert set(report["checks"][0]) == {"check", "where", "outcome", "reason"}
    text = shown(path)
    assert "in several parts" in text
    assert "TCGA-AA-0001" in text
    assert "leaks: 1 leaks" in text


@pytest.mark.parametrize(
    ("columns", "code", "unseen"),
    [
        ({"futime": range(30), "fustat": [0, 1] * 15}, 3, ["event-polarity"]),
        ({"grade": ["a", "b"] * 15}, 0, []),
    ],
)
def test_what_was_not_looked_at_is_not_clean(
    tmp_path: Path, columns: dict[str, object], code: int, unseen: list[str]
) -> None:
    table = pd.DataFrame({"case_id": [f"TCGA-A1-{i:04d}" for i in range(30)], **columns})
    table.to_csv(tmp_path / "t.csv", index=False)
    found, report = run(tmp_path / "t.csv")
    assert (found, report["unseen"]) == (code, unseen)
    assert ("not looked at: event-polarity" in shown(tmp_path / "t.csv")) == (code == 3)


def test_a_table(tmp_path: Path) -> None:
    folder = write_cohort(tmp_path / "brca")
    code, report = run(folder / "clinical.csv")
    assert (code, report["target"], report["findings"]) == (0, "table", [])


@pytest.mark.parametrize(
    ("column", "train", "test"), [("split", "train", "test"), ("fold", "0", "1")]
)
def test_a_clinical_table_that_holds_a_split_is_both(
    tmp_path: Path, column: str, train: str, test: str
) -> None:
    rng = generator("both")
    table = pd.DataFrame(
        {
            "case_id": [f"P{i}" for i in range(40)] + ["P0"],
            "survival_months": [*rng.exponential(30, 40), 9.0],
            "censorship": [*(np.arange(40) % 2), 0],
            column: [train] * 30 + [test] * 11,
        }
    )
    table.to_csv(tmp_path / "clinical.csv", index=False)
    code, report = run(tmp_path / "clinical.csv")
    assert (code, report["target"]) == (1, "splits")
    assert report["folds"][0]["leaked_patients"] == 1
    assert {("contradicting-rows", "leak"), ("shared-patients", "leak")} <= kinds(report)
    edit(tmp_path / "clinical.csv", lambda table: table.__setitem__(column, "soon"))
    code, report = run(tmp_path / "clinical.csv")
    assert (code, report["target"], report["folds"]) == (1, "table", [])
    (unread,) = [check for check in report["checks"] if check["check"] == "loading"]
    assert "found 'soon'" in unread["reason"]


def test_the_cohort_file_means_its_folder(tmp_path: Path) -> None:
    folder = write_cohort(tmp_path / "brca")
    assert run(folder / "cohort.toml")[1]["target"] == "cohort"


def test_what_is_nothing_of_the_kind(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "noise.csv").write_text("a,b\n1,2\n")
    (tmp_path / "binary.csv").write_bytes(bytes(range(256)))
    broken = write_cohort(tmp_path / "broken")
    (broken / "cohort.toml").write_text("name =")
    (tmp_path / "damaged.csv.gz").write_bytes(gzip.compress(b"")[:10] + b"\xff" * 40)
    for path in ("absent", "empty", "noise.csv", "binary.csv", "broken", "damaged.csv.gz"):
        out = io.StringIO()
        with pytest.raises(InputError, match=path) as error:
            audit(tmp_path / path, True, Console(file=out))
        assert "\n" not in str(error.value)
        assert out.getvalue() == ""


# Real files


@pytest.mark.parametrize(
    ("task", "leaked"), [("tcga_rcc", [15, 10, 3, 10, 13]), ("tcga_brca", [0] * 5)]
)
def test_published_splits(task: str, leaked: list[int]) -> None:
    folder = SHARED / "data" / "mirror_splits" / "5foldcv" / task
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there (MIRROR_BENCH_SHARED)")
    code, report = run(folder)
    assert code == int(any(leaked))
    assert [fold["leaked_patients"] for fold in report["folds"]] == leaked
    found = {f["fold"]: f["n"] for f in report["findings"] if f["check"] == "shared-patients"}
    assert found == {fold: n for fold, n in enumerate(leaked) if n}


@pytest.mark.real
@pytest.mark.parametrize("columns", [(), ("OS",), ("PFI",), ("OS", "DSS", "DFI", "PFI")])
def test_real_cohort_as_it_is_and_with_reversed_events(
    columns: tuple[str, ...], tmp_path: Path
) -> None:
    data = SHARED / "data" / "tcga"
    if not (data / "TCGA-BRCA").is_dir():
        pytest.skip(f"{data}/TCGA-BRCA is not there (MIRROR_BENCH_SHARED)")
    folder = tmp_path / "TCGA-BRCA"
    folder.mkdir()
    for file in (data / "TCGA-BRCA").iterdir():
        (folder / file.name).symlink_to(file.resolve())
    table = pd.read_csv(data / "tcga_cdr.csv.gz", dtype=str, keep_default_na=False)
    for column in columns:
        table[column] = table[column].map({"0.0": "1.0", "1.0": "0.0"}).fillna("")
    table.to_csv(tmp_path / "tcga_cdr.csv.gz", index=False)
    code, report = run(folder)
    assert code == int(bool(columns))
    leaks = {
        finding["where"].removeprefix("TCGA-BRCA: ")
        for finding in report["findings"]
        if (finding["check"], finding["severity"]) == ("event-polarity", "leak")
    }
    assert leaks == {f"{column.lower()}, BRCA" for column in columns}
