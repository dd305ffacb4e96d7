"""`data verify`: whatever is planted in a cohort is found, named and counted."""

import io
import json
import os
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from benchmark.cli.verify import verify
from tasks.checks.data.gene_facts import GeneName, gene_name, gene_names
from tasks.checks.data.scale import SeenScale, detect_scale
from tasks.checks.leaks.published_endpoints import PUBLISHED
from tasks.errors import InputError
from tasks.seeds import generator
from tests.helpers.planted import session_folder
from tests.helpers.real import SHARED

PATIENTS = tuple(f"TCGA-{('A1', 'A2')[i % 2]}-{i:04d}" for i in range(60))
GENES = tuple(f"GENE{i}" for i in range(100))
MANIFEST = """
name = "MY-BRCA"
[modalities.wsi]
kind = "bag"
path = "bags"
[modalities.rna]
kind = "vector"
path = "rna.csv"
id = "sample"
[clinical]
format = "tcga-cdr"
path = "cdr.csv"
[labels.histology]
path = "cdr.csv"
id = "bcr_patient_barcode"
column = "histology"
classes = ["A", "B"]
"""


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIRROR_BENCH_CACHE", str(tmp_path / "cache"))


def slide(folder: Path, i: int) -> Path:
    return folder / "bags" / f"{PATIENTS[i]}-01Z-00-DX1.h5"


def write_slide(path: Path, features: object, coords: object = None) -> None:
    path.unlink(missing_ok=True)
    with h5py.File(path, "w") as file:
        file["features"] = features
        if coords is not None:
            file["coords"] = coords


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Sixty patients, as BRCA's are, with nothing wrong."""
    copy = tmp_path / "data" / "brca"
    shutil.copytree(_whole(), copy)
    return copy


@cache
def _whole() -> Path:
    rng = generator("verify")
    made = session_folder() / "brca"
    (made / "bags").mkdir(parents=True)
    for i in range(len(PATIENTS)):
        write_slide(slide(made, i), rng.normal(size=(20, 6)).astype("f4"), np.zeros((20, 2)))
    rna = pd.DataFrame(log2_tpm(), columns=list(GENES))
    rna.insert(0, "sample", [f"{p}-01A" for p in PATIENTS])
    rna.to_csv(made / "rna.csv", index=False)
    published = PUBLISHED["BRCA"]["os"]
    dead = np.arange(60) % 4 == 0
    months = np.where(dead, published.event_months, published.censored_months)
    pd.DataFrame(
        {
            "bcr_patient_barcode": PATIENTS,
            "OS": dead.astype(int),
            "OS.time": months * rng.lognormal(0, 0.4, 60) * 30.4375,
            "histology": ["A", "B"] * 30,
            "gender": ["MALE", "FEMALE"] * 30,
            "age_at_initial_pathologic_diagnosis": rng.integers(30, 90, 60),
        }
    ).to_csv(made / "cdr.csv", index=False)
    (made / "cohort.toml").write_text(MANIFEST)
    return made


def log2_tpm() -> Any:
    rng = generator("verify tpm")
    amounts = rng.lognormal(0, 2, (len(PATIENTS), len(GENES)))
    amounts[rng.random(amounts.shape) < 0.1] = 0
    return np.log2(1e6 * amounts / amounts.sum(axis=1, keepdims=True) + 0.001)


def run(path: Path) -> tuple[int, list[dict[str, Any]]]:
    out = io.StringIO()
    code = verify(path, True, Console(file=out, width=80))
    report = json.loads(out.getvalue())
    return code, [fact for cohort in report["cohorts"] for fact in cohort["facts"]]


def shown(path: Path) -> str:
    out = io.StringIO()
    verify(path, False, Console(file=out, width=100))
    return out.getvalue()


def edit(path: Path, change: Callable[[pd.DataFrame], object]) -> None:
    table = pd.read_csv(path)
    change(table)
    table.to_csv(path, index=False)


