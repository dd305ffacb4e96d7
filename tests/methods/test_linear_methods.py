"""PCA, CCA and PLS: equal to scikit-learn called directly, and they find what was planted."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.cross_decomposition import CCA, PLSSVD
from sklearn.decomposition import PCA

from methods.base import Context, Method, UnableError
from methods.concatenated import pooled
from methods.linear import (
    CCAConfig,
    CCAMethod,
    LinearConfig,
    PCAMethod,
    PLSMethod,
    RandomProjectionConfig,
    RandomProjectionMethod,
)
from tasks.data.cohort import SIDES
from tasks.data.preprocess import VectorScaler
from tasks.embeddings import Embeddings
from tests.helpers.planted import planted
from tests.helpers.probes import held_out, r2_of_factors

Array = NDArray[np.float64]


@cache
def fitted(method: type[Method], config: LinearConfig, bags: bool) -> Method:
    cohort = planted(bags)
    train, _ = held_out(cohort)
    fitted = method(config)
    fitted.fit(cohort.subset(train), Context(seed=0))
    return fitted


@cache
def embedded(method: type[Method], config: LinearConfig, bags: bool) -> Embeddings:
    cohort = planted(bags)
    return fitted(method, config, bags).embed(cohort.subset(cohort.complete()))


@cache
def scaled(side: str, bags: bool) -> tuple[Array, Array]:
    """Scaled features of one side: of the training pairs, and of all pairs."""
    cohort = planted(bags)
    train, _ = held_out(cohort)
    raw = pooled(cohort.modalities[side].subset(cohort.complete()))
    rows = [cohort.complete().index(patient) for patient in train]
    scaler = VectorScaler.fit(raw[rows])
    X = scaler.transform(raw).astype(np.float64)
    return X[rows], X


def sides_of(embeddings: Embeddings) -> tuple[Array, Array]:
    assert embeddings.wsi is not None
    assert embeddings.rna is not None
    return embeddings.wsi.astype(np.float64), embeddings.rna.astype(np.float64)


def same_axes(found: Array, expected: Array, tolerance: float) -> None:
    """Column by column the same up to sign and scale."""
    for x, y in zip(found.T, expected.T, strict=True):
        assert abs(np.corrcoef(x, y)[0, 1]) > 1 - tolerance


@pytest.mark.parametrize("bags", [False, True])
def test_pca_is_scikit_learns(bags: bool) -> None:
    found = sides_of(embedded(PCAMethod, LinearConfig(components=5), bags))
    for values, side in zip(found, SIDES, strict=True):
        X_train, X = scaled(side, bags)
        # the singular vectors of another routine than the one that is called
        Z = X_train - X_train.mean(axis=0)
        _, axes = np.linalg.eigh(Z.T @ Z)
        same_axes(values, X @ axes[:, ::-1][:, :5], 1e-6)
        expected = PCA(5, svd_solver="full").fit(X_train).transform(X)
        np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("bags", [False, True])
def test_cca_is_scikit_learns_on_principal_components(bags: bool) -> None:
    train, _ = held_out(planted(bags))
    config = CCAConfig(components=6, pairs_per_axis=12)
    found = sides_of(embedded(CCAMethod, config, bags))
    scores_train, scores = [], []
    for side in SIDES:
        X_train, X = scaled(side, bags)
        pca = PCA(len(train) // 12).fit(X_train)
        scores_train.append(pca.transform(X_train))
        scores.append(pca.transform(X))
    model = CCA(6, max_iter=20_000, tol=1e-20).fit(*scores_train)
    for values, expected in zip(found, model.transform(*scores), strict=True):
        same_axes(values, expected, 1e-6)


@pytest.mark.parametrize("bags", [False, True])
def test_canonical_variates_are_uncorrelated_but_with_their_partner(bags: bool) -> None:
    train, _ = held_out(planted(bags))
    embeddings = embedded(CCAMethod, CCAConfig(), bags)
    rows = embeddings.rows(train)
    x, y = (side[rows] for side in sides_of(embeddings))
    n = x.shape[1]
    correlations: Array = np.asarray(np.corrcoef(np.hstack([x, y]), rowvar=False))
    rho = np.diagonal(correlations[:n, n:])
    assert (np.diff(rho) <= 1e-6).all()
    assert 0 < rho.min() <= rho.max() < 1
    np.testing.assert_allclose(correlations[:n, n:], np.diag(rho), atol=1e-5)
    for side in (x, y):
        np.testing.assert_allclose(np.cov(side, rowvar=False), np.eye(n), atol=1e-4)


@pytest.mark.parametrize("bags", [False, True])
def test_pls_is_scikit_learns_on_the_features(bags: bool) -> None:
    found = sides_of(embedded(PLSMethod, LinearConfig(components=6), bags))
    (X_train, X), (Y_train, Y) = (scaled(side, bags) for side in SIDES)
    model = PLSSVD(6, scale=False).fit(X_train, Y_train)
    for values, expected in zip(found, model.transform(X, Y), strict=True):
        same_axes(values, expected, 1e-6)
        np.testing.assert_allclose(np.abs(values), np.abs(expected), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("bags", [False, True])
def test_cca_finds_the_shared_factors_and_leaves_the_private(bags: bool) -> None:
    cohort = planted(bags)
    r2 = r2_of_factors(embedded(CCAMethod, CCAConfig(), bags), cohort)
    assert min(value for name, value in r2.items() if name.startswith("shared")) > 0.7
    r2 = r2_of_factors(embedded(CCAMethod, CCAConfig(components=3), bags), cohort)
    for name, value in r2.items():
        assert value > 0.7 if name.startswith("shared") else value < 0.05, name


@pytest.mark.parametrize("method", [PLSMethod, PCAMethod])
def test_pls_and_pca_find_every_factor(method: type[Method]) -> None:
    cohort = planted(False)
    r2 = r2_of_factors(embedded(method, LinearConfig(components=16), False), cohort)
    assert min(r2.values()) > 0.6


@pytest.mark.parametrize("method", [CCAMethod(CCAConfig()), PLSMethod(LinearConfig())])
def test_common_axes_are_of_the_pairs(method: Method) -> None:
    cohort = planted(False)
    pairs = cohort.complete()
    method.fit(cohort, Context(seed=0))
    everybody = method.state()
    method.fit(cohort.subset(pairs), Context(seed=1))
    for name, values in method.state().items():
        np.testing.assert_array_equal(values, everybody[name], err_msg=name)
    with pytest.raises(UnableError, match="7 training patients with slides and expression, 8 "):
        method.fit(cohort.subset(pairs[:7]), Context(seed=0))


def test_few_pairs_have_few_axes() -> None:
    cohort = planted(False)
    few = cohort.subset(cohort.complete()[:24])
    method = CCAMethod(CCAConfig())
    method.fit(few, Context(seed=0))
    assert method.embed(few).joint.shape == (24, 2 * 2)


def test_genes_are_kept_by_variance() -> None:
    cohort = planted(False)
    widths = {}
    for genes in (0, 20):
        method = PCAMethod(replace(LinearConfig(), genes=genes))
        method.fit(cohort, Context(seed=0))
        widths[genes] = method.state()["rna.mean"].shape
    assert widths == {0: (300,), 20: (20,)}


@pytest.mark.parametrize("bags", [False, True])
def test_random_directions_keep_distances_and_know_no_patient(bags: bool) -> None:
    config = RandomProjectionConfig(components=600)
    found = sides_of(embedded(RandomProjectionMethod, config, bags))
    for side, embedding in zip(SIDES, found, strict=True):
        _, X = scaled(side, bags)
        i, j = np.triu_indices(len(X), 1)
        kept = ((embedding[i] - embedding[j]) ** 2).sum(1) / ((X[i] - X[j]) ** 2).sum(1)
        # chi-square over its degrees of freedom: 1 on average, deviation sqrt(2 / 600)
        assert abs(np.mean(kept) - 1) < 0.1
        assert np.std(kept) < 2 * np.sqrt(2 / 600)
    other = RandomProjectionMethod(config)
    cohort = planted(bags)
    other.fit(cohort.subset(held_out(cohort)[0]), Context(seed=1))
    again = fitted(RandomProjectionMethod, config, bags).state()
    assert not np.array_equal(other.state()["wsi.axes"], again["wsi.axes"])
