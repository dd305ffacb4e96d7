"""Calibration of survival functions: do as many die, and those, as was predicted?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from tasks.heads.cox import RiskSets, baseline
from tasks.heads.newton import minimise
from tasks.metrics.time_to_event import Outcomes, horizon
from tasks.metrics.undefined import Undefined

Vector = NDArray[np.float64]

MIN_EVENTS = 10
"""Of the test patients, for a regression with one coefficient (Peduzzi et al., 1995)."""

_LEAST = 1e-6  # a probability nearer to 0 or 1 is taken as that
_RIDGE = 1e-2  # keeps the coefficient of risks that order all deaths finite; of no weight else


@dataclass(frozen=True)
class Judged:
    """A number that is 1 of right predictions.

    Attributes:
        value: The number.
        low: Lower end of its 95 % interval; right predictions are beyond it in one case in twenty.
        high: Upper end.
    """

    value: float
    low: float
    high: float


def calibration_slope(folds: Sequence[tuple[Outcomes, Vector]]) -> Judged:
    """The calibration slope over folds, each with a baseline hazard of its own, and its interval.

    The slope is the coefficient of a Cox regression of the outcomes on the complementary log-log of
    the predicted probabilities (van Houwelingen, Stat. Med. 19:3401, 2000): below 1 they are too
    extreme, above it too cautious. Its interval is Wald's.

    Args:
        folds: Test patients, each in one fold, and the probability of the event by some time, the
            same for all, [n].

    Raises:
        Undefined: There are too few events, or everybody is predicted the same.
    """
    strata = [_ordered(test, _link(predicted)) for test, predicted in folds if test.n_events]
    slope, error = _slope(strata)
    reach = float(special.ndtri(0.975)) * error
    return Judged(slope, slope - reach, slope + reach)


def observed_to_expected(event: NDArray[np.bool_], expected: Vector) -> Judged:
    """Events that were seen over those that were predicted, and its interval.

    A patient is expected to have as many events as the cumulative hazard that was predicted until
    the end of the follow-up: so none is too short to count (Crowson, Atkinson and Therneau, Stat.
    Methods Med. Res. 25:1692, 2016). Observed less expected has the variance of the expected, as a
    martingale; the interval inverts that test.

    Args:
        event: Of each patient, [n].
        expected: That hazard, [n].

    Raises:
        Undefined: None was expected.
    """
    seen, total, z = float(event.sum()), float(expected.sum()), float(special.ndtri(0.975))
    if not total > 0:
        raise Undefined("no event was predicted")
    middle, reach = seen + z**2 / 2, z * np.sqrt(seen + z**2 / 4)
    return Judged(seen / total, (middle - reach) / total, (middle + reach) / total)


def slope_error(test: Outcomes, predicted: Vector) -> float:
    """How far the calibration slope is from 1, its value where predictions are as spread as deaths.

    Args:
        test: Of n patients.
        predicted: Probability of the event by some time, the same for all, [n].

    Raises:
        Undefined: There are too few events, or everybody is predicted the same.
    """
    return abs(calibration_slope([(test, predicted)]).value - 1.0)


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
    link = _link(predicted)
    risk_sets, falling, time = _ordered(test, link)
    slope, _ = _slope([(risk_sets, falling, time)])
    times, hazard = baseline(risk_sets, time, slope * falling)
    until = np.append(0.0, hazard)[np.searchsorted(times, month, side="right")]
    observed = -np.expm1(-until * np.exp(slope * link))
    return float(np.abs(observed - predicted).mean())


_Stratum = tuple[RiskSets, Vector, Vector]
"""Risk sets, links and times of patients in the order of falling time."""


def _link(predicted: Vector) -> Vector:
    """Complementary log-log of probabilities, with a mean of zero."""
    link = np.log(-np.log1p(-np.clip(predicted, _LEAST, 1.0 - _LEAST)))
    return np.asarray(link - link.mean())


def _ordered(test: Outcomes, link: Vector) -> _Stratum:
    order = np.argsort(-test.time, kind="stable")
    time = test.time[order]
    return RiskSets.of(time, test.event[order]), link[order], time


def _slope(strata: Sequence[_Stratum]) -> tuple[float, float]:
    """The coefficient of the links and its standard error."""
    n_events = sum(risk_sets.n_events for risk_sets, _, _ in strata)
    if n_events < MIN_EVENTS:
        raise Undefined(f"{n_events:.0f} events among the test patients, {MIN_EVENTS} needed")
    if all(np.ptp(link) < _LEAST for _, link, _ in strata):
        raise Undefined("the same is predicted of every test patient")

    def objective(beta: Vector) -> float:
        likelihoods = (r.log_likelihood(beta[0] * link) for r, link, _ in strata)
        return _RIDGE / 2 * float(beta @ beta) - sum(likelihoods)

    def derivatives(beta: Vector) -> tuple[Vector, NDArray[np.float64]]:
        of_strata = (r.derivatives(link[:, None], beta[0] * link) for r, link, _ in strata)
        gradient, hessian = map(sum, zip(*of_strata, strict=True))
        return np.asarray(gradient - _RIDGE * beta), np.asarray(hessian + _RIDGE)

    beta = minimise(objective, derivatives, np.zeros(1), n_events)
    return float(beta[0]), float(derivatives(beta)[1][0, 0] ** -0.5)