def test_a_whole_cohort(folder: Path) -> None:
    code, facts = run(folder)
    assert code == 0
    assert {fact["weight"] for fact in facts} == {"fact"}
    summaries = {fact["summary"] for fact in facts}
    assert any(s.startswith("log2(x + 0.001)") and "as TPM do" in s for s in summaries)
    assert "features are 100 gene symbols" in summaries
    text = shown(folder)
    assert "whole: 0 problems, 0 warnings" in text
    assert "60 of 60 patients" in text
    assert max(map(len, text.splitlines())) <= 100


def lengthened(folder: Path) -> None:
    write_slide(slide(folder, 3), np.ones((5, 9)))


def not_finite(folder: Path) -> None:
    for i, value in ((3, np.nan), (4, np.inf), (5, 1e39)):
        features = np.ones((5, 6))
        features[2, 2] = value
        write_slide(slide(folder, i), features)


def broken_slides(folder: Path) -> None:
    slide(folder, 0).write_bytes(b"noise")
    slide(folder, 1).unlink()
    os.mkfifo(slide(folder, 1))


def zero_and_repeated(folder: Path) -> None:
    write_slide(slide(folder, 0), np.zeros((5, 6)))
    write_slide(slide(folder, 1), np.tile(np.arange(6.0), (5, 1)))


def copied(folder: Path) -> None:
    slide(folder, 7).write_bytes(slide(folder, 8).read_bytes())
    second = slide(folder, 9).with_name(f"{PATIENTS[9]}-01Z-00-DX2.h5")
    second.write_bytes(slide(folder, 9).read_bytes())


def no_barcode(folder: Path) -> None:
    slide(folder, 0).rename(slide(folder, 0).with_name("slide_17.h5"))


def rna(change: Callable[[pd.DataFrame], object]) -> Callable[[Path], None]:
    return lambda folder: edit(folder / "rna.csv", change)


def cdr(change: Callable[[pd.DataFrame], object]) -> Callable[[Path], None]:
    return lambda folder: edit(folder / "cdr.csv", change)


def cells(rows: Any, column: str, value: Any) -> Callable[[pd.DataFrame], object]:
    def change(table: pd.DataFrame) -> None:
        table[column] = table[column].astype(object)
        table.loc[rows, column] = value

    return change


def renamed(**names: str) -> Callable[[pd.DataFrame], object]:
    return lambda table: table.rename(columns=names, inplace=True)  # noqa: PD002


def linear(table: pd.DataFrame) -> None:
    table.loc[5:6, list(GENES)] = np.exp2(table.loc[5:6, list(GENES)].to_numpy())


def half_sums(table: pd.DataFrame) -> None:
    values = np.exp2(table[list(GENES)].to_numpy()) - 0.001
    values[5] /= 2
    table[list(GENES)] = np.log2(np.maximum(values, 0) + 0.001)


def counted(table: pd.DataFrame) -> None:
    amounts = np.rint(np.exp2(table[list(GENES)].to_numpy()))
    amounts[3] = 0
    table[list(GENES)] = amounts


