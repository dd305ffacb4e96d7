"""Tables as hostile or broken as they come: one line each, or a counted exclusion."""

import gzip
import io
import json
import os
import pickle
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.data.formats import delimited, parquet
from tasks.data.formats.clinical import read_endpoints
from tasks.data.formats.covariates import read_covariates
from tasks.data.formats.labels import read_label
from tasks.data.formats.vectors import read_vectors
from tasks.data.manifest import (
    ClinicalFormat,
    ClinicalSource,
    LabelSource,
    Orientation,
    VectorSource,
)
from tasks.errors import InputError
from tasks.seeds import generator

A, B = "TCGA-AA-0001", "TCGA-AA-0002"
NOISE = generator("noise")
GOOD = f"id,G1,G2\n{A},1.5,2\n{B},3,4\n"


@pytest.fixture(autouse=True)
def _no_warnings() -> Iterator[None]:
    """A warning on the screen is no clear error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def refused(read: Callable[[], object], path: Path, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read()
    text = str(caught.value)
    assert str(path) in text
    assert "\n" not in text
    assert len(text) < 1000


TEXT: list[tuple[str, bytes | str, str]] = [
    ("empty", "", "an empty file"),
    ("blank lines", "\n\n\n", "an empty file"),
    ("a byte-order mark alone", "\ufeff", "an empty file"),
    ("comments alone", "#a\n#b\n", "an empty file"),
    ("header alone", "id,G1\n", "found 0 rows"),
    ("no numbers", f"id\n{A}\n", "0 columns beside 'id'"),
    ("a short row", GOOD + f"{A},5\n", r"row 3: expected 3 cells.*found 2"),
    ("cut in the middle of a row", GOOD[:-3], r"row 2: expected 3 cells.*found 2"),
    ("a long row", GOOD + f"{A},5,6,7\n", "Expected 3 fields in line 4, saw 4"),
    ("long rows", f"id,G1\n{A},5,6\n{B},5,6\n", "expected rows of 2 cells.*found more"),
    ("an open quote", f'id,G1,G2\n{A},"1,2\n{B},3,4\n', "EOF inside string"),
    ("an open quote in the header", f'id,"G1,G2\n{A},1,2\n', "expected a table, found"),
    ("zero bytes", GOOD.replace("1.5", "1\x005"), "found a zero byte"),
    ("zero bytes in the header", GOOD.replace("G1", "G\x001"), "found a zero byte"),
    ("Latin-1", f"id,Tür\n{A},1\n".encode("latin-1"), "found byte 0xfc, which is not UTF-8"),
    ("UTF-16", GOOD.encode("utf-16"), "found byte 0xff, which is not UTF-8"),
    ("noise", NOISE.bytes(999) + b"\xff\xfe\n", "expected"),
    ("the id twice", GOOD.replace("G1", "id"), "expected one column 'id', found 2"),
    ("a blank name", GOOD.replace("G1", ""), "expected a name for column 2"),
    ("another id", GOOD.replace("id,", "ids,"), r"expected a column 'id'.*did you mean ids"),
    ("no id in a row", GOOD + ",1,2\n", "row 3, column 'id': expected an id, found nothing"),
    ("decimal commas", GOOD.replace("1.5", '"1,5"'), "expected a number, found '1,5'"),
    ("mixed separators", GOOD.replace(f"{B},3", f"{B}\t3"), "expected 3 cells|found"),
    ("an underscore", GOOD.replace("1.5", "1_5"), "expected a number, found '1_5'"),
    ("hexadecimal", GOOD.replace("1.5", "0x15"), "expected a number, found '0x15'"),
    ("a date", GOOD.replace("1.5", "2020-01-05"), "expected a number, found '2020-01-05'"),
    ("a truth", GOOD.replace("1.5", "TRUE").replace("3,", "FALSE,"), "expected a number"),
    ("infinity", GOOD.replace("1.5", "-inf"), "expected a finite number, found -inf"),
    ("an endless number", GOOD.replace("1.5", "9" * 400), "expected a number, found '999"),
    ("too large for float32", GOOD.replace("1.5", "1e39"), "expected a finite number"),
    ("a huge cell", GOOD.replace("1.5", "x" * 300_000), r"expected a number, found 'xxx.*\.\.\."),
    ("a huge id", GOOD.replace(B, "y" * 300_000), r"expected a TCGA barcode.*yyy.*\.\.\."),
    ("genes in rows", f"id,{A}\nTP53,1\nBRCA1,2\n", "row 1: expected a TCGA barcode.*TP53"),
    ("two patients in one id", GOOD.replace(B, f"{A} {B}"), "expected a TCGA barcode"),
    ("digits of another script", GOOD.replace(B, B.replace("0002", "０００２")), "expected a TCGA"),  # noqa: RUF001
    ("normal tissue alone", f"id,G1\n{A}-11A,1\n", "expected tumour samples, found 1 of normal"),
    ("gzip of nothing", gzip.compress(b""), "an empty file"),
    ("gzip cut", gzip.compress(GOOD.encode() * 99)[:-9], "expected a table, found"),
    ("gzip in name alone", b"\x1f\x8b" + NOISE.bytes(99), "expected a table, found"),
    ("gzip with a wrong sum", gzip.compress(GOOD.encode())[:-8] + b"\0" * 8, "CRC check failed"),
    ("parquet in name alone", b"PAR1" + NOISE.bytes(99), "expected a table, found"),
]


@pytest.mark.timeout(20)
@pytest.mark.parametrize(("content", "message"), [c[1:] for c in TEXT], ids=[c[0] for c in TEXT])
def test_text_tables(tmp_path: Path, content: bytes | str, message: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    source = VectorSource(path, "id", Orientation.SAMPLES)
    refused(lambda: read_vectors("rna", source), path, message)


def test_missing_cells_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"id,G1,G2\n{A},1.5,\n{B},3,NA\n")
    modality, notes = read_vectors("rna", VectorSource(path, "id", Orientation.SAMPLES))
    assert "rna: 2 missing cells" in notes
    assert (modality.patients, modality.width) == ((A, B), 2)
    # a short line inside quotes is a whole one
    path.write_text(f'id,"G\n1",G2\n{A},1.5,\n')
    modality, _ = read_vectors("rna", VectorSource(path, "id", Orientation.SAMPLES))
    assert modality.features == ("G\n1", "G2")


@pytest.mark.timeout(20)
def test_what_never_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    loop = tmp_path / "loop.csv"
    loop.symlink_to("loop.csv")
    bomb = tmp_path / "bomb.csv.gz"
    bomb.write_bytes(gzip.compress(GOOD.encode() + f"{A},1,0\n".encode() * 100_000))
    endless = tmp_path / "endless.csv"
    endless.write_text("x" * 2000)
    monkeypatch.setattr(delimited, "_UNCHECKED", 1 << 18)
    monkeypatch.setattr(delimited, "_MOST_PACKED", 50)
    monkeypatch.setattr(delimited, "_LONGEST_HEADER", 1000)
    for path, message in (
        (pipe, "found: a pipe"),
        (loop, "found: Too many levels"),
        (Path("/dev/zero"), "found: a device"),
        (tmp_path, "found: a folder"),
        (tmp_path / "gone.csv", "found: No such file"),
        (bomb, "bytes that unpack to more than"),
        (endless, "expected a header line, found 'xxx"),
    ):
        source = VectorSource(path, "id", Orientation.SAMPLES)
        refused(lambda s=source: read_vectors("rna", s), path, message)  # type: ignore[misc]


class _Code:
    """Pickled, it is a call that leaves a file behind."""

    def __init__(self, trace: Path) -> None:
        self._trace = trace

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return (os.mkdir, (str(self._trace),))


def test_parquet_runs_no_code(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    code = pickle.dumps(_Code(tmp_path / "ran"))
    field = pa.field(
        "G1",
        pa.float32(),
        metadata={
            b"ARROW:extension:name": b"arrow.py_extension_type",
            b"ARROW:extension:metadata": code,
        },
    )
    schema = pa.schema([pa.field("id", pa.string()), field], metadata={b"pandas": code})
    table = pa.table([pa.array([A]), pa.array([1.0], pa.float32())], schema=schema)
    pq.write_table(table, path)
    try:
        read_vectors("rna", VectorSource(path, "id", Orientation.SAMPLES))
    except InputError as error:
        found = str(error)
    else:
        found = ""
    assert "\n" not in found
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame({"id": [A], "G1": [[1.0, 2.0]]}), "expected cells, found lists in"),
        (pd.DataFrame({"id": [A], "G1": [True]}), "expected a number, found 'True'"),
        (pd.DataFrame({"id": [A], "G1": [pd.Timestamp("2020-01-01")]}), "expected a number"),
        (pd.DataFrame({"id": [None], "G1": [1.0]}), "expected an id, found nothing"),
        (pd.DataFrame({"id": [A], "G1": [np.inf]}), "expected a finite number, found inf"),
        (pd.DataFrame({"id": [A], "G1": [b"\x00"]}), "expected a number"),
    ],
)
def test_parquet_of_other_types(tmp_path: Path, frame: pd.DataFrame, message: str) -> None:
    path = tmp_path / "t.parquet"
    frame.to_parquet(path)
    source = VectorSource(path, "id", Orientation.SAMPLES)
    refused(lambda: read_vectors("rna", source), path, message)


def test_parquet_of_too_many_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.parquet"
    pd.DataFrame({"id": [A] * 1000, "G1": np.zeros(1000)}).to_parquet(path)
    monkeypatch.setattr(parquet, "_MOST_CELLS", 999)
    source = VectorSource(path, "id", Orientation.SAMPLES)
    refused(lambda: read_vectors("rna", source), path, "at most 999 cells, found 1000 rows of 2")


def cdr(path: Path) -> ClinicalSource:
    return ClinicalSource(path, ClinicalFormat.TCGA_CDR)


def book(sheet: str, rows: list[list[object]]) -> bytes:
    out = io.BytesIO()
    pd.DataFrame(rows[1:], columns=rows[0]).to_excel(out, sheet_name=sheet, index=False)
    return out.getvalue()


CDR = book("TCGA-CDR", [["bcr_patient_barcode", "OS", "OS.time"], [A, 1, 30], [B, 0, 40]])


def archive(content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as parts:
        parts.writestr("xl/worksheets/sheet1.xml", content)
    return out.getvalue()


def laughing() -> bytes:
    """CDR with a sheet whose entities are of entities."""
    out = io.BytesIO()
    entities = "".join(f'<!ENTITY a{i + 1} "{f"&a{i};" * 10}">' for i in range(12))
    bomb = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a0 "ha">{entities}]><x>&a12;</x>'
    with zipfile.ZipFile(io.BytesIO(CDR)) as old, zipfile.ZipFile(out, "w") as new:
        for part in old.infolist():
            sheet = part.filename.endswith(("sheet1.xml", "sharedStrings.xml"))
            new.writestr(part.filename, bomb if sheet else old.read(part))
    return out.getvalue()


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected a table, found"),
        (CDR[:-200], "expected a table, found"),
        (b"PK\x03\x04" + NOISE.bytes(400), "expected a table, found"),
        (archive(b"nothing"), "expected a table, found"),
        (archive(bytes(300 << 20)), "unpacks to at most 256 MiB, found 300 MiB"),
        (laughing(), "expected a table, found"),
        (book("Other", [["bcr_patient_barcode"], [A]]), "expected columns such as"),
        (book("TCGA-CDR", [["barcode", "OS", "OS.time"], [A, 1, 1]]), "'bcr_patient_barcode'"),
    ],
)
def test_xlsx(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "cdr.xlsx"
    path.write_bytes(content)
    refused(lambda: read_endpoints(cdr(path), {A, B}), path, message)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (f"{A},1,1_0\n", "expected a number, found '1_0'"),
        (f"{A},1,inf\n", "expected a number, found 'inf'"),
        (f"{A},1,1e999\n", "expected a number, found '1e999'"),
        (f"{A},2,10\n", "expected 0 or 1, found '2'"),
        (f'{A},1,"1,5"\n', "expected a number, found '1,5'"),
        (f"{A},1,10\n{A},0,10\n", "expected one outcome"),
        (f"{A},1,{'7' * 5000}\n", "expected a number, found '777"),
        ("nobody,1,10\n", "expected a TCGA barcode"),
        (f"{A},1,30\n{B},1\n", "row 2: expected 3 cells as in the header, found 2"),
        (f"{A}1,30\n{B},1,40\n", "row 1: expected 3 cells as in the header, found 2"),
        (f"{A},1,10,4,5\n", "expected rows of 3 cells|saw 5|found"),
    ],
)
def test_clinical_tables(tmp_path: Path, rows: str, message: str) -> None:
    path = tmp_path / "cdr.csv"
    path.write_text(f"bcr_patient_barcode,OS,OS.time\n{rows}")
    refused(lambda: read_endpoints(cdr(path), {A, B}), path, message)


@pytest.mark.parametrize("twice", ["OS", "OS.time", "gender", "Redaction"])
def test_a_clinical_column_twice(tmp_path: Path, twice: str) -> None:
    path = tmp_path / "cdr.csv"
    header = f"bcr_patient_barcode,OS,OS.time,gender,Redaction,{twice}"
    path.write_text(f"{header}\n{A},1,30,MALE,,1\n{B},0,40,MALE,,1\n")

    def read() -> None:
        read_endpoints(cdr(path), {A, B})
        read_covariates(cdr(path), {A, B})

    refused(read, path, f"expected one column '{twice}', found 2 of that name")


@pytest.mark.parametrize("separator", [",", "\t"])
def test_a_quote_that_is_no_quote_swallows_nobody(tmp_path: Path, separator: str) -> None:
    path = tmp_path / "cdr.csv"
    rows = [("bcr_patient_barcode", "note", "OS", "OS.time"), (A, '"in situ', "1", "30")]
    rows += [(B, "", "1", "40"), ("TCGA-AA-0003", '"left" breast', "0", "50")]
    path.write_text("\n".join(separator.join(row) for row in rows))
    refused(
        lambda: read_endpoints(cdr(path), {A, B}),
        path,
        "row 1, column 'note': expected a cell, found 3 lines of cells between two quotes",
    )
    # a note of two lines is one cell
    path.write_text(path.read_text().replace('"in situ', '"in\nsitu"').replace('"left"', "left"))
    endpoints, _ = read_endpoints(cdr(path), {A, B})
    assert endpoints["os"].event.tolist() == [True, True]


def test_a_clinical_row_without_a_time_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "cdr.csv"
    path.write_text(f"bcr_patient_barcode,OS,OS.time\n{A},1,30\n{B},1,\n")
    endpoints, notes = read_endpoints(cdr(path), {A, B})
    assert endpoints["os"].patients == (A,)
    assert "os: 1 patients left out: no time or no status" in notes


def gdc(**demographic: object) -> str:
    return json.dumps([{"submitter_id": A, "demographic": demographic}])


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "expected JSON, found"),
        ("[" * 100_000, "expected JSON, found"),
        ("[" * 100_000 + "]" * 100_000, "expected JSON, found"),
        ('{"data": []}', "expected a list of cases, found dict"),
        ("[1]", "case 1: expected an object with submitter_id"),
        (gdc(vital_status="Dead", days_to_death=float("nan")), "expected a number of days, found"),
        (gdc(vital_status="Dead", days_to_death=float("inf")), "expected a number of days, found"),
        (gdc(vital_status="Dead", days_to_death=10**400), "expected a number of days, found 1000"),
        (gdc(vital_status="Dead", days_to_death="12"), "expected a number of days, found '12'"),
        (gdc(vital_status="Dead", days_to_death=True), "expected a number of days, found True"),
        (gdc(vital_status="Gone"), "expected Alive or Dead, found 'Gone'"),
        (gdc(vital_status=["Dead"]), "expected Alive or Dead"),
        ('[{"submitter_id": "\\ud800"}]', "expected a TCGA barcode"),
        ("9" * 5000, "expected JSON, found"),
        (f'[{{"submitter_id": "{A}", "demographic": 3}}]', "demographic: expected an object"),
        (f'[{{"submitter_id": "{A}", "demographic": {{"vital_status": "Alive"}}, "diagnoses": 1}}]',
         "diagnoses: expected a list"),
    ],
)  # fmt: skip
def test_gdc_json(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "clinical.json"
    path.write_text(content)
    source = ClinicalSource(path, ClinicalFormat.GDC)
    refused(lambda: read_endpoints(source, {A}), path, message)


def test_random_bytes_in_every_reader(tmp_path: Path) -> None:
    """Good files of every kind with bytes flipped: read, or refused in one line."""
    (tmp_path / "good.parquet").write_bytes(b"")
    pd.DataFrame({"id": [A, B], "G1": [1.0, 2.0]}).to_parquet(tmp_path / "good.parquet")
    kinds: dict[str, tuple[bytes, Callable[[Path], object]]] = {
        "v.csv": (
            GOOD.encode(),
            lambda path: read_vectors("rna", VectorSource(path, "id", Orientation.SAMPLES)),
        ),
        "v.parquet": (
            (tmp_path / "good.parquet").read_bytes(),
            lambda path: read_vectors("rna", VectorSource(path, "id", Orientation.SAMPLES)),
        ),
        "v.csv.gz": (
            gzip.compress(GOOD.encode()),
            lambda path: read_vectors("rna", VectorSource(path, "id", Orientation.SAMPLES)),
        ),
        "c.xlsx": (
            CDR,
            lambda path: (read_endpoints(cdr(path), {A}), read_covariates(cdr(path), {A})),
        ),
        "c.json": (
            gdc(vital_status="Dead", days_to_death=3).encode(),
            lambda path: read_endpoints(ClinicalSource(path, ClinicalFormat.GDC), {A}),
        ),
        "l.csv": (
            GOOD.encode(),
            lambda path: read_label("x", LabelSource(path, "id", "G1", ("1.5", "3"), None), {A}),
        ),
    }
    for name, (good, read) in kinds.items():
        n_refused = 0
        for trial in range(60):
            rng = generator("flipped", name, trial)
            broken = np.frombuffer(good, dtype=np.uint8).copy()
            at = rng.integers(0, len(broken), size=int(rng.integers(1, 6)))
            broken[at] = rng.integers(0, 256, size=len(at))
            path = tmp_path / name
            path.write_bytes(broken.tobytes())
            found = ""
            try:
                read(path)
            except InputError as error:
                n_refused += 1
                found = str(error)
            assert "\n" not in found, (name, trial)
        assert n_refused, name
