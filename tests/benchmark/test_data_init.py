"""`data init`: every layout that users have on their disks becomes a cohort.toml, or says why."""

import gzip
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from rich.console import Console

from benchmark.cli.init import init
from benchmark.cli.main import main
from tasks.data.cohort import BagModality, VectorModality
from tasks.data.load import load_cohort
from tasks.data.manifest import read_manifest
from tasks.errors import InputError
from tasks.seeds import generator

SITES = ("A1", "A2")  # tissue-source sites of TCGA-BRCA
PATIENTS = tuple(f"TCGA-{SITES[i % 2]}-{i:04d}" for i in range(40))
UUID = "F6E9A5DF-D8FB-45CF-B4BD-C6B76294C291"
ISOFORMS = tuple(f"ENST{i:011d}.{i % 9}" for i in range(60))
GENES = tuple(f"GENE{i}" for i in range(60))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIRROR_BENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "data" / "my cohort"
    made.mkdir(parents=True)
    return made


def write_init(folder: Path) -> str:
    """Run it; what it said."""
    out = io.StringIO()
    init(folder, Console(file=out, width=100))
    return out.getvalue()


def draft(folder: Path) -> str:
    write_init(folder)
    return (folder / "cohort.toml").read_text()


# Slides


def bags(where: Path, *, leading: bool = False, width: int = 8) -> None:
    where.mkdir(parents=True)
    rng = generator("init bags", width)
    for patient in PATIENTS:
        features = rng.normal(size=(3, width)).astype(np.float32)
        with h5py.File(where / f"{patient}-01Z-00-DX1.{UUID}.h5", "w") as file:
            file["features"] = features[None] if leading else features
            file["coords"] = np.zeros((1, 3, 2) if leading else (3, 2), dtype=np.int64)


def tensors(where: Path) -> None:
    where.mkdir(parents=True)
    for patient in PATIENTS:
        torch.save(torch.ones(3, 8), where / f"{patient}-01Z-00-DX1.pt")


def trident(folder: Path) -> None:
    job = folder / "job" / "20x_256px_0px_overlap"
    bags(job / "features_uni_v2")
    (job / "patches").mkdir()
    with h5py.File(job / "patches" / f"{PATIENTS[0]}-01Z-00-DX1_patches.h5", "w") as file:
        file["coords"] = np.zeros((3, 2), dtype=np.int64)
    (job / "slide_features_titan").mkdir()
    for patient in PATIENTS:
        name = f"{patient}-01Z-00-DX1.{UUID}.h5"
        with h5py.File(job / "slide_features_titan" / name, "w") as file:
            file["features"] = np.ones(16, dtype=np.float32)


def clam(folder: Path) -> None:
    bags(folder / "FEATURES" / "h5_files")
    tensors(folder / "FEATURES" / "pt_files")


def two_encoders(folder: Path) -> None:
    bags(folder / "features_conch")
    bags(folder / "features_uni")


SLIDES: list[tuple[str, Callable[[Path], None], str, tuple[str, ...]]] = [
    (
        "TRIDENT",
        trident,
        "job/20x_256px_0px_overlap/features_uni_v2",
        (
            "RECOGNISED TRIDENT, encoder uni_v2, patches 20x_256px_0px_overlap: 40 slides",
            'encoder = "uni_v2"',
            "slide embeddings, a file a slide: 40 of 16 features",
            "expected a dataset `features`, found coords",
        ),
    ),
    (
        "CLAM",
        clam,
        "FEATURES/h5_files",
        ("RECOGNISED HDF5 features of CLAM", '# path = "FEATURES/pt_files"'),
    ),
    (
        "UNI2-h",
        lambda folder: bags(folder / "TCGA-BRCA_IDC", leading=True, width=1536),
        "TCGA-BRCA_IDC",
        ("as UNI2-h's are distributed", "1536 features an instance"),
    ),
    (
        "tensors",
        lambda folder: tensors(folder / "features"),
        "features",
        ("RECOGNISED tensors saved by torch.save: 40 slides of 40 patients, 8 features",),
    ),
    (
        "two encoders",
        two_encoders,
        "features_conch",
        ('# path = "features_uni"', "GUESSED: not this one", "the encoder conch"),
    ),
]


