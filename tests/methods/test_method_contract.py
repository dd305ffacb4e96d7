"""The contract of a method, over everything registered: a new method is tested by being there."""

from dataclasses import asdict, replace
from functools import cache

import numpy as np
import pytest

from methods.base import Budget, Config, Context, Method, MethodSpec, Role, UnableError
from methods.registry import all_methods
from methods.trainer import TorchConfig
from tasks.data.cohort import SIDES, BagModality, Cohort, Endpoint, Label, Slide
from tasks.embeddings import Embeddings
from tests.helpers.planted import planted, poisoned

METHODS = all_methods()
N_TRAIN = 24


def configured(spec: MethodSpec, epochs: int) -> Config:
    """As under budget `smoke`; what is trained, for that long."""
    config = spec.config_for(Budget.SMOKE)
    if getattr(config, "epochs", 0):
        config = replace(config, epochs=epochs)  # type: ignore[call-arg]
    return config


def build(spec: MethodSpec) -> Method:
    """The method as most tests fit it: what is asked of two epochs is true of any number."""
    return spec.build(configured(spec, 2))


def parts(bags: bool) -> tuple[Cohort, Cohort]:
    """Training patients, and other patients of whom some lack a modality."""
    cohort = planted(bags)
    complete = cohort.complete()
    incomplete = [patient for patient in cohort.patients if patient not in complete]
    train = cohort.subset(complete[:N_TRAIN])
    return train, cohort.subset((*complete[N_TRAIN : N_TRAIN + 12], *incomplete[:6]))


def target(spec: MethodSpec, bags: bool) -> Endpoint | None:
    """The outcome of the training patients, for those that are trained on it."""
    if spec.role is not Role.SUPERVISED:
        return None
    return planted(bags).endpoints["os"].subset(planted(bags).complete()[:N_TRAIN])


@cache
def fitted(name: str, bags: bool) -> Method:
    """The method fitted on the training patients, once for all tests."""
    spec = METHODS[name]
    method = build(spec)
    train, _ = parts(bags)
    try:
        method.fit(train, Context(seed=1, target=target(spec, bags)))
    except UnableError as error:
        pytest.skip(str(error))
    return method


@cache
def embedded(name: str, bags: bool) -> Embeddings:
    return fitted(name, bags).embed(parts(bags)[1])


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
    assert set(spec.space) <= asdict(spec.config).keys()
    assert set(spec.sides) <= set(SIDES)


def test_what_is_trained_says_what_differs_from_its_paper(spec: MethodSpec) -> None:
    if isinstance(spec.config, TorchConfig):
        assert spec.departures
    for phrase in spec.departures:
        assert phrase == " ".join(phrase.split())
        assert 10 < len(phrase) < 120


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


def test_embeddings_are_finite_for_those_who_have_what_is_needed(
    spec: MethodSpec, bags: bool
) -> None:
    fitted(spec.name, bags)
    _, others = parts(bags)
    embeddings = embedded(spec.name, bags)
    assert embeddings.patients == others.patients
    assert embeddings.joint.dtype == np.float32
    assert embeddings.known() == others.complete(spec.sides)
    rows = embeddings.rows(embeddings.known())
    assert np.isfinite(embeddings.joint[rows]).all()


def test_a_side_is_embedded_without_the_other_or_not_at_all(spec: MethodSpec, bags: bool) -> None:
    fitted(spec.name, bags)
    _, others = parts(bags)
    embeddings = embedded(spec.name, bags)
    for side, values in (("wsi", embeddings.wsi), ("rna", embeddings.rna)):
        if values is not None:
            assert side in spec.sides
            there = [p in others.modalities[side].patients for p in others.patients]
            np.testing.assert_array_equal(np.isfinite(values).all(axis=1), there)


def test_an_embedding_is_each_patients_own(spec: MethodSpec, bags: bool) -> None:
    method = fitted(spec.name, bags)
    _, others = parts(bags)
    embeddings = embedded(spec.name, bags)
    first = embeddings.known()[0]
    alone = method.embed(others.subset([first])).joint
    row = embeddings.rows([first])[0]
    np.testing.assert_allclose(alone[0], embeddings.joint[row], rtol=1e-4, atol=1e-5)


def test_what_was_fitted_is_saved_and_loaded(spec: MethodSpec, bags: bool) -> None:
    method = fitted(spec.name, bags)
    restored = build(spec)
    restored.restore(method.state())
    _, others = parts(bags)
    np.testing.assert_array_equal(restored.embed(others).joint, embedded(spec.name, bags).joint)


def test_the_order_of_patches_matters_only_where_declared(spec: MethodSpec) -> None:
    method = fitted(spec.name, True)
    _, others = parts(True)
    wsi = others.modalities["wsi"]
    assert isinstance(wsi, BagModality)
    slides = {p: tuple(map(backwards, wsi.slides[p])) for p in wsi.slides}
    turned = replace(
        others, modalities={**others.modalities, "wsi": BagModality(slides, wsi.width)}
    )
    there, found = embedded(spec.name, True).joint, method.embed(turned).joint
    if not spec.ordered:
        np.testing.assert_allclose(found, there, rtol=1e-3, atol=1e-4)


def backwards(slide: Slide) -> Slide:
    return replace(slide, read=slide.read()[::-1].copy)


def test_a_fit_repeats_to_the_bit_whatever_the_order_and_whoever_is_tested(
    spec: MethodSpec, bags: bool
) -> None:
    method = fitted(spec.name, bags)
    cohort = planted(bags)
    train = cohort.complete()[:N_TRAIN]
    poison = poisoned(cohort, set(cohort.patients) - set(train))
    again = build(spec)
    again.fit(poison.subset(reversed(train)), Context(seed=1, target=target(spec, bags)))
    state = again.state()
    assert method.state().keys() == state.keys()
    for name, values in method.state().items():
        np.testing.assert_array_equal(values, state[name], err_msg=name)


def test_the_loss_falls(spec: MethodSpec, bags: bool) -> None:
    fitted(spec.name, bags)
    if not getattr(spec.config_for(Budget.SMOKE), "epochs", 0):
        pytest.skip("nothing is trained")
    if spec.parent and bags:
        pytest.skip("a variant learns from bags as its parent does")
    train, _ = parts(bags)
    totals: list[float] = []
    context = Context(
        seed=1,
        target=target(spec, bags),
        log=lambda _, losses: totals.append(losses["total"]),
    )
    spec.build(configured(spec, 8)).fit(train, context)
    assert np.mean(totals[-3:]) < np.mean(totals[:3])


def test_a_supervised_reference_learns_classes_too(spec: MethodSpec, bags: bool) -> None:
    if spec.role is not Role.SUPERVISED:
        pytest.skip("not supervised")
    fitted(spec.name, bags)
    cohort = planted(bags)
    train, others = parts(bags)
    label: Label = next(iter(cohort.labels.values())).subset(train.patients)
    method = build(spec)
    method.fit(train, Context(seed=1, target=label))
    embeddings = method.embed(others)
    assert embeddings.joint.shape == (len(others.patients), len(label.classes))
