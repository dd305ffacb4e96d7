"""Formats: told by their first bytes, read, or refused in one line; a new one is a file."""

import gzip
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import torch

from tasks.data.barcode import parse_barcode
from tasks.data.formats.bags import read_bags
from tasks.data.formats.known_formats import format_of
from tasks.data.formats.slides import peek_slide, read_coordinates, scan_slide
from tasks.data.formats.tables import read_numeric_table, read_text_table
from tasks.data.formats.vectors import read_vectors
from tasks.data.manifest import BagSource, GeneSource, Orientation, VectorSource
from tasks.data.samples import SampleRule, select_samples
from tasks.errors import InputError
from tasks.seeds import generator

ids = [f"TCGA-A1-{i:04d}" for i in range(6)]
GENES = ("TP53", "EGFR", "KRAS")
X = generator("known formats").normal(size=(6, 3)).round(3)
POINTER = (
    b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"7" * 64 + b"\nsize 18323216\n"
)
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIRROR_BENCH_CACHE", str(tmp_path / "cache"))


FOREIGN: list[tuple[str, bytes, str]] = [
    ("git-LFS", POINTER, "git lfs pull"),
    ("HTML", b"\n<!DOCTYPE html><html><body>Sign in</body></html>", "signed in"),
    ("HTML", b"<HTML><head>", "signed in"),
    ("XML", b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "download the table"),
    ("pickle", pickle.dumps({"a": 1}), "never loaded"),
    ("zip", b"PK\x03\x04" + bytes(40), "unpack it"),
    ("R data", b"RDX3\nX\n", "write.csv"),
    ("R data", gzip.compress(b"X\n\x00\x00\x00\x03", mtime=0), "write.csv"),
    ("NumPy", b"\x93NUMPY\x01\x00", "csv, tsv or parquet"),
    ("SQLite", b"SQLite format 3\x00", "csv, tsv or parquet"),
    ("xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "xlsx or csv"),
    ("7z", b"7z\xbc\xaf\x27\x1c", "unpack it"),
    ("image", b"\x89PNG\r\n", "encoder"),
]


def table(path: Path) -> object:
    return read_text_table(path)


def numbers(path: Path) -> object:
    return read_numeric_table(path, "id")


@pytest.mark.parametrize("name", ["x.csv", "x.tsv.gz", "x.h5", "x.parquet"])
@pytest.mark.parametrize(
    ("what", "content", "advice"), FOREIGN, ids=[f"{i}-{row[0]}" for i, row in enumerate(FOREIGN)]
)
def test_foreign_bytes(tmp_path: Path, name: str, what: str, content: bytes, advice: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    readers: list[Callable[[Path], object]] = [scan_slide] if name == "x.h5" else [table, numbers]
    for reader in readers:
        with pytest.raises(InputError) as caught:
            reader(path)
        line = str(caught.value)
        assert line.startswith(f"{path}: expected ")
        assert what in line
        assert advice in line
        assert "\n" not in line


def h5ad(path: Path, **changes: object) -> Path:
    parts: dict[str, object] = {"X": X, "obs/_index": ids, "var/_index": list(GENES)} | changes
    with h5py.File(path, "w") as file:
        for key, value in parts.items():
            if value is not None:
                file[key] = np.array(value, "S") if isinstance(value, list) else value
    return path


def test_h5ad(tmp_path: Path) -> None:
    path = h5ad(tmp_path / "a.h5ad", **{"layers/counts": X * 2, "obs/patient": ids[::-1]})
    found = read_numeric_table(path, "")
    assert (found.ids, found.columns) == (tuple(ids), GENES)
    assert np.array_equal(found.values, X)
    assert np.array_equal(read_numeric_table(path, "", "counts").values, X * 2)
    assert read_numeric_table(path, "patient").ids == tuple(ids[::-1])


@pytest.mark.parametrize("kind", ["csr", "csc"])
def test_h5ad_sparse_and_categories(tmp_path: Path, kind: str) -> None:
    sparse = pytest.importorskip("scipy.sparse")
    matrix = sparse.csr_matrix(np.where(X > 0, X, 0)).asformat(kind)
    parts = {f"X/{key}": getattr(matrix, key) for key in ("data", "indices", "indptr")}
    parts |= {"obs/who/categories": ids, "obs/who/codes": np.arange(6)[::-1]}
    path = h5ad(tmp_path / "a.h5ad", X=None, **parts)
    with h5py.File(path, "a") as file:
        file["X"].attrs["encoding-type"] = f"{kind}_matrix"
    found = read_numeric_table(path, "who")
    assert np.array_equal(found.values, np.where(X > 0, X, 0))
    assert found.ids == tuple(ids[::-1])


BROKEN_H5AD: list[tuple[dict[str, object], str]] = [
    ({"obs/_index": None}, "expected AnnData with X, obs and var"),
    ({"var/_index": None}, "expected AnnData with X, obs and var"),
    ({"X": None}, "expected quantity 'X'"),
    ({"X": X[:4]}, r"expected X of shape \[6, 3\]"),
    ({"X": X[:, :2]}, r"expected X of shape \[6, 3\]"),
    ({"X": X[0]}, r"expected X of shape"),
    ({"X": np.where(X > 0, np.inf, X)}, "expected a finite number"),
    ({"X": h5py.ExternalLink("elsewhere.h5", "X")}, "found a link"),
    ({"X": None, "X/data": X[0], "X/indices": np.arange(3), "X/indptr": np.arange(3)}, "not fit"),
    ({"X": None, "X/data": X[0], "X/indices": np.arange(3) + 9, "X/indptr": np.repeat(
        [0, 3], [1, 6])}, "do not fit"),
    ({"obs/_index": None, "obs/who": ids}, "expected obs '_index', found who"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "message"), BROKEN_H5AD)
def test_broken_h5ad(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    path = h5ad(tmp_path / "a.h5ad", **changes)
    with pytest.raises(InputError, match=message) as caught:
        read_numeric_table(path, "")
    assert "\n" not in str(caught.value)


def stamp(path: Path) -> Path:
    with h5py.File(path, "w") as file:
        file["feats"] = np.arange(12, dtype="f4").reshape(4, 3)
        file["coords"] = np.arange(8.0).reshape(4, 2)
        file.attrs["extractor"] = "uni2"
    return path


def dictionary(path: Path) -> Path:
    torch.save(
        {"features": torch.arange(12.0).reshape(4, 3), "coords": torch.arange(8).reshape(4, 2)},
        path,
    )
    return path


@pytest.mark.parametrize(("write", "name"), [(stamp, "a.h5"), (dictionary, "a.pt")])
def test_slides_of_other_tools(tmp_path: Path, write: Callable[[Path], Path], name: str) -> None:
    path = write(tmp_path / f"{ids[0]}-01Z-00-DX1.{name}")
    seen = peek_slide(path)
    assert (seen.n_instances, seen.width, seen.placed) == (4, 3, True)
    assert seen.encoder == ("uni2" if name == "a.h5" else "")
    xy = read_coordinates(path, 4)
    assert xy is not None
    assert xy.tolist() == np.arange(8.0).reshape(4, 2).tolist()
    modality, _ = read_bags("wsi", BagSource(tmp_path))
    assert modality.read(ids[0]).tolist() == np.arange(12.0).reshape(4, 3).tolist()
    rows = np.array([3, 1])
    assert modality.read_rows(ids[0], rows).tolist() == [[9, 10, 11], [3, 4, 5]]


@pytest.mark.parametrize("second", ["phikon", ""])
def test_one_encoder_of_a_folder(tmp_path: Path, second: str) -> None:
    for who, encoder in ((ids[0], "uni2"), (ids[1], second)):
        with h5py.File(stamp(tmp_path / f"{who}-01Z-00-DX1.h5"), "a") as file:
            file.attrs["extractor"] = encoder
    with pytest.raises(InputError, match="expected features of encoder 'uni2'"):
        read_bags("wsi", BagSource(tmp_path))


@pytest.mark.parametrize("shape", [(3,), (1, 3)])
def test_slide_embeddings(tmp_path: Path, shape: tuple[int, ...]) -> None:
    for i, who in enumerate(ids):
        with h5py.File(tmp_path / f"{who}-01Z-00-DX1.h5", "w") as file:
            file["features"] = X[i].reshape(shape).astype("f4")
    modality, _ = read_vectors("wsi", VectorSource(tmp_path, ""))
    assert modality.patients == tuple(ids)
    assert np.array_equal(modality.values, X.astype("f4"))
    (tmp_path / f"{ids[2]}-01Z-00-DX1.h5").write_bytes(POINTER)
    with pytest.raises(InputError, match="whole HDF5 file"):
        read_vectors("wsi", VectorSource(tmp_path, ""))


HEADER = "# gene-model: GENCODE v36\ngene_id\tgene_name\tgene_type\tunstranded\ttpm_unstranded\n"
ROWS = "N_unmapped\t\t\t7\t\nENSG00000000003.15\tTSPAN6\tprotein_coding\t{}\t1.5\n"


def gdc(folder: Path, *, sheet: bool = True) -> Path:
    lines = ["File ID\tFile Name\tCase ID\tSample ID"]
    for i, who in enumerate(ids):
        uuid = f"{i:08x}-0000-4000-8000-000000000000"
        (folder / uuid / "logs").mkdir(parents=True)
        name = f"{i}.rna_seq.augmented_star_gene_counts.tsv"
        (folder / uuid / name).write_text(HEADER + ROWS.format(i + 1))
        (folder / uuid / "logs" / f"{name}.parcel").write_text("log")
        lines.append(f"{uuid}\t{name}\t{who}\t{who}-01A")
    if sheet:
        (folder / "gdc_sample_sheet.2026-11-30.tsv").write_text("\n".join(lines) + "\n")
    return folder


def test_star_counts(tmp_path: Path) -> None:
    folder = gdc(tmp_path / "rna")
    modality, _ = read_vectors("rna", GeneSource(folder, "", quantity="unstranded"))
    assert modality.features == ("ENSG00000000003.15",)
    assert modality.rows(ids)[:, 0].tolist() == [1, 2, 3, 4, 5, 6]
    with pytest.raises(InputError, match="expected quantity = one of unstranded, tpm"):
        read_vectors("rna", GeneSource(folder, ""))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "expected STAR's counts as the GDC writes them"),
        (POINTER.decode(), "expected STAR's counts as the GDC writes them"),
        (HEADER, "expected a number of every gene, found none"),
        (HEADER + ROWS.format("x"), "expected STAR's counts"),
        (HEADER + ROWS.format(""), "ENSG00000000003.15 without one"),
        (HEADER + ROWS.format(1).replace("003.15", "999.1"), "expected the genes of"),
        ("gene_id\ttpm\nENSG1\t1\n", "expected STAR's counts"),
    ],
)
def test_broken_star_counts(tmp_path: Path, content: str, message: str) -> None:
    folder = gdc(tmp_path / "rna")
    broken = sorted(folder.glob("*/*.tsv"))[3]
    broken.write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        read_vectors("rna", GeneSource(folder, "", quantity="unstranded"))
    assert str(caught.value).startswith(f"{broken}: ")


