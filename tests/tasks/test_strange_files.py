"""Files as other tools and other hospitals write them: read right, or refused in one line."""

import re
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import torch

from tasks.checks.data.bag_facts import verify_bags
from tasks.checks.finding import Severity
from tasks.checks.leaks.copied_columns import Known, copied_columns
from tasks.checks.recognise.schemes import propose
from tasks.checks.recognise.survey import survey
from tasks.data.cohort import BagModality, Cohort, VectorModality
from tasks.data.formats.bags import read_bags
from tasks.data.formats.clinical import named_endpoint
from tasks.data.formats.gdc import read_gdc_cases
from tasks.data.formats.labels import read_label
from tasks.data.formats.slides import peek_slide, read_coordinates, scan_slide
from tasks.data.formats.tables import read_numeric_table, read_text_table
from tasks.data.formats.vectors import read_vectors
from tasks.data.identifiers import Identifiers, Scheme
from tasks.data.manifest import BagSource, GeneSource, LabelSource, Orientation, VectorSource
from tasks.data.split_files import splits_from_files
from tasks.data.store.plan import plan_store
from tasks.data.store.precision import StoredPrecision
from tasks.errors import InputError
from tasks.seeds import generator
from tests.helpers.damage import damaged
from tests.tasks.test_identifiers import write
from tests.tasks.test_known_formats import dictionary, gdc, h5ad, stamp

N = 40
BARCODES = [f"TCGA-A1-{i:04d}" for i in range(N)]
GENES = [f"G{i}" for i in range(60)]
X = 2 ** (4 + generator("strange files").normal(size=(N, len(GENES)))).round(4)


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIRROR_BENCH_CACHE", str(tmp_path / "cache"))


# Features that are none


def test_other_codes_and_units_of_what_is_known() -> None:
    rng = generator("codes")
    age, stage = rng.integers(30, 85, N), rng.integers(1, 5, N)
    columns = {
        "days": age * 365.25 + 11,
        "coded": np.array([0, 7, 3, 5, 4])[stage],
        "gap": np.where(np.arange(N) % 9 == 0, np.nan, stage),
        "noise": rng.normal(size=N),
        "rough": age + rng.normal(0, 2, N),
        "two": np.where(stage < 4, stage, 1),
        "one": np.ones(N),
    }
    values = np.stack([*columns.values()], axis=1).astype(np.float32)
    modality = VectorModality(tuple(BARCODES), values, tuple(columns))
    known = [
        Known("age", dict(zip(BARCODES, map(str, age), strict=True))),
        Known("stage", {who: f"{'I' * n}" for who, n in zip(BARCODES, stage, strict=True)}),
        Known("rare", {who: str(who == BARCODES[3]) for who in BARCODES}),
    ]
    assert sorted(copied_columns(modality, known)) == [
        ("coded", "stage"), ("days", "age"), ("gap", "stage"),
    ]  # fmt: skip


# What names say


@pytest.mark.parametrize(
    ("ids", "normal"),
    [
        (Identifiers(), "-11A"),
        (Identifiers(Scheme.REGEX, re.compile(r"(TCGA-..-\d{4})")), "_N"),
        (Identifiers(Scheme.REGEX, re.compile(r"(TCGA-..-\d{4})")), ".normal"),
    ],
)
def test_normal_tissue_is_no_tumour(tmp_path: Path, ids: Identifiers, normal: str) -> None:
    names = [*BARCODES, *(who + normal for who in BARCODES[::3])]
    frame = pd.DataFrame(np.vstack([X, X[::3] * 0 + 1]), names, GENES)
    frame.rename_axis("id").to_csv(tmp_path / "rna.csv")
    modality, notes = read_vectors("rna", GeneSource(tmp_path / "rna.csv", "id", ids=ids))
    assert np.allclose(modality.values, X)
    assert "rna: 14 samples left out: normal tissue" in notes


