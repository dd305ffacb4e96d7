"""Planted cohorts: the same bytes every time, and in them what was planted and nothing else."""

import gzip
import hashlib
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.cross_decomposition import CCA
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sksurv.metrics import concordance_index_censored

from tasks.data.cohort import BagModality, Cohort
from tasks.data.load import load_cohort
from tasks.data.planted import combine, draw_covariates, draw_factors, draw_outcomes
from tasks.data.synthetic import EMBEDDED, SUMS, PlantedConfig, embedded_cohorts, write_planted

Array = NDArray[np.float64]

SMALL = replace(EMBEDDED[0], name="SMALL", patients=40, genes=40, patches=(4, 9), width=8)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    return embedded_cohorts(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module", params=range(len(EMBEDDED)), ids=[c.name for c in EMBEDDED])
def planted(request: pytest.FixtureRequest, folders: tuple[Path, ...]) -> Cohort:
    return load_cohort(folders[request.param])


def content(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def means(cohort: Cohort, name: str, patients: tuple[str, ...]) -> Array:
    modality = cohort.modalities[name]
    if isinstance(modality, BagModality):
        return np.stack([modality.read(patient).mean(axis=0) for patient in patients]).astype(float)
    return modality.rows(patients).astype(float)


def truth(cohort: Cohort, patients: tuple[str, ...]) -> dict[str, Array]:
    rows = [cohort.patients.index(patient) for patient in patients]
    return {name: values[rows] for name, values in cohort.truth.items()}


def ridge_r2(features: Array, factor: Array) -> float:
    model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-1, 5, 13)))
    folds = KFold(5, shuffle=True, random_state=0)
    return float(r2_score(factor, cross_val_predict(model, features, factor, cv=folds)))


# What is on disk


@pytest.mark.parametrize("config", [SMALL, replace(SMALL, bags=False, genes_as_rows=False)])
def test_same_configuration_same_bytes(config: PlantedConfig, tmp_path: Path) -> None:
    write_planted(config, tmp_path / "one")
    write_planted(config, tmp_path / "deeper" / "two")
    assert content(tmp_path / "one") == content(tmp_path / "deeper" / "two")
    write_planted(replace(config, seed=config.seed + 1), tmp_path / "other")
    assert content(tmp_path / "one") != content(tmp_path / "other")


def test_number_of_patches_leaves_everything_but_slides_alone(tmp_path: Path) -> None:
    write_planted(SMALL, tmp_path / "few")
    write_planted(replace(SMALL, patches=(10, 12)), tmp_path / "many")
    few, many = content(tmp_path / "few"), content(tmp_path / "many")
    changed = {name for name in few if few[name] != many.get(name)}
    assert changed
    assert all(name.startswith("features_planted") for name in changed)


def test_unknown_stages_leave_everything_but_stages_alone(tmp_path: Path) -> None:
    tables = []
    for name, rate in (("known", 0.0), ("unknown", 0.5)):
        write_planted(replace(SMALL, missing_stages=rate), tmp_path / name)
        tables.append(pd.read_csv(tmp_path / name / "clinical.csv", dtype=str))
    known, unknown = content(tmp_path / "known"), content(tmp_path / "unknown")
    assert {name for name in known if known[name] != unknown[name]} == {"clinical.csv"}
    stages = [table.pop("ajcc_pathologic_tumor_stage") for table in tables]
    pd.testing.assert_frame_equal(tables[0], tables[1])
    missing = stages[1] == "[Not Available]"
    assert 0.2 < missing.mean() < 0.8
    assert (stages[0] == stages[1])[~missing].all()


def test_existing_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(FileExistsError, match="mine: expected no such folder"):
        write_planted(SMALL, tmp_path / "mine")
    assert not list((tmp_path / "mine").iterdir())
    assert [entry.name for entry in tmp_path.iterdir()] == ["mine"]


def test_failure_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(*_: object, **__: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("tasks.data.synthetic._write_clinical", full_disk)
    with pytest.raises(OSError, match="no space"):
        write_planted(SMALL, tmp_path / "cohort")
    assert not list(tmp_path.iterdir())


def test_two_at_once_give_one_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.data.synthetic.EMBEDDED", (SMALL,))
    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(embedded_cohorts, [tmp_path] * 4))
    assert len(found) == 1
    assert [entry.name for entry in tmp_path.iterdir()] == [found.pop()[0].name]


def test_loser_of_the_race_discards_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(config: PlantedConfig, folder: Path) -> None:
        winner = tmp_path / "cohort"
        winner.mkdir()
        (winner / "cohort.toml").write_text("theirs")
        (folder / "cohort.toml").write_text("ours")

    monkeypatch.setattr("tasks.data.synthetic._write_files", slow)
    with pytest.raises(FileExistsError, match="another process"):
        write_planted(SMALL, tmp_path / "cohort")
    assert (tmp_path / "cohort" / "cohort.toml").read_text() == "theirs"
    assert [entry.name for entry in tmp_path.iterdir()] == ["cohort"]