def test_star_counts_of_unknown_samples(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a TCGA barcode"):
        read_vectors("rna", GeneSource(gdc(tmp_path, sheet=False), "", quantity="unstranded"))
    sheet = tmp_path / "gdc_sample_sheet.tsv"
    sheet.write_text("File Name\tSample ID\nother\tTCGA-A1-0001-01A\n")
    with pytest.raises(InputError, match="expected a row of every file"):
        read_vectors("rna", GeneSource(tmp_path, "", quantity="unstranded"))
    sheet.write_text("File\n")
    with pytest.raises(InputError, match="expected a column 'File Name'"):
        read_vectors("rna", GeneSource(tmp_path, "", quantity="unstranded"))


@pytest.mark.parametrize("separator", [",", "\t", '","'])
def test_names_of_rows_as_r_writes_them(tmp_path: Path, separator: str) -> None:
    rows = [list(GENES)] + [[who, *map(str, x)] for who, x in zip(ids, X, strict=True)]
    edge = '"' if '"' in separator else ""
    text = "".join(f"{edge}{separator.join(row)}{edge}\n" for row in rows)
    path = tmp_path / "r.txt"
    path.write_text(text)
    found = read_numeric_table(path, "")
    assert (found.ids, found.columns) == (tuple(ids), GENES)
    assert np.allclose(found.values, X)
    with pytest.raises(InputError, match='as R writes them, id = ""'):
        read_numeric_table(path, "TP53")


def test_expression_of_cbioportal(tmp_path: Path) -> None:
    frame = pd.DataFrame(np.abs(X.T) * 1000, columns=[f"{who}-01" for who in ids])
    frame.loc[0, f"{ids[0]}-01"] = -0.2  # as a correction of batches leaves it
    frame.insert(0, "Entrez_Gene_Id", [7157, 1956, 3845])
    frame.insert(0, "Hugo_Symbol", ["TP53", "", "TP53"])
    frame.to_csv(tmp_path / "data_mrna_seq_v2_rsem.txt", sep="\t", index=False)
    source = GeneSource(tmp_path / "data_mrna_seq_v2_rsem.txt", "Hugo_Symbol", Orientation.GENES)
    modality, notes = read_vectors("rna", source)
    assert modality.features == ("TP53",)
    assert "rna: 1 features left out: without a name" in notes
    assert "rna: 1 repeated features averaged" in notes


def test_several_quantities_of_a_sample() -> None:
    names = [f"{what}_{ids[0]}-01A-11R-A32D-31" for what in ("unstranded", "tpm_unstranded")]
    found = select_samples([parse_barcode(name, "") for name in names], SampleRule())
    assert "expected each sample once" in found.fault
    assert not select_samples([parse_barcode(names[0], "")], SampleRule()).fault


def test_one_quantity_is_taken(tmp_path: Path) -> None:
    columns = [f"{what}_{who}-01A" for what in ("unstranded", "tpm_unstranded") for who in ids]
    values = np.hstack([X.T, X.T + 100])
    frame = pd.DataFrame(values, list(GENES), columns).rename_axis("gene")
    frame.to_csv(tmp_path / "star.csv")
    source = GeneSource(tmp_path / "star.csv", "gene", Orientation.GENES, quantity="tpm_unstranded")
    modality, _ = read_vectors("rna", source)
    assert np.allclose(modality.values, X + 100)


PLUGIN = '''
"""A format of somebody else: a line a patient, a colon, numbers."""

import numpy as np

from tasks.data.formats.format import Format, NumericTable


def _vectors(path, id_column, quantity):
    rows = [line.split(":") for line in path.read_text().splitlines()]
    values = np.array([list(map(float, row[1].split())) for row in rows])
    return NumericTable(tuple(row[0] for row in rows), ("a", "b"), values)


FORMAT = Format("colons", lambda path, head: path.suffix == ".colons", vectors=_vectors)
'''


def test_a_new_format_is_one_file_of_anybody(tmp_path: Path) -> None:
    (tmp_path / "colons_format.py").write_text(PLUGIN)
    info = tmp_path / "colons-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: colons\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[mirror_bench.formats]\ncolons = colons_format\n")
    (tmp_path / "t.colons").write_text(
        "".join(f"{who}: {i} {i * i}\n" for i, who in enumerate(ids))
    )
    program = (
        "from pathlib import Path\n"
        "from tasks.data.formats.vectors import read_vectors\n"
        "from tasks.data.manifest import VectorSource\n"
        "found, _ = read_vectors('wsi', VectorSource(Path('t.colons'), ''))\n"
        "print(found.features, found.values.sum())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": f"{tmp_path}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "('a', 'b') 70.0\n", done.stderr


def test_what_is_no_format_is_none(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\0\1\2")
    assert format_of(tmp_path / "x") is None
    assert format_of(tmp_path) is None
