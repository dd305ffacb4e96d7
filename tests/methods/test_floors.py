"""Floors and controls: they know what they are given and nothing else."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from methods.base import Budget, Context, Method, MethodSpec, Role, UnableError
from methods.floors import SPECS, RawConfig, RNAOnly
from tasks.base import Outcome, Status
from tasks.data.cohort import Cohort, VectorModality
from tasks.data.splits import make_splits
from tasks.embeddings import Embeddings
from tasks.registry import all_tasks
from tests.helpers.planted import planted
from tests.helpers.probes import held_out, r2_of_factors

NAN = float("nan")
FLOORS = {spec.name: spec for spec in SPECS}


def build(name: str) -> Method:
    spec: MethodSpec = FLOORS[name]
    return spec.build(spec.config_for(Budget.DEFAULT))


def embedded(name: str, cohort: Cohort) -> Embeddings:
    """Embeddings of all pairs by a floor that was fitted on the training pairs."""
    method = build(name)
    train, _ = held_out(cohort)
    method.fit(cohort.subset(train), Context(seed=0))
    return method.embed(cohort.subset(cohort.complete()))


def judged(name: str, task: str, bags: bool) -> list[Outcome]:
    """What a task says of a floor, fold by fold, as a trial has it."""
    cohort = planted(bags)
    (chosen,) = (t for t in all_tasks((cohort,)) if t.kind == task and t.default)
    outcomes = []
    for split in make_splits(cohort, 5):
        method = build(name)
        method.fit(cohort.subset(split.train), Context(seed=0))
        embeddings = method.embed(cohort.subset(cohort.complete()))
        outcomes.append(chosen.evaluate(embeddings, cohort, split))
    return outcomes


def primary(outcomes: list[Outcome]) -> list[float]:
    values = [outcome.scores[0].value for outcome in outcomes]
    assert all(outcome.scores[0].status is Status.OK for outcome in outcomes)
    return [value for value in values if value is not None]


def test_controls_are_never_ranked() -> None:
    assert {spec.role for spec in SPECS} == {Role.CONTROL}


# Raw features


@pytest.mark.parametrize("bags", [False, True])
def test_a_side_knows_nothing_of_what_the_other_keeps_to_itself(bags: bool) -> None:
    cohort = planted(bags)
    for name, other in (("wsi-only", "rna"), ("rna-only", "wsi")):
        for factor, r2 in r2_of_factors(embedded(name, cohort), cohort).items():
            if factor.startswith(f"{other}_private"):
                assert r2 < 0.05, (name, factor)
            else:
                assert r2 > 0.6, (name, factor)


def test_concatenation_knows_every_factor() -> None:
    cohort = planted(False)
    assert min(r2_of_factors(embedded("mean-concat", cohort), cohort).values()) > 0.6


def test_concatenation_is_both_sides() -> None:
    cohort = planted(True)
    both, wsi, rna = (embedded(name, cohort) for name in ("mean-concat", "wsi-only", "rna-only"))
    np.testing.assert_array_equal(both.joint, np.hstack([wsi.joint, rna.joint]))
    assert both.wsi is not None
    np.testing.assert_array_equal(both.wsi, wsi.joint)
    assert wsi.rna is None
    assert rna.wsi is None


def test_features_are_standardised_means_of_the_training_patients() -> None:
    cohort = planted(True)
    train, _ = held_out(cohort)
    embeddings = embedded("wsi-only", cohort)
    rows = embeddings.rows(train)
    np.testing.assert_allclose(embeddings.joint[rows].mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(embeddings.joint[rows].std(axis=0), 1, rtol=1e-4)
    slide = cohort.modalities["wsi"]
    raw = np.stack([slide.subset([p]).read(p).mean(axis=0) for p in train])  # type: ignore[union-attr]
    for column, values in zip(embeddings.joint[rows].T, raw.T, strict=True):
        assert spearmanr(column, values).statistic > 0.999  # clipping moves but the outermost


def test_genes_of_least_variance_are_dropped() -> None:
    cohort = planted(False)
    method = RNAOnly(RawConfig(genes=10))
    method.fit(cohort, Context(seed=0))
    assert method.embed(cohort).joint.shape == (200, 10)


# Constant


@pytest.mark.parametrize("bags", [False, True])
def test_a_constant_is_chance_to_every_task_that_judges_it(bags: bool) -> None:
    assert primary(judged("constant", "survival", bags)) == [0.5] * 5
    outcomes = judged("constant", "subtyping", bags)
    assert primary(outcomes) == [0.5] * 5
    assert all(score.status is Status.OK for outcome in outcomes for score in outcome.scores)


def test_what_needs_no_side_is_there_for_everybody() -> None:
    cohort = planted(False)
    assert len(cohort.complete()) < len(cohort.patients)
    for name in ("constant", "clinical"):
        assert FLOORS[name].sides == ()
        method = build(name)
        method.fit(cohort, Context(seed=0))
        assert method.embed(cohort).known() == cohort.complete(()) == cohort.patients


# Clinical


def clinical(values: list[list[float]]) -> Cohort:
    patients = tuple(f"P{i:03}" for i in range(len(values)))
    table = VectorModality(patients, np.array(values, np.float32), ("age", "male", "stage"))
    rna = VectorModality(patients, np.ones((len(values), 1), np.float32), ("G",))
    return Cohort("X", patients, {"rna": rna}, clinical=table)


def fitted(cohort: Cohort) -> Method:
    method = build("clinical")
    method.fit(cohort, Context(seed=0))
    return method


def test_clinical_is_scikit_learns_imputer_and_scaler() -> None:
    # 100 patients, no value of fewer than three of them: nothing is clipped
    rng = np.random.default_rng(0)
    columns = ([40, 50, 60, 70, NAN], [0, 1], [1, 2, 3, 4, NAN])
    values = np.column_stack([rng.permutation(np.resize(c, 100)) for c in columns])
    train, others = clinical(values.tolist()), clinical([[NAN, NAN, NAN], [40, 1, 4]])
    reference = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True), StandardScaler()
    )
    reference.fit(values)
    method = fitted(train)
    np.testing.assert_allclose(method.embed(train).joint, reference.transform(values), atol=1e-6)
    table = np.array([[NAN, 0.5, NAN], [40, 1, 4]])  # scikit-learn's median of the sexes
    expected = reference.transform(table)
    np.testing.assert_allclose(method.embed(others).joint, expected, atol=1e-6)


def test_clinical_sees_the_patients_that_the_table_does_not_have() -> None:
    whole = clinical([[40, 0, 1], [50, 1, 2], [60, 1, 3], [NAN, NAN, NAN]])
    assert whole.clinical is not None
    shorter = replace(whole, clinical=whole.clinical.subset(whole.patients[:3]))
    one, other = (fitted(cohort).embed(cohort).joint for cohort in (whole, shorter))
    np.testing.assert_array_equal(one, other)


def test_clinical_says_why_it_cannot() -> None:
    cohort = clinical([[50, 1, NAN]] * 9)
    with pytest.raises(UnableError, match="the same for all training patients"):
        fitted(cohort)
    with pytest.raises(UnableError, match="not in the cohort's clinical file"):
        fitted(replace(cohort, clinical=None))


@pytest.mark.parametrize("bags", [False, True])
def test_stage_was_planted_to_say_something_of_the_risk(bags: bool) -> None:
    assert np.mean(primary(judged("clinical", "survival", bags))) > 0.55
