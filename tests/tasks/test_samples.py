"""Which samples and slides stand for their patients, whatever holds them."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.cli import listing
from tasks.checks.data.cohort_facts import CohortFacts, verify_cohort
from tasks.checks.finding import Check, Finding, Severity
from tasks.checks.leaks.cohort_leaks import audit_cohorts
from tasks.checks.recognise.draft import write_draft
from tasks.checks.recognise.survey import survey
from tasks.data.barcode import Preparation, parse_barcode
from tasks.data.load import load_cohort
from tasks.data.manifest import read_manifest
from tasks.data.samples import SampleRule, Selection, SlideChoice, select_samples
from tasks.data.store.importing import import_store
from tasks.data.store.plan import plan_store
from tasks.data.store.precision import StoredPrecision
from tests.helpers.slide_files import torch_file

EVERY = SampleRule(slides=SlideChoice.ALL)


def chosen(ids: list[str], rule: SampleRule) -> Selection:
    return select_samples([parse_barcode(f"TCGA-XX-{text}", "here") for text in ids], rule)


def reasons(selection: Selection) -> dict[str, int]:
    return {why: len(rows) for why, rows in selection.left_out.items()}


def test_primary_stands_for_the_patient_and_normals_are_left_out() -> None:
    ids = ["AAAA-06A", "AAAA-01A", "BBBB-06A", "CCCC-11A", "DDDD", "AAAA-20A", "EEEE-50A"]
    selection = chosen(ids, EVERY)
    assert selection.kept == (1, 2, 4)
    assert reasons(selection) == {
        "other tumour of a patient with a primary one": 1,
        "normal tissue": 1,
        "control": 1,
        "cell line, xenograft or unknown tissue": 1,
    }


def test_declared_types_are_taken_in_their_order() -> None:
    ids = ["AAAA-01A", "AAAA-06A", "BBBB-01A", "CCCC-06A", "CCCC-02A", "DDDD", "EEEE-11A"]
    metastases = chosen(ids, SampleRule(("06", "01"), SlideChoice.ALL))
    assert metastases.kept == (1, 2, 3, 5)
    assert reasons(metastases) == {
        "sample of a patient with one of a type declared before": 1,
        "sample type 02, declared are 06, 01": 1,
        "normal tissue": 1,
    }
    assert chosen(ids, SampleRule(("02",), SlideChoice.ALL)).kept == (4,)


SLIDES = ["AAAA-01Z-00-DX1", "AAAA-01A-01-TS1", "BBBB-01Z-00-DX1", "CCCC-01A-01-BS1", "DDDD-01A"]


@pytest.mark.parametrize(
    ("choice", "kept", "left_out", "only"),
    [
        (SlideChoice.DX, (0, 2, 4), {"frozen (TS, BS, MS)": 2}, {"TCGA-XX-CCCC"}),
        (SlideChoice.FROZEN, (1, 3, 4), {"diagnostic (DX)": 2}, {"TCGA-XX-BBBB"}),
        (SlideChoice.ALL, (0, 1, 2, 3, 4), {}, set()),
        (None, (0, 2, 4), {"frozen (TS, BS, MS)": 2}, {"TCGA-XX-CCCC"}),
    ],
)
def test_slides_by_how_they_were_made(
    choice: SlideChoice | None, kept: tuple[int, ...], left_out: dict[str, int], only: set[str]
) -> None:
    selection = chosen(SLIDES, SampleRule(slides=choice))
    assert (selection.kept, selection.fault) == (kept, "")
    assert reasons(selection) == left_out
    assert {p for kind in Preparation for p in selection.lost(kind)} == only
    assert selection.unclear() == 1


def test_a_diagnostic_slide_of_a_metastasis_stands_for_a_frozen_primary() -> None:
    assert chosen(["AAAA-01A-01-TS1", "AAAA-06Z-00-DX1"], SampleRule()).kept == (1,)


def test_nobody_loses_most_patients_unasked() -> None:
    ids = [f"{i:04d}-01A-01-TS1" for i in range(3)] + ["AAAA-01Z-00-DX1", "AAAA-01A-01-TS1"]
    unasked = chosen(ids, SampleRule())
    assert (unasked.kept, unasked.left_out) == (tuple(range(5)), {})
    assert unasked.spared == {f"TCGA-XX-{i:04d}" for i in range(3)}
    assert [str(note) for note in unasked.notes("wsi", "slides", {})] == [
        "wsi: frozen (TS, BS, MS) slides taken, 3 of 4 patients have no other; "
        'slides = "all" or "frozen" in cohort.toml says it is meant'
    ]
    assert chosen(ids, SampleRule(slides=SlideChoice.DX)).kept == (3,)
    half = chosen(ids[2:], SampleRule())
    assert (half.kept, half.spared) == ((1,), frozenset())


@given(
    st.lists(
        st.builds(
            "{:04d}-{}A-01-{}".format,
            st.integers(0, 5),
            st.sampled_from(["01", "02", "05", "06", "11"]),
            st.sampled_from(["DX1", "TS1", "BS2", "XYZ"]),
        ),
        max_size=20,
    ),
    st.sampled_from([(), ("01",), ("06", "01")]),
    st.sampled_from([None, *SlideChoice]),
)
def test_every_sample_is_kept_or_left_out_once_whatever_their_order(
    ids: list[str], samples: tuple[str, ...], slides: SlideChoice | None
) -> None:
    rule = SampleRule(samples, slides)
    selection = chosen(ids, rule)
    rows = [*selection.kept, *(row for rows in selection.left_out.values() for row in rows)]
    assert sorted(rows) == list(range(len(ids)))
    assert not any("-11A" in ids[row] for row in selection.kept)
    back = chosen(ids[::-1], rule)
    assert Counter(ids[row] for row in selection.kept) == Counter(
        ids[::-1][row] for row in back.kept
    )
    assert (reasons(selection), selection.fault) == (reasons(back), back.fault)


# A folder, a packed store and a table of the same slides

PATIENTS = tuple(f"TCGA-A1-{i:04d}" for i in range(40))
NAMES = (
    *(f"{patient}-01Z-00-DX1.0a1b" for patient in PATIENTS[:32]),
    *(f"{patient}-01A-01-TS1.0a1b" for patient in PATIENTS[30:38]),
    f"{PATIENTS[0]}-11A-01-TS1.0a1b",
)
"""A fifth of the slides of tumours is frozen; of six patients there is no other."""


def features(i: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.random.default_rng(i).normal(size=(4, 3)).astype(np.float32)


def folder_of_slides(at: Path) -> str:
    (at / "bags").mkdir()
    for i, name in enumerate(NAMES):
        torch_file(at / "bags", name, features(i))
    return 'kind = "bag"\npath = "bags"'


def packed_store(at: Path) -> str:
    folder_of_slides(at)
    plan = plan_store(at / "bags", StoredPrecision.FLOAT32, lambda *_: None, "MIXED")
    import_store(plan, at / "wsi.h5", lambda *_: None)
    return 'kind = "bag"\npath = "wsi.h5"'


def table_of_slides(at: Path) -> str:
    rows = pd.DataFrame([features(i).mean(axis=0) for i in range(len(NAMES))], index=list(NAMES))
    rows.to_csv(at / "slides.csv", index_label="slide")
    return 'kind = "vector"\npath = "slides.csv"\nid = "slide"'


@pytest.fixture(params=[folder_of_slides, packed_store, table_of_slides])
def mixed(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Path]:
    """Writes a cohort of such slides with further keys of its [modalities.wsi]."""
    monkeypatch.setenv("MIRROR_BENCH_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "cohort"
    folder.mkdir()
    keys = request.param(folder)
    genes = pd.DataFrame(np.random.default_rng(0).normal(size=(40, 5)))
    genes.columns = pd.Index([f"GENE{i}" for i in range(5)])
    genes.insert(0, "sample", list(PATIENTS))
    genes.to_csv(folder / "rna.csv", index=False)

    def write(further: str) -> Path:
        rna = '[modalities.rna]\nkind = "vector"\npath = "rna.csv"\nid = "sample"\n'
        (folder / "cohort.toml").write_text(
            f'name = "MIXED"\n[modalities.wsi]\n{keys}\n{further}\n{rna}'
        )
        return folder

    return write


@pytest.mark.parametrize(
    ("further", "n_patients"),
    [("", 32), ('slides = "dx"', 32), ('slides = "frozen"', 8), ('slides = "all"', 38)],
)
def test_one_rule_for_folders_stores_and_tables(
    mixed: Callable[[str], Path], further: str, n_patients: int
) -> None:
    folder = mixed(further)
    cohort = load_cohort(folder)
    assert len(cohort.modalities["wsi"].patients) == n_patients
    notes = [note.replace("samples", "slides") for note in cohort.notes if note.startswith("wsi")]
    dx = "dx" in further or not further
    assert ("wsi: 8 slides left out: frozen (TS, BS, MS)" in notes) == dx
    assert ("wsi: 6 patients left out: frozen (TS, BS, MS) slides only" in notes) == dx
    assert "wsi: 1 slides left out: normal tissue" in notes
    verified = verify_cohort(folder, lambda *_: None)
    (partners,) = (f for f in verified.findings if f.summary == "patients with both sides")
    assert partners.n == len(cohort.complete())


def test_what_made_the_slides_is_declared(mixed: Callable[[str], Path]) -> None:
    declared = 'encoder = "HIPT"\npretrained_on = ["TCGA"]'
    cohort = load_cohort(mixed(declared))
    assert (cohort.encoder, cohort.pretrained_on) == ("HIPT", ("TCGA",))
    assert cohort.fingerprint() == load_cohort(mixed("")).fingerprint()
    (row,) = listing.cohorts(mixed(declared))
    assert row["slide_encoder"] == "HIPT, pre-trained on TCGA slides (without labels)"


def about(findings: tuple[Finding, ...]) -> list[tuple[Severity, int, int, str]]:
    return [
        (f.severity, f.n, f.total, f.summary.split(";")[0])
        for f in findings
        if f.check is Check.PREPARATIONS
    ]


@pytest.mark.parametrize(
    ("further", "severity", "summary"),
    [
        ("", "warning", "frozen (TS, BS, MS) slides beside others, left out with 6 patients"),
        ('slides = "dx"', "note", "frozen (TS, BS, MS) slides beside others, left out with 6"),
        ('slides = "all"', "warning", "frozen (TS, BS, MS) slides taken together with diagnostic"),
    ],
)
def test_a_folder_that_has_both_is_told_by_verify_and_audit(
    mixed: Callable[[str], Path], further: str, severity: str, summary: str
) -> None:
    folder = mixed(further)
    verified: CohortFacts = verify_cohort(folder, lambda *_: None)
    for findings in (verified.findings, audit_cohorts([folder])):
        (told,) = about(findings)
        assert told[:3] == (severity, 8, 41)
        assert told[3].startswith(summary)


def test_init_says_so_and_declares_it(mixed: Callable[[str], Path]) -> None:
    folder = mixed("")
    if (folder / "wsi.h5").is_file():
        pytest.skip("init looks at files as tools wrote them, not at stores")
    (folder / "cohort.toml").unlink()
    write_draft(survey(folder, lambda _: None))
    text = (folder / "cohort.toml").read_text().replace("\n#  ", "")
    assert 'slides = "dx"' in text
    assert "8 of 41 slides are frozen (TS, BS, MS)" in text
    assert read_manifest(folder).modalities["wsi"].rule == SampleRule(slides=SlideChoice.DX)
    assert len(load_cohort(folder).modalities["wsi"].patients) == 32


def test_a_folder_of_frozen_slides_alone_is_taken_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIRROR_BENCH_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "frozen"
    (folder / "bags").mkdir(parents=True)
    for i, patient in enumerate(PATIENTS[:12]):
        torch_file(folder / "bags", f"{patient}-01A-01-BS1", features(i))
    manifest = 'name = "FROZEN"\n[modalities.wsi]\nkind = "bag"\npath = "bags"\n'
    (folder / "cohort.toml").write_text(manifest)
    cohort = load_cohort(folder)
    assert len(cohort.patients) == 12
    assert any("frozen (TS, BS, MS) slides taken, 12 of 12" in note for note in cohort.notes)
    verified = verify_cohort(folder, lambda *_: None)
    warnings = [f.summary for f in verified.findings if f.severity is Severity.WARNING]
    assert (
        "frozen (TS, BS, MS) slides taken, since 12 patients have no other; "
        'slides = "all" or "frozen" says that this is meant'
    ) in warnings
    (folder / "cohort.toml").unlink()
    write_draft(survey(folder, lambda _: None))
    assert 'slides = "frozen"' in (folder / "cohort.toml").read_text()
    assert len(load_cohort(folder).patients) == 12
