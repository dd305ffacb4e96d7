"""Columns that have no right to be features: found in made cohorts, and never in honest ones."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lifelines.utils import concordance_index
from scipy.stats import norm

from benchmark.engine.runner import Listener, RunOptions, resolve
from tasks.checks.data.cohort_facts import verify_cohort
from tasks.checks.finding import Check, Severity
from tasks.checks.leaks.paths import audit_path
from tasks.checks.leaks.unfit_columns import (
    _concordance,
    _earlier,
    named_like,
    refuse_unfit,
    unfit_columns,
)
from tasks.checks.recognise.draft import draft
from tasks.checks.recognise.survey import survey
from tasks.data.cohort import Cohort, Endpoint, Label, VectorModality
from tasks.data.load import find_cohorts, load, load_cohort
from tasks.data.manifest import GeneSource
from tasks.errors import InputError
from tasks.seeds import generator
from tests.helpers.real import SHARED

N, WIDTH = 80, 120
PATIENTS = tuple(f"TCGA-A1-{i:04d}" for i in range(N))


def cohort(**columns: object) -> Cohort:
    """Eighty patients with features of chance, and the given ones beside them."""
    rng = generator("unfit")
    frame = pd.DataFrame(rng.normal(size=(N, WIDTH)), columns=[f"GENE{i}" for i in range(WIDTH)])
    time, event = rng.exponential(30, N), rng.permutation(N) < N // 3
    made = {"time": time, "event": event, "grade": rng.integers(0, 2, N)}
    for name, value in columns.items():
        frame[name] = np.asarray(made[value] if isinstance(value, str) else value)
    values = frame.to_numpy(np.float32)
    rna = VectorModality(PATIENTS, values, tuple(map(str, frame.columns)))
    label = Label(dict(zip(PATIENTS, map(str, made["grade"]), strict=True)), ("0", "1"))
    os = Endpoint(PATIENTS, time, event)
    clinical = VectorModality(PATIENTS, np.round(rng.normal(60, 9, (N, 1))), ("age",))
    return Cohort("X", PATIENTS, {"rna": rna}, {"os": os}, {"g": label}, clinical)


def found(of: Cohort, **meant: tuple[str, ...]) -> dict[str, str]:
    return {one.column: one.why for one in unfit_columns(of, meant)}


def test_features_of_chance_are_features() -> None:
    assert found(cohort()) == {}


@pytest.mark.parametrize("name", ["futime", "OS.time", "Unnamed: 0", "age", "Gender", "grade"])
def test_names(name: str) -> None:
    assert list(found(cohort(**{name: np.zeros(N)}))) == [name]


@pytest.mark.parametrize(
    "symbol",
    ["AGER", "STATH", "EFS", "ID1", "TTR", "T", "MET", "BMI1", "OS9", "SEXX", "DEDD", "TIMELESS",
     "TIMP1", "STAT1", "SITE1", "GRAP", "RACK1", "CENPA", "DSP", "OSM", "CLASP1", "TIME-1"],
)  # fmt: skip
def test_genes_are_no_outcomes(symbol: str) -> None:
    assert named_like(symbol) == ""


def test_values_say_it_under_any_name() -> None:
    rng = generator("noise of unfit")
    base = cohort()
    endpoint, label = base.endpoints["os"], base.labels["g"]
    classes = np.array([label.classes.index(name) for _, name in sorted(label.values.items())])  # noqa: PD011
    made = cohort(
        A=np.log1p(endpoint.time) + rng.normal(0, 0.01, N),
        B=-endpoint.time,
        C=np.where(endpoint.event, 3.5, -1.0),
        D=rng.permutation(N) + 17,
        E=np.arange(N),
        F=base.clinical.rows(PATIENTS)[:, 0] if base.clinical else (),
        K=2.0 + 5 * classes,
    )
    why = found(made)
    assert list(why) == list("ABCDEFK")
    assert "orders os alone, concordance 0.0" in why["A"]
    assert "orders os alone, concordance 0.9" in why["B"] or "concordance 1.0" in why["B"]
    assert why["C"].startswith("tells who has os alone, concordance 1.000")
    assert why["D"] == why["E"] == "numbers the rows"
    assert why["F"] == "holds the age"
    assert why["K"] == "holds the classes of the label g"
    assert list(found(made, rna=("A", "K"))) == list("BCDEF")


def test_a_strong_gene_is_a_feature() -> None:
    endpoint = cohort().endpoints["os"]
    noise = generator("strong gene").normal(size=N)
    strong = -np.log(endpoint.time) + 0.5 * noise
    assert 0.7 < concordance_index(endpoint.time, -strong, endpoint.event) < 0.9
    assert found(cohort(STRONG=strong)) == {}


@given(st.integers(0, 10**6), st.integers(4, 9), st.booleans())
@settings(deadline=None, max_examples=60)
def test_concordance_is_that_of_lifelines(seed: int, n: int, ties: bool) -> None:
    rng = np.random.default_rng(seed)
    time = rng.permutation(n).astype(float) + 1
    event = rng.random(n) < 0.7
    event[time.argmin()] = True
    x = (rng.integers(0, 3, n) if ties else rng.normal(size=n)).astype(np.float32)
    value, p = _concordance(x, _earlier(Endpoint(tuple("abcdefghi"[:n]), time, event)))
    if p < 1:
        assert value == pytest.approx(concordance_index(time, -x, event))


def test_the_variance_is_that_of_all_permutations() -> None:
    """What the formula says, against every order of six patients."""
    time = np.array([1.0, 2, 3, 4, 5, 6])
    event = np.array([True, False, True, True, False, True])
    compared = _earlier(Endpoint(tuple("abcdef"), time, event))
    x = np.array([0.0, 0, 1, 2, 3, 4])
    totals = [
        float((compared * np.sign(np.subtract.outer(y, y))).sum())
        for y in map(np.array, itertools.permutations(x))
    ]
    total = float((compared * np.sign(np.subtract.outer(x, x))).sum())
    _, p = _concordance(x.astype(np.float32), compared)
    assert p == pytest.approx(2 * norm.sf(abs(total) / np.std(totals)))


MANIFEST = """
name = "MINE"
[modalities.wsi]
kind = "vector"
path = "slides.csv"
id = "id"
[modalities.rna]
kind = "vector"
path = "genes.csv"
id = "id"
[clinical]
format = "table"
path = "genes.csv"
id = "id"
time = "futime"
time_unit = "days"
event = "fustat"
event_value = "1"
"""


def write(folder: Path, keys: str = "") -> Path:
    """The table that public repositories have: id, futime, fustat, genes."""
    made = cohort(futime="time", fustat="event")
    rna = made.modalities["rna"]
    assert isinstance(rna, VectorModality)
    table = pd.DataFrame(rna.values, PATIENTS, list(rna.features)).rename_axis("id")
    table = table[["futime", "fustat", *[c for c in map(str, table) if c.startswith("GENE")]]]
    table.to_csv(folder / "genes.csv")
    table.iloc[:, 60:].rename(columns=lambda c: c.replace("GENE", "hif_")).to_csv(
        folder / "slides.csv"
    )
    text = MANIFEST.replace('"genes.csv"\nid = "id"', f'"genes.csv"\nid = "id"\n{keys}', 1)
    (folder / "cohort.toml").write_text(text)
    return folder


# Times in days are above what is a logarithm, and cells of chance below what is an amount.
@pytest.mark.parametrize("scale", ["", 'scale = "log2"', 'scale = "tpm"'])
def test_every_door_names_both(tmp_path: Path, scale: str) -> None:
    folder = write(tmp_path, scale)
    features = [f for f in audit_path(folder).findings if f.check is Check.FEATURES and f.is_there]
    verified = verify_cohort(folder, lambda *_: None).findings
    features += [f for f in verified if f.check is Check.FEATURES]
    features += [f for f in audit_path(folder / "genes.csv").findings if f.check is Check.FEATURES]
    assert len(features) == 3
    for finding in features:
        assert finding.severity is Severity.PROBLEM
        assert [text.split()[0] for text in finding.examples] == ["fustat", "futime"]
    with pytest.raises(InputError, match=r'drop = \["futime", "fustat"\] in \[modalities.rna\]'):
        resolve(RunOptions(data=folder, methods="mean-concat", tasks="survival"), Listener())


def test_drop_and_keep(tmp_path: Path) -> None:
    folder = write(tmp_path, 'drop = ["futime", "fustat"]')
    assert "futime" not in load_cohort(folder).modalities["rna"].features  # type: ignore[union-attr]
    assert not any(f.check is Check.FEATURES and f.is_there for f in audit_path(folder).findings)
    resolve(RunOptions(data=folder, methods="mean-concat", tasks="survival"), Listener())
    write(folder, 'keep = ["futime", "fustat"]')
    resolve(RunOptions(data=folder, methods="mean-concat", tasks="survival"), Listener())
    write(folder, 'drop = ["futimes"]')
    with pytest.raises(InputError, match=r"drop: expected a feature, found 'futimes' \(did you"):
        load_cohort(folder)
    assert GeneSource(folder / "x.csv", "id", drop=("a",)).drop == ("a",)


def test_init_takes_the_outcomes_out_of_the_features(tmp_path: Path) -> None:
    folder = write(tmp_path)
    (folder / "cohort.toml").unlink()
    text = draft(survey(folder, lambda _: None))
    assert 'drop = ["futime", "fustat"]' in text
    assert 'time = "futime"' in text
    assert 'event = "fustat"' in text
    for key, value in (("event_value", "1"), ("time_unit", "days")):
        text = text.replace(f'{key} = ""', f'{key} = "{value}"')
    (folder / "cohort.toml").write_text(text)
    resolve(RunOptions(data=folder, methods="mean-concat", tasks="survival"), Listener())


@pytest.mark.real
def test_no_feature_of_a_real_cohort_is_refused() -> None:
    if not (SHARED / "data" / "tcga").is_dir():
        pytest.skip(f"{SHARED} is not there (MIRROR_BENCH_SHARED)")
    folders = find_cohorts(SHARED / "data" / "tcga")
    assert len(folders) >= 4
    for folder in folders:
        refuse_unfit(load(folder).as_read)