PLANTED: list[tuple[str, Callable[[Path], None], str, str, int, str]] = [
    ("widths", lengthened, "widths", "problem", 1, "6 (59), 9 (1)"),
    ("not finite", not_finite, "not-finite", "problem", 3, "NaN, an infinity"),
    ("broken", broken_slides, "files", "problem", 2, "cannot be read"),
    ("zeros", zero_and_repeated, "values", "problem", 1, "slides of zeros"),
    ("repeated", zero_and_repeated, "values", "problem", 1, "one instance repeated"),
    ("copies", copied, "duplicates", "problem", 2, "under different patients"),
    ("copies of one", copied, "duplicates", "warning", 2, "of one patient"),
    ("file names", no_barcode, "barcodes", "problem", 1, "no TCGA barcode"),
    (
        "empty",
        lambda f: write_slide(slide(f, 2), np.zeros((0, 6))),
        "empty", "warning", 1, "without instances",
    ),
    (
        "coordinates",
        lambda f: write_slide(slide(f, 2), np.ones((4, 6)) * np.arange(6), np.zeros((3, 2))),
        "coordinates", "problem", 1, "do not fit",
    ),
    ("tiny", lambda f: write_slide(slide(f, 2), np.arange(6.0 * 2000).reshape(2000, 6)),
     "outliers", "warning", 1, "robust standard deviations"),
    ("partner", lambda f: slide(f, 2).unlink(), "partners", "fact", 1, "without wsi"),
    ("ids", rna(cells([4, 9], "sample", "P1")), "barcodes", "problem", 2, "no TCGA barcode"),
    ("missing", rna(cells([4, 9, 11], "GENE5", np.nan)), "not-finite", "warning", 3, "3 samples"),
    ("constant", rna(cells(slice(None), "GENE5", 1.0)), "values", "warning", 1, "one value"),
    ("infinite", rna(cells(3, "GENE5", np.inf)), "files", "problem", 0, "finite number"),
    ("a word", rna(cells(3, "GENE5", "x")), "files", "problem", 0, "expected a number"),
    (
        "summary",
        rna(lambda table: table.insert(9, "__no_feature", 1e9)),
        "genes", "fact", 1, "an aligner's summary",
    ),
    ("dates", rna(renamed(GENE5="2-Sep", GENE6="1-Mar")), "genes", "warning", 2, "SEPT2 becomes"),
    (
        "versions",
        rna(renamed(GENE5="ENSG00000141510.11", GENE6="ENSG00000141510.12")),
        "genes", "warning", 2, "version alone",
    ),
    ("other scale", rna(linear), "scale", "warning", 2, "on another scale"),
    ("sums", rna(half_sums), "outliers", "warning", 1, "do not sum to a million"),
    (
        "several samples",
        rna(cells(3, "sample", f"{PATIENTS[4]}-01B")), "samples", "fact", 1, "several samples",
    ),
    (
        "normal tissue",
        rna(cells([3, 4], "sample", f"{PATIENTS[4]}-11A")), "samples", "fact", 2, "normal tissue",
    ),
    (
        "of another programme",
        rna(cells(3, "sample", "GTEX-1117F-0226-SM-5GZZ7")), "samples", "fact", 1, "of GTEx or",
    ),
    (
        "reversed",
        cdr(lambda table: table.__setitem__("OS", 1 - table["OS"])),
        "polarity", "problem", 45, "events are reversed",
    ),
    ("zero times", cdr(cells([1, 2], "OS.time", 0)), "times", "warning", 2, "times of zero"),
    ("negative", cdr(cells([1, 2], "OS.time", -3)), "outcome", "fact", 0, "out: negative time"),
    ("long", cdr(cells([1, 2], "OS.time", 99999)), "times", "warning", 2, "days read as months"),
    ("status", cdr(cells(1, "OS", 7)), "outcome", "problem", 0, "expected 0 or 1, found '7'"),
    ("few", cdr(cells(slice(0, 30), "OS", np.nan)), "outcome", "warning", 29, "too few events"),
    ("classes", cdr(cells(slice(0, 50), "histology", "A")), "classes", "warning", 1, "fewer than"),
    ("sex", cdr(cells(3, "gender", "blue")), "covariates", "problem", 0, "male or female"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("plant", "check", "weight", "n", "words"),
    [case[1:] for case in PLANTED],
    ids=[case[0] for case in PLANTED],
)
def test_what_is_planted_is_found(
    folder: Path, plant: Callable[[Path], None], check: str, weight: str, n: int, words: str
) -> None:
    plant(folder)
    code, facts = run(folder)
    found = [f for f in facts if f["check"] == check and words in f["summary"]]
    assert len(found) == 1, [(f["check"], f["weight"], f["summary"]) for f in facts]
    assert (found[0]["weight"], found[0]["n"]) == (weight, n)
    assert code == int(any(fact["weight"] == "problem" for fact in facts))
    if weight == "problem":
        assert code == 1


def test_a_declared_scale_that_is_not_so(folder: Path) -> None:
    text = MANIFEST.replace('id = "sample"', 'id = "sample"\nscale = "zscore"')
    (folder / "cohort.toml").write_text(text)
    code, facts = run(folder)
    assert code == 1
    assert [f["summary"] for f in facts if f["weight"] == "problem"] == [
        'declared is scale = "zscore", but the values look like log2(x + c)'
    ]


@pytest.mark.parametrize(
    ("declared", "check", "message"),
    [
        ('gene_sets = "genes"', "genes", "expected a name, a description and genes"),
        ('gene_sets = "other.gmt"', "genes", "other.gmt: expected genes of rna.csv, found none"),
        ('probemap = "cdr.csv"', "genes", "cdr.csv: expected a column 'id'"),
        (
            'selection = { label = "histology", always = "genes" }',
            "genes", "genes: expected genes of rna.csv, found none",
        ),
        ('scale = "counts"', "scale", f"{PATIENTS[3]}: expected counts, found only zeros"),
        ('[truth]\npath = "cdr.csv"\nid = "OS"', "files", "cdr.csv: row 1, column 'bcr_patient"),
    ],
)  # fmt: skip
def test_what_is_declared_and_refused_by_a_run(
    folder: Path, declared: str, check: str, message: str
) -> None:
    (folder / "genes").write_text("NOBODY\n")
    (folder / "other.gmt").write_text("A\t-\tNOBODY\n")
    if "counts" in declared:
        edit(folder / "rna.csv", counted)
    at_end = declared.startswith("[")
    text = MANIFEST + declared if at_end else MANIFEST.replace('"sample"', f'"sample"\n{declared}')
    (folder / "cohort.toml").write_text(text)
    _, facts = run(folder)
    (problem,) = [fact for fact in facts if fact["weight"] == "problem"]
    assert problem["check"] == check
    assert message in problem["summary"]


def test_genes_in_rows_that_are_declared_as_samples(folder: Path) -> None:
    table = pd.read_csv(folder / "rna.csv").set_index("sample").T
    table.rename_axis("sample").to_csv(folder / "rna.csv")
    code, facts = run(folder)
    assert code == 1
    assert any("declare the other orientation" in fact["summary"] for fact in facts)


def test_a_packed_store_is_compared_with_its_sums(folder: Path) -> None:
    from benchmark.cli.pack import pack_cohort
    from tasks.data.store.precision import StoredPrecision

    packed = folder.with_name("packed")
    pack_cohort(folder, packed, StoredPrecision.FLOAT32, Console(file=io.StringIO()))
    code, facts = run(packed)
    assert code == 0
    assert any("whole by its checksums" in fact["summary"] for fact in facts)
    (store,) = [file for file in packed.rglob("*.h5") if "bags" not in file.parts[-2:-1]]
    content = bytearray(store.read_bytes())
    content[len(content) // 2] ^= 1
    store.write_bytes(bytes(content))
    code, facts = run(packed)
    assert code == 1


def test_two_cohorts_of_one_name_are_a_problem(folder: Path) -> None:
    shutil.copytree(folder, folder.parent / "again")
    out = io.StringIO()
    assert verify(folder.parent, as_json=True, console=Console(file=out)) == 1
    found = json.loads(out.getvalue())
    assert found["counts"]["problem"] == 2
    for cohort, other in zip(found["cohorts"], ("brca", "again"), strict=True):
        assert cohort["facts"][0]["part"] == "cohort"
        assert str(folder.parent / other) in cohort["facts"][0]["summary"]


def test_folders_and_what_cannot_be_read(folder: Path, tmp_path: Path) -> None:
    assert run(folder.parent)[0] == 0
    for path, message in (
        (tmp_path / "none", "No such file"),
        (tmp_path / "cache", "No such file|found none"),
    ):
        with pytest.raises(InputError, match=message):
            run(path)
    (folder / "cohort.toml").write_text("name = 3")
    with pytest.raises(InputError, match="name: expected a text"):
        run(folder)


# Scale and names, by what other tools make of values


@pytest.mark.parametrize(
    ("make", "scale", "words"),
    [
        (lambda x: np.log2(x + 0.001), SeenScale.LOG2, "floor -9.966 = log2(0.001)"),
        (lambda x: np.log2(x + 1), SeenScale.LOG2, "log2(x + 1): "),
        (lambda x: np.log2(x + 0.01), SeenScale.LOG2, "floor -6.644 = log2(0.01)"),
        (lambda x: x, SeenScale.TPM, "sums to 1,000,000"),
        (lambda x: x / 3, SeenScale.LINEAR, "333,333 in the median"),
        (np.rint, SeenScale.COUNTS, "whole numbers"),
        (lambda x: (x - x.mean(0)) / x.std(0), SeenScale.Z_SCORES, "sd 1 (median 1.00)"),
        (
            lambda x: np.log2(x + 0.001) - np.log2(x + 0.001).mean(0),
            SeenScale.CENTRED,
            "centred by gene",
        ),
        (lambda x: -x, SeenScale.UNKNOWN, "negative values"),
        (lambda x: x * np.nan, SeenScale.UNKNOWN, "no value is there"),
    ],
)
def test_scales(make: Callable[[Any], Any], scale: SeenScale, words: str) -> None:
    tpm = np.exp2(log2_tpm()) - 0.001
    tpm = np.where(tpm < 1e-6, 0.0, tpm)
    found = detect_scale(make(tpm))
    assert found.scale is scale
    assert words in found.text


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("TP53", GeneName.SYMBOL),
        ("HLA-DRA", GeneName.SYMBOL),
        ("C1orf112", GeneName.SYMBOL),
        ("RP11-34P13.7", GeneName.SYMBOL),
        ("ENSG00000141510", GeneName.ENSEMBL_GENE),
        ("ENSG00000141510.11", GeneName.ENSEMBL_GENE_VERSION),
        ("ENSG00000182378.13_PAR_Y", GeneName.ENSEMBL_GENE_VERSION),
        ("ENST00000269305", GeneName.ENSEMBL_TRANSCRIPT),
        ("ENST00000269305.8", GeneName.ENSEMBL_TRANSCRIPT_VERSION),
        ("NM_000546.5", GeneName.REFSEQ),
        ("TP53|7157", GeneName.SYMBOL_ENTREZ),
        ("?|100130426", GeneName.SYMBOL_ENTREZ),
        ("7157", GeneName.ENTREZ),
        ("2-Sep", GeneName.DATE),
        ("Mar-01", GeneName.DATE),
        ("MARCH1", GeneName.SYMBOL),
        ("AREA_MM2_OF_TUMOR", GeneName.OTHER),
    ],
)
def test_gene_names(name: str, kind: GeneName) -> None:
    assert gene_name(name) is kind


