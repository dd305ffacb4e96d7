"""Embeddings of others as methods: standardised by the training patients, whole or not at all."""

from dataclasses import replace

import numpy as np
import pytest

from methods.base import Context, Method, Role, UnableError
from methods.precomputed import precomputed_specs
from methods.registry import find_method, select_methods
from tasks.data.cohort import Cohort, Precomputed, VectorModality
from tasks.errors import InputError
from tests.helpers.planted import planted, poisoned


def cohort_with(name: str = "titan", side: str = "wsi", lacking: int = 0) -> Cohort:
    """The planted cohort of vectors with embeddings of its patients of chance."""
    cohort = planted(bags=False)
    having = cohort.modalities[side].patients
    pairs = cohort.complete()
    out = set(pairs[:lacking])
    kept = tuple(patient for patient in having if patient not in out)
    values = np.random.default_rng(1).normal(3.0, 2.0, (len(kept), 6)).astype(np.float32)
    vectors = VectorModality(kept, values, tuple(f"d{j}" for j in range(6)))
    made = Precomputed(side, vectors, ("GTEx",), len(pairs), len(pairs) - lacking)
    return replace(cohort, embeddings={name: made})


def fitted(cohort: Cohort, name: str) -> tuple[Method, Cohort, Cohort]:
    spec = find_method(name, cohort)
    pairs = cohort.complete()
    train, test = cohort.subset(pairs[:120]), cohort.subset(pairs[120:])
    method = spec.build(spec.config)
    method.fit(train, Context(0))
    return method, train, test


def test_the_embedding_is_what_the_table_says_standardised() -> None:
    cohort = cohort_with()
    method, train, test = fitted(cohort, "titan")
    found, raw = method.embed(test), test.embeddings["titan"].vectors.rows(test.patients)
    of_train = train.embeddings["titan"].vectors.rows(train.patients).astype(np.float64)
    clipped = np.clip(of_train, *np.quantile(of_train, [0.01, 0.99], axis=0))
    bounds = np.quantile(of_train, [0.01, 0.99], axis=0)
    expected = (np.clip(raw, *bounds) - clipped.mean(axis=0)) / clipped.std(axis=0)
    np.testing.assert_allclose(found.joint, expected, rtol=1e-5, atol=1e-6)
    assert found.wsi is not None
    assert found.rna is None
    np.testing.assert_array_equal(found.wsi, found.joint)


def test_beside_the_other_side_stand_the_components_of_the_training_patients() -> None:
    cohort = cohort_with()
    method, _, test = fitted(cohort, "titan+rna")
    found = method.embed(test)
    assert found.joint.shape[1] == 6 + 32
    assert found.rna is not None
    alone, _, _ = fitted(cohort, "titan")
    np.testing.assert_array_equal(found.joint[:, :6], alone.embed(test).joint)
    pca = find_method("pca", cohort)
    reference = pca.build(pca.config)
    reference.fit(cohort.subset(cohort.complete()[:120]), Context(0))
    np.testing.assert_array_equal(found.rna, reference.embed(test).rna)
    # nothing of a test patient is in what was fitted
    strange = poisoned(cohort, set(test.patients))
    again, _, _ = fitted(strange, "titan+rna")
    assert all(np.array_equal(v, again.state()[k]) for k, v in method.state().items())


@pytest.mark.parametrize("name", ["titan", "titan+rna"])
def test_saved_and_restored_it_embeds_the_same(name: str) -> None:
    cohort = cohort_with()
    method, _, test = fitted(cohort, name)
    spec = find_method(name, cohort)
    restored = spec.build(spec.config)
    restored.restore(method.state())
    np.testing.assert_array_equal(restored.embed(test).joint, method.embed(test).joint)


def test_expression_made_elsewhere_stands_beside_slides() -> None:
    cohort = cohort_with("bulk", "rna")
    method, _, test = fitted(cohort, "bulk+wsi")
    found = method.embed(test)
    assert found.wsi is not None
    assert found.rna is not None
    assert found.rna.shape[1] == 6
    assert find_method("bulk", cohort).sides == ("rna",)


def test_a_table_that_lacks_patients_is_never_asked_of_fewer() -> None:
    cohort = cohort_with(lacking=90)
    message = (
        "embeddings titan are there of 90 of 180 patients with both sides; --cohorts "
        "PLANTED-VECTORS@titan asks every method of these"
    )
    with pytest.raises(UnableError, match=message):
        fitted(cohort, "titan")
    with pytest.raises(UnableError, match="this cohort has no embeddings chief"):
        fitted(cohort, "chief")


def test_they_are_selected_by_name_and_by_all_and_say_what_they_have_seen() -> None:
    made = precomputed_specs({"titan": ("wsi", ("GTEx",)), "bulk": ("rna", ())})
    assert [spec.name for spec in select_methods("titan,pca", made)] == ["titan", "pca"]
    assert [spec.name for spec in select_methods("titan*", made)] == ["titan", "titan+rna"]
    everything = {spec.name for spec in select_methods("all", made)}
    assert {"titan", "bulk", "mirror"} <= everything
    assert not {"titan+rna", "bulk+wsi"} & everything
    specs = {spec.name: spec for spec in made}
    assert {spec.role for spec in made} == {Role.PRECOMPUTED}
    assert specs["titan"].summary == "slide embeddings trained elsewhere on GTEx"
    assert "on what is not declared" in specs["bulk+wsi"].summary
    with pytest.raises(InputError, match=r"did you mean .*titan"):
        select_methods("titn", made)
    with pytest.raises(InputError, match=r"embeddings.pca: expected another name than a method's"):
        select_methods("pca", precomputed_specs({"pca": ("wsi", ())}))