@pytest.mark.parametrize(
    ("make", "path", "said"), [case[1:] for case in SLIDES], ids=[case[0] for case in SLIDES]
)
def test_slides(
    folder: Path, make: Callable[[Path], None], path: str, said: tuple[str, ...]
) -> None:
    make(folder)
    text = draft(folder)
    joined = " ".join(text.replace("\n#  ", "").split())
    for words in said:
        assert words in joined
    assert 'name = "TCGA-BRCA"' in text
    modality = load_cohort(folder).modalities["wsi"]
    assert isinstance(modality, BagModality)
    assert modality.patients == tuple(sorted(PATIENTS))
    assert read_manifest(folder).modalities["wsi"].path == folder / path


# Expression


def values(kind: str) -> pd.DataFrame:
    rng = generator("init expression", kind)
    linear = rng.lognormal(2.0, 1.5, (len(PATIENTS), len(GENES)))
    linear[rng.random(linear.shape) < 0.1] = 0
    if kind == "z":
        made = (linear - linear.mean(axis=0)) / linear.std(axis=0)
    elif kind == "counts":
        made = np.rint(linear * 50)
    else:
        made = np.log2(linear + (0.001 if kind == "0.001" else 1.0))
    return pd.DataFrame(made, columns=list(GENES), index=[f"{p}-01" for p in PATIENTS])


def xena(folder: Path, kind: str, name: str, ids: tuple[str, ...] = GENES) -> None:
    table = values(kind).T
    table.index = pd.Index(ids, name="sample")
    text = table.to_csv(sep="\t")
    if name.endswith(".gz"):
        (folder / name).write_bytes(gzip.compress(text.encode()))
    else:
        (folder / name).write_text(text)


def two_matrices(folder: Path) -> None:
    values("1").to_csv(folder / "a.csv")
    xena(folder, "0.001", "b.gz")


