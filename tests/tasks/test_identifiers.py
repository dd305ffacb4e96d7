"""Identifiers of others than TCGA: patterns, plain ones, tables of slides, sites of a column."""

import re
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from benchmark.engine.folds import outer_folds
from benchmark.engine.runner import Listener, RunOptions, resolve
from tasks.checks.data.cohort_facts import verify_cohort
from tasks.checks.finding import Severity
from tasks.checks.leaks.paths import audit_path
from tasks.checks.recognise.draft import draft
from tasks.checks.recognise.survey import survey
from tasks.data.formats.bags import find_slides
from tasks.data.identifiers import Identifiers, Scheme, without_suffix
from tasks.data.load import load_cohort
from tasks.data.manifest import BagSource, read_manifest
from tasks.data.store.plan import plan_store
from tasks.data.store.precision import StoredPrecision
from tasks.errors import InputError
from tasks.seeds import generator

N = 40


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIRROR_BENCH_CACHE", str(tmp_path / "cache"))


def write(folder: Path, patients: list[str], slides: list[str]) -> Path:
    """Bags of the slides, expression and outcomes of the patients."""
    rng = generator("identifiers")
    (folder / "feats").mkdir(parents=True)
    for name in slides:
        with h5py.File(folder / "feats" / f"{name}.h5", "w") as file:
            file["features"] = rng.normal(size=(5, 8)).astype("f4")
    genes = [f"G{i}" for i in range(60)]
    values = 5 + rng.normal(size=(len(patients), 60))
    pd.DataFrame(values, patients, genes).rename_axis("patient_id").to_csv(folder / "rna.csv")
    pd.DataFrame(
        {
            "patient_id": patients,
            "days": rng.integers(20, 2000, len(patients)),
            "dead": np.arange(len(patients)) % 2,
            "hospital": [f"H{i % 4}" for i in range(len(patients))],
        }
    ).to_csv(folder / "clinical.csv", index=False)
    return folder


def cptac(folder: Path) -> Path:
    patients = [f"C3{'LN'[i % 2]}-{i:05d}" for i in range(N)]
    return write(folder, patients, [f"{who}-2{i % 3 + 1}" for i, who in enumerate(patients)])


def hospital(folder: Path) -> Path:
    patients = [f"P{i:03d}" for i in range(N)]
    slides = [f"S19-{1000 + i}_A{i % 2 + 1}" for i in range(N + 10)]
    write(folder, patients, slides)
    owners = [patients[i % N] for i in range(N + 10)]
    names = [f"{name}.svs" for name in slides]
    pd.DataFrame({"PATIENT": owners, "FILENAME": names}).to_csv(
        folder / "slide_table.csv", index=False
    )
    return folder


def numbered(folder: Path) -> Path:
    patients = [f"S19-{1000 + i}" for i in range(N)]
    return write(folder, patients, [f"{who}_A{i % 2 + 1}" for i, who in enumerate(patients)])


def initialised(folder: Path) -> str:
    text = draft(survey(folder, lambda _: None))
    text = text.replace('event_value = ""', 'event_value = "1"')
    (folder / "cohort.toml").write_text(text)
    return text


@pytest.mark.parametrize(
    ("write_files", "lines"),
    [
        (
            cptac,
            ['scheme = "regex"', r"patient = '(C3[LN]-\d{5})'", "C3L-00000-21.h5 is"],
        ),
        (
            hospital,
            ['scheme = "plain"', "[ids.table]", 'slide = "FILENAME"', 'patient = "PATIENT"'],
        ),
        (numbered, ['scheme = "regex"', r"patient = '^([A-Z]\d{2}-\d{4})(?!\d)'"]),
    ],
)
def test_every_door(tmp_path: Path, write_files: object, lines: list[str]) -> None:
    folder = write_files(tmp_path / "MINE")  # type: ignore[operator]
    text = initialised(folder)
    for line in lines:
        assert line in text
    assert sum("is of patient" in line for line in text.splitlines()) == 5
    cohort = load_cohort(folder)
    assert len(cohort.complete()) == N
    assert cohort.endpoints["os"].event.sum() == N // 2
    said = [text, *cohort.notes]
    for findings in (verify_cohort(folder, lambda *_: None).findings, audit_path(folder).findings):
        assert not [f for f in findings if f.severity is Severity.PROBLEM]
        said += [f"{f.summary} {f.advice}" for f in findings]
    assert not [line for line in "\n".join(said).splitlines() if "TCGA" in line]
    resolve(RunOptions(data=folder, methods="mean-concat", tasks="survival"), Listener())
    ids = read_manifest(folder).ids.reader()
    plan = plan_store(folder / "feats", StoredPrecision.FLOAT16, lambda *_: None, "X", ids)
    assert len(plan.slides) >= N


