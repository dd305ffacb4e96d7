"""Calibration of survival functions: do as many die, and those, as was predicted?"""

import numpy as np
from numpy.typing import NDArray

from tasks.heads.cox import RiskSets, baseline, fit_path
from tasks.metrics.time_to_event import Outcomes, horizon
from tasks.metrics.undefined import Undefined

Vector = NDArray[np.float64]

MIN_EVENTS = 10
"""Of the test patients, for a regression with one coefficient (Peduzzi et al., 1995)."""

_LEAST = 1e-6  # a probability nearer to 0 or 1 is taken as that
_RIDGE = 1e-2  # keeps the coefficient of risks that order all deaths finite; of no weight else


def slope_error(test: Outcomes, predicted: Vector) -> float:
    """How far the calibration slope is from 1, its value where predictions are as spread as deaths.

    The slope is the coefficient of a Cox regression of the outcomes on the complementary log-log of
    the predicted probabilities (van Houwelingen, Stat. Med. 19:3401, 2000): below 1 they are too
    extreme, above it too cautious.

    Args:
        test: Of n patients.
        predicted: Probability of the event by some time, the same for all, [n].

    Raises:
        Undefined: There are too few events, or everybody is predicted the same.
    """
    return abs(_recalibrated(test, predicted)[0] - 1.0)


def integrated_calibration_index(
    train: Outcomes, test: Outcomes, predicted: Vector, month: float
) -> float:
    """Mean absolute difference between predicted and observed probabilities by a month.

    What was observed is a Cox regression of the outcomes on the complementary log-log of what was
    predicted, linear as a fold has few events (Austin, Harrell and van Klaveren, Stat. Med.
    39:2714, 2020, with splines in its place).

    Args:
        train: Gives the time up to which follow-up supports an answer.
        test: Of n patients.
        predicted: Probability of the event by `month`, [n].
        month: When.

    Raises:
        Undefined: There are too few events, everybody is predicted the same, or `month` is beyond
            the follow-up.
    """
    if not month < min(horizon(train), test.time.max()):
        raise Undefined(f"{month} months are not before the end of the follow-up")
    slope, link, times, hazard = _recalibrated(test, predicted)
    until = np.append(0.0, hazard)[np.searchsorted(times, month, side="right")]
    observed = -np.expm1(-until * np.exp(slope * link))
    return float(np.abs(observed - predicted).mean())


def _recalibrated(test: Outcomes, predicted: Vector) -> tuple[float, Vector, Vector, Vector]:
    """Slope, centred link of each patient, event times, cumulative hazard at a link of zero."""
    if test.n_events < MIN_EVENTS:
        raise Undefined(f"{test.n_events} events among the test patients, {MIN_EVENTS} needed")
    link = np.log(-np.log1p(-np.clip(predicted, _LEAST, 1.0 - _LEAST)))
    if np.ptp(link) < _LEAST:
        raise Undefined("the same is predicted of every test patient")
    link -= link.mean()
    falling = np.argsort(-test.time, kind="stable")
    risk_sets = RiskSets.of(test.time[falling], test.event[falling])
    (beta,) = fit_path(link[falling, None], risk_sets, [_RIDGE])
    times, hazard = baseline(risk_sets, test.time[falling], link[falling] * beta[0])
    return float(beta[0]), link, times, hazard
