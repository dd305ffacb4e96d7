"""Unions of sibling cohorts: what is joined, what is refused, and whose folds they have."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from benchmark.engine.fitting import fit_and_embed
from benchmark.engine.folds import outer_folds
from benchmark.engine.plan import Request, make_plan
from benchmark.records.protocol import DealtFolds
from methods.base import Budget, UnableError
from methods.registry import all_methods
from tasks.checks.data.cohort_facts import verify_cohort
from tasks.checks.finding import Finding, Severity
from tasks.checks.leaks.cohort_leaks import audit_cohorts
from tasks.data.cohort import BagModality, Cohort, VectorModality
from tasks.data.fold_expression import Expression
from tasks.data.load import find_cohorts, load_cohort
from tasks.data.manifest import Manifest
from tasks.data.planted import PlantedConfig
from tasks.data.preprocess import VectorScaler
from tasks.data.splits import Dealing, Split, make_splits
from tasks.data.synthetic import write_planted
from tasks.data.union import united
from tasks.embeddings import Embeddings
from tasks.errors import InputError
from tasks.kinds.subtyping import Subtyping
from tasks.registry import select_tasks
from tests.helpers.real import real_cohort


def config(name: str, seed: int, *, bags: bool = False, width: int = 8) -> PlantedConfig:
    return PlantedConfig(
        name=name, seed=seed, bags=bags, width=width, patients=60, genes=40, sites=6, patches=(4, 8)
    )


def write_union(folder: Path, *members: str, name: str = "PAIR") -> Path:
    union = folder / name
    union.mkdir()
    paths = ", ".join(f'"../{member}"' for member in members)
    (union / "cohort.toml").write_text(f'name = "{name}"\nunion = [{paths}]\n')
    return union


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two planted cohorts and their union."""
    folder = tmp_path_factory.mktemp("cohorts")
    write_planted(config("ONE", 11), folder / "ONE")
    write_planted(config("TWO", 12), folder / "TWO")
    write_union(folder, "ONE", "TWO")
    return folder


@pytest.fixture(scope="module")
def cohorts(data: Path) -> tuple[Cohort, Cohort, Cohort]:
    """The union and its members."""
    pair, one, two = (load_cohort(data / name) for name in ("PAIR", "ONE", "TWO"))
    return pair, one, two


def joined(*members: Cohort) -> Cohort:
    """A union of cohorts in memory."""
    return united(Path("PAIR/cohort.toml"), Manifest("PAIR"), members)


def genes(cohort: Cohort) -> VectorModality:
    rna = cohort.modalities["rna"]
    assert isinstance(rna, VectorModality)
    return rna


def test_everybody_is_there_once_with_what_they_had(
    cohorts: tuple[Cohort, Cohort, Cohort],
) -> None:
    pair, one, two = cohorts
    assert pair.members == ("ONE", "TWO")
    assert set(pair.patients) == {*one.patients, *two.patients}
    assert len(pair.patients) == len(one.patients) + len(two.patients)
    for member in (one, two):
        for side, modality in member.modalities.items():
            own, whole = modality, pair.modalities[side]
            assert isinstance(own, VectorModality)
            assert isinstance(whole, VectorModality)
            assert_array_equal(whole.rows(own.patients), own.values)
        for name, endpoint in member.endpoints.items():
            found = pair.endpoints[name].subset(endpoint.patients)
            assert found.patients == endpoint.patients
            assert_array_equal(found.time, endpoint.time)
            assert_array_equal(found.event, endpoint.event)
        for name, label in member.labels.items():
            assert pair.labels[name].values.items() >= label.values.items()
    assert next(iter(pair.labels)) == "project"
    assert {pair.labels["project"].values[p] for p in one.patients} == {"ONE"}
    assert pair.planted
    assert not pair.truth  # factors of two cohorts share nothing but their names
    assert pair.source == one.source or "ONE: " in pair.source
    assert any("confounded" in note for note in pair.notes)
    assert any(note.startswith("TWO: ") for note in pair.notes)
    assert pair.fingerprint() not in (one.fingerprint(), two.fingerprint())


def test_a_union_names_the_encoder_that_all_members_name(
    cohorts: tuple[Cohort, Cohort, Cohort],
) -> None:
    _, one, two = cohorts
    hipt = replace(one, encoder="HIPT", pretrained_on=("TCGA", "CPTAC"))
    same = joined(hipt, replace(two, encoder="HIPT", pretrained_on=("TCGA",)))
    assert (same.encoder, same.pretrained_on) == ("HIPT", ("TCGA", "CPTAC"))
    assert joined(hipt, two).encoder == ""
    with pytest.raises(InputError, match="slides of one encoder, found HIPT in ONE, UNI in TWO"):
        joined(hipt, replace(two, encoder="UNI"))


