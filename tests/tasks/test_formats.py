"""Files as users have them: each layout read right, each defect one line that names the place."""

import gzip
import json
import os
import pickle
import tracemalloc
from itertools import islice
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
import torch

from tasks.checks.leaks.rows import table_rows
from tasks.data.cohort import BagModality, Endpoint
from tasks.data.formats import bags as bags_module
from tasks.data.formats.bags import read_bags
from tasks.data.formats.clinical import read_endpoints
from tasks.data.formats.covariates import read_covariates
from tasks.data.formats.labels import read_label
from tasks.data.formats.slides import Scan, scan_slide
from tasks.data.formats.tables import read_numeric_table
from tasks.data.formats.vectors import read_truth, read_vectors
from tasks.data.manifest import (
    BagSource,
    ClinicalFormat,
    ClinicalSource,
    LabelSource,
    Orientation,
    TableSource,
    TimeUnit,
    TruthSource,
    VectorSource,
)
from tasks.errors import InputError
from tasks.sealed import seal
from tests.helpers.damage import damaged

A, B, C = "TCGA-AA-0001", "TCGA-AA-0002", "TCGA-BB-0003"
MONTH = 365.25 / 12


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIRROR_BENCH_CACHE", str(tmp_path / "cache"))


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def vectors(
    path: Path, orientation: Orientation = Orientation.SAMPLES, id_: str = "id"
) -> VectorSource:
    return VectorSource(path, id_, orientation)


# Tables of vectors


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".csv.gz", ".parquet", ""])
def test_every_kind_of_table_gives_the_same_vectors(tmp_path: Path, suffix: str) -> None:
    frame = pd.DataFrame({"id": [f"{B}-01A", A], "G1": [1.5, 2.0], "G2": [np.nan, -3.0]})
    path = tmp_path / f"t{suffix}"
    if suffix == ".parquet":
        frame.set_index("id").to_parquet(path)
    else:
        frame.to_csv(path, index=False, sep="\t" if suffix in (".tsv", "") else ",")
    modality, notes = read_vectors("rna", vectors(path))
    assert modality.patients == (A, B)
    assert modality.features == ("G1", "G2")
    assert modality.values.dtype == np.float32  # noqa: PD011 - no pandas
    np.testing.assert_array_equal(modality.values, [[2.0, -3.0], [1.5, np.nan]])
    assert "rna: 1 missing cells" in notes


def test_gzip_without_its_ending_and_column_without_a_name(tmp_path: Path) -> None:
    path = tmp_path / "HiSeqV2"
    path.write_bytes(gzip.compress(f"\tG1\n{A}\t1\n".encode()))
    modality, _ = read_vectors("rna", vectors(path, id_=""))
    assert modality.values.tolist() == [[1.0]]  # noqa: PD011 - no pandas


def test_genes_in_rows_are_transposed_and_repeated_genes_averaged(tmp_path: Path) -> None:
    path = write(
        tmp_path / "x.tsv",
        f"sample\t{B}-01\t{A}-01\t{A}-11\nG1\t1\t2\t9\nG1\t3\t\t9\nG2\t5\t6\t9\n",
    )
    modality, notes = read_vectors("rna", vectors(path, Orientation.GENES, "sample"))
    assert modality.patients == (A, B)
    assert modality.features == ("G1", "G2")
    assert modality.values.tolist() == [[2.0, 6.0], [2.0, 5.0]]  # noqa: PD011 - no pandas
    assert "rna: 1 samples left out: normal tissue" in notes
    assert "rna: 1 repeated features averaged" in notes