def test_names_that_are_not_their_own() -> None:
    found = gene_names(["A", "A", "ENSG00000000001.1", "ENSG00000000001.2", "ENSG00000000002.2"])
    assert found.merged == ("ENSG00000000001.1", "ENSG00000000001.2")


@pytest.mark.real
def test_real_cohorts_are_whole(tmp_path: Path) -> None:
    """What is known of the files at hand: their outliers and copies are found, and no problem."""
    for name in ("TCGA-BRCA", "TCGA-KIRP", "TCGA-LUAD", "TCGA-STAD", "tcga_cdr.csv.gz"):
        (tmp_path / name).symlink_to((SHARED / "data" / "tcga" / name).resolve())
    code, facts = run(tmp_path)
    assert code == 0
    brca = [fact for fact in facts if "36,893 at most" in fact["summary"]]
    assert [(fact["check"], fact["examples"]) for fact in brca] == [
        ("outliers", ["TCGA-A8-A082 FGF4 36,893"])
    ]
    scales = [fact["summary"] for fact in facts if fact["check"] == "scale"]
    assert len(scales) == 4
    assert all(text.startswith("z-scores") for text in scales)
    both = [fact["n"] for fact in facts if fact["summary"] == "patients with both sides"]
    assert both == [884, 202, 422, 333]
    polarity = [fact for fact in facts if fact["check"] == "polarity"]
    assert {fact["weight"] for fact in polarity} == {"fact"}