def test_features_that_not_all_have_are_left_out_and_counted(
    cohorts: tuple[Cohort, Cohort, Cohort],
) -> None:
    _, one, two = cohorts
    rna = genes(two)
    fewer = replace(rna, values=rna.values[:, ::-1][:, 3:], features=rna.features[::-1][3:])
    pair = joined(one, replace(two, modalities={**two.modalities, "rna": fewer}))
    assert genes(pair).features == genes(one).features[: rna.width - 3]
    assert_array_equal(genes(pair).rows(rna.patients), rna.values[:, : rna.width - 3])
    assert "rna: 37 features that all members have; others left out: 3 in ONE, 0 in TWO" in (
        pair.notes
    )


def standardised(cohort: Cohort, *, about: float) -> Cohort:
    """As publishers hand expression out: z-scores of each gene, about some normal samples."""
    rna = genes(cohort)
    scores = (rna.values - np.nanmean(rna.values, axis=0)) / np.nanstd(rna.values, axis=0) + about
    zscores = replace(rna, values=scores.astype(np.float32), zscores=True)
    return replace(cohort, modalities={**cohort.modalities, "rna": zscores})


def rare(cohort: Cohort, n: int) -> Cohort:
    """With a gene that all but a few patients lack: what little of it is left tells the member."""
    rna = genes(cohort)
    values = rna.values.copy()
    values[:, 0] = 0.0
    values[:n, 0] = 1.0
    return replace(cohort, modalities={**cohort.modalities, "rna": replace(rna, values=values)})


def auroc_of_project(cohort: Cohort, splits: Sequence[Split], *, fitted: bool) -> float:
    """How well a linear classifier of all genes tells the members apart, mean over folds."""
    project = cohort.labels["project"]
    aurocs = []
    for split in splits:
        expression = Expression.fit(cohort, split.train)
        assert expression is not None
        seen = genes(expression.of(cohort) if fitted else cohort)
        train, test = seen.subset(split.train), seen.subset(split.test)
        scaler = VectorScaler.fit(train.values)
        model = LogisticRegression(C=0.01, max_iter=1000)
        y = [project.values[patient] == project.classes[1] for patient in train.patients]
        model.fit(scaler.transform(train.values), y)
        risk = model.predict_proba(scaler.transform(test.values))[:, 1]
        truth = [project.values[patient] == project.classes[1] for patient in test.patients]
        aurocs.append(float(roc_auc_score(truth, risk)))
    return float(np.mean(aurocs))


def test_who_standardised_expression_does_not_tell_the_member(
    cohorts: tuple[Cohort, Cohort, Cohort],
) -> None:
    _, one, two = cohorts
    pair = joined(rare(standardised(one, about=0.0), 0), rare(standardised(two, about=0.8), 4))
    assert any("standardised by somebody else" in note for note in pair.notes)
    splits = make_splits(pair, 3)
    assert auroc_of_project(pair, splits, fitted=False) > 0.95
    assert auroc_of_project(pair, splits, fitted=True) < 0.65
    found = Expression.fit(pair, splits[0].train)
    assert found is not None
    assert genes(pair).features[0] not in found.genes
    seen = genes(found.of(pair)).subset(splits[0].train)
    for member in (one, two):
        assert np.abs(np.nanmean(seen.subset(member.patients).values, axis=0)).max() < 1e-6
    # what nobody has standardised is as it was, and so is a cohort by itself
    plain = joined(one, two)
    assert Expression.fit(plain, splits[0].train) is None
    assert Expression.fit(standardised(one, about=0.0), one.patients) is None
    assert standardised(one, about=0.0).fingerprint() != pair.fingerprint() != plain.fingerprint()


def test_ranks_within_members_see_training_patients_alone(
    cohorts: tuple[Cohort, Cohort, Cohort],
) -> None:
    _, one, two = cohorts
    pair = joined(standardised(one, about=0.0), standardised(two, about=0.8))
    split = make_splits(pair, 3)[1]
    rna = genes(pair)
    values = rna.values.copy()
    tested = [patient in set(split.test) for patient in rna.patients]
    values[tested] *= -1e6
    poison = replace(pair, modalities={**pair.modalities, "rna": replace(rna, values=values)})
    clean, again = (Expression.fit(cohort, split.train) for cohort in (pair, poison))
    assert clean is not None
    assert again is not None
    assert clean.state().keys() == again.state().keys()
    assert {name.partition(".")[0] for name in clean.state()} == {"columns", "genes", "ONE", "TWO"}
    for name, fitted in clean.state().items():
        assert_array_equal(fitted, again.state()[name], err_msg=name)
    assert_array_equal(
        genes(clean.of(pair)).rows(genes(pair).subset(split.train).patients),
        genes(again.of(poison)).rows(genes(pair).subset(split.train).patients),
    )
    leaked = Expression.fit(poison, poison.patients)
    assert leaked is not None
    assert np.abs(leaked.state()["ONE.ordered"]).max() > 1e5


