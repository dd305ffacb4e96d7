"""Discrimination and calibration of survival predictions; scikit-survival does the sums.

Everything about censoring and time scales comes from training patients: the horizon, the grid of
times, the censoring distribution and the Kaplan-Meier baseline.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sksurv.metrics import (
    concordance_index_censored,
    concordance_index_ipcw,
    integrated_brier_score,
)
from sksurv.nonparametric import kaplan_meier_estimator
from sksurv.util import Surv

from tasks.metrics.undefined import Undefined

Vector = NDArray[np.float64]

TIED = 1e-8  # risks nearer than this are tied, as scikit-survival has it
GRID = 64  # points of the integral over time


@dataclass(frozen=True)
class Outcomes:
    """What happened to some patients.

    Attributes:
        time: float64 [n], months, more than zero.
        event: bool [n], False where censored.
    """

    time: Vector
    event: NDArray[np.bool_]

    def structured(self) -> NDArray[np.void]:
        """As scikit-survival takes them."""
        return np.asarray(Surv.from_arrays(self.event, self.time))


def horizon(train: Outcomes) -> float:
    """The time, in months, up to which training follow-up supports an answer.

    It is the 90th percentile of the observed times. A tenth of the patients is then still at
    risk; since the fraction at risk is the product of the survival and the censoring curve,
    neither is below 0.1 before, and no inverse-probability weight exceeds 10 (its square in
    Uno's index, 100).
    """
    return float(np.quantile(train.time, 0.9, method="lower"))


def harrell_c(test: Outcomes, risk: Vector) -> float:
    """Harrell's concordance index; higher risk should fail sooner, tied risks count a half.

    Raises:
        Undefined: No two patients can be compared.
    """
    if not _comparable(test, np.inf):
        raise Undefined("no comparable pair among the test patients")
    return float(concordance_index_censored(test.event, test.time, risk, tied_tol=TIED)[0])


def uno_c(train: Outcomes, test: Outcomes, risk: Vector) -> float:
    """Uno's concordance index up to the training horizon (Uno et al., Stat. Med. 2011).

    Raises:
        Undefined: No two patients can be compared before the horizon, or training has no event.
    """
    if not train.event.any():
        raise Undefined("no event among the training patients")
    tau = horizon(train)
    if not _comparable(test, tau):
        raise Undefined(f"no comparable pair among the test patients before {tau:.1f} months")
    y_train, y_test = train.structured(), test.structured()
    return float(concordance_index_ipcw(y_train, y_test, risk, tau=tau, tied_tol=TIED)[0])


def _comparable(test: Outcomes, tau: float) -> bool:
    """Whether anyone outlives an event before `tau`, or is censored at its very time."""
    earliest = test.time[test.event & (test.time < tau)].min(initial=np.inf)
    return bool(((test.time > earliest) | ((test.time == earliest) & ~test.event)).any())


def time_grid(train: Outcomes, test: Outcomes) -> Vector:
    """Times, in months, over which the Brier score is integrated, evenly spaced.

    From the first event in training to the training horizon, clipped into test follow-up.

    Raises:
        Undefined: The two follow-ups do not overlap, or one of them is without events.
    """
    for name, part in (("training", train), ("test", test)):
        if not part.event.any():
            raise Undefined(f"no event among the {name} patients")
    start = max(train.time[train.event].min(), test.time.min())
    end = np.nextafter(min(horizon(train), test.time.max()), 0.0)
    if not start < end:
        raise Undefined("follow-up of the test patients is too short for a Brier score")
    return np.linspace(start, end, GRID)


def ibs(train: Outcomes, test: Outcomes, survival: NDArray[np.float64], times: Vector) -> float:
    """Integrated Brier score, weighted by inverse probability of censoring (Graf et al., 1999).

    Args:
        train: Gives the censoring distribution.
        test: Judged.
        survival: Predicted probabilities, [n_test, n_times].
        times: From `time_grid`.

    Returns:
        The mean of the Brier score over the span of `times`; lower is better.
    """
    # Whoever outlives training is cut off at its end: that lies past every time that is asked for,
    # and the censoring distribution knows nothing later.
    followed = Outcomes(np.minimum(test.time, train.time.max()), test.event)
    return float(integrated_brier_score(train.structured(), followed.structured(), survival, times))


def ibs_kaplan_meier(train: Outcomes, test: Outcomes, times: Vector) -> float:
    """Integrated Brier score of the training Kaplan-Meier curve, the same for every patient."""
    moments, survival = kaplan_meier_estimator(train.event, train.time)
    steps = np.append(1.0, survival)
    curve = steps[np.searchsorted(moments, times, side="right")]
    return ibs(train, test, np.tile(curve, (len(test.time), 1)), times)


def skill(score: float, baseline: float) -> float:
    """Part of the baseline's loss that a prediction takes away: 1 perfect, 0 no better.

    Raises:
        Undefined: The baseline is already perfect.
    """
    if baseline == 0:
        raise Undefined("the Kaplan-Meier baseline has no error to improve on")
    return 1 - score / baseline
