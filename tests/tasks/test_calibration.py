"""Calibration of survival functions: against lifelines, and whether it can fail."""

import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter

from tasks.metrics.calibration import (
    Judged,
    calibration_slope,
    integrated_calibration_index,
    observed_to_expected,
    slope_error,
)
from tasks.metrics.time_to_event import Outcomes
from tasks.metrics.undefined import Undefined
from tasks.seeds import generator


def simulated(n: int, censored: float, *axes: str | int) -> tuple[Outcomes, np.ndarray]:
    """Exponential deaths at rates of their own, and those rates a month."""
    rng = generator("calibration", n, str(censored), *axes)
    rate = 0.02 * np.exp(0.8 * rng.normal(size=n))
    death = rng.exponential(1 / rate)
    if not censored:
        return Outcomes(death, np.ones(n, dtype=bool)), rate
    end = rng.exponential(np.median(death) * (1 - censored) / censored * 1.4, n)
    return Outcomes(np.minimum(death, end), death <= end), rate


def dead_by(rate: np.ndarray, month: float) -> np.ndarray:
    return np.asarray(-np.expm1(-rate * month))


def test_both_are_those_of_lifelines() -> None:
    test, rate = simulated(300, 0.44)
    predicted = dead_by(1.7 * rate, 24)
    frame = pd.DataFrame({"x": np.log(-np.log1p(-predicted)), "t": test.time, "e": test.event})
    model = CoxPHFitter().fit(frame, "t", "e")
    slope = float(model.params_["x"])
    assert slope_error(test, predicted) == pytest.approx(abs(slope - 1), abs=5e-4)
    observed = 1 - model.predict_survival_function(frame, times=[24]).to_numpy()[0]
    index = integrated_calibration_index(test, test, predicted, 24)
    assert index == pytest.approx(np.abs(observed - predicted).mean(), abs=5e-4)


@pytest.mark.parametrize("censored", [0.0, 0.44, 0.72, 0.87])
def test_right_predictions_have_a_slope_of_one_at_any_censoring(censored: float) -> None:
    """On average and in the large; wrong ones are far from it."""
    test, rate = simulated(6000, censored)
    assert 1 - test.event.mean() == pytest.approx(censored, abs=0.08)
    assert slope_error(test, dead_by(rate, 12)) < 0.08
    assert slope_error(test, dead_by(rate**2 / rate.mean(), 12)) > 0.35
    right, doubled = (integrated_calibration_index(test, test, dead_by(k * rate, 6), 6)
                      for k in (1, 2))  # fmt: skip
    assert right < 0.02
    assert doubled > 0.05


def test_a_doubled_hazard_is_found_more_often_than_not() -> None:
    """At 200 patients, 44 % censored: beyond the 95 % quantile of what right predictions have."""
    right: list[float] = []
    doubled: list[float] = []
    for repeat in range(200):
        test, rate = simulated(200, 0.44, repeat)
        for found, k in ((right, 1), (doubled, 2)):
            found.append(integrated_calibration_index(test, test, dead_by(k * rate, 12), 12))
    assert np.mean(np.array(doubled) > np.quantile(right, 0.95)) > 0.5


def in_folds(test: Outcomes, predicted: np.ndarray) -> list[tuple[Outcomes, np.ndarray]]:
    folds = [np.arange(k, len(predicted), 5) for k in range(5)]
    return [(test.subset(rows), predicted[rows]) for rows in folds]


def misses(found: Judged) -> bool:
    return not found.low <= 1.0 <= found.high


def test_the_slope_over_folds_is_that_of_lifelines_with_its_interval() -> None:
    test, rate = simulated(300, 0.44)
    predicted = dead_by(1.7 * rate, 24)
    frame = pd.DataFrame({"x": np.log(-np.log1p(-predicted)), "t": test.time, "e": test.event})
    model = CoxPHFitter().fit(frame.assign(fold=np.arange(300) % 5), "t", "e", strata="fold")
    found = calibration_slope(in_folds(test, predicted))
    assert found.value == pytest.approx(float(model.params_["x"]), abs=5e-4)
    ends = model.confidence_intervals_.to_numpy()[0]
    assert [found.low, found.high] == pytest.approx(ends.tolist(), abs=1e-3)


def test_observed_to_expected_by_hand() -> None:
    found = observed_to_expected(np.arange(20) < 9, np.full(20, 0.5))
    assert found.value == 0.9
    # the ends are the multiples of what was expected that 9 events just do not reject
    for end in (found.low, found.high):
        assert abs(9 - 10 * end) / np.sqrt(10 * end) == pytest.approx(1.959964, abs=1e-6)
    with pytest.raises(Undefined, match="no event was predicted"):
        observed_to_expected(np.zeros(3, dtype=bool), np.zeros(3))


@pytest.mark.slow
@pytest.mark.parametrize("censored", [0.0, 0.44, 0.72, 0.87])
def test_right_predictions_are_rejected_once_in_twenty_and_wrong_ones_are(censored: float) -> None:
    """At 200 patients in five folds; docs/statistics.md has the figures."""
    n, wrong = 1000, np.zeros((1000, 4))
    for repeat in range(n):
        test, rate = simulated(200, censored, "other", repeat)
        steep, by_year = rate**2 / rate.mean(), in_folds(test, dead_by(rate, 12))
        wrong[repeat] = (
            misses(calibration_slope(by_year)),
            misses(observed_to_expected(test.event, rate * test.time)),
            misses(observed_to_expected(test.event, 2 * rate * test.time)),
            misses(calibration_slope(in_folds(test, dead_by(steep, 12)))),
        )
    slope, total, doubled, steeper = wrong.mean(axis=0)
    print(f"| {censored} | {slope:.3f} | {total:.3f} | {steeper:.2f} | {doubled:.2f} |")
    error = (0.05 * 0.95 / n) ** 0.5
    assert abs(slope - 0.05) <= 2 * error
    assert abs(total - 0.05) <= 2 * error
    assert (doubled >= 0.5 and steeper >= 0.5) or censored > 0.5


def test_reasons() -> None:
    test, rate = simulated(60, 0.0)
    with pytest.raises(Undefined, match="same is predicted"):
        slope_error(test, np.full(60, 0.3))
    with pytest.raises(Undefined, match="9 events"):
        slope_error(Outcomes(test.time, np.arange(60) < 9), dead_by(rate, 12))
    with pytest.raises(Undefined, match="end of the follow-up"):
        integrated_calibration_index(test, test, dead_by(rate, 900), 900)


def test_predictions_that_order_all_deaths_stay_finite() -> None:
    test = Outcomes(np.arange(1.0, 31.0), np.ones(30, dtype=bool))
    assert np.isfinite(slope_error(test, np.linspace(0.99, 0.01, 30)))
    assert np.isfinite(slope_error(test, np.repeat([0.0, 1.0], 15)))