def test_a_quantity_behind_the_sample(tmp_path: Path) -> None:
    frame = pd.DataFrame(np.hstack([X.T, X.T / 2]), GENES)
    frame.columns = pd.Index([f"{who}-01A{end}" for end in ("_TPM", ".FPKM") for who in BARCODES])
    frame.rename_axis("gene").to_csv(tmp_path / "rna.csv")
    source = GeneSource(tmp_path / "rna.csv", "gene", Orientation.GENES)
    with pytest.raises(InputError, match="several things of one: 'FPKM', 'TPM' of TCGA-A1-0000"):
        read_vectors("rna", source)
    chosen = GeneSource(tmp_path / "rna.csv", "gene", Orientation.GENES, quantity="TPM")
    assert np.allclose(read_vectors("rna", chosen)[0].values, X)


def test_patches_of_two_magnifications(tmp_path: Path) -> None:
    for i, who in enumerate(BARCODES[:6]):
        with h5py.File(stamp(tmp_path / f"{who}-01Z-00-DX1.h5"), "a") as file:
            file["coords"].attrs["target_magnification"] = 40 if i == 4 else 20
            file["coords"].attrs["patch_size"] = 256
    message = "0004.*expected patches of 20x 256 px as in the other slides, found those of 40x"
    with pytest.raises(InputError, match=message):
        read_bags("wsi", BagSource(tmp_path))
    with pytest.raises(InputError, match=message):
        plan_store(tmp_path, StoredPrecision.FLOAT16, lambda *_: None)
    facts, _ = verify_bags("wsi", BagSource(tmp_path), "", lambda *_: None)
    problems = [fact.summary for fact in facts if fact.severity is Severity.PROBLEM]
    assert problems[0] == "slides of different patches: 20x 256 px (5), 40x 256 px (1)"


@pytest.mark.parametrize("column", ["EFS.time", "dmfs_days", "time_to_metastasis", "LRFS"])
def test_no_other_endpoint_is_called_overall_survival(column: str) -> None:
    with pytest.raises(InputError, match=r'endpoint = "\.\.\." in \[clinical\] says as which'):
        named_endpoint(Path("x.csv"), column, "event")


def test_redacted_patients_have_no_class(tmp_path: Path) -> None:
    table = pd.DataFrame({"id": BARCODES, "grade": np.where(np.arange(N) % 2, "G2", "G3")})
    table.assign(Redaction=["Redacted", *[""] * (N - 1)]).to_csv(tmp_path / "x.csv", index=False)
    source = LabelSource(tmp_path / "x.csv", "id", "grade", ("G2", "G3"))
    label, notes = read_label("grade", source, BARCODES)
    assert BARCODES[0] not in label.values  # noqa: PD011 - of no frame
    assert "grade: 1 rows left out: redacted" in notes


def test_patients_are_not_read_out_of_longer_names(tmp_path: Path) -> None:
    people = [f"P{i}" for i in range(1, 61)]
    pd.DataFrame({"patient_id": people}).to_csv(tmp_path / "clinical.csv", index=False)
    names = [f"{who}_{i % 3}.h5" for i, who in enumerate(people)]
    found = propose(names, [tmp_path / "clinical.csv"])
    assert found.ids.read("P10_1.h5", "", slide=True).patient == "P10"
    assert found.ids.find("TP53") is None


def test_names_that_r_and_floats_changed() -> None:
    cptac = Identifiers(Scheme.REGEX, re.compile(r"(C3[LN]-\d{5})"))
    assert cptac.read("C3L.00021", "").patient == "C3L-00021"
    assert Identifiers(Scheme.PLAIN).read("1012.0", "").patient == "1012"
    assert Identifiers(Scheme.PLAIN).read("V1.0", "").patient == "V1.0"


