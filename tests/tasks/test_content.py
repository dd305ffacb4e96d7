"""A modality's own content: axes, pooling, and what they are fitted on."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.decomposition import PCA

from tasks.data.cohort import BagModality, Slide, VectorModality
from tasks.kinds.content import AXES, MAX_FEATURES, Content, principal_axes, raw_values
from tests.helpers.planted import planted


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(3, 30), st.integers(1, 40))
def test_axes_are_scikit_learns(seed: int, n: int, p: int) -> None:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) * np.linspace(1, 3, p)
    X -= X.mean(axis=0)
    axes = principal_axes(X, 5)
    expected = PCA(min(5, n - 1, p), svd_solver="full").fit(X).components_
    assert axes.shape == expected.T.shape
    assert_allclose(np.abs((axes * expected.T).sum(axis=0)), 1, atol=1e-6)
    assert_allclose(axes.T @ axes, np.eye(axes.shape[1]), atol=1e-8)


def test_axes_of_nothing() -> None:
    assert principal_axes(np.zeros((5, 3)), 4).shape == (3, 0)
    assert principal_axes(np.empty((5, 0)), 4).shape == (0, 0)


def test_the_features_that_vary_most_are_kept() -> None:
    rng = np.random.default_rng(0)
    raw = rng.normal(size=(50, MAX_FEATURES + 40)).astype(np.float32)
    raw[:, 7] *= 0.01
    raw[::2, 9] = np.nan
    raw[:, 11] = np.nan
    content = Content.fit(raw)
    assert len(content.columns) == MAX_FEATURES
    left_out = np.setdiff1d(np.arange(raw.shape[1]), content.columns)
    assert {7, 11} <= set(left_out.tolist())
    rest = left_out[left_out != 11]
    assert np.nanvar(raw[:, rest], axis=0).max() < np.nanvar(raw[:, content.columns], axis=0).min()
    assert content.components(raw).shape == (50, 49)
    assert np.isfinite(content.components(raw)).all()
    assert content.axes.shape[1] <= AXES


def test_a_constant_modality_has_no_content() -> None:
    content = Content.fit(np.full((20, 3), 0.1, np.float32))
    assert content.components(np.ones((4, 3), np.float32)).shape == (4, 0)


def test_a_bag_is_the_mean_of_its_instances() -> None:
    modality = planted(bags=True).modalities["wsi"]
    assert isinstance(modality, BagModality)
    several = [p for p in modality.patients if len(modality.slides[p]) > 1][:2]
    patients = [*modality.patients[:3], *several]
    assert several
    found = raw_values(modality, patients)
    assert found.dtype == np.float32
    expected = [modality.read(patient).mean(axis=0, dtype=np.float64) for patient in patients]
    assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert raw_values(modality, []).shape == (0, modality.width)


def test_a_slide_is_read_once_and_another_with_its_name_is_another() -> None:
    reads = []

    def read() -> np.ndarray:
        reads.append(1)
        return np.ones((3, 2), np.float32)

    slide = Slide("S", 3, "content", read)
    modality = BagModality({"P": (slide,)}, 2)
    assert_allclose(raw_values(modality, ["P"]), raw_values(modality, ["P", "P"])[1:])
    assert len(reads) == 1
    other = replace(slide, read=lambda: np.zeros((3, 2), np.float32))
    assert not raw_values(BagModality({"P": (other,)}, 2), ["P"]).any()


def test_a_vector_is_itself() -> None:
    modality = planted(bags=False).modalities["rna"]
    assert isinstance(modality, VectorModality)
    patients = modality.patients[4:1:-1]
    np.testing.assert_array_equal(raw_values(modality, patients), modality.rows(patients))


@pytest.mark.parametrize("missing", [0, 3])
def test_components_are_the_projection_of_scaled_features(missing: int) -> None:
    raw = np.random.default_rng(1).normal(size=(30, 6)).astype(np.float32)
    raw[:missing, 2] = np.nan
    content = Content.fit(raw)
    scaled = content.scaled(raw)
    assert_allclose(scaled.mean(axis=0), 0, atol=1e-6)
    assert_allclose(content.components(raw) @ content.axes.T, scaled, atol=1e-6)
