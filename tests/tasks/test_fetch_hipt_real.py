"""`data fetch tcga-hipt` from the publishers' own files, against counts made without it."""

import csv
import gzip
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from tasks.data.cohort import BagModality, Cohort, VectorModality
from tasks.data.fetch.publishers import CLINICAL
from tasks.data.fetch.tcga_hipt import TCGA_HIPT
from tasks.data.load import load_cohort
from tasks.data.store.layout import read_contents
from tests.helpers.open_data import serving
from tests.helpers.real import SHARED, raw_files

pytestmark = [pytest.mark.real, pytest.mark.timeout(1200)]

PROGRAM = Path(sys.executable).with_name("mirror-bench")

# Cohort: slides of its patients by sample type; genes; patients with both sides, of them with OS,
# deaths. Counted by whoever gathered the shared files, from the publishers' tables alone.
TABLE = {
    "BLCA": ({"01": 434}, 1554, 371, 371, 169),
    "BRCA": ({"01": 937}, 1558, 897, 897, 128),
    "COADREAD": ({"01": 321, "06": 1}, 1550, 316, 316, 77),
    "GBMLGG": ({"01": 907, "02": 4}, 1544, 492, 492, 157),
    "HNSC": ({"01": 418}, 1557, 401, 401, 189),
    "KIRC": ({"01": 339, "05": 1}, 1556, 334, 334, 89),
    "KIRP": ({"01": 279}, 1557, 257, 257, 40),
    "LUAD": ({"01": 492, "02": 1}, 1555, 430, 430, 154),
    "PAAD": ({"01": 176, "11": 6}, 1553, 162, 162, 87),
    "STAD": ({"01": 336}, 1558, 321, 321, 124),
}
# Of these patients the resource says that they are redacted; the count above did not look there.
# Cohort: how many, deaths among them.
REDACTED = {"BLCA": (1, 1), "BRCA": (1, 0)}
# Patients with both sides, wild-type and mutated, or by class; counted from the publishers' tables
# by a few lines of pandas that share nothing with the product.
LABELS = {
    "BLCA": {"FGFR3": (317, 54), "RB1": (300, 71), "TP53": (186, 185)},
    "BRCA": {
        "CDH1": (779, 108),
        "GATA3": (775, 112),
        "PIK3CA": (576, 311),
        "TP53": (573, 314),
        "histology": (694, 143),
    },
    "COADREAD": {
        "BRAF": (267, 40),
        "KRAS": (165, 142),
        "TP53": (103, 204),
        "histology": (280, 36),
        "stage": (154, 145),
    },
    "GBMLGG": {
        "ATRX": (344, 146),
        "CIC": (394, 96),
        "EGFR": (437, 53),
        "IDH1": (166, 324),
        "TP53": (275, 215),
        "grade": (188, 227, 76),
        "histology": (156, 113, 147, 76),
    },
    "HNSC": {"CDKN2A": (311, 86), "NOTCH1": (327, 70), "TP53": (100, 297), "grade": (291, 98)},
    "KIRC": {
        "BAP1": (289, 34),
        "PBRM1": (187, 136),
        "SETD2": (279, 44),
        "grade": (149, 178),
        "stage": (216, 116),
    },
    "KIRP": {"stage": (175, 58)},
    "LUAD": {
        "EGFR": (371, 55),
        "KEAP1": (347, 79),
        "KRAS": (295, 131),
        "STK11": (361, 65),
        "TP53": (198, 228),
        "stage": (342, 81),
    },
    "PAAD": {
        "CDKN2A": (129, 32),
        "KRAS": (57, 104),
        "SMAD4": (127, 34),
        "TP53": (64, 97),
        "grade": (113, 47),
    },
    "STAD": {
        "ARID1A": (237, 83),
        "CDH1": (290, 30),
        "PIK3CA": (267, 53),
        "TP53": (161, 159),
        "grade": (120, 192),
        "histology": (90, 71),
    },
}
LACKING = ("LIHC", "LUSC", "SKCM")
"""Cohorts whose slides are not among the shared files."""