def test_samples_of_other_programmes_are_left_out_and_counted(tmp_path: Path) -> None:
    ids = f"GTEX-1117F-0226-SM-5GZZ7\t{A}-01\tTARGET-10-PANZPJ-09\tK-562-SM-26GMQ"
    path = write(tmp_path / "x.tsv", f"sample\t{ids}\nG1\t9\t2\t9\t9\n")
    source = vectors(path, Orientation.GENES, "sample")
    modality, notes = read_vectors("rna", source)
    assert modality.patients == (A,)
    assert modality.values.tolist() == [[2.0]]  # noqa: PD011 - no pandas
    assert "rna: 3 samples left out: of GTEx or TARGET, not of TCGA" in notes
    assert table_rows(source).vectors.tolist() == [[2.0]]
    write(path, path.read_text().replace("TARGET-10-PANZPJ-09", "C1"))
    with pytest.raises(InputError, match=r"column 3: expected a TCGA barcode.*'C1'"):
        read_vectors("rna", source)
    write(path, "sample\tGTEX-1117F-0226-SM-5GZZ7\nG1\t9\n")
    with pytest.raises(InputError, match="column 1: expected a TCGA barcode"):
        read_vectors("rna", source)


def test_rows_of_a_patient_are_averaged_whatever_their_order(tmp_path: Path) -> None:
    rows = [f"{A}-01A,0.1,1", f"{A}-01B,0.2,", f"{A}-01C,0.3,4", f"{A}-06A,100,100", f"{B}-06A,7,8"]
    one, _ = read_vectors("rna", vectors(write(tmp_path / "1.csv", "\n".join(["id,x,y", *rows]))))
    two, _ = read_vectors(
        "rna", vectors(write(tmp_path / "2.csv", "\n".join(["id,x,y", *reversed(rows)])))
    )
    np.testing.assert_array_equal(one.values, np.array([[0.2, 2.5], [7, 8]], dtype=np.float32))
    assert one.fingerprint() == two.fingerprint()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"id,G1\n{A},1\n{B},high\n", rf"row {B}, column 'G1': expected a number, found 'high'"),
        (
            f"id,G1\n{A},True\n{B},False\n",
            rf"row {A}, column 'G1': expected a number, found 'True'",
        ),
        (f"id,G1\n{A},inf\n", rf"row {A}, column 'G1': expected a finite number, found inf"),
        (f"id,G1\n{A},1e300\n", "expected a finite number, found 1e"),
        ("id,G1\nP1,1\n", "row 1: expected a TCGA barcode.*found 'P1'"),
        (f"id,G1\n{A},1\n,2\n", "row 2, column 'id': expected an id, found nothing"),
        (f"case,G1\n{A},1\n", "expected a column 'id', found 'case', 'G1'"),
        (f"id,id,G1\n{A},{A},1\n", "expected one column 'id', found 2"),
        (f"id,,G1\n{A},1,1\n", "expected a name for column 2"),
        (f"id,G1\n{A},1,2\n", "found more"),
        (f"id\n{A}\n", "found 1 rows and 0 columns"),
        ("id,G1\n", "found 0 rows"),
        (f"id,G1\n{A}-11A,1\n", "expected tumour samples, found 1 of normal tissue"),
        ("", "expected a header line, found an empty file"),
    ],
)
def test_bad_tables(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_vectors("rna", vectors(write(tmp_path / "t.csv", text)))
    assert "t.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_wrong_orientation_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", f"id,G1\n{A},1\n")
    with pytest.raises(InputError, match='orientation "genes", column 1: expected a TCGA barcode'):
        read_vectors("rna", VectorSource(path, "id", Orientation.GENES))


def test_an_endless_header_is_cut(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "|".join(["id", *(f"G{i}" for i in range(999))]) + "\n")
    with pytest.raises(InputError, match=r"expected a column 'id', found 'id\|G0\|G1") as caught:
        read_numeric_table(path, "id")
    assert len(str(caught.value)) < 200 + len(str(path))


def test_unreadable_tables(tmp_path: Path) -> None:
    cut = tmp_path / "cut.csv.gz"
    cut.write_bytes(gzip.compress(os.urandom(4000).hex().encode())[:900])
    with pytest.raises(InputError, match=r"cut\.csv\.gz: expected a table"):
        read_numeric_table(cut, "id")
    with pytest.raises(InputError, match=r"fake\.parquet: expected a table"):
        read_numeric_table(write(tmp_path / "fake.parquet", "PAR1 and no more"), "id")


