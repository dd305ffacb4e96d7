"""Metrics of representations against scikit-learn, scipy, other formulas and hand computations."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist
from scipy.stats import entropy, ortho_group
from sklearn.metrics import r2_score
from sklearn.preprocessing import normalize

from tasks.metrics.representation import (
    alignment,
    effective_rank,
    linear_cka,
    modality_gap,
    r2,
    squared_errors,
    uniformity,
)
from tasks.metrics.undefined import Undefined

seeds = st.integers(0, 10_000)


def kornblith_cka(X: np.ndarray, Y: np.ndarray) -> float:
    """The usual, biased estimator from centred Gram matrices."""
    n = len(X)
    H = np.eye(n) - 1 / n
    K, L = H @ X @ X.T @ H, H @ Y @ Y.T @ H
    return float(np.trace(K @ L) / np.sqrt(np.trace(K @ K) * np.trace(L @ L)))


def song_cka(X: np.ndarray, Y: np.ndarray) -> float:
    """From the unbiased criterion as Song et al. write it."""

    def hsic(X: np.ndarray, Y: np.ndarray) -> float:
        n = len(X)
        K, L = (M @ M.T * (1 - np.eye(n)) for M in (X, Y))
        trace = np.trace(K @ L) + K.sum() * L.sum() / ((n - 1) * (n - 2))
        return float((trace - 2 / (n - 2) * (K @ L).sum()) / (n * (n - 3)))

    return float(hsic(X, Y) / np.sqrt(hsic(X, X) * hsic(Y, Y)))


@given(seeds, st.integers(2, 30), st.integers(1, 5))
def test_r2_is_scikit_learns(seed: int, n: int, t: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(n, t)) * rng.uniform(0.1, 5, t)
    predicted = truth + rng.normal(size=(n, t))
    expected = r2_score(truth, predicted, multioutput="variance_weighted")
    assert r2(truth, predicted) == pytest.approx(expected, abs=1e-9)
    error, total = squared_errors(truth, predicted)
    assert 1 - error.sum() / total.sum() == r2(truth, predicted)


def test_r2_by_hand() -> None:
    truth = np.array([[0.0, 1.0], [2.0, 1.0], [4.0, 1.0]])
    assert r2(truth, truth) == 1
    assert r2(truth, np.array([[2.0, 1.0]] * 3)) == 0
    assert r2(truth, truth + 1) == pytest.approx(1 - 6 / 8)
    with pytest.raises(Undefined, match="does not vary"):
        r2(truth[:, 1:], truth[:, 1:])
    with pytest.raises(Undefined, match="does not vary"):
        r2(np.empty((5, 0)), np.empty((5, 0)))


@given(seeds, st.integers(5, 25), st.integers(1, 30))
def test_cka_is_that_of_the_unbiased_criterion(seed: int, n: int, p: int) -> None:
    rng = np.random.default_rng(seed)
    X, Y = rng.normal(size=(n, p)) + 3, rng.normal(size=(n, 4))
    Y[:, 0] += X[:, 0]
    assert linear_cka(X, Y) == pytest.approx(song_cka(X, Y), abs=1e-9)
    assert linear_cka(Y, X) == pytest.approx(linear_cka(X, Y), abs=1e-12)


def test_cka_of_many_patients_is_the_usual_one() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(800, 5))
    Y = X @ rng.normal(size=(5, 6)) + rng.normal(size=(800, 6))
    assert linear_cka(X, Y) == pytest.approx(kornblith_cka(X, Y), abs=0.01)


def test_cka_of_unrelated_matrices_is_nothing_where_the_usual_one_is_nearly_one() -> None:
    rng = np.random.default_rng(1)
    found, usual = [], []
    for _ in range(20):
        X, Y = rng.normal(size=(40, 2000)), rng.normal(size=(40, 300))
        found.append(linear_cka(X, Y))
        usual.append(kornblith_cka(X, Y))
    assert np.mean(usual) > 0.9
    assert abs(np.mean(found)) < 0.02


@settings(deadline=None)
@given(seeds, st.floats(0.01, 100), st.floats(-20, 20))
def test_cka_knows_neither_basis_nor_units(seed: int, factor: float, offset: float) -> None:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(12, 4))
    turned = factor * X @ ortho_group.rvs(4, random_state=seed) + offset
    assert linear_cka(X, turned) == pytest.approx(1, abs=1e-9)


def test_a_large_constant_column_hides_nothing_from_cka() -> None:
    X = np.random.default_rng(0).normal(size=(9, 3))
    assert linear_cka(np.column_stack([X, np.full(9, 1e7)]), X) == pytest.approx(1)


def test_cka_of_what_does_not_vary_is_undefined() -> None:
    X = np.random.default_rng(0).normal(size=(9, 3))
    for constant in (np.zeros((9, 2)), np.full((9, 2), 0.1), np.empty((9, 0))):
        with pytest.raises(Undefined, match="does not vary"):
            linear_cka(X, constant)
    with pytest.raises(Undefined, match="fewer than four"):
        linear_cka(X[:3], X[:3])


@given(seeds, st.integers(1, 20), st.integers(1, 20))
def test_effective_rank_is_the_exponential_of_scipys_entropy(seed: int, n: int, d: int) -> None:
    X = np.random.default_rng(seed).normal(size=(n, d))
    singular = np.sqrt(np.clip(np.linalg.eigvalsh(X.T @ X if d < n else X @ X.T), 0, None))
    assert effective_rank(X) == pytest.approx(np.exp(entropy(singular)), rel=1e-6)
    assert 1 - 1e-9 <= effective_rank(X) <= min(n, d) + 1e-9


def test_effective_rank_by_hand() -> None:
    assert effective_rank(np.eye(7)) == pytest.approx(7)
    assert effective_rank(np.full((7, 3), 0.1)) == pytest.approx(1)
    p = np.array([0.75, 0.25])
    assert effective_rank(np.diag([3.0, 1.0])) == pytest.approx(np.exp(-(p * np.log(p)).sum()))
    with pytest.raises(Undefined, match="zero"):
        effective_rank(np.zeros((3, 2)))


@given(seeds, st.integers(2, 20))
def test_geometry_is_what_scikit_learn_and_scipy_give(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    X, Y = rng.normal(size=(2, n, 5))
    U, V = normalize(X), normalize(Y)
    gap = np.linalg.norm(U.mean(axis=0) - V.mean(axis=0))
    assert modality_gap(X, Y) == pytest.approx(gap, abs=1e-9)
    # partners on the unit sphere are 2 - 2 cosine apart
    cosine = (U * V).sum(axis=1)
    assert alignment(X, Y) == pytest.approx((2 - 2 * cosine).mean(), abs=1e-9)
    potential = np.log(np.exp(-2 * pdist(U, "sqeuclidean")).mean())
    assert uniformity(X) == pytest.approx(potential, abs=1e-9)


def test_geometry_by_hand() -> None:
    X, Y = np.array([[2.0, 0.0], [5.0, 0.0]]), np.array([[-1.0, 0.0], [-9.0, 0.0]])
    assert modality_gap(X, Y) == 2
    assert alignment(X, Y) == 4
    assert uniformity(X) == 0
    assert uniformity(np.array([[1.0, 0.0], [-3.0, 0.0]])) == pytest.approx(-8)
    assert modality_gap(X, X) == alignment(X, X) == 0
    with pytest.raises(Undefined, match="fewer than 2"):
        uniformity(X[:1])
    with pytest.raises(Undefined, match="fewer than 1"):
        alignment(X[:0], Y[:0])