def test_a_member_without_a_training_patient_is_a_reason(
    cohorts: tuple[Cohort, Cohort, Cohort],
) -> None:
    _, one, two = cohorts
    pair = joined(standardised(one, about=0.0), standardised(two, about=0.8))
    spec = all_methods()["pca"]
    split = Split(0, one.patients, two.patients)
    with pytest.raises(UnableError, match="TWO has no training patient to rank its genes among"):
        fit_and_embed(spec, asdict(spec.config_for(Budget.SMOKE)), pair, split, None, 0, "cpu")


@pytest.mark.real
def test_real_zscores_tell_the_member_until_they_are_ranked_within_it() -> None:
    members = []
    for name in ("TCGA-LUAD", "TCGA-STAD"):
        cohort = real_cohort(name)
        rna = replace(genes(cohort), zscores=True)
        members.append(Cohort(name, rna.patients, {"rna": rna}))
    pair = joined(*members)
    splits = make_splits(pair, 3, Dealing.SITE)
    assert auroc_of_project(pair, splits, fitted=False) > 0.75
    assert auroc_of_project(pair, splits, fitted=True) < 0.6


def test_what_tells_the_member_by_being_there_is_left_out(
    cohorts: tuple[Cohort, Cohort, Cohort],
) -> None:
    _, one, two = cohorts
    name, label = next(iter(two.labels.items()))
    other = replace(label, classes=(*label.classes, "new"))
    pair = joined(one, replace(two, endpoints={"os": two.endpoints["os"]}, labels={name: other}))
    assert list(pair.endpoints) == ["os"]
    assert list(pair.labels) == ["project"]
    assert "endpoint dss: left out, TWO has none" in pair.notes
    assert f"label {name}: left out, members declare different classes" in pair.notes


def test_what_does_not_fit_is_refused(
    cohorts: tuple[Cohort, Cohort, Cohort], tmp_path: Path
) -> None:
    _, one, two = cohorts
    with pytest.raises(InputError, match=r"each patient in one member, found .* in ONE and TWO"):
        joined(one, replace(one, name="TWO"))
    with pytest.raises(InputError, match="different names"):
        joined(one, replace(two, name="ONE"))
    with pytest.raises(InputError, match=r"modality rna in every member .* none in TWO"):
        joined(one, replace(two, modalities={"wsi": two.modalities["wsi"]}))
    renamed = replace(genes(two), features=tuple(f"x{i}" for i in range(genes(two).width)))
    with pytest.raises(InputError, match="rna: expected features in common"):
        joined(one, replace(two, modalities={**two.modalities, "rna": renamed}))
    ranked = replace(genes(two), ranked=True)
    with pytest.raises(InputError, match="ranked False in ONE, True in TWO"):
        joined(one, replace(two, modalities={**two.modalities, "rna": ranked}))
    bags = BagModality({}, 5)
    with pytest.raises(InputError, match="bags in TWO and vectors in ONE"):
        joined(one, replace(two, modalities={**two.modalities, "wsi": bags}))
    narrow, wide = (
        replace(c, modalities={**c.modalities, "wsi": replace(bags, width=width)})
        for c, width in ((one, 5), (two, 6))
    )
    with pytest.raises(InputError, match="bags of one width, found 5 in ONE, 6 in TWO"):
        joined(narrow, wide)
    own = replace(one, labels={"project": two.labels["subtype"]})
    with pytest.raises(InputError, match="without a label 'project'"):
        joined(own, replace(two, labels=own.labels))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('union = ["../ONE"]', "union: expected a list of two or more folders"),
        ('union = ["../ONE", "../NONE"]', "union: expected folders with a cohort.toml, found none"),
        ('union = ["../ONE", "../PAIR"]', "union: expected cohorts, found a union itself"),
        (
            'union = ["../ONE", "../TWO"]\n[modalities.rna]\nkind = "vector"',
            "expected one of name, provenance, union, found the unknown key 'modalities'",
        ),
    ],
)
def test_a_manifest_that_is_no_union_is_refused(data: Path, text: str, message: str) -> None:
    folder = data / "BROKEN"
    folder.mkdir(exist_ok=True)
    (folder / "cohort.toml").write_text(f'name = "BROKEN"\n{text}\n')
    with pytest.raises(InputError, match=message):
        load_cohort(folder)
    (folder / "cohort.toml").unlink()


