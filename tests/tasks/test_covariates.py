"""Age, sex and stage: read right from every clinical layout, unknown where they are unknown."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.data.cohort import VectorModality
from tasks.data.formats.covariates import FEATURES, read_covariates, recognise_covariates
from tasks.data.load import load_cohort
from tasks.data.manifest import ClinicalFormat, ClinicalSource, TableSource, TimeUnit
from tasks.errors import InputError
from tests.helpers.planted import planted_folder
from tests.helpers.real import SHARED

A, B, C, D = "TCGA-AA-0001", "TCGA-AA-0002", "TCGA-BB-0003", "TCGA-BB-0004"
NAN = float("nan")


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def covariates(
    path: Path,
    layout: ClinicalFormat,
    columns: dict[str, Any] | None = None,
    patients: tuple[str, ...] = (A, B, C),
) -> tuple[VectorModality, tuple[str, ...]]:
    source = ClinicalSource(path, layout) if columns is None else TableSource(path, **columns)
    modality, notes = read_covariates(source, frozenset(patients))
    assert modality is not None
    assert modality.features == FEATURES == ("age", "male", "stage")
    assert modality.patients == patients
    return modality, notes


def cdr(tmp_path: Path, *rows: str) -> Path:
    header = (
        "bcr_patient_barcode,age_at_initial_pathologic_diagnosis,gender,"
        "ajcc_pathologic_tumor_stage,clinical_stage,OS,OS.time,Redaction"
    )
    return write(tmp_path / "cdr.csv", "\n".join([header, *rows]))


def stage_of(tmp_path: Path, pathologic: str, clinical: str = "[Not Applicable]") -> float:
    path = cdr(tmp_path, f"{A},50,FEMALE,{pathologic},{clinical},1,1,")
    return float(covariates(path, ClinicalFormat.TCGA_CDR)[0].values[0, 2])


def test_cdr(tmp_path: Path) -> None:
    path = cdr(
        tmp_path,
        f"{A},61.0,FEMALE,Stage IIIA,[Not Applicable],1,10,",
        f"{B},[Not Available],MALE,[Discrepancy],Stage IVB,0,10,",
        f"{C},44,MALE,Stage I,[Not Applicable],0,10,Redacted",
        "TCGA-ZZ-9999,old,MALE,Stage I,,0,10,",  # nobody of the cohort
    )
    found, notes = covariates(path, ClinicalFormat.TCGA_CDR)
    expected = [[61, 0, 3], [NAN, 1, 4], [NAN, NAN, NAN]]
    np.testing.assert_array_equal(found.values, np.array(expected, np.float32))
    assert notes == ("clinical: age of 1, sex of 2, stage of 2 patients of 3",)


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("Stage I", 1),
        ("Stage IB2", 1),
        ("Stage IIC", 2),
        ("Stage IIIC1", 3),
        ("STAGE IVA", 4),
        ("IIa", 2),
        ("iv", 4),
        ("2", 2),
        ("3.0", 3),
        ("Stage X", NAN),
        ("Stage 0", NAN),
        ("IS", NAN),
        ("I/II NOS", NAN),
        ("Stage Tis", NAN),
        ("5", NAN),
        ("[Discrepancy]", NAN),
        ("[Not Available]", NAN),
        ("Not Reported", NAN),
        ("", NAN),
    ],
)
def test_words_of_stages(tmp_path: Path, cell: str, expected: float) -> None:
    np.testing.assert_equal(stage_of(tmp_path, cell), expected)
    np.testing.assert_equal(stage_of(tmp_path, "[Not Available]", cell), expected)
    assert stage_of(tmp_path, "Stage II", cell) == 2  # what the pathologist saw comes first


@given(stage=st.sampled_from(["I", "II", "III", "IV"]), end=st.sampled_from(["", "A", "b", "C2"]))
def test_a_substage_is_of_its_stage(
    tmp_path_factory: pytest.TempPathFactory, stage: str, end: str
) -> None:
    found = stage_of(tmp_path_factory.getbasetemp(), f"Stage {stage}{end}")
    assert found == ["I", "II", "III", "IV"].index(stage) + 1


def test_what_is_of_no_use_is_counted(tmp_path: Path) -> None:
    path = cdr(
        tmp_path,
        f"{A},61,FEMALE,Stage X,Stage II,1,10,",
        f"{B},62,MALE,Stage X,,0,10,",
        f"{C},63,MALE,Stage I,,0,10,",
        f"{C},64,MALE,Stage IA,,0,10,",
    )
    found, notes = covariates(path, ClinicalFormat.TCGA_CDR)
    np.testing.assert_array_equal(found.values[:, 2], [2, NAN, 1])
    np.testing.assert_array_equal(found.values[:, 0], [61, 62, NAN])
    assert notes == (
        "clinical: age of 2, sex of 3, stage of 2 patients of 3",
        "clinical: age of 1 patients contradictory, unknown",
        "clinical: stage of 1 patients not used: 'Stage X'",
    )


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            f"{A},fifty,FEMALE,,,1,1,",
            f"patient {A}, column 'age_at_initial_pathologic_diagnosis': expected an age in years, "
            "0 to 120, found 'fifty'",
        ),
        (f"{A},-3,FEMALE,,,1,1,", "expected an age in years, 0 to 120, found '-3'"),
        (f"{A},inf,FEMALE,,,1,1,", "found 'inf'"),
        (f"{A},21915,FEMALE,,,1,1,", "found '21915'"),
        (f"{A},50,1,,,1,1,", f"patient {A}, column 'gender': expected male or female, found '1'"),
    ],
)
def test_wrong_cells_are_one_line(tmp_path: Path, row: str, message: str) -> None:
    path = cdr(tmp_path, row)
    with pytest.raises(InputError) as caught:
        covariates(path, ClinicalFormat.TCGA_CDR)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_cbioportal_study_file(tmp_path: Path) -> None:
    text = (
        "#a\n#b\n#c\n#d\nPATIENT_ID\tOS_STATUS\tOS_MONTHS\tAGE\tSEX\tAJCC_PATHOLOGIC_TUMOR_STAGE\n"
        f"{A}\t1:DECEASED\t1\t50\tFemale\tSTAGE IIA\n{B}\t0:LIVING\t2\t\tMale\tNA\n"
    )
    found, _ = covariates(write(tmp_path / "p.txt", text), ClinicalFormat.CBIOPORTAL)
    np.testing.assert_array_equal(found.values, [[50, 0, 2], [NAN, 1, NAN], [NAN, NAN, NAN]])


def test_cbioportal_download_with_several_samples_a_patient(tmp_path: Path) -> None:
    stage = "Neoplasm Disease Stage American Joint Committee on Cancer Code"
    text = (
        f"Study ID\tPatient ID\tSample ID\tDiagnosis Age\t{stage}\tSex\n"
        f"x\t{A}\t{A}-01\t50\tStage IV\tMale\nx\t{A}\t{A}-06\t50.0\tStage IVA\tMale\n"
        f"x\t{B}\t{B}-01\t60\tStage I\tMale\nx\t{B}\t{B}-06\t\tStage II\tFemale\n"
    )
    found, notes = covariates(write(tmp_path / "d.tsv", text), ClinicalFormat.CBIOPORTAL)
    np.testing.assert_array_equal(found.values, [[50, 1, 4], [60, NAN, NAN], [NAN, NAN, NAN]])
    assert "clinical: sex of 1 patients contradictory, unknown" in notes
    assert "clinical: stage of 1 patients contradictory, unknown" in notes


def test_porpoise_says_who_is_female(tmp_path: Path) -> None:
    text = f"case_id,age,is_female,survival_months,censorship\n{A},50,1.0,1,0\n{B},60,0,1,0\n"
    path = write(tmp_path / "p.csv", text)
    found, _ = covariates(path, ClinicalFormat.PORPOISE)
    np.testing.assert_array_equal(found.values[:2], [[50, 0, NAN], [60, 1, NAN]])
    path.write_text(text.replace("60,0,", "60,male,"))
    with pytest.raises(InputError, match=r"'is_female': expected 0 \(male\) or 1 \(female\)"):
        covariates(path, ClinicalFormat.PORPOISE)


def test_gdc(tmp_path: Path) -> None:
    cases = [
        {
            "submitter_id": A,
            "demographic": {"gender": "female"},
            "diagnoses": [{"age_at_diagnosis": 18262.5, "ajcc_pathologic_stage": "Stage IIB"}],
        },
        {
            "submitter_id": B,
            "demographic": {"gender": None, "sex_at_birth": "male"},
            "diagnoses": [
                {"age_at_diagnosis": 7305, "diagnosis_is_primary_disease": False},
                {
                    "age_at_diagnosis": 21915,
                    "diagnosis_is_primary_disease": True,
                    "ajcc_pathologic_stage": "Not Reported",
                    "figo_stage": "Stage IVB",
                },
            ],
        },
        {"submitter_id": C, "demographic": {"gender": "not reported"}},
    ]
    path = write(tmp_path / "c.json", json.dumps(cases))
    found, _ = covariates(path, ClinicalFormat.GDC)
    np.testing.assert_array_equal(found.values, [[50, 0, 2], [60, 1, 4], [NAN, NAN, NAN]])
    path.write_text(json.dumps(cases).replace("18262.5", "50000"))
    with pytest.raises(InputError, match=r"'age_at_diagnosis': expected an age in days, .* '50000"):
        covariates(path, ClinicalFormat.GDC)


def declared(**columns: str) -> dict[str, Any]:
    known = {"id": "id", "time": "t", "event": "e", "event_value": "1"}
    return {"format": ClinicalFormat.TABLE, "time_unit": TimeUnit.DAYS, **known, **columns}


def test_declared_table(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", f"id,t,e,years,sx,grade\n{A},1,1,50,F,ii\n{B},1,0,60,m,III\n")
    columns = declared(age="years", sex="sx", stage="grade")
    found, _ = covariates(path, ClinicalFormat.TABLE, columns)
    np.testing.assert_array_equal(found.values[:2], [[50, 0, 2], [60, 1, 3]])
    found, notes = covariates(path, ClinicalFormat.TABLE, declared(age="years"))
    np.testing.assert_array_equal(found.values[:2], [[50, NAN, NAN], [60, NAN, NAN]])
    assert notes == ("clinical: age of 2, sex of 0, stage of 0 patients of 3",)
    with pytest.raises(InputError, match=r"expected a column 'year', found .*did you mean years"):
        covariates(path, ClinicalFormat.TABLE, declared(age="year"))
    with pytest.raises(InputError, match="column 'sx': expected a stage from I to IV in some row"):
        covariates(path, ClinicalFormat.TABLE, declared(stage="sx"))


@pytest.mark.parametrize(
    ("layout", "text"),
    [
        (ClinicalFormat.PORPOISE, f"case_id,survival_months,censorship\n{A},1,0\n"),
        (ClinicalFormat.TCGA_CDR, f"bcr_patient_barcode,OS,gender\n{A},1,[Unknown]\n"),
    ],
)
def test_a_file_that_knows_nothing(tmp_path: Path, layout: ClinicalFormat, text: str) -> None:
    source = ClinicalSource(write(tmp_path / "c.csv", text), layout)
    assert read_covariates(source, frozenset({A})) == (None, ())


def test_the_cohort_has_them_and_gives_them_to_methods() -> None:
    cohort = load_cohort(planted_folder(bags=False))
    assert cohort.clinical is not None
    assert cohort.clinical.patients == cohort.patients
    train = cohort.subset(cohort.patients[:50])
    assert train.clinical is not None
    np.testing.assert_array_equal(train.clinical.values, cohort.clinical.values[:50])
    assert not train.endpoints


@pytest.mark.real
def test_two_sources_agree_on_brca(tmp_path: Path) -> None:
    folder = SHARED / "data" / "tcga" / "TCGA-BRCA"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there: set MIRROR_BENCH_SHARED")
    cohort = load_cohort(folder)
    assert cohort.clinical is not None
    source = ClinicalSource(folder / "clinical_porpoise.csv", ClinicalFormat.PORPOISE)
    theirs, _ = read_covariates(source, frozenset(cohort.patients))
    assert theirs is not None
    ours = cohort.clinical.values[:, :2]
    both = np.isfinite(ours) & np.isfinite(theirs.values[:, :2])
    assert (both.mean(axis=0) > 0.9).all()
    # years are rounded differently
    agree = np.abs(ours - theirs.values[:, :2])[both.all(axis=1)] <= [1, 0]
    assert (agree.mean(axis=0) > 0.99).all()


@pytest.mark.parametrize(
    ("columns", "recognised"),
    [
        ({"age": ["61", ""], "Gender": ["M", "F"]}, {"age": "age", "sex": "Gender"}),
        ({"AJCC stage": ["IIA", "not reported"]}, {"stage": "AJCC stage"}),
        ({"age_at_diagnosis": ["61", "58.5"]}, {"age": "age_at_diagnosis"}),
        ({"age_at_diagnosis": ["22280", "21000"]}, {}),  # days
        ({"sex": ["1", "2"]}, {}),  # who is who is not said
        ({"stage": ["X", "unknown"]}, {}),
        ({"language": ["61"], "average": ["58"], "old_stage_notes": ["II"]}, {}),
        ({"age": ["old"], "age_years": ["61"]}, {"age": "age_years"}),
    ],
)
def test_columns_are_recognised_by_name_if_every_cell_is_one(
    columns: dict[str, list[str]], recognised: dict[str, str]
) -> None:
    assert recognise_covariates(columns) == recognised
