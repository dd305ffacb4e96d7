"""Split files: every layout read as it is meant, and nothing accepted that is no split."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.data.cohort import Cohort, VectorModality
from tasks.data.split_files import (
    Entry,
    find_barcode,
    is_split_file,
    owner,
    read_split_sets,
    splits_from_files,
)
from tasks.data.splits import make_splits
from tasks.errors import InputError
from tests.helpers.real import SHARED

A, B, C, D, E, F = (f"TCGA-AA-000{i}" for i in range(1, 7))


def cohort_of(*patients: str) -> Cohort:
    values = np.ones((len(patients), 1), np.float32)
    modality = VectorModality(tuple(sorted(patients)), values, ("x",))
    return Cohort("TOY", tuple(sorted(patients)), {"wsi": modality})


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def parts(path: Path, fold: int = 0) -> dict[str, set[str]]:
    (found,) = read_split_sets(path)
    chosen = next(one for one in found.folds if one.fold == fold)
    return {part: set(chosen.patients(part)) for part in chosen.parts}


# Layouts


def test_a_column_a_part_is_ragged(tmp_path: Path) -> None:
    path = write(tmp_path / "splits_3.csv", f",train,val\n0,{A},{B}\n1,{C},\n2,{D}\n")
    assert parts(path, 3) == {"train": {A, C, D}, "val": {B}}


def test_slides_belong_to_patients(tmp_path: Path) -> None:
    one, two = f"{A}-01Z-00-DX1.0F3B", f"{A}-01Z-00-DX2.77AC.svs"
    path = write(tmp_path / "splits_0.csv", f",train,val,test\n0,{one},{B},{C}\n1,{two},,\n")
    assert parts(path) == {"train": {A}, "val": {B}, "test": {C}}
    (found,) = read_split_sets(path)
    assert found.folds[0].parts["train"] == (Entry(one, A), Entry(two, A))
    assert found.folds[0].scored == "test"


def test_flags(tmp_path: Path) -> None:
    spaced = f"slide_id, train, val\n{A}, True, False\n{B}, False, True\n"
    assert parts(write(tmp_path / "spaced.csv", spaced)) == {"train": {A}, "val": {B}}
    text = f",train,val,test\n{A},True,False,False\n{B},False,True,False\n{C},False,False,True\n"
    assert parts(write(tmp_path / "splits_0_bool.csv", text)) == {
        "train": {A},
        "val": {B},
        "test": {C},
    }


def test_a_column_a_fold(tmp_path: Path) -> None:
    text = (
        "case_id\tslide_id\ttask\tfold_0\tfold_1\n"
        f"{A}\tslide1\t1\ttrain\ttest\n{A}\tslide2\t1\ttrain\ttest\n{B}\tslide3\t0\ttest\t\n"
        f"{C}\tslide4\t0\ttest\ttrain\n"
    )
    path = write(tmp_path / "k=all.tsv", text)
    assert parts(path, 0) == {"train": {A}, "test": {B, C}}
    assert parts(path, 1) == {"train": {C}, "test": {A}}
    (found,) = read_split_sets(path)
    assert found.folds[0].parts["train"] == (Entry("slide1", A), Entry("slide2", A))


def test_one_column_of_parts(tmp_path: Path) -> None:
    path = write(tmp_path / "all.csv", f"patient,Split\n{A},Training\n{B},dev\n{C},testing\n{D},\n")
    assert parts(path) == {"train": {A}, "val": {B}, "test": {C}}


def test_one_column_of_folds(tmp_path: Path) -> None:
    path = write(tmp_path / "cv.csv", f"case_id,fold\n{A},0\n{B},1\n{C},1.0\n{D},2\n")
    assert [parts(path, fold)["test"] for fold in (0, 1, 2)] == [{A}, {B, C}, {D}]
    assert parts(path, 1)["train"] == {A, D}


def test_identifiers_that_are_no_barcodes(tmp_path: Path) -> None:
    path = write(tmp_path / "splits_0.csv", ",train,val\n0,patient_7,patient_8\n")
    assert parts(path) == {"train": {"patient_7"}, "val": {"patient_8"}}
    assert find_barcode("patient_7") is None
    assert owner("patient_7") == "patient_7"
    assert owner("tcga-aa-0001-01A") == A


def test_gzip_and_tabs(tmp_path: Path) -> None:
    path = tmp_path / "splits_1.tsv.gz"
    path.write_bytes(gzip.compress(f"\ttrain\tval\n0\t{A}\t{B}\n".encode()))
    assert is_split_file(path)
    assert parts(path, 1) == {"train": {A}, "val": {B}}


# Folders


def test_a_folder_is_one_set_a_level_and_others_are_ignored(tmp_path: Path) -> None:
    for task in ("one", "two"):
        for fold in (1, 0, 10):
            write(tmp_path / task / f"splits_{fold}.csv", f",train,val\n0,{A},{B}\n")
    write(tmp_path / "one" / "splits_0_bool.csv", f",train,val\n{A},True,False\n{B},False,True\n")
    write(tmp_path / "one" / "splits_0_descriptor.csv", ",train,val\nIDC,3,1\nILC,2,0\n")
    write(tmp_path / "notes.txt", "train,val\n")
    sets = read_split_sets(tmp_path)
    assert [found.path.name for found in sets] == ["one", "two"]
    assert [fold.fold for fold in sets[0].folds] == [0, 1, 10]


def test_flags_alone_are_read(tmp_path: Path) -> None:
    write(tmp_path / "splits_0_bool.csv", f",train,val\n{A},True,False\n{B},False,True\n")
    assert len(read_split_sets(tmp_path)[0].folds) == 1


def test_files_of_many_folds_or_no_number_are_sets_of_their_own(tmp_path: Path) -> None:
    for name in ("brca", "luad"):
        write(tmp_path / f"{name}.csv", f"case_id,fold\n{A},0\n{B},1\n")
        write(tmp_path / f"{name}_once.csv", f"case_id,split\n{A},train\n{B},test\n")
    assert len(read_split_sets(tmp_path)) == 4


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.csv": "x,y\n1,2\n"}, "expected split files .* found none"),
        (
            {"splits_0.csv": f",train,val\n0,{A},{B}\n", "fold_0.csv": f",train,val\n0,{A},{B}\n"},
            "expected one file a fold, found fold_0.csv, which is fold 0 as well",
        ),
        ({"splits_0.csv": f",train,val\n0,{A},\n"}, "fold 0: expected two or more parts"),
        ({"s.csv": f"case_id,split\n{A},train\n{B},tset\n"}, r"row 2.*'tset' \(did you mean test"),
        ({"s.csv": f"case_id,fold\n{A},0\n{B},one\n"}, "row 2, column 'fold': expected a fold's"),
        ({"s.csv": f"case_id,fold_0\n{A},train\n,test\n"}, "row 2, column 'case_id': expected an"),
        ({"s.csv": f"case_id,fold_0,fold_1\n{A},train\n"}, "row 1: expected 3 cells .* found 2"),
        ({"s.csv": f",train,train,val\n0,{A},{B},{C}\n"}, "expected one column 'train', found"),
        ({"s.csv": "fold_0,fold_1\ntrain,test\n"}, "expected a column of identifiers"),
    ],
)
def test_what_is_refused(files: dict[str, str], message: str, tmp_path: Path) -> None:
    for name, text in files.items():
        write(tmp_path / name, text)
    with pytest.raises(InputError, match=message) as error:
        read_split_sets(tmp_path)
    assert "\n" not in str(error.value)
    assert str(tmp_path) in str(error.value)


def test_a_file_that_is_no_split(tmp_path: Path) -> None:
    path = write(tmp_path / "clinical.csv", f"case_id,train\n{A},1.0\n")
    assert not is_split_file(path)
    with pytest.raises(InputError, match="expected the columns train and val"):
        read_split_sets(path)
    assert not is_split_file(write(tmp_path / "empty.csv", ""))
    (tmp_path / "noise.csv").write_bytes(bytes(range(128, 256)))
    assert not is_split_file(tmp_path / "noise.csv")
    (tmp_path / "damaged.csv.gz").write_bytes(gzip.compress(b"")[:10] + b"\xff" * 40)
    assert not is_split_file(tmp_path / "damaged.csv.gz")


# Splits of a cohort


def test_splits_of_a_cohort_name_and_count_who_does_not_match(tmp_path: Path) -> None:
    write(tmp_path / "splits_0.csv", f",train,val,test\n0,{A},{B},{C}\n1,{D},,{E}\n")
    write(tmp_path / "splits_1.csv", f",train,val,test\n0,{C},{B},{A}\n1,{D},,{E}\n")
    found = splits_from_files(tmp_path, cohort_of(A, B, C, E, F))
    assert [(s.fold, s.train, s.test) for s in found.splits] == [
        (0, (A, B), (C, E)),
        (1, (B, C), (A, E)),
    ]
    assert found.notes == (
        f"splits: 2 folds from {tmp_path}",
        f"splits: 1 patients of the file are not in the cohort: {D}",
        f"splits: 1 patients of the cohort are not in the file: {F}",
        f"splits: 1 patients of the cohort are in no scored part: {B}",
        f"splits: 1 patients are scored in more than one fold: {E}",
        "splits: the validation patients join the training patients",
    )


def test_validation_is_scored_where_there_is_no_test(tmp_path: Path) -> None:
    path = write(tmp_path / "splits_0.csv", f",train,val\n0,{A},{B}\n")
    (split,) = splits_from_files(path, cohort_of(A, B)).splits
    assert (split.train, split.test) == ((A,), (B,))


def test_leaking_splits_are_refused(tmp_path: Path) -> None:
    text = f",train,val\n0,{A}-01Z-00-DX1,{A}-01Z-00-DX2\n1,{B},{C}\n"
    path = write(tmp_path / "splits_2.csv", text)
    message = f"splits_2.csv: fold 2: expected each patient in one part, found 1 in both .*: {A}"
    with pytest.raises(InputError, match=message):
        splits_from_files(path, cohort_of(A, B, C))


def test_splits_of_another_cohort_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "splits_0.csv", f",train,val\n0,{A},{B}\n")
    with pytest.raises(InputError, match="expected training patients of the cohort, found none"):
        splits_from_files(path, cohort_of(B, C))
    with pytest.raises(InputError, match="expected val patients of the cohort, found none"):
        splits_from_files(path, cohort_of(A, C))


def test_several_sets_are_refused(tmp_path: Path) -> None:
    for task in ("one", "two"):
        write(tmp_path / task / "splits_0.csv", f",train,val\n0,{A},{B}\n")
    with pytest.raises(InputError, match="expected one set of folds, found 2"):
        splits_from_files(tmp_path, cohort_of(A, B))


@settings(max_examples=40, deadline=None)
@given(n_patients=st.integers(10, 60), n_folds=st.integers(2, 5), layout=st.integers(0, 4))
def test_every_layout_says_the_same(
    n_patients: int, n_folds: int, layout: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Our folds written in each layout and read again are our folds."""
    cohort = cohort_of(*(f"TCGA-AA-{i:04d}" for i in range(n_patients)))
    splits = make_splits(cohort, n_folds)
    folder = tmp_path_factory.mktemp("splits")
    everyone = list(cohort.patients)
    for split in splits:
        if layout == 0:
            table = pd.DataFrame({"train": pd.Series(split.train), "val": pd.Series(split.test)})
            table.to_csv(folder / f"splits_{split.fold}.csv")
        elif layout == 1:
            flags = pd.DataFrame({"train": [p in split.train for p in everyone]}, index=everyone)
            flags["test"] = ~flags["train"]
            flags.to_csv(folder / f"splits_{split.fold}_bool.csv")
        elif layout == 2:
            words = ["train" if p in split.train else "test" for p in everyone]
            table = pd.DataFrame({"case_id": everyone, "split": words})
            table.to_csv(folder / f"fold{split.fold}.tsv", sep="\t", index=False)
    fold_of = {p: split.fold for split in splits for p in split.test}
    if layout == 3:
        columns = {
            f"fold_{split.fold}": ["train" if p in split.train else "test" for p in everyone]
            for split in splits
        }
        table = pd.DataFrame({"case_id": everyone, "slide_id": everyone, **columns})
        table.to_csv(folder / "k=all.tsv", sep="\t", index=False)
    elif layout == 4:
        table = pd.DataFrame({"patient_id": everyone, "fold": [fold_of[p] for p in everyone]})
        table.to_csv(folder / "folds.csv", index=False)
    found = splits_from_files(folder, cohort)
    assert found.splits == splits
    assert len(found.notes) == 1


