"""Discrimination and calibration of survival predictions; scikit-survival does the sums.

Everything about censoring and time scales comes from training patients: the horizon, the grid of
times, the censoring distribution and the Kaplan-Meier baseline.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sksurv.metrics import concordance_index_ipcw, cumulative_dynamic_auc, integrated_brier_score
from sksurv.nonparametric import kaplan_meier_estimator
from sksurv.util import Surv

from tasks.metrics.undefined import Undefined

Vector = NDArray[np.float64]

MIN_EVENTS = 5
"""Of test patients: pairs of fewer are those of one or two deaths, in a fold that weighs as any."""

TIED = 1e-8  # risks nearer than this are tied, as scikit-survival has it
GRID = 64  # points of the integral over time


@dataclass(frozen=True)
class Outcomes:
    """What happened to some patients.

    Attributes:
        time: float64 [n], months, not negative.
        event: bool [n], False where censored.
    """

    time: Vector
    event: NDArray[np.bool_]

    @property
    def n_events(self) -> int:
        """How many had the event."""
        return int(self.event.sum())

    def subset(self, rows: NDArray[np.intp]) -> "Outcomes":
        """Those of some rows, in their order."""
        return Outcomes(self.time[rows], self.event[rows])

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


def enough(test: Outcomes) -> Outcomes:
    """The same, if its pairs are of deaths enough for a concordance that a table may show.

    Raises:
        Undefined: There are fewer than `MIN_EVENTS` events.
    """
    if test.n_events < MIN_EVENTS:
        raise Undefined(f"{test.n_events} events among the test patients, {MIN_EVENTS} needed")
    return test


def harrell_c(test: Outcomes, risk: Vector) -> float:
    """Harrell's concordance index; higher risk should fail sooner, tied risks count a half.

    Raises:
        Undefined: No two patients can be compared.
    """
    return float(harrell_c_each(test, risk[None])[0])


def harrell_c_each(test: Outcomes, risks: NDArray[np.float64]) -> Vector:
    """`harrell_c` of each of many predictions for the same patients.

    All at once: one by one, scikit-survival's loop over events takes longer than a probe trains.

    Args:
        test: Of n patients.
        risks: [n_predictions, n].

    Returns:
        [n_predictions].

    Raises:
        Undefined: No two patients can be compared.
    """
    if not _comparable(test, np.inf):
        raise Undefined("no comparable pair among the test patients")
    concordant, n_pairs = np.zeros(len(risks)), 0
    for row in np.flatnonzero(test.event):
        time = test.time[row]
        later = (test.time > time) | ((test.time == time) & ~test.event)
        ahead = risks[:, [row]] - risks[:, later]
        concordant += (ahead > TIED).sum(axis=1) + 0.5 * (np.abs(ahead) <= TIED).sum(axis=1)
        n_pairs += int(later.sum())
    return concordant / n_pairs


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


def auc_at(train: Outcomes, test: Outcomes, risk: Vector, month: float) -> float:
    """Area under the ROC curve of dying within `month` months against outliving them.

    Cases are weighted by the inverse probability of censoring (Uno et al., JASA 2007; Hung &
    Chiang, Can. J. Stat. 2010).

    Args:
        train: Gives the censoring distribution and the horizon.
        test: Judged.
        risk: Of dying by then, [n_test].
        month: When.

    Raises:
        Undefined: Training has no event or its follow-up does not reach so far, or no test patient
            dies by then, or none outlives it.
    """
    if reason := _auc_unsupported(train, test, month):
        raise Undefined(reason)
    return float(_dynamic_auc(train, test, risk[:, None], [month])[0][0])


def auc_mean(
    train: Outcomes, test: Outcomes, risks: NDArray[np.float64], months: Sequence[float]
) -> float:
    """Mean of `auc_at` over those of the months that the fold supports.

    Weighted by the deaths since the month before (Lambert & Chevret, Stat. Methods Med. Res.
    2016). Which months count depends on the outcomes alone, so it is the same for every method.

    Args:
        train: Gives the censoring distribution and the horizon.
        test: Judged.
        risks: Of dying by each month, [n_test, n_months].
        months: When, rising.

    Raises:
        Undefined: No month is supported; the reason is that of the first.
    """
    reasons = [_auc_unsupported(train, test, month) for month in months]
    kept = [i for i, reason in enumerate(reasons) if not reason]
    if not kept:
        raise Undefined(reasons[0])
    return float(_dynamic_auc(train, test, risks[:, kept], [months[i] for i in kept])[1])


def _auc_unsupported(train: Outcomes, test: Outcomes, month: float) -> str:
    """Why there is no AUC at this month; empty if there is one."""
    if not train.event.any():
        return "no event among the training patients"
    end = horizon(train)
    if not month < end:
        return f"{month} months are not before the training horizon of {end:.1f} months"
    if not (test.event & (test.time <= month)).any():
        return f"no event among the test patients within {month} months"
    if not (test.time > month).any():
        return f"no test patient was followed for more than {month} months"
    return ""


def _dynamic_auc(
    train: Outcomes, test: Outcomes, risks: NDArray[np.float64], months: Sequence[float]
) -> tuple[Vector, float]:
    """The areas at supported months and their mean."""
    # What happens after the last month is not asked for, and its weights may not exist.
    after = np.nextafter(months[-1], np.inf)
    followed = Outcomes(np.minimum(test.time, after), test.event & (test.time < after))
    areas, mean = cumulative_dynamic_auc(
        train.structured(), followed.structured(), risks, months, tied_tol=TIED
    )
    return areas, mean


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


def median_follow_up(outcomes: Outcomes) -> float:
    """Median time of observation by the reverse Kaplan-Meier estimator (Schemper and Smith, 1996).

    Returns:
        Months; NaN where more than half would be under observation at the end, or nobody is known.
    """
    if not len(outcomes.time) or outcomes.event.all():
        return float("nan")
    moments, observed = kaplan_meier_estimator(~outcomes.event, outcomes.time)
    past = moments[observed <= 0.5 + 1e-9]  # a product of fractions may miss the half by a bit
    return float(past[0]) if len(past) else float("nan")


def skill(score: float, baseline: float) -> float:
    """Part of the baseline's loss that a prediction takes away: 1 perfect, 0 no better.

    Raises:
        Undefined: The baseline is already perfect.
    """
    if baseline == 0:
        raise Undefined("the Kaplan-Meier baseline has no error to improve on")
    return 1 - score / baseline