def test_truth_follows_the_patients(tmp_path: Path) -> None:
    path = write(tmp_path / "z.csv", f"id,shared_0,wsi_0\n{B},1,2\n{A},3,4\n")
    truth = read_truth(TruthSource(path, "id"), [A, B])
    assert {name: values.tolist() for name, values in truth.items()} == {
        "shared_0": [3.0, 1.0],
        "wsi_0": [4.0, 2.0],
    }
    with pytest.raises(InputError, match=f"patient {C}: expected a row, found none"):
        read_truth(TruthSource(path, "id"), [A, B, C])


# Slide files


def hdf5(path: Path, features: object, key: str = "features") -> Path:
    path.parent.mkdir(exist_ok=True)
    with h5py.File(path, "w") as file:
        file[key] = features
        file["coords"] = np.zeros((3, 2), dtype=np.int32)
    return path


def bags(folder: Path) -> BagModality:
    return read_bags("wsi", BagSource(folder))[0]


FEATURES = np.arange(12, dtype=np.float32).reshape(3, 4)


@pytest.mark.parametrize(
    "stored", [FEATURES, FEATURES.astype(np.float16), FEATURES[None], FEATURES.astype(np.float64)]
)
def test_layouts_of_hdf5_hold_the_same_data(tmp_path: Path, stored: object) -> None:
    hdf5(tmp_path / "h5" / f"{A}-01Z-00-DX1.0a-1b.h5", stored)
    torch.save(torch.from_numpy(FEATURES), tmp_path / "reference.pt")
    modality = bags(tmp_path / "h5")
    slide = modality.slides[A][0]
    assert (slide.name, slide.n_instances, modality.width) == (f"{A}-01Z-00-DX1.0a-1b", 3, 4)
    assert slide.content == scan_slide(tmp_path / "reference.pt").content
    read = pickle.loads(pickle.dumps(slide.read))()
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, FEATURES)


def test_one_instance_stays_one(tmp_path: Path) -> None:
    hdf5(tmp_path / "h5" / f"{A}-01Z-00-DX1.h5", FEATURES[:1])
    hdf5(tmp_path / "h5" / f"{B}-01Z-00-DX1.svs.h5", FEATURES[None, :1])
    modality = bags(tmp_path / "h5")
    assert [modality.n_instances(patient) for patient in (A, B)] == [1, 1]
    assert modality.slides[B][0].name == f"{B}-01Z-00-DX1"


def test_large_slides_are_read_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    features = np.random.default_rng(0).normal(size=(101, 4)).astype(np.float32)
    path = hdf5(tmp_path / "h5" / f"{A}-01Z-00-DX1.h5", features[None])
    whole = scan_slide(path)
    monkeypatch.setattr("tasks.data.formats.hdf5_slides._CHUNK_BYTES", 7 * 16)
    assert scan_slide(path) == whole
    np.testing.assert_array_equal(bags(tmp_path / "h5").read(A), features)


@pytest.mark.parametrize("empty", [np.zeros((0, 4)), np.zeros(0), np.zeros((1, 0, 4))])
def test_empty_and_normal_slides_are_left_out_and_counted(tmp_path: Path, empty: object) -> None:
    folder = tmp_path / "h5"
    hdf5(folder / f"{A}-01Z-00-DX1.h5", FEATURES)
    hdf5(folder / f"{A}-01Z-00-DX2.h5", empty)
    hdf5(folder / f"{A}-11A-01-TS1.h5", FEATURES)
    hdf5(folder / f"{B}-06A-01-DX1.h5", FEATURES)
    modality, notes = read_bags("wsi", BagSource(folder))
    assert {p: len(s) for p, s in modality.slides.items()} == {A: 1, B: 1}
    assert notes == (
        "wsi: 4 slides in, 2 kept, 2 patients, 4 features an instance",
        "wsi: 1 slides left out: no instances",
        "wsi: 1 slides left out: normal tissue",
    )