def test_only_expression_is_taken_for_it(tmp_path: Path) -> None:
    folder = write(tmp_path / "MINE", BARCODES, [f"{who}-01Z-00-DX1" for who in BARCODES])
    more = [f"{who}-01" for who in BARCODES] + ["TCGA-A1-9999-01"]
    for name, rows, cells in (
        ("data_cna.txt", GENES, generator("cna").integers(-2, 3, (60, N + 1))),
        ("HumanMethylation450", [f"cg{i:08d}" for i in range(60)], np.full((60, N + 1), 0.5)),
        ("data_rppa.txt", GENES, np.full((60, N + 1), 0.1)),
    ):
        pd.DataFrame(cells, rows, more).rename_axis("id").to_csv(folder / name, sep="\t")
    found = survey(folder, lambda _: None)
    assert [one.path.name for one in found.rna] == ["rna.csv"]
    assert sum("not taken for expression" in other.summary for other in found.others) == 3


def test_splits_by_the_names_of_slides(tmp_path: Path) -> None:
    names = [f"S19-{1000 + i}_A1" for i in range(N)]
    write(tmp_path / "x", BARCODES, names)
    owners = dict(zip(names, [f"P{i}" for i in range(N)], strict=True))
    ids = Identifiers(Scheme.PLAIN, owners=owners)
    modality, _ = read_bags("wsi", BagSource(tmp_path / "x" / "feats", ids=ids))
    assert isinstance(modality, BagModality)
    cohort = Cohort("X", modality.patients, {"wsi": modality})
    (tmp_path / "splits_0.csv").write_text(
        "train,test\n"
        + "\n".join(f"{a},{b}.svs" for a, b in zip(names[:20], names[20:], strict=True))
    )
    (split,) = splits_from_files(tmp_path / "splits_0.csv", cohort).splits
    assert set(split.test) == {f"P{i}" for i in range(20, N)}
    assert len(split.train) == 20


# Formats


def parquet(path: Path, *, wide: bool = False, **changes: object) -> Path:
    values = np.arange(36, dtype="f4").reshape(4, 9)
    features = {f"f{j}": values[:, j] for j in range(9)} if wide else {"features": list(values)}
    columns = {"x": [0, 256, 512, 768], "y": [1, 1, 1, 1], **features, **changes}
    pd.DataFrame(columns).to_parquet(path)
    return path


@pytest.mark.parametrize("wide", [False, True])
def test_parquet_bags(tmp_path: Path, wide: bool) -> None:
    path = parquet(tmp_path / f"{BARCODES[0]}-01Z-00-DX1.parquet", wide=wide)
    pd.DataFrame({"slide": ["a"], "patient": ["b"]}).to_parquet(tmp_path / "registry.parquet")
    seen = peek_slide(path)
    assert (seen.n_instances, seen.width, seen.placed) == (4, 9, True)
    xy = read_coordinates(path, 4)
    assert xy is not None
    assert xy.tolist() == [[0, 1], [256, 1], [512, 1], [768, 1]]
    modality, _ = read_bags("wsi", BagSource(tmp_path))
    assert modality.read(BARCODES[0]).tolist() == np.arange(36.0).reshape(4, 9).tolist()
    assert modality.read_rows(BARCODES[0], np.array([2])).tolist() == [[*range(18, 27)]]


def test_broken_parquet_bags(tmp_path: Path) -> None:
    ragged = [np.ones(9, "f4"), np.ones(9, "f4"), np.ones(8, "f4"), np.ones(9, "f4")]
    for features, message in (
        (ragged, "expected as many features of every patch, found 8 and 9"),
        ([None, *ragged[:2], ragged[3]], "expected features of every patch, found empty cells"),
    ):
        with pytest.raises(InputError, match=message):
            scan_slide(parquet(tmp_path / "a.parquet", features=features))
    several = parquet(tmp_path / "all.parquet", slide_id=list("aabb"))
    with pytest.raises(InputError, match="a folder of a file a slide"):
        read_text_table(several)


def test_slide_embeddings_of_torch(tmp_path: Path) -> None:
    for who, x in zip(BARCODES, X, strict=True):
        torch.save(torch.tensor(x, dtype=torch.float32), tmp_path / f"{who}-01Z-00-DX1.pt")
    modality, _ = read_vectors("wsi", VectorSource(tmp_path, ""))
    assert np.allclose(modality.values, X)
    with pytest.raises(InputError, match='a vector a slide is of a modality of kind = "vector"'):
        read_bags("wsi", BagSource(tmp_path))