@pytest.mark.parametrize(
    ("task", "sizes"),
    [("tcga_brca", (764, 192)), ("tcga_nsclc", (722, 181)), ("tcga_coadread", (272, 68))],
)
def test_published_splits(task: str, sizes: tuple[int, int]) -> None:
    folder = SHARED / "data" / "mirror_splits" / "5foldcv" / task
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there (MIRROR_BENCH_SHARED)")
    (found,) = read_split_sets(folder)
    assert [fold.fold for fold in found.folds] == [0, 1, 2, 3, 4]
    first = found.folds[0]
    assert (len(first.patients("train")), len(first.patients("val"))) == sizes
    everyone = first.patients("train") | first.patients("val")
    splits = splits_from_files(folder, cohort_of(*everyone)).splits
    assert sorted(p for split in splits for p in split.test) == sorted(everyone)


def test_a_file_a_part(tmp_path: Path) -> None:
    """As MMP and PANTHER write them: a folder a fold."""
    header = "case_id,slide_id,dss_survival_days,dss_censorship\n"
    for fold, (train, test) in enumerate(((A, B), (B, A))):
        folder = tmp_path / f"TCGA_X_overall_survival_k={fold}"
        folder.mkdir()
        write(folder / "train.csv", f"{header}{train},{train}-01Z-00-DX1.svs,10,0\n")
        write(folder / "test.csv", f"{header}{test},{test}-01Z-00-DX1.svs,10,0\n")
    (found,) = read_split_sets(tmp_path)
    assert [fold.fold for fold in found.folds] == [0, 1]
    assert [fold.patients("test") for fold in found.folds] == [{B}, {A}]
    assert found.folds[0].scored == "test"
    write(tmp_path / "TCGA_X_overall_survival_k=0" / "test.csv", header)
    with pytest.raises(InputError, match=r"test\.csv: expected patients, found nobody"):
        read_split_sets(tmp_path)