def data_fetch(folder: Path, *words: str) -> subprocess.Popen[str]:
    command = [str(PROGRAM), "data", "fetch", "tcga-hipt", str(folder), "--accept-licence", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def fetched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All that the shared files hold, after a try that is killed in the middle."""
    folder = tmp_path_factory.mktemp("fetched") / "data"
    with serving(raw_files()) as server:
        first = data_fetch(folder, "--source", server.address)
        while len(server.asked) < 2000:
            time.sleep(0.1)
        first.kill()
        first.communicate()
        assert [path.name for path in folder.glob("[!.]*")] in ([], ["sources"])
        n = len(server.asked)
        second = data_fetch(folder, "--source", server.address)
        shown, errors = second.communicate()
        assert len(server.asked) - n < 5745 - 1900
    assert second.returncode == 1, errors
    for name in LACKING:
        assert f"TCGA-{name}: not built, without TCGA-" in shown
    assert "label MET: left out, 20 patients are needed (wild-type 234, mutated 18)" in shown
    cohorts = sorted(path.name for path in folder.glob("[!.]*"))
    assert cohorts == ["RCC", *(f"TCGA-{name}" for name in TABLE), "sources"]
    assert not list(folder.glob(".*"))  # neither slides that are packed nor anything unfinished
    return folder


@pytest.fixture(scope="module")
def cohorts(fetched: Path) -> dict[str, Cohort]:
    return {name: load_cohort(fetched / f"TCGA-{name}") for name in TABLE}


@pytest.mark.parametrize("name", TABLE)
def test_a_cohort_is_what_was_counted_without_us(
    name: str, fetched: Path, cohorts: dict[str, Cohort]
) -> None:
    slides, genes, pairs, with_os, deaths = TABLE[name]
    contents = read_contents(fetched / f"TCGA-{name}" / "wsi.h5")
    assert Counter(slide.file.split("-")[3][:2] for slide in contents.slides) == slides
    cohort = cohorts[name]
    wsi, rna = cohort.modalities["wsi"], cohort.modalities["rna"]
    assert isinstance(wsi, BagModality)
    assert isinstance(rna, VectorModality)
    assert (wsi.width, rna.width, rna.zscores) == (192, genes, True)
    paired = cohort.complete()
    assert len(paired) == pairs
    outcome = cohort.endpoints["os"].subset(paired)
    redacted, dead = REDACTED.get(name, (0, 0))
    assert len(outcome.patients) + redacted == with_os
    assert outcome.event.sum() + dead == deaths
    # of primary tumours alone: nobody here has a tumour slide of another kind only
    taken = [slide.name for own in wsi.slides.values() for slide in own]
    assert {slide.split("-")[3][:2] for slide in taken} <= {"01", "05"}
    assert {slide.split("-")[5][:2] for slide in taken} == {"DX"}


@pytest.mark.parametrize("name", LABELS)
def test_labels_are_those_that_were_counted_without_us(
    name: str, cohorts: dict[str, Cohort]
) -> None:
    cohort = cohorts[name]
    counts = {}
    for label, each in cohort.labels.items():
        n = Counter(dict(each.subset(cohort.complete()).values).values())
        counts[label] = tuple(n[word] for word in each.classes)
    assert counts == LABELS[name]


def test_the_union_of_members_that_are_there_is_made(fetched: Path) -> None:
    union = load_cohort(fetched / "RCC")
    assert union.members == ("TCGA-KIRC", "TCGA-KIRP")
    assert len(union.complete()) == 334 + 257
    assert union.labels["stage"].derived_from == "clinical"
    assert not (fetched / "NSCLC").exists()  # LUSC is not there


def test_histology_of_gliomas_is_that_of_the_clinical_resource(
    cohorts: dict[str, Cohort],
) -> None:
    table = pd.read_excel(raw_files() / CLINICAL.key, sheet_name="TCGA-CDR", dtype=str)
    theirs = table.set_index("bcr_patient_barcode")["histological_type"].str.casefold()
    for patient, ours in dict(cohorts["GBMLGG"].labels["histology"].values).items():
        expected = "gbm" if ours == "glioblastoma" else ours
        assert theirs[patient].endswith(expected), patient


@pytest.mark.parametrize("name", ["PAAD", "KIRC"])
def test_the_store_holds_the_published_tensors(name: str, cohorts: dict[str, Cohort]) -> None:
    wsi = cohorts[name].modalities["wsi"]
    assert isinstance(wsi, BagModality)
    (folder,) = {(raw_files() / recipe.files[0].key).parent for recipe in TCGA_HIPT.recipes}
    for own in list(wsi.slides.values())[::20]:
        for slide in own:
            published = torch.load(folder / f"{slide.name}.pt", weights_only=True)
            np.testing.assert_array_equal(slide.read(), published.numpy())


def test_a_second_run_checks_everything_in_half_a_minute(fetched: Path) -> None:
    start = time.monotonic()
    names = ",".join(TABLE)
    shown, errors = data_fetch(
        fetched, "--cohorts", names, "--source", "http://127.0.0.1:9"
    ).communicate()
    assert time.monotonic() - start < 30, errors
    assert shown.count("there already, every file as it was built") == len(TABLE)


def test_from_a_folder_the_bytes_are_the_same(fetched: Path, tmp_path: Path) -> None:
    process = data_fetch(tmp_path, "--cohorts", "TCGA-PAAD", "--from", str(raw_files()))
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    files = sorted(path.name for path in (fetched / "TCGA-PAAD").iterdir())
    assert files == sorted(path.name for path in (tmp_path / "TCGA-PAAD").iterdir())
    for name in files:
        assert (tmp_path / "TCGA-PAAD" / name).read_bytes() == (
            fetched / "TCGA-PAAD" / name
        ).read_bytes(), name


def test_the_catalogue_is_the_list_that_was_pinned() -> None:
    listed = SHARED / "data" / "hipt_manifest.tsv.gz"
    if not listed.is_file():
        pytest.skip(f"{listed} is not there")
    with gzip.open(listed, "rt") as file:
        pinned = {
            (row["file"], int(row["bytes"]), row["sha256"])
            for row in csv.DictReader(file, delimiter="\t")
        }
    files = {file for recipe in TCGA_HIPT.recipes for file in recipe.files} - {CLINICAL}
    ours = {
        (file.name if file.name.endswith(".pt") else file.key, file.size, file.sha256)
        for file in files
    }
    assert ours == pinned