def test_slides_that_the_table_lacks_are_left_out(tmp_path: Path) -> None:
    folder = hospital(tmp_path / "MINE")
    initialised(folder)
    table = pd.read_csv(folder / "slide_table.csv")
    table.iloc[3:].to_csv(folder / "slide_table.csv", index=False)
    cohort = load_cohort(folder)
    assert "wsi: 3 slides left out: not in ids.table" in cohort.notes
    twice = pd.concat([table, table.iloc[:1].assign(PATIENT="P017")])
    twice.to_csv(folder / "slide_table.csv", index=False)
    with pytest.raises(InputError, match=r"FILENAME S19-1000_A1\.svs: expected one PATIENT"):
        load_cohort(folder)


def test_sites_of_a_column(tmp_path: Path) -> None:
    folder = cptac(tmp_path / "MINE")
    text = initialised(folder)
    with pytest.raises(InputError, match=r"expected the site of each patient.*\[ids\.sites\]"):
        outer_folds("site", 3, [load_cohort(folder)])
    sites = '[ids.sites]\npath = "clinical.csv"\nid = "patient_id"\ncolumn = "hospital"\n'
    (folder / "cohort.toml").write_text(text.replace("# [ids.sites] with", f"{sites}#"))
    cohort = load_cohort(folder)
    assert set(cohort.sites.values()) == {"H0", "H1", "H2", "H3"}
    for split in outer_folds("site", 3, [cohort]).splits["MINE"]:
        tested = {cohort.sites[patient] for patient in split.test}
        assert not tested & {cohort.sites[patient] for patient in split.train}


def test_slides_and_samples_that_a_pattern_does_not_find(tmp_path: Path) -> None:
    folder = cptac(tmp_path / "MINE")
    text = initialised(folder)
    pattern = r"patient = '(C3[LN]-\d{5})'"
    (folder / "cohort.toml").write_text(text.replace(pattern, f"{pattern}\nslide = '-2[12]$'"))
    assert "wsi: 13 slides left out: not found by ids.slide" in load_cohort(folder).notes


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("'(C3[LN]-\\d{5})'", "'(C3'", r"ids\.patient: expected a regular expression"),
        ('"regex"', '"plain"', r"ids\.patient: expected a pattern such as"),
        ('"regex"', '"regexp"', r"ids\.scheme: expected one of tcga, plain, regex"),
        ("patient = '", "patients = '", r"ids\.patients: expected one of patient"),
        ("(C3[LN]", "(C4[LN]", "expected an identifier of ids.patient = "),
        ('kind = "bag"', 'kind = "bag"\nsamples = ["01"]', "types of samples with TCGA's barcodes"),
    ],
)
def test_mistakes(tmp_path: Path, old: str, new: str, message: str) -> None:
    folder = cptac(tmp_path / "MINE")
    text = initialised(folder)
    assert old in text
    (folder / "cohort.toml").write_text(text.replace(old, new))
    with pytest.raises(InputError, match=message) as caught:
        load_cohort(folder)
    assert "\n" not in str(caught.value)


def test_reading() -> None:
    ids = Identifiers(Scheme.REGEX, re.compile(r"^(\w+)-"), re.compile(r"^(\w+-\d)"))
    assert ids.read("A-1-x.svs.h5", "", slide=True).name == "A-1"
    assert ids.owner("A-1-x") == "A"
    assert ids.owner("nothing") == "nothing"
    assert without_suffix("S19-1.2_A.svs.h5") == "S19-1.2_A"
    slides = find_slides.__doc__ or ""
    assert "holds no identifier" in slides
    assert BagSource(Path("x")).ids.scheme is Scheme.TCGA