BAD = np.where(np.arange(12).reshape(3, 4) == 6, np.nan, FEATURES)


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (BAD, "instance 1, feature 2: expected a finite number, found nan"),
        (np.full((2, 4), np.inf), "instance 0, feature 0: expected a finite number, found inf"),
        (FEATURES[:, :3], "expected 4 features an instance as in the other slides, found 3"),
        (np.zeros(4), r"expected features of shape .* found \[4\]"),
        (np.zeros((2, 3, 4)), r"found \[2, 3, 4\]"),
        (np.zeros((2, 0)), r"found \[2, 0\]"),
        (np.float32(1), r"found \[\]"),
        (np.full((2, 4), b"x"), "expected features that are numbers"),
    ],
)
def test_bad_features_name_their_file(tmp_path: Path, features: object, message: str) -> None:
    for name in (A, C):
        hdf5(tmp_path / "h5" / f"{name}-01Z-00-DX1.h5", FEATURES)
    hdf5(tmp_path / "h5" / f"{B}-01Z-00-DX1.h5", features)
    with pytest.raises(InputError, match=rf"{B}-01Z-00-DX1\.h5: .*{message}"):
        bags(tmp_path / "h5")


def test_files_that_are_no_slides(tmp_path: Path) -> None:
    folder = tmp_path / "h5"
    whole = hdf5(folder / f"{A}-01Z-00-DX1.h5", FEATURES, key="patches")
    with pytest.raises(InputError, match="expected a dataset `features`, found coords, patches"):
        bags(folder)
    hdf5(whole, np.zeros((500, 40)))
    whole.write_bytes(whole.read_bytes()[:-5000])
    with pytest.raises(InputError, match=r"DX1\.h5: expected a whole HDF5 file"):
        bags(folder)
    whole.write_bytes(b"no HDF5")
    with pytest.raises(InputError, match=r"DX1\.h5: expected a whole HDF5 file"):
        bags(folder)
    whole.unlink()
    with pytest.raises(InputError, match=r"expected slide files .* found none"):
        bags(folder)
    (folder / "h5_files").mkdir()
    with pytest.raises(InputError, match="found only the folders h5_files"):
        bags(folder)
    whole.symlink_to(whole)
    with pytest.raises(InputError, match="Too many levels of symbolic links"):
        bags(folder)
    whole.unlink()
    hdf5(folder / "slide7.h5", FEATURES)
    with pytest.raises(InputError, match=r"slide7\.h5: expected a TCGA barcode"):
        bags(folder)


def test_two_files_of_one_slide(tmp_path: Path) -> None:
    hdf5(tmp_path / "h5" / f"{A}-01Z-00-DX1.h5", FEATURES)
    torch.save(torch.from_numpy(FEATURES), tmp_path / "h5" / f"{A}-01Z-00-DX1.pt")
    with pytest.raises(InputError, match="expected one file a slide"):
        bags(tmp_path / "h5")


class _Trap:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (os.mkdir, (str(self.mark),))


def test_pt_with_code_is_refused_and_never_run(tmp_path: Path) -> None:
    folder = tmp_path / "pt"
    folder.mkdir()
    path = folder / f"{A}-01Z-00-DX1.pt"
    torch.save(_Trap(tmp_path / "sprung"), path)
    with pytest.raises(InputError, match=r"DX1\.pt: .*a pickle that calls for .*mkdir, not run"):
        bags(folder)
    path.write_bytes(pickle.dumps(_Trap(tmp_path / "sprung")))
    with pytest.raises(InputError, match=r"DX1\.pt: expected a tensor"):
        bags(folder)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {"patches": torch.zeros(2, 3)},
            "a dict of `features`, found patches",
        ),
        (torch.zeros(2, 3).to_sparse(), "expected a dense tensor alone"),
        (torch.zeros(2, 3, dtype=torch.complex64), "expected features that are numbers"),
        (torch.tensor([[1.0, float("nan")]]), "found nan"),
    ],
)
def test_pt_is_a_tensor_alone(tmp_path: Path, content: object, message: str) -> None:
    (tmp_path / "pt").mkdir()
    torch.save(content, tmp_path / "pt" / f"{A}-01Z-00-DX1.pt")
    with pytest.raises(InputError, match=message):
        bags(tmp_path / "pt")


