"""The ridge Cox head against scikit-survival and lifelines, and against its own definition."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lifelines import NelsonAalenFitter
from numpy.testing import assert_allclose
from scipy.optimize import approx_fprime
from sksurv.linear_model import CoxPHSurvivalAnalysis
from sksurv.util import Surv

from tasks.heads.cox import PENALTIES, RiskSets, baseline, fit_path, fit_ridge_cox
from tasks.heads.inputs import rotate, standardise

Data = tuple[np.ndarray, np.ndarray, np.ndarray]


def planted(n: int, p: int, seed: int = 0, tick: float = 0.0) -> Data:
    """Features, months and events of a true Cox model; times fall on multiples of `tick`."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) * rng.uniform(0.1, 10, p) + rng.normal(size=p)
    eta = 0.5 * (X[:, 0] - X[:, 0].mean()) / X[:, 0].std()
    death, censoring = rng.exponential(40 * np.exp(-eta)), rng.exponential(30, n)
    time = np.minimum(death, censoring) + 0.01
    if tick:
        time = np.ceil(time / tick) * tick
    return X, time, death <= censoring


def reference(X: np.ndarray, time: np.ndarray, event: np.ndarray, alpha: float) -> Any:
    return CoxPHSurvivalAnalysis(alpha=alpha, tol=1e-13).fit(X, Surv.from_arrays(event, time))


@pytest.mark.parametrize("tick", [0.0, 5.0], ids=["distinct", "tied"])
@pytest.mark.parametrize("penalty", [0.05, 3.0, 200.0])
def test_coefficients_equal_scikit_survival(tick: float, penalty: float) -> None:
    X, time, event = planted(150, 12, tick=tick)
    falling = np.argsort(-time, kind="stable")
    Z, _, _ = standardise(X)
    theirs = reference(Z, time, event, penalty).coef_
    ours = fit_path(Z[falling], RiskSets.of(time[falling], event[falling]), [penalty])[0]
    assert_allclose(ours, theirs, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(("n", "p"), [(170, 160), (90, 400)], ids=["tall", "wide"])
def test_the_fit_of_wide_embeddings_equals_scikit_survival(n: int, p: int) -> None:
    X, time, event = planted(n, p, tick=2.0)
    folds = np.arange(n) % 5
    model = fit_ridge_cox(X, time, event, folds, penalties=[0.03])
    Z, _, scale = standardise(X)
    theirs = reference(Z, time, event, 0.03 * event.sum() * p).coef_
    assert_allclose(model.coefficients * scale, theirs, rtol=1e-4, atol=1e-7)


def test_a_warm_path_ends_where_a_cold_fit_does() -> None:
    X, time, event = planted(120, 30, tick=1.0)
    falling = np.argsort(-time, kind="stable")
    Z, sets = standardise(X)[0][falling], RiskSets.of(time[falling], event[falling])
    penalties = [3000.0, 100.0, 10.0, 0.5]
    for penalty, warm in zip(penalties, fit_path(Z, sets, penalties), strict=True):
        assert_allclose(warm, fit_path(Z, sets, [penalty])[0], rtol=1e-7, atol=1e-10)


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.integers(1, 6), st.booleans()), min_size=2, max_size=12),
    st.integers(0, 99),
)
def test_derivatives_are_those_of_the_likelihood(rows: list[tuple[int, bool]], seed: int) -> None:
    rows = sorted(rows, key=lambda row: -row[0])
    time = np.array([float(t) for t, _ in rows])
    event = np.array([e for _, e in rows])
    event[-1] = True
    rng = np.random.default_rng(seed)
    X, beta = rng.normal(size=(len(rows), 3)), rng.normal(size=3)
    sets = RiskSets.of(time, event)

    def by_hand(b: np.ndarray) -> float:
        eta = X @ b
        return float(
            sum(eta[i] - np.log(np.exp(eta[time >= time[i]]).sum()) for i in np.flatnonzero(event))
        )

    gradient, hessian = sets.derivatives(X, X @ beta)
    assert sets.log_likelihood(X @ beta) == pytest.approx(by_hand(beta), abs=1e-9)
    assert_allclose(gradient, approx_fprime(beta, by_hand, 1e-7), atol=1e-4)
    slope = approx_fprime(beta, lambda b: sets.derivatives(X, X @ b)[0], 1e-7)
    assert_allclose(hessian, -slope, atol=1e-4)


@pytest.mark.parametrize(("n", "p"), [(150, 8), (60, 100)], ids=["tall", "wide"])
def test_survival_functions_equal_scikit_survival(n: int, p: int) -> None:
    X, time, event = planted(n, p)
    relative = 0.1
    head = fit_ridge_cox(X, time, event, np.arange(n) % 5, [relative])
    Z, mean, scale = standardise(X)
    model = reference(Z, time, event, relative * event.sum() * p)
    assert_allclose(head.coefficients * scale, model.coef_, rtol=1e-6, atol=1e-9)
    new = planted(20, p, seed=1)[0]
    assert_allclose(head.risk(new), ((new - mean) / scale) @ model.coef_, rtol=1e-6, atol=1e-9)
    months = np.quantile(time, [0.1, 0.5, 0.9])
    theirs = [f(months) for f in model.predict_survival_function((new - mean) / scale)]
    assert_allclose(head.survival(new, months), theirs, rtol=1e-6)
    assert_allclose(head.survival(new, [0.0]), 1)


