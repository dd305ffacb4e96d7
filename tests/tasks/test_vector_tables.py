"""Tables of vectors as users have them: read right, or one line that names the place."""

import gzip
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tasks.checks.leaks.rows import table_rows
from tasks.data.formats.tables import read_numeric_table
from tasks.data.formats.vectors import read_truth, read_vectors
from tasks.data.manifest import (
    Orientation,
    TruthSource,
    VectorSource,
)
from tasks.errors import InputError
from tests.helpers.user_files import A, B, C, write


def vectors(
    path: Path, orientation: Orientation = Orientation.SAMPLES, id_: str = "id"
) -> VectorSource:
    return VectorSource(path, id_, orientation)


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