def test_bags_are_joined_and_stay_on_disk(tmp_path: Path) -> None:
    for name, seed in (("ONE", 3), ("TWO", 4)):
        write_planted(config(name, seed, bags=True), tmp_path / name)
    pair = load_cohort(write_union(tmp_path, "ONE", "TWO"))
    one = load_cohort(tmp_path / "ONE")
    whole, own = pair.modalities["wsi"], one.modalities["wsi"]
    assert isinstance(whole, BagModality)
    assert isinstance(own, BagModality)
    patient = own.patients[0]
    # the same files, not copies of them
    assert [s.read for s in whole.slides[patient]] == [s.read for s in own.slides[patient]]
    assert_array_equal(whole.read(patient), own.read(patient))


def test_unions_keep_sites_whole_unless_told_otherwise(
    cohorts: tuple[Cohort, Cohort, Cohort],
) -> None:
    pair, one, _ = cohorts
    folds = outer_folds(None, 3, [pair, one])
    assert folds.origins == {"PAIR": DealtFolds(Dealing.SITE), "ONE": DealtFolds()}
    assert folds.splits["ONE"] == make_splits(one, 3)
    for split in folds.splits["PAIR"]:
        sides = [{p.split("-")[1] for p in part} for part in (split.train, split.test)]
        assert not sides[0] & sides[1]
        assert {pair.labels["project"].values[p] for p in split.test} == {"ONE", "TWO"}
    told = outer_folds("patient", 3, [pair, one])
    assert set(told.origins.values()) == {DealtFolds()}
    assert "both sides of a fold" in told.notes[0]


def test_protocols_of_a_union_and_of_its_members_differ(
    cohorts: tuple[Cohort, Cohort, Cohort],
) -> None:
    pair, one, _ = cohorts
    request = Request(
        methods=[all_methods()["pca"]],
        tasks=select_tasks("subtyping", [pair, one]),
        cohorts=[(Path("pair"), pair), (Path("one"), one)],
        folds=outer_folds(None, 3, [pair, one]),
        seeds=(0,),
        budget=Budget.SMOKE,
    )
    assert request.protocols == ("strict+site-folds", "strict")
    trials = make_plan(request, {}, overwrite=False, retry_failed=False).trials
    assert {(trial.cohort, str(trial.protocol)) for trial in trials} == {
        ("PAIR", "strict+site-folds"),
        ("ONE", "strict"),
    }


def moved(cohort: Cohort, sites: int, first: str) -> Cohort:
    """The same cohort with its patients in sites of its own, as TCGA's projects have them."""
    name = {
        patient: f"TCGA-{first}{row % sites}-{row:04d}"
        for row, patient in enumerate(cohort.patients)
    }
    modalities = {}
    for side, modality in cohort.modalities.items():
        assert isinstance(modality, VectorModality)
        order = sorted(range(len(modality.patients)), key=lambda i: name[modality.patients[i]])
        modalities[side] = replace(
            modality,
            patients=tuple(name[modality.patients[i]] for i in order),
            values=modality.values[order],
        )
    return Cohort(cohort.name, tuple(sorted(name.values())), modalities)


def test_sites_of_one_member_each(cohorts: tuple[Cohort, Cohort, Cohort]) -> None:
    _, one, two = cohorts
    pair = joined(moved(one, 6, "A"), moved(two, 2, "B"))
    folds = outer_folds(None, 3, [pair])
    # two sites of TWO cannot be in three folds
    assert any("1 of 3 folds test no patient of TWO" in note for note in folds.notes)
    task = Subtyping("PAIR", "project", default=True)
    embeddings = probe(pair)
    found = [task.evaluate(embeddings, pair, split).scores[0] for split in folds.splits["PAIR"]]
    assert sum(score.value is None for score in found) == 1
    assert "class" in next(score.reason for score in found if score.value is None)
    with pytest.raises(InputError, match=r"two tissue-source sites .* found one of TWO; --split"):
        outer_folds(None, 3, [joined(moved(one, 6, "A"), moved(two, 1, "B"))])


def probe(cohort: Cohort) -> Embeddings:
    rna = genes(cohort)
    return Embeddings(rna.patients, np.nan_to_num(rna.values))


def test_verify_says_what_a_union_is_and_whether_its_members_fit(data: Path) -> None:
    def look(folder: Path) -> Finding:
        (fact,) = verify_cohort(folder, lambda *_: None).findings
        return fact

    assert look(data / "PAIR").summary == "a union of ONE, TWO: verify them for themselves"
    fact = look(write_union(data, "ONE", "ONE", name="TWICE"))
    assert fact.severity is Severity.PROBLEM
    assert "expected cohorts of different names, found ONE 2x" in fact.summary
    shutil.rmtree(data / "TWICE")


def test_the_audit_says_that_expression_tells_the_members_apart(data: Path) -> None:
    found = audit_cohorts(find_cohorts(data))
    text = json.dumps([str(checked) for checked in found])
    assert "tells the members apart almost perfectly" in text
    assert "PAIR: project" in text
    overlap = [checked for checked in found if "overlap" in checked.check]
    assert not any(finding.is_there for finding in overlap)  # a union has its members' patients