def test_the_baseline_of_tied_deaths_is_efrons() -> None:
    """Therneau and Grambsch, appendix E.1: r = exp(1.676857), increments at 1, 6 and 9."""
    time = np.array([9.0, 8.0, 6.0, 6.0, 1.0, 1.0])
    event = np.array([True, False, True, True, True, False])
    x = np.array([0.0, 0.0, 1.0, 0.0, 1.0, 1.0])
    beta = 1.676857
    r = np.exp(beta)
    moments, hazard = baseline(RiskSets.of(time, event), time, beta * x)
    assert moments.tolist() == [1.0, 6.0, 9.0]
    steps = [1 / (3 * r + 3), 1 / (r + 3) + 2 / (r + 5), 1.0]
    assert_allclose(hazard, np.cumsum(steps), rtol=1e-12)


def test_without_features_it_is_fleming_and_harringtons() -> None:
    """As lifelines has it: of d deaths among n, 1 / n + .. + 1 / (n - d + 1)."""
    _, time, event = planted(80, 1, tick=12.0)
    falling = np.argsort(-time, kind="stable")
    sets = RiskSets.of(time[falling], event[falling])
    moments, hazard = baseline(sets, time[falling], np.zeros(80))
    theirs = NelsonAalenFitter(nelson_aalen_smoothing=True).fit(time, event)
    assert_allclose(hazard, theirs.cumulative_hazard_at_times(moments), rtol=1e-9)
    assert (sets.deaths > 1).any()


def test_penalty_is_the_best_by_the_criterion_written_out() -> None:
    X, time, event = planted(90, 5, seed=3, tick=1.0)
    folds = np.arange(90) % 5
    chosen = fit_ridge_cox(X, time, event, folds)
    Z, _, _ = standardise(X)

    def likelihood(rows: np.ndarray, beta: np.ndarray) -> float:
        eta, t, e = Z[rows] @ beta, time[rows], event[rows]
        return float(sum(eta[i] - np.log(np.exp(eta[t >= t[i]]).sum()) for i in np.flatnonzero(e)))

    def criterion(penalty: float) -> float:
        total = 0.0
        if penalty == np.inf:
            nothing = np.zeros(5)
            everyone = likelihood(np.ones(90, bool), nothing)
            return sum(everyone - likelihood(folds != fold, nothing) for fold in range(5))
        for fold in range(5):
            rest = folds != fold
            alpha = penalty * event[rest].sum() * 5
            beta = reference(Z[rest], time[rest], event[rest], alpha).coef_
            total += likelihood(np.ones(90, bool), beta) - likelihood(rest, beta)
        return total

    assert chosen.penalty == max(PENALTIES[1:], key=criterion)
    assert chosen.effect == float(np.isfinite(max(PENALTIES, key=criterion)))


def test_noise_is_shrunk_and_signal_is_not() -> None:
    X, time, event = planted(300, 10)
    folds = np.arange(300) % 5
    noise = np.random.default_rng(5).normal(size=(300, 10))
    head = fit_ridge_cox(noise, time, event, folds)
    assert head.effect == 0.0
    assert head.penalty == PENALTIES[1]
    # ranks are kept, the survival functions are those of the cohort
    assert len(set(head.risk(noise))) == 300
    assert (head.survival(noise, [24.0]) == head.survival(noise[:1], [24.0])).all()
    found = fit_ridge_cox(X, time, event, folds)
    assert (found.effect, found.penalty < 1) == (1.0, True)


@pytest.mark.parametrize("value", [0.0, 0.1, -1e6])
@pytest.mark.parametrize("p", [3, 200])
def test_constant_embeddings_give_exactly_equal_risks(value: float, p: int) -> None:
    _, time, event = planted(80, 1)
    head = fit_ridge_cox(np.full((80, p), value), time, event, np.arange(80) % 5)
    assert not head.coefficients.any()
    assert set(head.risk(np.random.default_rng(0).normal(size=(5, p)))) == {0.0}


def test_order_of_patients_does_not_matter() -> None:
    X, time, event = planted(100, 20, tick=2.0)
    folds = np.arange(100) % 5
    order = np.random.default_rng(9).permutation(100)
    one = fit_ridge_cox(X, time, event, folds)
    other = fit_ridge_cox(X[order], time[order], event[order], folds[order])
    assert one.penalty == other.penalty
    assert_allclose(one.coefficients, other.coefficients, rtol=1e-7)


def test_separable_and_extreme_features_stay_finite() -> None:
    rng = np.random.default_rng(0)
    time = np.arange(1.0, 61.0)
    X = np.column_stack([-time, 1e8 * rng.normal(size=60) ** 5, rng.normal(size=60)])
    head = fit_ridge_cox(X, time, np.ones(60, bool), np.arange(60) % 5)
    assert np.isfinite(head.coefficients).all()
    assert np.isfinite(head.survival(X * 1e6, [12, 60])).all()


def test_rotation_keeps_the_geometry() -> None:
    Z = np.random.default_rng(0).normal(size=(10, 40))
    rotated, V = rotate(Z)
    assert V is not None
    assert rotated.shape[1] <= 10
    assert_allclose(rotated @ rotated.T, Z @ Z.T, atol=1e-10)
    assert_allclose(rotated @ V.T, Z, atol=1e-10)
    assert rotate(Z.T)[1] is None