def test_half_precision_and_gradients_in_pt(tmp_path: Path) -> None:
    (tmp_path / "pt").mkdir()
    weights = torch.from_numpy(FEATURES).to(torch.bfloat16).requires_grad_()
    torch.save(weights, tmp_path / "pt" / f"{A}-01Z-00-DX1.pt")
    np.testing.assert_array_equal(bags(tmp_path / "pt").read(A), FEATURES)


def test_scans_are_remembered_until_the_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = hdf5(tmp_path / "h5" / f"{A}-01Z-00-DX1.h5", FEATURES)
    scanned: list[Path] = []

    def spy(file: Path) -> object:
        scanned.append(file)
        return scan_slide(file)

    monkeypatch.setattr("tasks.data.formats.bags.scan_slide", spy)
    first = bags(tmp_path / "h5").fingerprint()
    assert bags(tmp_path / "h5").fingerprint() == first
    assert len(scanned) == 1
    stale = bags(tmp_path / "h5")
    hdf5(path, FEATURES + 1)  # of the same shape
    assert bags(tmp_path / "h5").fingerprint() != first
    assert len(scanned) == 2
    rows = np.array([0])
    for read in (stale.read, lambda p: stale.read_rows(p, rows), stale.spatial_order):
        with pytest.raises(InputError, match="expected the file as it was when the cohort was"):
            read(A)


def test_a_bag_takes_no_more_memory_than_it_and_its_largest_slide(tmp_path: Path) -> None:
    """In pieces of 8 MiB: 48 MiB in a slide, or 24 MiB in each of two."""
    features = np.random.default_rng(0).random((24, 1 << 19), dtype=np.float32)
    for patient, slides in ((A, [features]), (B, [features[:12], features[12:]])):
        for i, part in enumerate(slides):
            hdf5(tmp_path / "h5" / f"{patient}-01Z-00-DX{i}.h5", part)
    modality = bags(tmp_path / "h5")
    for patient, most in ((A, 1.5), (B, 1.9)):
        tracemalloc.start()
        found = modality.read(patient)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        np.testing.assert_array_equal(found, features)
        assert peak < most * features.nbytes


def test_a_damaged_index_of_scans_is_scanned_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hdf5(tmp_path / "h5" / f"{A}-01Z-00-DX1.h5", FEATURES)
    hdf5(tmp_path / "h5" / f"{B}-01Z-00-DX1.h5", 2 * FEATURES)
    first = bags(tmp_path / "h5").fingerprint()
    cache = tmp_path / "cache" / "slides.txt"
    whole = cache.read_bytes()
    scanned: list[Path] = []

    def counting(path: Path) -> Scan:
        scanned.append(path)
        return scan_slide(path)

    monkeypatch.setattr(bags_module, "scan_slide", counting)
    assert bags(tmp_path / "h5").fingerprint() == first
    assert not scanned
    one, two = whole.splitlines(keepends=True)
    swapped = one.replace(A.encode(), b"?").replace(b"?", B.encode())
    for content in (
        *islice(damaged(whole), 0, None, 23),
        swapped + two,
        b"[1]",
        b'{"x": 1}',
        seal("x", [1]),
    ):
        cache.write_bytes(content)
        scanned.clear()
        assert bags(tmp_path / "h5").fingerprint() == first
        assert len(scanned) in ((1, 2) if content.strip() != whole.strip() else (0,))
        assert cache.read_bytes() == whole
    assert [entry.name for entry in (tmp_path / "cache").iterdir()] == ["slides.txt"]


def test_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hdf5(tmp_path / "h5" / f"{A}-01Z-00-DX1.h5", FEATURES)
    # a file where the folder should be refuses even root, whom permissions do not stop
    monkeypatch.setenv("MIRROR_BENCH_CACHE", str(write(tmp_path / "occupied", "") / "cache"))
    assert bags(tmp_path / "h5").patients == (A,)


# Endpoints


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


# Labels


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
