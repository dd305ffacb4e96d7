"""What the ridge Cox head costs, beside scikit-survival's."""

from collections.abc import Callable

import numpy as np
import pytest
from sksurv.linear_model import CoxPHSurvivalAnalysis
from sksurv.util import Surv

from tasks.heads.cox import RiskSets, fit_path, fit_ridge_cox
from tasks.heads.inputs import standardise

pytestmark = pytest.mark.speed

N, P, PENALTY = 700, 256, 50.0


def planted() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """700 patients in the order of falling time, about 30 % with an event."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, P))
    death = rng.exponential(50 * np.exp(-0.3 * X[:, :5].sum(axis=1)))
    censoring = rng.exponential(20, N)
    time = np.minimum(death, censoring)
    falling = np.argsort(-time)
    Z = standardise(X)[0]
    return Z[falling], time[falling], (death <= censoring)[falling]


def test_one_fit(benchmark: Callable[..., object]) -> None:
    Z, time, event = planted()
    benchmark(lambda: fit_path(Z, RiskSets.of(time, event), [PENALTY]))


def test_one_fit_of_scikit_survival(benchmark: Callable[..., object]) -> None:
    Z, time, event = planted()
    y = Surv.from_arrays(event, time)
    benchmark(lambda: CoxPHSurvivalAnalysis(alpha=PENALTY).fit(Z, y))


def test_fit_with_the_whole_inner_cross_validation(benchmark: Callable[..., object]) -> None:
    Z, time, event = planted()
    benchmark(lambda: fit_ridge_cox(Z, time, event, np.arange(N) % 5))