@pytest.mark.parametrize("separator", [";", "\t"])
def test_decimal_commas(tmp_path: Path, separator: str) -> None:
    frame = pd.DataFrame(X, BARCODES, GENES).rename_axis("id")
    frame.to_csv(tmp_path / "x.csv", sep=separator, decimal=",", encoding="utf-8-sig")
    assert np.allclose(read_numeric_table(tmp_path / "x.csv", "id").values, X)
    assert float(read_text_table(tmp_path / "x.csv")["G7"][3]) == X[3, 7]


def test_an_index_without_a_name(tmp_path: Path) -> None:
    frame = pd.DataFrame(X, columns=GENES).assign(slide_id=BARCODES)
    frame.to_csv(tmp_path / "x.csv")
    found = read_numeric_table(tmp_path / "x.csv", "slide_id")
    assert (found.columns, found.unnamed) == (tuple(GENES), 1)
    assert np.allclose(found.values, X)


def test_firehose_says_below_the_header_what_the_numbers_are(tmp_path: Path) -> None:
    frame = pd.DataFrame(X.T, GENES, BARCODES).rename_axis("Hybridization REF")
    head, rest = frame.to_csv(sep="\t").split("\n", 1)
    second = "\t".join(["gene_id", *["normalized_count"] * N])
    (tmp_path / "x.txt").write_text(f"{head}\n{second}\n{rest}")
    found = read_numeric_table(tmp_path / "x.txt", "Hybridization REF")
    assert found.ids == tuple(GENES)
    assert np.allclose(found.values, X.T)


def test_follow_ups_of_the_gdc_lie_beside(tmp_path: Path) -> None:
    pd.DataFrame(
        {
            "cases.submitter_id": BARCODES[:2],
            "demographic.vital_status": ["Alive", "Dead"],
            "demographic.days_to_death": ["'--", "70"],
            "diagnoses.days_to_last_follow_up": ["'--", "'--"],
        }
    ).to_csv(tmp_path / "clinical.tsv", sep="\t", index=False)
    pd.DataFrame(
        {"cases.submitter_id": [BARCODES[0]] * 2, "follow_ups.days_to_follow_up": ["90", "400"]}
    ).to_csv(tmp_path / "follow_up.tsv", sep="\t", index=False)
    found = [(one.days, one.dead) for one in read_gdc_cases(tmp_path / "clinical.tsv")]
    assert found == [(400.0, False), (70.0, True)]


WRITERS: dict[str, Callable[[Path], Path]] = {
    "a.h5ad": h5ad,
    "a.h5": stamp,
    "a.pt": dictionary,
    "a.parquet": parquet,
}


def refusal(read: Callable[[], object]) -> str:
    """What is said; nothing where it is read."""
    try:
        assert read()
    except InputError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("nth", range(16))
def test_damaged_files_are_refused_in_one_line(tmp_path: Path, name: str, nth: int) -> None:
    """What a library still reads of a damaged file is numbers of the right shape."""
    path = WRITERS[name](tmp_path / name)
    chosen = nth if nth < 4 else 4 + 97 * nth  # cut, or a bit turned
    path.write_bytes(next(islice(damaged(path.read_bytes()), chosen, None)))
    is_table = name == "a.h5ad"
    said = refusal(lambda: read_numeric_table(path, "") if is_table else scan_slide(path))
    assert said.startswith(f"{path}: ") or (not said and nth > 3)
    assert "\n" not in said


@pytest.mark.parametrize("nth", range(8))
def test_damaged_counts_are_refused_in_one_line(tmp_path: Path, nth: int) -> None:
    folder = gdc(tmp_path / "rna")
    path = sorted(folder.glob("*/*.tsv"))[2]
    path.write_bytes(next(islice(damaged(path.read_bytes()), nth if nth < 2 else nth * 41, None)))
    said = refusal(lambda: read_vectors("rna", GeneSource(folder, "", quantity="unstranded")))
    assert str(path.parent) in said or (not said and nth > 1)
    assert "\n" not in said
