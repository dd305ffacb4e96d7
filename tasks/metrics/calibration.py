"""Calibration of survival functions: does the predicted share of patients die when predicted?"""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from tasks.metrics.time_to_event import Outcomes
from tasks.metrics.undefined import Undefined

BINS = 10
MIN_PATIENTS = 5 * BINS  # five expected in every bin, Cochran's rule for a chi-squared test


def d_calibration_counts(outcomes: Outcomes, survived: NDArray[np.float64]) -> NDArray[np.float64]:
    """Patients by the survival probability that they were given for their own time.

    An event at probability s counts in the bin of s. A censored patient's event is still to
    come, at a probability uniform in [0, s], and counts in every bin below s by its share of
    that (Haider, Hoehn, Davis & Greiner, JMLR 2020).

    Args:
        outcomes: Of n patients.
        survived: Predicted probability of surviving beyond the patient's own time, [n].

    Returns:
        Counts in `BINS` equally wide bins of probability, the lowest first, adding up to n.
    """
    bins = np.minimum((survived * BINS).astype(int), BINS - 1)
    counts = np.bincount(bins[outcomes.event], minlength=BINS).astype(np.float64)
    s = np.maximum(survived[~outcomes.event], np.finfo(float).tiny)[:, None]
    shares = np.clip(s - np.arange(BINS) / BINS, 0.0, 1 / BINS) / s
    return np.asarray(counts + shares.sum(axis=0))


def d_calibration_p(outcomes: Outcomes, survived: NDArray[np.float64]) -> float:
    """Probability of counts this uneven if the survival functions were right.

    A small one says that they are not; a large one may also mean too few events to tell.

    Args:
        outcomes: Of the n test patients.
        survived: Predicted probability of surviving beyond the patient's own time, [n].

    Returns:
        The upper tail of the chi-squared distribution with `BINS` - 1 degrees of freedom.

    Raises:
        Undefined: There are too few patients for the test, or no event.
    """
    n = len(outcomes.time)
    if n < MIN_PATIENTS:
        raise Undefined(f"{n} test patients, {MIN_PATIENTS} needed for {BINS} bins")
    if not outcomes.event.any():
        raise Undefined("no event among the test patients")
    counts = d_calibration_counts(outcomes, survived)
    statistic = float(((counts - n / BINS) ** 2).sum() / (n / BINS))
    return float(chi2.sf(statistic, BINS - 1))