EXPRESSION: list[tuple[str, Callable[[Path], None], tuple[str, ...]]] = [
    (
        "toil isoforms",
        lambda f: xena(f, "0.001", "tcga_RSEM_isoform_fpkm.gz", ISOFORMS),
        ("60 Ensembl transcripts with version; looks like log2(x + 0.001)", '"genes"'),
    ),
    ("HiSeqV2", lambda f: xena(f, "1", "HiSeqV2"), ("gene symbols; looks like log2(x + 1)",)),
    (
        "samples",
        lambda f: values("z").to_csv(f / "rna_clean.csv"),
        ('id = ""', "60 gene symbols; looks like z-scores"),
    ),
    (
        "parquet",
        lambda f: values("counts").rename_axis("sample").reset_index().to_parquet(f / "e.parquet"),
        ('id = "sample"', "looks like counts"),
    ),
    (
        "two matrices",
        two_matrices,
        ('path = "a.csv"', '# path = "b.gz"', '# orientation = "genes"'),
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("make", "said"), [case[1:] for case in EXPRESSION], ids=[case[0] for case in EXPRESSION]
)
def test_expression(folder: Path, make: Callable[[Path], None], said: tuple[str, ...]) -> None:
    make(folder)
    text = draft(folder)
    joined = " ".join(text.replace("\n#  ", "").split())
    for words in said:
        assert words in joined
    modality = load_cohort(folder).modalities["rna"]
    assert isinstance(modality, VectorModality)
    assert (len(modality.patients), modality.width) == (40, 60)


# Clinical files

MONTHS = [round(3.0 + 1.7 * i, 1) for i in range(len(PATIENTS))]
EVENTS = [int(i % 3 == 0) for i in range(len(PATIENTS))]
ROWS = list(zip(PATIENTS, MONTHS, EVENTS, strict=True))


def cdr(**more: object) -> pd.DataFrame:
    days = [30.4375 * m for m in MONTHS]
    return pd.DataFrame(
        {"bcr_patient_barcode": PATIENTS, "type": "BRCA", "OS": EVENTS, "OS.time": days} | more
    )


def study(folder: Path) -> None:
    """A cBioPortal study: patients and samples, each below four lines of comments."""
    lines = ["#Patient\tStatus\tMonths", "#a\tb\tc", "#STRING\tSTRING\tNUMBER", "#1\t1\t1"]
    lines += ["PATIENT_ID\tOS_STATUS\tOS_MONTHS"]
    lines += [f"{p}\t{e}:{'DECEASED' if e else 'LIVING'}\t{m}" for p, m, e in ROWS]
    (folder / "data_clinical_patient.txt").write_text("\n".join(lines) + "\n")
    lines = ["#a\tb\tc", "#a\tb\tc", "#STRING\tSTRING\tSTRING", "#1\t1\t1"]
    lines += ["PATIENT_ID\tSAMPLE_ID\tONCOTREE_CODE"]
    lines += [f"{p}\t{p}-01\t{'IDC' if i % 2 else 'ILC'}" for i, p in enumerate(PATIENTS)]
    (folder / "data_clinical_sample.txt").write_text("\n".join(lines) + "\n")


def website(folder: Path) -> None:
    lines = ["Study ID\tPatient ID\tSample ID\tOverall Survival (Months)\tOverall Survival Status"]
    lines += [f"s\t{p}\t{p}-01\t{m}\t{'DECEASED' if e else 'LIVING'}" for p, m, e in ROWS]
    (folder / "brca_tcga_clinical_data.tsv").write_text("\n".join(lines) + "\n")


def porpoise(folder: Path) -> None:
    lines = ["case_id,slide_id,site,survival_months,censorship,oncotree_code"]
    lines += [f"{p},{p}-01Z.svs,A1,{m},{1 - e},IDC" for p, m, e in ROWS]
    (folder / "tcga_brca_all_clean.csv").write_text("\n".join(lines) + "\n")


def porpoise_with_a_split(folder: Path) -> None:
    lines = ["case_id,slide_id,survival_months,censorship,split"]
    lines += [f"{p},{p}-01Z.svs,{m},{1 - e},{'test' if e else 'train'}" for p, m, e in ROWS]
    (folder / "clinical.csv").write_text("\n".join(lines) + "\n")


def gdc(folder: Path) -> None:
    cases = [
        {
            "submitter_id": p,
            "demographic": {"vital_status": "Dead", "days_to_death": 30.4375 * m}
            if e
            else {"vital_status": "Alive"},
            "diagnoses": [{"days_to_last_follow_up": 30.4375 * m}],
        }
        for p, m, e in ROWS
    ]
    (folder / "clinical.cases.json").write_text(json.dumps(cases))


def workbook(folder: Path) -> None:
    with pd.ExcelWriter(folder / "TCGA-CDR-SupplementalTableS1.xlsx") as book:
        cdr().to_excel(book, sheet_name="TCGA-CDR")
        cdr().to_excel(book, sheet_name="ExtraEndpoints")


def survival_of_xena(folder: Path) -> None:
    table = cdr().rename(columns={"bcr_patient_barcode": "_PATIENT"})
    table.insert(0, "sample", [f"{p}-01" for p in PATIENTS])
    table.to_csv(folder / "survival.tsv", sep="\t", index=False)


CLINICAL: list[tuple[str, Callable[[Path], None], str]] = [
    ("cBioPortal study", study, 'format = "cbioportal"\npath = "data_clinical_patient.txt"'),
    ("cBioPortal website", website, 'format = "cbioportal"\npath = "brca_tcga_clinical_data.tsv"'),
    ("PORPOISE", porpoise, 'format = "porpoise"'),
    ("PORPOISE with a split", porpoise_with_a_split, 'format = "porpoise"'),
    ("PORPOISE, the split", porpoise_with_a_split, "clinical.csv: a split file"),
    ("GDC", gdc, 'format = "gdc"'),
    ("TCGA-CDR workbook", workbook, 'format = "tcga-cdr"'),
    ("TCGA-CDR csv", lambda f: cdr().to_csv(f / "cdr.csv.gz"), 'format = "tcga-cdr"'),
    ("above", lambda f: cdr().to_csv(f.parent / "cdr.csv"), 'path = "../cdr.csv"'),
    ("Xena's survival", survival_of_xena, 'format = "table"'),
]


@pytest.mark.parametrize(
    ("make", "said"), [case[1:] for case in CLINICAL], ids=[case[0] for case in CLINICAL]
)
def test_clinical_files(folder: Path, make: Callable[[Path], None], said: str) -> None:
    """Whatever the source calls an event, the cohort has the same events."""
    values("1").to_csv(folder / "rna.csv")
    make(folder)
    assert said in draft(folder)
    endpoint = load_cohort(folder).endpoints["os"]
    by_patient = {p: (m, bool(e)) for p, m, e in ROWS}
    for patient, time, event in zip(endpoint.patients, endpoint.time, endpoint.event, strict=True):
        assert (round(float(time), 6), bool(event)) == by_patient[patient]
    assert len(endpoint.patients) == len(PATIENTS)


def test_polarity_is_asked_for(folder: Path) -> None:
    values("1").to_csv(folder / "rna.csv")
    lines = ["patient_id,follow_up,vital,relapse_event,Sex,age"]
    lines += [f"{p},{m},{1 + e},{e},{'fm'[e]},60" for p, m, e in ROWS]
    (folder / "outcomes.csv").write_text("\n".join(lines) + "\n")
    said = write_init(folder)
    assert "clinical.event_value: which value means that the event happened" in said
    assert "clinical.time_unit: days or months" in said
    text = (folder / "cohort.toml").read_text()
    assert "'1': 14 patients, median follow_up" in text
    assert 'event_value = ""' in text
    with pytest.raises(InputError, match=r"clinical\.time_unit: expected a text, found ''"):
        load_cohort(folder)
    text = text.replace('time_unit = ""', 'time_unit = "months"')
    (folder / "cohort.toml").write_text(text)
    with pytest.raises(InputError, match=r"event_value: expected the value that means"):
        load_cohort(folder)
    (folder / "cohort.toml").write_text(text.replace('event_value = ""', 'event_value = "1"'))
    cohort = load_cohort(folder)
    assert cohort.endpoints["dfi"].event.sum() == sum(EVENTS)
    assert cohort.clinical is not None
    assert cohort.clinical.rows(cohort.patients)[:, 1].sum() == sum(EVENTS)  # men


def test_a_status_that_is_unknown_or_spelt_twice_is_still_one_of_two(folder: Path) -> None:
    values("1").to_csv(folder / "rna.csv")
    words = ["Dead" if e else "Alive" for _, _, e in ROWS]
    words[0], words[words.index("Dead", 1)] = "Unknown", "dead"
    lines = ["patient_id,days_to_event,vital_status"]
    lines += [f"{p},{m},{word}" for (p, m, _), word in zip(ROWS, words, strict=True)]
    (folder / "outcomes.csv").write_text("\n".join(lines) + "\n")
    said = write_init(folder)
    assert "clinical.event_value: which value means that the event happened" in said
    text = (folder / "cohort.toml").read_text()
    assert "Unknown" not in text
    n_dead = sum(word.casefold() == "dead" for word in words)
    assert f": {n_dead} patients, median days_to_event" in text
    text = text.replace('event_value = ""', 'event_value = "Dead"')
    (folder / "cohort.toml").write_text(text.replace('time_unit = ""', 'time_unit = "days"'))
    endpoint = load_cohort(folder).endpoints["os"]
    assert (len(endpoint.patients), endpoint.event.sum()) == (len(ROWS) - 1, n_dead)


def test_two_clinical_files_and_labels(folder: Path) -> None:
    values("1").to_csv(folder / "rna.csv")
    study(folder)
    cdr().to_csv(folder / "cdr.csv", index=False)
    calls = pd.DataFrame(
        {"case_id": PATIENTS, "PAM50": ["LumA", "LumB"] * 20, "OS": ["dead", "alive"] * 20}
    )
    calls.to_csv(folder / "subtypes.csv", index=False)
    text = draft(folder)
    assert text.index('\npath = "cdr.csv"') < text.index('# path = "data_clinical_patient.txt"')
    assert "Looks like PAM50, called from expression" in text
    assert '# derived_from = "rna"' in text
    # the comments taken away, both labels are read as they stand
    start = text.index("# [labels")
    labels = text[start : text.index("\n\n", start)].replace("# [", "[").splitlines()
    kept = [
        line.removeprefix("# ") for line in labels
        if line.startswith(("[", "# path", "# id", "# column", "# classes", "# derived"))
    ]  # fmt: skip
    (folder / "cohort.toml").write_text(text + "\n".join(kept) + "\n")
    found = load_cohort(folder).labels
    assert {name: len(label.values) for name, label in found.items()} == {
        "oncotree-code": 40,
        "pam50": 40,
        "os-2": 40,
    }


def test_nothing_is_overwritten_and_nothing_half_written(folder: Path) -> None:
    with pytest.raises(InputError, match=r"expected slide features .* found none"):
        init(folder, Console(file=io.StringIO()))
    assert list(folder.iterdir()) == []
    values("1").to_csv(folder / "rna.csv")
    for existing in ("name = 1", ""):
        (folder / "cohort.toml").write_text(existing)
        with pytest.raises(InputError, match="expected no such file yet"):
            init(folder, Console(file=io.StringIO()))
        assert (folder / "cohort.toml").read_text() == existing
    (folder / "cohort.toml").unlink()
    (folder / "cohort.toml").symlink_to("gone")
    with pytest.raises(InputError, match="expected no such file yet"):
        init(folder, Console(file=io.StringIO()))


def test_what_cannot_be_used_is_named(folder: Path) -> None:
    values("1").to_csv(folder / "rna.csv")
    (folder / "features.tar.gz").write_bytes(b"\x1f\x8b")
    (folder / "splits_0.csv").write_text(f",train,val\n0,{PATIENTS[0]},{PATIENTS[1]}\n")
    (folder / "broken.csv").write_bytes(b"a,b\0\n1,2\n")
    damaged = gzip.compress(b"")[:10] + b"\xff" * 40
    (folder / "damaged.csv.gz").write_bytes(damaged)
    (folder / "damaged").write_bytes(damaged)
    twice = f"sample,_PATIENT,OS,OS,OS.time\n{PATIENTS[0]}-01,{PATIENTS[0]},1,1,9\n"
    (folder / "xena.csv").write_text(twice)
    (folder / "mine.csv").write_text("patient_id,x\nP001,1\n")
    (folder / "up").symlink_to("..")
    (folder / "data.json").write_text("[" * 5000)
    (folder / "h5_files").mkdir()
    for name in (PATIENTS[0], "slide-2"):
        (folder / "h5_files" / f"{name}.h5").write_bytes(b"")
    text = draft(folder)
    for words in (
        "# features.tar.gz: a tar archive: unpack it",
        "# splits_0.csv: a split file: give it to `run` as --split",
        "# broken.csv: expected text, found a zero byte",
        "# damaged.csv.gz: expected a table, found: Error -3 while decompressing",
        "# xena.csv: expected one column 'OS', found 2 of that name",
        "# mine.csv: patient_id 'P001' is no TCGA barcode",
        "# data.json: JSON, but no list of cases",
        "# h5_files: 1 of 2 files without a TCGA barcode, which `run` needs in every name: take\n"
        "#   slide-2.h5 away, or rename\n",
    ):
        assert words in text
    assert load_cohort(folder).patients


def test_a_disk_is_not_walked_whole(folder: Path) -> None:
    for i in range(2001):
        (folder / str(i)).mkdir()
    with pytest.raises(InputError, match="one cohort's files, found more than 2000 folders in it"):
        draft(folder)


def test_the_command(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trident(folder)
    xena(folder, "0.001", "expression.gz")
    workbook(folder)

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["mirror-bench", *words])
        with pytest.raises(SystemExit) as caught:
            main()
        said = capsys.readouterr()
        return int(caught.value.code or 0), said.out, said.err

    code, out, _ = run("data", "init", str(folder))
    assert code == 0
    assert "mirror-bench data verify" in out
    code, out, _ = run("list", "tasks", "--data", str(folder))
    assert code == 0
    assert "survival/TCGA-BRCA/os" in out
    code, _, error = run("data", "init", str(folder))
    assert (code, error.count("\n")) == (2, 1)
    assert "expected no such file yet" in error


def test_gene_sets_are_recognised_where_the_expression_has_their_genes(folder: Path) -> None:
    xena(folder, "1", "HiSeqV2")
    (folder / "hallmark.gmt").write_text("\t".join(["ONE", "", *GENES[:6]]))
    (folder / "others.gmt").write_text("ONE\t\tNOBODY\n")
    text = draft(folder)
    assert 'gene_sets = "hallmark.gmt"  # RECOGNISED 1 sets' in text
    assert "others.gmt: expected genes of HiSeqV2, found none of them" in text.replace("\n#  ", "")
    rna = load_cohort(folder).modalities["rna"]
    assert isinstance(rna, VectorModality)
    assert rna.gene_sets == {"ONE": GENES[:6]}
