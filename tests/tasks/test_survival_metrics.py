"""Survival metrics: by hand, against lifelines, and defined or refused on whatever comes."""

from contextlib import suppress
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from lifelines.utils import concordance_index
from numpy.testing import assert_allclose
from sklearn.metrics import roc_auc_score
from sksurv.metrics import (
    concordance_index_censored,
    concordance_index_ipcw,
    cumulative_dynamic_auc,
    integrated_brier_score,
)
from sksurv.nonparametric import kaplan_meier_estimator

from tasks.metrics.time_to_event import (
    Outcomes,
    auc_at,
    auc_mean,
    harrell_c,
    horizon,
    ibs,
    ibs_kaplan_meier,
    median_follow_up,
    skill,
    time_grid,
    uno_c,
)
from tasks.metrics.undefined import Undefined


def outcomes(time: list[float], event: list[int]) -> Outcomes:
    return Outcomes(np.array(time, dtype=np.float64), np.array(event, dtype=np.bool_))


@st.composite
def cohorts(draw: st.DrawFn, min_size: int = 1) -> Outcomes:
    """Random, tied, tiny and heavily censored patients."""
    times = st.sampled_from([0.5, 1.0, 2.0, 2.5, 30.0]) | st.floats(0.03, 300)
    rows = draw(st.lists(st.tuples(times, st.booleans()), min_size=min_size, max_size=40))
    return outcomes([time for time, _ in rows], [int(event) for _, event in rows])


def test_harrell_by_hand() -> None:
    test = outcomes([1, 2, 3, 4], [1, 0, 1, 1])
    # comparable: 1 with 2, 3, 4; 3 with 4. Right: 1-2 and 3-4; a half: 1-3; wrong: 1-4
    risk = np.array([2.0, 1.0, 2.0, 2.5])
    assert harrell_c(test, risk) == (1 + 0.5 + 0 + 0) / 4


@given(cohorts(min_size=2), st.randoms())
def test_harrell_equals_lifelines(test: Outcomes, random: object) -> None:
    risk = np.array([random.choice([0.0, 1.0, 2.0]) for _ in test.time])  # type: ignore[attr-defined]
    try:
        value = harrell_c(test, risk)
    except Undefined:
        return
    # the two libraries differ on pairs that died at the same time; without them they agree
    assume(len(np.unique(test.time[test.event])) == test.event.sum())
    assert value == pytest.approx(concordance_index(test.time, -risk, test.event), abs=1e-9)


@settings(max_examples=60)
@given(cohorts(), cohorts(), st.integers(0, 99))
def test_every_metric_has_a_value_or_a_reason(train: Outcomes, test: Outcomes, seed: int) -> None:
    risk = np.random.default_rng(seed).integers(-3, 4, len(test.time)).astype(np.float64)
    with suppress(Undefined):
        assert 0 <= harrell_c(test, risk) <= 1
    with suppress(Undefined):
        assert 0 <= uno_c(train, test, risk) <= 1
    with suppress(Undefined):
        times = time_grid(train, test)
        survival = np.exp(-np.outer(np.exp(risk), times / 50))
        score, baseline = ibs(train, test, survival, times), ibs_kaplan_meier(train, test, times)
        assert 0 <= score < np.inf
        assert skill(score, baseline) <= 1


@pytest.mark.parametrize("measure", [harrell_c, lambda t, r: uno_c(t, t, r)])
def test_equal_risks_are_a_coin(measure: object) -> None:
    rng = np.random.default_rng(0)
    test = Outcomes(rng.exponential(30, 200), rng.random(200) < 0.3)
    assert measure(test, np.full(200, 0.7)) == 0.5  # type: ignore[operator]


def test_uno_by_hand() -> None:
    # censored at 2: the censoring curve is 1 before and 3/4 after (4 of 5 at risk, one leaves)
    train = outcomes([1, 2, 3, 4, 5], [1, 0, 1, 1, 1])
    test = outcomes([1.5, 2.5, 3.5, 3.9], [1, 1, 0, 1])
    assert horizon(train) == 4
    risk = np.array([3.0, 1.0, 2.0, 0.0])
    # before 4: patient 1 beats all three, weight 1; patient 2 (weight 1/(3/4)^2) loses one of two
    weight = 1 / (3 / 4) ** 2
    assert uno_c(train, test, risk) == pytest.approx((3 + weight) / (3 + 2 * weight), abs=1e-12)


