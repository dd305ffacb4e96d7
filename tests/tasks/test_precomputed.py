"""Embeddings that were made elsewhere: every layout gives the same, a bad file one clear line."""

import pickle
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.checks.data.embedding_facts import verify_embeddings
from tasks.checks.finding import Check, Severity
from tasks.checks.leaks.unfit_columns import refuse_unfit
from tasks.data.cohort import Precomputed
from tasks.data.identifiers import Identifiers, Scheme
from tasks.data.load import load
from tasks.data.manifest import EmbeddingSource, read_manifest
from tasks.data.precomputed import covered, joined, read_embeddings
from tasks.errors import InputError
from tests.helpers.planted import planted, planted_folder

A, B, C, D = (f"TCGA-AA-000{i}" for i in range(4))
SLIDES = (f"{A}-01Z-00-DX1.AB", f"{A}-01Z-00-DX2.CD", f"{B}-01Z-00-DX1.EF", f"{C}-01Z-00-DX1.GH")
ROWS = np.array([[1.0, 2.0], [3.0, -2.0], [0.5, 0.25], [8.0, 9.0]], np.float32)
PATIENTS = (A, B, D)
"""Of the cohort: C is a stranger, and D has no slide."""


def frame() -> pd.DataFrame:
    table = pd.DataFrame(ROWS, columns=["d0", "d1"])
    table.insert(0, "slide_id", SLIDES)
    return table


def _h5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["embeddings"] = ROWS
        file["filenames"] = np.array(SLIDES, dtype=h5py.string_dtype())


def _h5_of_slides(path: Path) -> None:
    with h5py.File(path, "w") as file:
        for name, row in zip(SLIDES, ROWS, strict=True):
            file[name] = row[None]


def _npy(path: Path) -> None:
    np.save(path, ROWS)
    path.with_suffix(".txt").write_text("\n".join(SLIDES) + "\n")


def _folder(path: Path) -> None:
    path.mkdir()
    for name, row in zip(SLIDES, ROWS, strict=True):
        with h5py.File(path / f"{name}.h5", "w") as file:
            file["features"] = row


def _lists(path: Path) -> None:
    table = {"filename": [f"{s}.svs" for s in SLIDES], "embedding": [row.tolist() for row in ROWS]}
    pd.DataFrame(table).to_parquet(path)


