"""The discrete-time head against scikit-learn on person-periods, and against its definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from sksurv.nonparametric import kaplan_meier_estimator

from tasks.heads.hazard import (
    PENALTIES,
    DiscreteHazard,
    Periods,
    fit_discrete_hazard,
    fit_path,
    interval_edges,
)
from tasks.heads.inputs import standardise

Data = tuple[np.ndarray, np.ndarray, np.ndarray]


def planted(n: int, p: int, seed: int = 0, tick: float = 0.0) -> Data:
    """Features, months and events; the first feature is the log hazard."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) * rng.uniform(0.1, 10, p) + rng.normal(size=p)
    eta = 0.7 * (X[:, 0] - X[:, 0].mean()) / X[:, 0].std()
    death, censoring = rng.exponential(40 * np.exp(-eta)), rng.exponential(40, n)
    time = np.minimum(death, censoring) + 0.01
    if tick:
        time = np.ceil(time / tick) * tick
    return X, time, death <= censoring


def person_periods(
    Z: np.ndarray, time: np.ndarray, event: np.ndarray, edges: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of the textbook: a row a patient and interval, interval, died; written as a loop."""
    rows, which, died = [], [], []
    for z, t, e in zip(Z, time, event, strict=True):
        start = 0.0
        for k, end in enumerate(edges):
            if t > end or (not e and t >= (start + end) / 2):
                rows.append(z)
                which.append(k)
                died.append(0)
            elif e:
                rows.append(z)
                which.append(k)
                died.append(1)
            if t <= end:
                break
            start = end
    return np.array(rows), np.array(which), np.array(died)


@pytest.mark.parametrize("tick", [0.0, 10.0], ids=["distinct", "tied"])
@pytest.mark.parametrize("penalty", [0.5, 20.0])
@pytest.mark.parametrize("n_at_zero", [0, 20])
def test_slopes_equal_scikit_learn_on_person_periods(
    tick: float, penalty: float, n_at_zero: int
) -> None:
    X, time, event = planted(200, 6, tick=tick)
    time[:n_at_zero] = 0.0  # seen on the day of diagnosis alone
    Z, _, _ = standardise(X)
    edges = interval_edges(time, event)
    slopes, intercepts = fit_path(Z, Periods.of(time, event, edges), [penalty])[0]
    rows, which, died = person_periods(Z, time, event, edges)
    for k in range(len(edges)):
        inside = which == k
        # the prior: half an event and half a survivor at the mean
        X_k = np.vstack([rows[inside], np.zeros((2, 6))])
        weights = np.append(np.ones(inside.sum()), [0.5, 0.5])
        y_k = np.append(died[inside], [1, 0])
        model = LogisticRegression(C=1 / penalty, solver="newton-cholesky", tol=1e-12)
        model.fit(X_k, y_k, sample_weight=weights)
        assert_allclose(slopes[k], model.coef_[0], rtol=1e-6, atol=1e-8)
        assert_allclose(intercepts[k], model.intercept_[0], rtol=1e-6, atol=1e-8)


def test_likelihood_and_criterion_written_out() -> None:
    X, time, event = planted(90, 4, seed=2, tick=2.0)
    folds = np.arange(90) % 5
    head = fit_discrete_hazard(X, time, event, folds)
    Z, _, _ = standardise(X)
    edges = interval_edges(time, event)
    assert_array_equal(head.edges, edges)

    def held_out(penalty: float, fold: int) -> float:
        rest = folds != fold
        deaths = sum(person_periods(Z[rest], time[rest], event[rest], edges)[2])
        scaled = penalty * deaths / len(edges) * 4
        slopes, intercepts = fit_path(
            Z[rest], Periods.of(time[rest], event[rest], edges), [scaled]
        )[0]
        rows, which, died = person_periods(Z[~rest], time[~rest], event[~rest], edges)
        h = expit(np.einsum("np,np->n", rows, slopes[which]) + intercepts[which])
        return float(np.log(np.where(died, h, 1 - h)).sum())

    best = max(PENALTIES, key=lambda penalty: sum(held_out(penalty, k) for k in range(5)))
    assert head.penalty == best


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.sampled_from([0.5, 1.0, 2.0, 9.0]) | st.floats(0.03, 300), st.booleans()),
        min_size=2,
        max_size=30,
    ),
    st.integers(0, 99),
)
def test_any_outcomes_give_survival_functions(rows: list[tuple[float, bool]], seed: int) -> None:
    time = np.array([t for t, _ in rows])
    event = np.array([e for _, e in rows])
    event[:2] = True  # one in each fold
    edges = interval_edges(time, event)
    assert edges[-1] == time[event].max()
    assert (np.diff(edges) > 0).all()
    periods = Periods.of(time, event, edges)
    assert_array_equal(periods.died.sum(axis=1), event)  # every event in one interval
    assert (periods.died <= periods.at_risk).all()
    assert (np.diff(periods.at_risk.astype(int), axis=1) <= 0).all()  # nobody comes back
    X = np.random.default_rng(seed).normal(size=(len(rows), 3))
    head = fit_discrete_hazard(X, time, event, np.arange(len(rows)) % 2)
    moments = np.sort(np.append(time, [0.0, 1e4]))
    survival = head.survival(X, moments)
    assert_array_equal(survival[:, 0], 1)
    assert (np.diff(survival, axis=1) <= 0).all()
    assert np.isfinite(survival).all()
    assert survival.min() > 0


def test_interpolation_by_hand() -> None:
    head = DiscreteHazard(
        np.array([10.0, 30.0]), np.zeros((2, 1)), logit([0.2, 0.5]), 1.0, np.empty(0)
    )
    # a hazard of 0.2 over ten months is 0.8^(1/2) over five; nothing happens after the last
    found = head.survival(np.zeros((1, 1)), [0, 5, 10, 20, 30, 99])[0]
    assert_allclose(found, [1, 0.8**0.5, 0.8, 0.8 * 0.5**0.5, 0.4, 0.4], rtol=1e-12)
    assert_allclose(head.risk(np.zeros((1, 1))), -(0.8 + 0.4), rtol=1e-12)


def test_an_interval_that_ends_on_the_day_of_diagnosis() -> None:
    edges = np.array([0.0, 10.0])
    head = DiscreteHazard(edges, np.zeros((2, 1)), logit(np.array([0.2, 0.5])), 1.0, np.empty(0))
    survival = head.survival(np.zeros((1, 1)), [0.0, 5.0, 10.0, 20.0])[0]
    assert_allclose(survival, [0.8, 0.8 * 0.5**0.5, 0.4, 0.4])


def test_without_effects_it_is_nearly_kaplan_meier() -> None:
    _, time, event = planted(4000, 1)
    head = fit_discrete_hazard(np.zeros((4000, 2)), time, event, np.arange(4000) % 5)
    moments, survived = kaplan_meier_estimator(event, time)
    at_edges = survived[np.searchsorted(moments, head.edges)]
    # the last interval is long: how many leave before its middle is guesswork
    assert_allclose(head.survival(np.zeros((1, 2)), head.edges)[0][:3], at_edges[:3], atol=0.02)


def test_where_nothing_is_found_curves_are_one_and_risks_are_ranked_all_the_same() -> None:
    """A risk that is the same of everybody would pass for a precise concordance of a half."""
    rng = np.random.default_rng(1)
    X, time = rng.normal(size=(100, 4)), rng.exponential(30, 100)
    event, folds = rng.random(100) < 0.6, np.arange(100) % 5
    head = fit_discrete_hazard(X, time, event, folds)
    assert head.flat.size
    assert np.isfinite(head.penalty)
    assert len(set(head.risk(X).round(9))) == 100
    curves = head.survival(X, [6, 24, 60])
    assert (curves == curves[0]).all()
    without = fit_discrete_hazard(np.zeros((100, 4)), time, event, folds)
    assert_allclose(curves, without.survival(X, [6, 24, 60]), rtol=1e-9)
    assert_allclose(head.risk_by(X, [24]).mean(), -np.log(curves[0, 1]), rtol=0.2)


def test_an_effect_that_turns_is_seen_by_the_intervals() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=3000)
    early = rng.exponential(30 * np.exp(-x))
    late = 10 + rng.exponential(30 * np.exp(x))
    time = np.where(early < 10, early, late) + 0.01
    head = fit_discrete_hazard(x[:, None], time, np.ones(3000, bool), np.arange(3000) % 5)
    assert head.coefficients[0, 0] > 0.3
    assert head.coefficients[2, 0] < -0.3  # nobody outlives the last interval


@pytest.mark.parametrize(("n", "p"), [(60, 200), (60, 3)], ids=["wide", "tall"])
def test_constant_and_extreme_features(n: int, p: int) -> None:
    _, time, event = planted(n, 1)
    folds = np.arange(n) % 5
    head = fit_discrete_hazard(np.full((n, p), 0.1), time, event, folds)
    assert len(set(head.risk(np.random.default_rng(0).normal(size=(5, p))))) == 1
    X = np.random.default_rng(0).normal(size=(n, p)) ** 5
    X[:, 0] = -time
    head = fit_discrete_hazard(X, time, np.ones(n, bool), folds)
    assert np.isfinite(head.coefficients).all()
    assert np.isfinite(head.survival(X * 1e6, [12, 60])).all()


def test_order_of_patients_and_units_do_not_matter() -> None:
    X, time, event = planted(100, 20, tick=2.0)
    folds = np.arange(100) % 5
    order = np.random.default_rng(9).permutation(100)
    one = fit_discrete_hazard(X, time, event, folds)
    other = fit_discrete_hazard(7 * X[order] + 3, time[order], event[order], folds[order])
    assert one.penalty == other.penalty
    assert_allclose(one.risk(X), other.risk(7 * X + 3), rtol=1e-7)