def test_embedded_are_written_once(
    folders: tuple[Path, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def twice(*_: object) -> None:
        raise AssertionError("written a second time")

    monkeypatch.setattr("tasks.data.synthetic.write_planted", twice)
    assert embedded_cohorts(folders[0].parent) == folders
    monkeypatch.undo()
    monkeypatch.setattr("tasks.data.synthetic.EMBEDDED", (replace(SMALL, name=EMBEDDED[0].name),))
    assert embedded_cohorts(folders[0].parent)[0] not in folders


def test_an_embedded_cohort_that_is_not_whole_is_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.data.synthetic.EMBEDDED", (SMALL, replace(SMALL, seed=9)))
    one, two = embedded_cohorts(tmp_path)
    whole = content(one)
    for damage in (
        lambda: (one / "clinical.csv").write_bytes(b""),
        (one / "clinical.csv").unlink,
        (one / SUMS).unlink,
        lambda: (one / SUMS).write_bytes(b""),
        lambda: (one / "labels.csv").write_bytes((two / "labels.csv").read_bytes()),
        lambda: shutil.copytree(two, one, dirs_exist_ok=True),
    ):
        damage()
        assert embedded_cohorts(tmp_path) == (one, two)
        assert content(one) == whole
    assert sorted(tmp_path.iterdir()) == sorted((one, two))


def test_slide_files_are_as_trident_writes_them(folders: tuple[Path, ...]) -> None:
    files = sorted((folders[0] / "features_planted").iterdir())
    counts = []
    for path in files:
        with h5py.File(path) as file:
            features, coords = file["features"], file["coords"]
            assert features.dtype == np.float16
            assert features.shape[1] == 32
            assert coords.shape == (len(features), 2)
            assert coords.attrs["name"] == features.attrs["name"] == path.stem
            assert coords.attrs["patch_size_level0"] == 512
            assert len(np.unique(coords[:], axis=0)) == len(coords)
            counts.append(len(features))
    assert counts.count(0) == 1
    assert {len(path.name) for path in files} == {len("TCGA-Q0-A000-01Z-00-DX1.") + 36 + 3}
    assert min(count for count in counts if count) >= 40
    assert max(counts) <= 120


def test_expression_has_one_normal_sample(folders: tuple[Path, ...]) -> None:
    with gzip.open(folders[0] / "rna.tsv.gz", "rt") as file:
        by_gene = pd.read_csv(file, sep="\t", index_col=0)
    by_sample = pd.read_csv(folders[1] / "rna.csv.gz", index_col=0)
    for samples, genes in ((by_gene.columns, by_gene.index), (by_sample.index, by_sample.columns)):
        assert len(samples) == 191
        assert len(genes) == 300
        assert sum(str(sample).endswith("-11A") for sample in samples) == 1
    assert by_gene.to_numpy().min() >= 0


def test_progression_comes_before_death(folders: tuple[Path, ...]) -> None:
    for folder in folders:
        table = pd.read_csv(folder / "clinical.csv").dropna(subset="OS")
        assert (table["PFI.time"] <= table["OS.time"]).all()
        assert (table["DSS"] <= table["OS"]).all()
        assert (table["PFI"] >= table["OS"]).all()
        assert table["OS.time"].min() >= 1


# What the ordinary reader makes of it


def test_cohort_reads_with_the_expected_counts(planted: Cohort) -> None:
    assert planted.planted
    assert planted.subset(planted.patients[:5]).planted
    assert len(planted.patients) == 200
    assert {name: len(m.patients) for name, m in planted.modalities.items()} == {
        "wsi": 190,
        "rna": 190,
    }
    assert len(planted.complete()) == 180
    assert {name: len(e.patients) for name, e in planted.endpoints.items()} == {
        "os": 197,
        "dss": 197,
        "pfi": 197,
    }
    label = planted.labels["subtype"]
    assert len(label.values) == 200
    assert label.classes == ("alpha", "beta", "gamma")
    assert tuple(planted.truth) == EMBEDDED[0].factors()
    notes = "\n".join(planted.notes)
    assert "normal tissue" in notes


def test_normal_sample_does_not_dilute_its_patient(folders: tuple[Path, ...]) -> None:
    table = pd.read_csv(folders[1] / "rna.csv.gz", index_col=0)
    normal = next(str(name) for name in table.index if str(name).endswith("-11A"))
    rna = load_cohort(folders[1]).modalities["rna"]
    assert not isinstance(rna, BagModality)
    expected = table.loc[[normal[:12] + "-01A"], list(rna.features)].to_numpy(np.float32)
    np.testing.assert_array_equal(rna.rows([normal[:12]]), expected)


# What was planted


def test_factors_are_exactly_uncorrelated() -> None:
    factors = draw_factors(EMBEDDED[0])
    np.testing.assert_allclose(factors.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(factors.T @ factors / len(factors), np.eye(7), atol=1e-5)


@pytest.mark.parametrize("rate", [0.6, 0.7, 0.85])
def test_censoring_is_as_declared(rate: float) -> None:
    config = replace(EMBEDDED[0], censored=rate)
    outcomes = draw_outcomes(config, draw_factors(config))
    assert abs((~outcomes.os).mean() - rate) <= 1 / config.patients


def test_hazard_is_the_declared_mixture() -> None:
    config = EMBEDDED[0]
    factors = draw_factors(config)
    by_hand = 0.7 * factors[:, 0] - 0.4 * factors[:, 1] + 0.7 * factors[:, 3] + 0.7 * factors[:, 5]
    np.testing.assert_allclose(combine(config, factors, config.hazard), by_hand, atol=1e-12)


def test_outcome_follows_the_hazard_and_no_site() -> None:
    config = replace(EMBEDDED[0], patients=3000)
    factors = draw_factors(config)
    outcomes = draw_outcomes(config, factors)

    def harrell(risk: Array) -> float:
        return float(concordance_index_censored(outcomes.os, outcomes.os_time, risk)[0])

    assert 0.75 < harrell(outcomes.log_hazard) < 0.80
    columns = dict(zip(config.factors(), factors.T, strict=True))
    for name, values in columns.items():
        weight = dict(config.hazard).get(name, 0.0)
        assert abs(harrell(values) - 0.5) < 0.04 or np.sign(harrell(values) - 0.5) == np.sign(
            weight
        )
        assert weight == 0 or abs(harrell(values) - 0.5) > 0.04


def test_stage_says_something_of_the_risk_and_age_and_sex_nothing() -> None:
    config = replace(EMBEDDED[0], patients=3000, missing_stages=0.0)
    outcomes = draw_outcomes(config, draw_factors(config))
    age, male, stage = draw_covariates(config, outcomes).T

    def harrell(risk: Array) -> float:
        return float(concordance_index_censored(outcomes.os, outcomes.os_time, risk)[0])

    assert 0.58 < harrell(stage) < harrell(outcomes.log_hazard) - 0.05
    assert abs(harrell(age) - 0.5) < 0.03
    assert abs(harrell(male) - 0.5) < 0.03


def test_covariates_read_as_written(planted: Cohort) -> None:
    assert planted.clinical is not None
    assert planted.clinical.patients == planted.patients
    covariates = planted.clinical.rows(planted.patients)
    known = np.isfinite(covariates)
    assert known[:, :2].all()
    assert 0.85 < known[:, 2].mean() < 1
    stages, counts = np.unique(covariates[known[:, 2], 2], return_counts=True)
    assert stages.tolist() == [1, 2, 3, 4]
    assert (np.diff(counts) < 0).all()


def test_every_factor_is_seen_where_it_was_planted_and_nowhere_else(planted: Cohort) -> None:
    patients = planted.complete()
    seen = {name: means(planted, name, patients) for name in ("wsi", "rna")}
    for factor, values in truth(planted, patients).items():
        for modality, features in seen.items():
            r2 = ridge_r2(features, values)
            if factor.startswith(("shared", modality)):
                assert r2 > 0.6, (factor, modality)
            else:
                assert r2 < 0.05, (factor, modality)


def test_cca_finds_the_shared_factors_on_test_patients(planted: Cohort) -> None:
    patients = planted.complete()
    fold = np.arange(len(patients)) % 4 == 0
    views = []
    for name in ("wsi", "rna"):
        view = means(planted, name, patients)
        views.append(make_pipeline(StandardScaler(), PCA(16)).fit(view[~fold]).transform(view))
    model = CCA(3, max_iter=5000).fit(views[0][~fold], views[1][~fold])
    joint = np.hstack(model.transform(*views))
    for factor, values in truth(planted, patients).items():
        found = RidgeCV().fit(joint[~fold], values[~fold]).predict(joint[fold])
        r2 = r2_score(values[fold], found)
        assert r2 > 0.7 if factor.startswith("shared") else r2 < 0.15, factor


@pytest.mark.parametrize("modality", ["wsi", "rna"])
def test_sites_show(planted: Cohort, modality: str) -> None:
    patients = planted.modalities[modality].patients
    site = np.array([patient[5:7] for patient in patients])
    commonest = np.unique(site, return_counts=True)[1].max() / len(site)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=300))
    accuracy = cross_val_score(model, means(planted, modality, patients), site, cv=3).mean()
    assert accuracy > commonest + 0.1


@pytest.mark.parametrize("modality", ["wsi", "rna"])
def test_subtype_is_separable_from_either_side(planted: Cohort, modality: str) -> None:
    patients = planted.modalities[modality].patients
    subtypes = planted.labels["subtype"].values  # noqa: PD011
    label = [subtypes[patient] for patient in patients]
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=300))
    features = means(planted, modality, patients)
    auroc = cross_val_score(model, features, label, cv=5, scoring="roc_auc_ovr").mean()
    assert 0.78 < auroc < 0.95