LAYOUTS: dict[str, Callable[[Path], object]] = {
    "t.csv": lambda path: frame().to_csv(path, index=False),
    "index.csv": lambda path: frame().to_csv(path),
    "t.csv.gz": lambda path: frame().to_csv(path, index=False),
    "t.tsv": lambda path: frame().to_csv(path, index=False, sep="\t"),
    "t.parquet": lambda path: frame().to_parquet(path),
    "index.parquet": lambda path: frame().set_index("slide_id").to_parquet(path),
    "lists.parquet": _lists,
    "t.h5": _h5,
    "slides.h5": _h5_of_slides,
    "t.npz": lambda path: np.savez(path, features=ROWS, ids=np.array(SLIDES)),
    "slides.npz": lambda path: np.savez(path, **dict(zip(SLIDES, ROWS, strict=True))),
    "t.npy": _npy,
    "folder": _folder,
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_gives_a_patient_the_mean_of_its_slides(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    LAYOUTS[name](path)
    found, notes = read_embeddings("titan", EmbeddingSource(path), PATIENTS, PATIENTS)
    assert found.vectors.patients == (A, B)
    assert found.vectors.values.tolist() == [[2.0, 0.0], [0.5, 0.25]]  # noqa: PD011
    assert found.vectors.values.dtype == np.float32  # noqa: PD011
    assert (found.pairs, found.covered) == (3, 2)
    said = "\n".join(notes)
    assert "4 rows x 2 in, 3 kept of 2 patients, those of a patient averaged" in said
    assert "2 of 3 patients with both sides covered" in said
    assert "1 rows left out: of patients who are not in the cohort" in said


def _cells(**changes: object) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        table = frame().astype(object)
        for place, value in changes.items():
            column, _, row = place.partition("_of_")
            table.iloc[int(row), table.columns.get_loc(column)] = value  # type: ignore[call-overload]
        table.to_csv(path, index=False)

    return write


def _pickled(path: Path) -> None:
    path.write_bytes(pickle.dumps({"embeddings": ROWS}))


def _ragged(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file[SLIDES[0]], file[SLIDES[1]] = [1.0, 2.0], [1.0, 2.0, 3.0]


BROKEN: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "pickle": ("t.pkl", _pickled, "found a pickle: .* never is; .* numpy.savez"),
    "torch": ("t.pt", lambda path: path.write_bytes(b"PK\x03\x04"), "found a pickle"),
    "objects": (
        "t.npz",
        lambda path: np.savez(path, features=ROWS, ids=np.array(SLIDES, dtype=object)),
        "ids: expected numbers or texts, found pickled objects",
    ),
    "short row": (
        "t.csv",
        lambda path: path.write_text(frame().to_csv(index=False) + f"{D},1\n"),
        "Expected 3 columns, got 2",
    ),
    "short list": (
        "t.parquet",
        lambda path: pd.DataFrame({"id": [A, B], "e": [[1.0, 2.0], [1.0]]}).to_parquet(path),
        f"row {B}: expected 2 numbers as in the first row, found 1",
    ),
    "short vector": ("t.h5", _ragged, "expected 2 numbers as in the first row, found 3"),
    "NaN": ("t.csv", _cells(d1_of_2="nan"), "column 'd1': expected a finite number, found"),
    "empty": ("t.csv", _cells(d1_of_2=""), "column 'd1': expected a finite number, found nothing"),
    "infinite": (
        "t.csv",
        _cells(d0_of_1="inf"),
        "column 'd0': expected a finite number, found inf",
    ),
    "a word": ("t.csv", _cells(d0_of_1="low"), "column 'd0': expected a number, found 'low'"),
    "twice": ("t.csv", _cells(slide_id_of_1=SLIDES[0]), f"each identifier once, found {SLIDES[0]}"),
    "nobody": (
        "t.csv",
        _cells(**{f"slide_id_of_{i}": f"TCGA-ZZ-000{i}" for i in range(4)}),
        f"identifiers of the cohort's patients, such as {A}, found none among 4 rows",
    ),
    "no ids": (
        "t.npz",
        lambda path: np.savez(path, features=ROWS),
        "identifiers beside 'features'",
    ),
    "other ids": (
        "t.npz",
        lambda path: np.savez(path, features=ROWS, ids=np.array(SLIDES[:2])),
        "one array of 4 identifiers beside 'features', found ids",
    ),
    "no column": (
        "t.csv",
        lambda path: frame()[["d0", "d1"]].to_csv(path, index=False),
        "expected one column of identifiers, found none",
    ),
    "cut": ("t.h5", lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(40)), "whole HDF5"),
    "nothing": ("t.parquet", lambda path: path.write_bytes(b"PAR1"), "a table of embeddings"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_bad_file_is_one_line_that_names_the_place(tmp_path: Path, what: str) -> None:
    name, write, expected = BROKEN[what]
    path = tmp_path / name
    write(path)
    with pytest.raises(InputError, match=expected) as raised:
        read_embeddings("titan", EmbeddingSource(path), PATIENTS, PATIENTS)
    assert str(raised.value).startswith(str(path))
    facts, found = verify_embeddings("titan", EmbeddingSource(path), PATIENTS, PATIENTS)
    assert found is None
    assert [(fact.check, fact.severity) for fact in facts] == [(Check.FILES, Severity.PROBLEM)]


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.permutations(range(4)))
def test_the_order_of_the_rows_changes_no_bit(tmp_path: Path, order: list[int]) -> None:
    rows = frame().assign(d0=[0.1, 0.7, 1e8, -0.3])
    values = []
    for table in (rows, rows.iloc[order]):
        table.to_parquet(tmp_path / "t.parquet")
        source = EmbeddingSource(tmp_path / "t.parquet")
        values.append(read_embeddings("titan", source, PATIENTS, PATIENTS)[0])
    assert values[0].vectors.fingerprint() == values[1].vectors.fingerprint()


def test_normal_tissue_and_frozen_slides_are_left_out_and_counted(tmp_path: Path) -> None:
    table = frame()
    table["slide_id"] = [f"{A}-01Z-00-DX1", f"{A}-11A-01-TS1", f"{B}-01A-01-TS1", f"{B}-01Z-00-DX1"]
    table.to_csv(tmp_path / "t.csv", index=False)
    found, notes = read_embeddings("t", EmbeddingSource(tmp_path / "t.csv"), PATIENTS, PATIENTS)
    assert found.vectors.values.tolist() == [[1.0, 2.0], [8.0, 9.0]]  # noqa: PD011
    assert any("left out: normal tissue" in note for note in notes)
    assert any("left out: frozen" in note for note in notes)


def test_rows_without_any_number_are_patients_without_an_embedding(tmp_path: Path) -> None:
    table = frame().assign(d0=[1.0, 3.0, np.nan, 8.0], d1=[2.0, -2.0, np.nan, 9.0])
    np.savez(tmp_path / "t.npz", e=table[["d0", "d1"]].to_numpy(), ids=np.array(SLIDES))
    found, notes = read_embeddings("t", EmbeddingSource(tmp_path / "t.npz"), PATIENTS, PATIENTS)
    assert found.vectors.patients == (A,)
    assert (found.pairs, found.covered) == (3, 1)
    assert any("1 rows left out: without a single number" in note for note in notes)


def test_identifiers_are_read_as_the_cohort_declares_them(tmp_path: Path) -> None:
    pd.DataFrame({"case": ["P1", "P2"], "x": [1.0, 2.0]}).to_csv(tmp_path / "t.csv", index=False)
    ids = Identifiers(Scheme.PLAIN, owners={"a-slide": "P1"})
    source = EmbeddingSource(tmp_path / "t.csv", ids=ids)
    found, _ = read_embeddings("t", source, ("P1", "P2"), ("P1", "P2"))  # patients' own rows
    assert found.vectors.patients == ("P1", "P2")
    pd.DataFrame({"s": ["a-slide.svs"], "x": [1.0]}).to_csv(tmp_path / "t.csv", index=False)
    found, _ = read_embeddings("t", source, ("P1", "P2"), ("P1", "P2"))
    assert found.vectors.patients == ("P1",)


def declared(folder: Path, more: str = "") -> Path:
    """A planted cohort of links to its files, with embeddings of its slides beside them."""
    for path in planted_folder(bags=False).iterdir():
        if path.name != "cohort.toml":
            (folder / path.name).symlink_to(path)
    vectors = planted(bags=False).modalities["wsi"]
    rows = vectors.rows(vectors.patients) if not hasattr(vectors, "slides") else None
    assert rows is not None
    table = pd.DataFrame(rows[:, :8], columns=[f"d{j}" for j in range(8)])
    table.insert(0, "patient", vectors.patients)
    table.to_csv(folder / "titan.csv", index=False)
    text = (planted_folder(bags=False) / "cohort.toml").read_text()
    text += '\n[embeddings.titan]\npath = "titan.csv"\npretrained_on = ["Mass-340K"]\n'
    (folder / "cohort.toml").write_text(text + more)
    return folder


def test_they_are_declared_in_the_manifest_and_leave_the_fingerprint_alone(tmp_path: Path) -> None:
    cohort = load(declared(tmp_path)).cohort
    made = cohort.embeddings["titan"]
    assert (made.covered, made.pairs) == (180, 180)
    assert any("trained elsewhere on Mass-340K" in note for note in cohort.notes)
    assert cohort.fingerprint() == planted(bags=False).fingerprint()
    some = cohort.patients[:20]
    assert set(cohort.subset(some).embeddings["titan"].vectors.patients) <= set(some)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ('side = "dna"', r"embeddings.titan.side: expected wsi \(slides\) or rna"),
        ('colour = "red"', "embeddings.titan.colour: expected one of .*found the unknown key"),
        ('[embeddings."a+b"]\npath = "titan.csv"', "a name of letters.* but without a +"),
        ('[embeddings.b]\npath = "no.csv"', "embeddings.b.path: expected a file or a folder"),
    ],
)
def test_a_wrong_declaration_is_named(tmp_path: Path, more: str, expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        read_manifest(declared(tmp_path, more))


def test_a_column_that_is_an_outcome_is_refused(tmp_path: Path) -> None:
    folder = declared(tmp_path)
    table = pd.read_csv(folder / "titan.csv")
    table["OS.time"] = np.arange(len(table)) % 50 + 0.5
    table.to_csv(folder / "titan.csv", index=False)
    with pytest.raises(InputError, match=r"embeddings.titan: expected features, found .*OS.time"):
        refuse_unfit(load(folder).as_read)
    text = (folder / "cohort.toml").read_text()
    (folder / "cohort.toml").write_text(text + 'drop = ["OS.time"]\n')
    refuse_unfit(load(folder).as_read)


def test_a_part_of_the_patients_is_a_cohort_of_its_own(tmp_path: Path) -> None:
    whole = load(declared(tmp_path)).cohort
    having = whole.complete()[::2]
    made = {"titan": replace(whole.embeddings["titan"].subset(having), covered=len(having))}
    part = covered(replace(whole, embeddings=made), "titan")
    assert part.name == "PLANTED-VECTORS@titan"
    assert part.patients == having
    assert part.complete() == having
    assert set(part.endpoints["os"].patients) <= set(having)
    assert set(part.labels["subtype"].values) <= set(having)
    assert all(len(values) == len(having) for values in part.truth.values())
    assert part.fingerprint() != whole.fingerprint()
    assert part.embeddings["titan"].covered == part.embeddings["titan"].pairs == len(having)
    assert f"the {len(having)} of {len(whole.patients)} patients" in part.notes[0]
    with pytest.raises(InputError, match=r"expected embeddings of .*titan, found 'chief'"):
        covered(whole, "chief")


def test_a_union_has_those_that_all_members_have() -> None:
    vectors = planted(bags=False)
    of = vectors.modalities["rna"]
    assert not hasattr(of, "slides")
    one = Precomputed("wsi", replace(of, patients=of.patients), ("X",), 180, 180)
    first = replace(vectors, embeddings={"titan": one, "chief": one})
    second = replace(first, name="B", embeddings={"titan": replace(one, pretrained_on=("Y",))})
    found, notes = joined("union", (first, second), first.complete())
    assert set(found) == {"titan"}
    assert found["titan"].pretrained_on == ("X", "Y")
    assert notes == ("embeddings chief: left out, B has none",)
    narrow = replace(one, side="rna")
    with pytest.raises(InputError, match="titan: expected the same columns in every member"):
        joined("union", (first, replace(second, embeddings={"titan": narrow})), ())


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npz"])
def test_ten_thousand_slides_load_in_two_seconds(tmp_path: Path, suffix: str) -> None:
    rows = np.random.default_rng(0).normal(size=(10_000, 768)).astype(np.float32)
    names = [f"TCGA-{i % 90 + 10}-{i // 2:04d}-01Z-00-DX{i % 2 + 1}.{i:08X}" for i in range(10_000)]
    path = tmp_path / f"t{suffix}"
    if suffix == ".npz":
        np.savez(path, embeddings=rows, ids=np.array(names))
    else:
        table = pd.DataFrame(np.round(rows, 5), columns=[f"d{j}" for j in range(768)])
        table.insert(0, "slide", names)
        if suffix == ".csv":
            pyarrow.csv.write_csv(pa.Table.from_pandas(table), path)  # ten times as fast as pandas
        else:
            table.to_parquet(path)
    patients = sorted({name[:12] for name in names})
    start = time.process_time()
    found, _ = read_embeddings("titan", EmbeddingSource(path), patients, patients)
    assert time.process_time() - start < 2.0  # of the processor: others may be busy on it
    assert (found.covered, found.vectors.width) == (len(patients), 768)
