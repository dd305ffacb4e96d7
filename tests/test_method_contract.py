"""The contract of a method, over everything registered: a new method is tested by being there."""

from dataclasses import asdict, replace

import numpy as np
import pytest

from methods.base import Budget, Context, Method, MethodSpec
from methods.registry import all_methods
from tasks.cohort import BagModality, Cohort, Modality, Slide, VectorModality
from tests.planted import planted

METHODS = all_methods()
N_TRAIN = 24


def build(spec: MethodSpec) -> Method:
    return spec.build(spec.config_for(Budget.SMOKE))


def parts(bags: bool) -> tuple[Cohort, Cohort]:
    """Training patients, and other patients of whom some lack a modality."""
    cohort = planted(bags)
    complete = cohort.complete()
    incomplete = [patient for patient in cohort.patients if patient not in complete]
    train = cohort.subset(complete[:N_TRAIN])
    return train, cohort.subset((*complete[N_TRAIN : N_TRAIN + 12], *incomplete[:6]))


@pytest.fixture(params=[False, True], ids=["vectors", "bags"])
def bags(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(params=list(METHODS))
def spec(request: pytest.FixtureRequest) -> MethodSpec:
    return METHODS[request.param]


def test_every_budget_gives_a_configuration_that_round_trips(spec: MethodSpec) -> None:
    for budget in Budget:
        config = spec.config_for(budget)
        assert type(config)(**asdict(config)) == config


def test_a_variant_says_what_it_changes(spec: MethodSpec) -> None:
    if spec.parent is None:
        assert not spec.delta
        return
    parent = METHODS[spec.parent]
    changed = {
        name: value
        for name, value in asdict(spec.config_for(Budget.DEFAULT)).items()
        if value != asdict(parent.config_for(Budget.DEFAULT))[name]
    }
    assert changed == dict(spec.delta)


def test_embeddings_are_finite_deterministic_restorable_and_each_patients_own(
    spec: MethodSpec, bags: bool
) -> None:
    train, others = parts(bags)
    method = build(spec)
    method.fit(train, Context(seed=1))
    embeddings = method.embed(others)

    assert embeddings.patients == others.patients
    assert embeddings.joint.dtype == np.float32
    known = embeddings.known()
    assert known == others.complete()
    rows = embeddings.rows(known)
    assert np.isfinite(embeddings.joint[rows]).all()

    again = build(spec)
    again.fit(train, Context(seed=1))
    np.testing.assert_array_equal(again.embed(others).joint, embeddings.joint)

    restored = build(spec)
    restored.restore(method.state())
    np.testing.assert_array_equal(restored.embed(others).joint, embeddings.joint)

    alone = method.embed(others.subset(known[:1])).joint
    np.testing.assert_allclose(alone[0], embeddings.joint[rows[0]], rtol=1e-4, atol=1e-5)


def test_what_is_fitted_does_not_depend_on_the_order_of_patients(
    spec: MethodSpec, bags: bool
) -> None:
    train, _ = parts(bags)
    first, second = build(spec), build(spec)
    first.fit(train, Context(seed=1))
    second.fit(train.subset(reversed(train.patients)), Context(seed=1))
    state = second.state()
    for name, values in first.state().items():
        np.testing.assert_array_equal(values, state[name])


def poisoned(cohort: Cohort, patients: set[str]) -> Cohort:
    """The cohort with the features of `patients` made absurd."""
    modalities: dict[str, Modality] = {}
    for name, modality in cohort.modalities.items():
        if isinstance(modality, VectorModality):
            values = modality.values.copy()
            values[[patient in patients for patient in modality.patients]] = 1e6
            modalities[name] = replace(modality, values=values)
        else:
            slides = dict(modality.slides)
            for patient in patients & set(slides):
                slides[patient] = tuple(_absurd(slide, modality.width) for slide in slides[patient])
            modalities[name] = BagModality(slides, modality.width)
    return replace(cohort, modalities=modalities)


def _absurd(slide: Slide, width: int) -> Slide:
    def read() -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        return np.full((slide.n_instances, width), 1e6, np.float32)

    return replace(slide, read=read)


def test_no_test_patient_changes_anything_that_is_fitted(spec: MethodSpec, bags: bool) -> None:
    cohort = planted(bags)
    train = cohort.complete()[:N_TRAIN]
    poison = poisoned(cohort, set(cohort.patients) - set(train))
    clean, other = build(spec), build(spec)
    clean.fit(cohort.subset(train), Context(seed=1))
    other.fit(poison.subset(train), Context(seed=1))
    state = other.state()
    assert clean.state().keys() == state.keys()
    for name, values in clean.state().items():
        np.testing.assert_array_equal(values, state[name], err_msg=name)


def test_the_loss_falls(spec: MethodSpec, bags: bool) -> None:
    train, _ = parts(bags)
    totals: list[float] = []
    config = spec.config_for(Budget.SMOKE)
    if not getattr(config, "epochs", 0):
        pytest.skip("nothing is trained")
    method = spec.build(replace(config, epochs=25))  # type: ignore[call-arg]
    method.fit(train, Context(seed=1, log=lambda _, losses: totals.append(losses["total"])))
    assert np.mean(totals[-5:]) < np.mean(totals[:3])
