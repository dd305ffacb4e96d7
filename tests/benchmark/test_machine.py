"""Whole cohorts: alignment by patient, what is found where, and the real files' known counts."""

import pickle
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from tasks.data.cohort import BagModality, VectorModality
from tasks.data.load import find_cohorts, load_cohort
from tasks.errors import InputError
from tests.helpers.real import SHARED

A, B, C, D = (f"TCGA-AA-000{i}" for i in range(1, 5))
MANIFEST = """
name = "TOY"
[modalities.wsi]
kind = "bag"
path = "bags"
[modalities.rna]
kind = "vector"
path = "rna.csv"
id = "id"
[clinical]
format = "porpoise"
path = "clinical.csv"
[labels.type]
path = "clinical.csv"
id = "case_id"
column = "type"
classes = ["X", "Y"]
[truth]
path = "truth.csv"
id = "id"
[provenance]
source = "nowhere"
licence = "none"
"""


@pytest.fixture
def cohort_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MIRROR_BENCH_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "data" / "toy"
    (folder / "bags").mkdir(parents=True)
    for patient in (A, B):
        with h5py.File(folder / "bags" / f"{patient}-01Z-00-DX1.h5", "w") as file:
            file["features"] = np.full((2, 3), float(patient[-1]), dtype=np.float32)
    (folder / "rna.csv").write_text(f"id,G\n{C},3\n{B},2\n")
    (folder / "clinical.csv").write_text(
        f"case_id,survival_months,censorship,type\n{A},1,0,X\n{B},2,1,Y\n{D},4,0,X\n"
    )
    (folder / "truth.csv").write_text(f"id,z\n{A},1\n{B},2\n{C},3\n")
    (folder / "cohort.toml").write_text(MANIFEST)
    return folder


def test_alignment_is_explicit(cohort_folder: Path) -> None:
    cohort = load_cohort(cohort_folder)
    assert (cohort.name, cohort.source, cohort.licence) == ("TOY", "nowhere", "none")
    assert cohort.patients == (A, B, C)
    assert cohort.complete() == (B,)
    assert cohort.endpoints["os"].patients == (A, B)
    assert cohort.endpoints["os"].event.tolist() == [True, False]
    assert cohort.labels["type"].values == {A: "X", B: "Y"}
    assert cohort.truth["z"].tolist() == [1.0, 2.0, 3.0]
    assert cohort.notes == (
        "wsi: 2 slides in, 2 kept, 2 patients, 3 features an instance",
        "rna: 2 samples in, 2 kept, 2 patients, 1 features",
        "patients: 3, 1 with both, 1 without wsi, 1 without rna",
        "os: 2 patients of 3, 1 events",
        "os: 1 patients left out: no row in the clinical file",
        "type: 2 patients of 3: X 1, Y 1",
        "type: 1 patients without a class",
    )


def test_another_process_in_another_folder_reads_the_same(
    cohort_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(cohort_folder.parent)
    cohort = load_cohort(Path("toy"))
    packed = pickle.dumps(cohort)
    monkeypatch.chdir("/")
    wsi = pickle.loads(packed).modalities["wsi"]
    assert isinstance(wsi, BagModality)
    assert wsi.read(B).tolist() == [[2.0, 2.0, 2.0]] * 2


def test_a_copy_has_the_same_fingerprint(cohort_folder: Path) -> None:
    first = load_cohort(cohort_folder).fingerprint()
    moved = cohort_folder.rename(cohort_folder.parent / "moved")
    assert load_cohort(moved).fingerprint() == first


def test_find_cohorts(cohort_folder: Path) -> None:
    data = cohort_folder.parent
    (data / "notes").mkdir()
    (data / "loop").symlink_to(data / "loop")
    assert find_cohorts(data) == (cohort_folder,)
    assert find_cohorts(cohort_folder) == (cohort_folder,)
    with pytest.raises(
        InputError, match=r"notes: expected a cohort\.toml .* found none in 0 folders"
    ):
        find_cohorts(data / "notes")
    with pytest.raises(InputError, match="absent: expected a folder of cohorts, found: No such"):
        find_cohorts(data / "absent")


def test_a_cohort_without_outcomes_says_so(cohort_folder: Path) -> None:
    text = (cohort_folder / "cohort.toml").read_text()
    start, end = text.index("[clinical]"), text.index("[provenance]")
    (cohort_folder / "cohort.toml").write_text(text[:start] + text[end:])
    cohort = load_cohort(cohort_folder)
    assert (cohort.endpoints, cohort.labels, cohort.truth) == ({}, {}, {})
    assert "clinical: no file, so no endpoint" in cohort.notes


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "both", "deaths", "width"),
    [
        ("TCGA-BRCA", 884, 118, 607),
        ("TCGA-LUAD", 422, 148, 607),
        ("TCGA-STAD", 333, 131, 607),
        ("TCGA-KIRP", 202, 33, 528),
    ],
)
def test_real_cohorts(name: str, both: int, deaths: int, width: int) -> None:
    folder = SHARED / "data" / "tcga" / name
    if not folder.is_dir():
        pytest.skip(f"no {folder}: set MIRROR_BENCH_SHARED")
    cohort = load_cohort(folder)
    complete = cohort.complete()
    assert len(complete) == both
    os_ = cohort.endpoints["os"]
    died = {p for p, event in zip(os_.patients, os_.event, strict=True) if event}
    assert len(died & set(complete)) == deaths
    assert set(cohort.endpoints) == {"os", "dss", "dfi", "pfi"}
    assert cohort.modalities["wsi"].width == width
    rna = cohort.modalities["rna"]
    assert isinstance(rna, VectorModality)
    assert rna.values.dtype == np.float32
    started = time.process_time()
    assert load_cohort(folder).fingerprint() == cohort.fingerprint()
    assert time.process_time() - started < 10  # about 1 s