@settings(max_examples=60)
@given(cohorts(min_size=5))
def test_no_weight_exceeds_ten_before_the_horizon(train: Outcomes) -> None:
    times, survived = kaplan_meier_estimator(~train.event, train.time)  # of being censored
    assert (survived[times < horizon(train)] >= 0.1 - 1e-9).all()


def test_brier_by_hand() -> None:
    train = outcomes([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [1] * 10)  # nobody censored: weights 1
    test = outcomes([2, 20], [1, 0])
    times = np.array([3.0, 5.0])
    survival = np.array([[0.4, 0.2], [0.9, 0.7]])
    at_3 = (0.4**2 + (1 - 0.9) ** 2) / 2
    at_5 = (0.2**2 + (1 - 0.7) ** 2) / 2
    assert ibs(train, test, survival, times) == pytest.approx((at_3 + at_5) / 2, abs=1e-12)
    # Kaplan-Meier of training: 0.7 at 3 months, 0.5 at 5
    flat = ((0.7**2 + 0.3**2) / 2 + (0.5**2 + 0.5**2) / 2) / 2
    assert ibs_kaplan_meier(train, test, times) == pytest.approx(flat, abs=1e-12)
    assert skill(0.1, 0.4) == 0.75


def test_grid_lies_in_both_follow_ups() -> None:
    train = outcomes([5, 10, 50, 60, 70, 80, 90, 100, 110, 120], [0, 1, 1, 0, 1, 0, 0, 0, 0, 0])
    grid = time_grid(train, outcomes([20, 200], [1, 0]))
    assert (grid[0], grid[-1]) == (20, np.nextafter(110, 0))
    short = time_grid(train, outcomes([1, 40], [1, 0]))
    assert short[0] == 10
    assert short[-1] < 40
    with pytest.raises(Undefined, match="too short"):
        time_grid(train, outcomes([1, 9], [1, 0]))
    with pytest.raises(Undefined, match="no event among the test"):
        time_grid(train, outcomes([20, 90], [0, 0]))


def test_reasons() -> None:
    train, risk = outcomes([1, 2, 3], [1, 0, 1]), np.zeros(2)
    with pytest.raises(Undefined, match="no comparable pair"):
        harrell_c(outcomes([1, 2], [0, 0]), risk)
    with pytest.raises(Undefined, match="no comparable pair"):
        harrell_c(outcomes([1, 2], [0, 1]), risk)
    with pytest.raises(Undefined, match=r"before 2\.0 months"):
        uno_c(train, outcomes([4, 5], [1, 1]), risk)
    with pytest.raises(Undefined, match="training"):
        time_grid(outcomes([1, 2], [0, 0]), train)
    with pytest.raises(Undefined, match="baseline"):
        skill(0.0, 0.0)


def test_auc_without_censoring_is_the_ordinary_area() -> None:
    rng = np.random.default_rng(0)
    time, risk = rng.exponential(30, 300), rng.normal(size=300)
    everybody = Outcomes(time, np.ones(300, bool))
    for month in (12, 36):
        expected = roc_auc_score(time <= month, risk)
        assert auc_at(everybody, everybody, risk, month) == pytest.approx(expected, abs=1e-9)


def test_auc_by_hand() -> None:
    # censored at 2: the censoring curve is 1 before and 3/4 after, so a later case weighs 4/3
    train = outcomes([1, 2, 3, 4, 5], [1, 0, 1, 1, 1])
    test = outcomes([1.5, 2.5, 2.6, 3.5, 9], [1, 1, 0, 0, 1])
    risk = np.array([3.0, 1.0, 0.0, 2.0, 1.0])
    # at 3: cases 1 (weight 1) and 2 (4/3); controls 4 and 5; 3 is neither
    area = (1 * 2 + 4 / 3 * 0.5) / ((1 + 4 / 3) * 2)
    assert auc_at(train, test, risk, 3) == pytest.approx(area, abs=1e-12)


@settings(max_examples=50)
@given(cohorts(), cohorts(), st.integers(0, 99))
def test_auc_equals_scikit_survival(train: Outcomes, test: Outcomes, seed: int) -> None:
    months = (1, 2, 12, 36)
    rng = np.random.default_rng(seed)
    risks = rng.integers(-2, 3, (len(test.time), len(months))).astype(np.float64)
    found = {}
    for i, month in enumerate(months):
        with suppress(Undefined):
            found[i] = auc_at(train, test, risks[:, i], month)
    if not found:
        with pytest.raises(Undefined):
            auc_mean(train, test, risks, months)
        return
    mean = auc_mean(train, test, risks, months)
    # theirs needs a censoring weight even for deaths after the months that are asked for
    assume(test.time[test.event].max() < train.time.max())
    assume(test.time[test.event].max() < train.time[~train.event].max(initial=np.inf))
    kept = list(found)
    areas, their_mean = cumulative_dynamic_auc(
        train.structured(), test.structured(), risks[:, kept], [months[i] for i in kept]
    )
    assert_allclose(list(found.values()), areas, atol=1e-9)
    assert mean == pytest.approx(their_mean, abs=1e-9)


def test_auc_reasons() -> None:
    train = outcomes([5, 10, 20, 30, 40], [1, 1, 0, 1, 0])
    risk = np.zeros(2)
    with pytest.raises(Undefined, match=r"36 months are not before .* of 30\.0 months"):
        auc_at(train, outcomes([1, 60], [1, 0]), risk, 36)
    with pytest.raises(Undefined, match="no event among the test patients within 12 months"):
        auc_at(train, outcomes([20, 60], [1, 0]), risk, 12)
    with pytest.raises(Undefined, match="followed for more than 12 months"):
        auc_at(train, outcomes([2, 12], [1, 0]), risk, 12)
    with pytest.raises(Undefined, match="within 12 months"):
        auc_mean(train, outcomes([20, 60], [1, 0]), np.zeros((2, 2)), (12, 36))


def test_deaths_after_the_month_need_no_weight() -> None:
    train = outcomes([5, 10, 20, 30, 40], [1, 0, 0, 1, 0])
    late = outcomes([3, 50, 60], [1, 1, 1])  # later than anybody in training
    assert auc_at(train, late, np.array([2.0, 1.0, 0.0]), 12) == 1


@settings(max_examples=50)
@given(cohorts(min_size=5), cohorts(min_size=3), st.integers(0, 99))
def test_earlier_metrics_equal_scikit_survival(train: Outcomes, test: Outcomes, seed: int) -> None:
    rng = np.random.default_rng(seed)
    risk = rng.integers(-2, 3, len(test.time)).astype(np.float64)
    y_train, y_test = train.structured(), test.structured()
    with suppress(Undefined):
        ours = harrell_c(test, risk)
        assert ours == concordance_index_censored(test.event, test.time, risk)[0]
    with suppress(Undefined):
        ours = uno_c(train, test, risk)
        tau = horizon(train)
        assert ours == concordance_index_ipcw(y_train, y_test, risk, tau=tau)[0]
    with suppress(Undefined):
        times = time_grid(train, test)
        survival = np.exp(-np.outer(np.exp(risk), times / 50))
        ours = ibs(train, test, survival, times)
        assume(test.time.max() <= train.time.max())
        theirs = integrated_brier_score(y_train, y_test, survival, times)
        assert ours == pytest.approx(theirs, abs=1e-9)


@given(st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=1, max_size=30))
def test_median_follow_up_is_when_half_are_no_longer_observed(
    rows: list[tuple[int, bool]],
) -> None:
    observed, expected = Fraction(1), float("nan")
    for moment in sorted({time for time, _ in rows}):
        at_risk = sum(time >= moment for time, _ in rows)
        observed *= 1 - Fraction(sum(time == moment and not e for time, e in rows), at_risk)
        if observed <= Fraction(1, 2):
            expected = float(moment)
            break
    known = outcomes([float(time) for time, _ in rows], [int(event) for _, event in rows])
    assert_allclose(median_follow_up(known), expected)


def test_nobody_is_followed_up() -> None:
    assert np.isnan(median_follow_up(outcomes([], [])))
