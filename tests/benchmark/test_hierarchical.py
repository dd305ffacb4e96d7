"""The hierarchical model of differences over cohorts, against integrals taken another way."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import integrate
from scipy import stats as scipy_stats

from benchmark.analysis.stats import NOTHING, pooled
from tasks.seeds import generator

Axis = NDArray[np.float64]

CASES = [
    ([0.030, 0.010, 0.050, -0.010], [0.020, 0.030, 0.025, 0.020]),
    ([0.10, -0.08, 0.05, 0.02, -0.04, 0.12], [0.02, 0.02, 0.03, 0.02, 0.05, 0.01]),
    ([-0.02, -0.03], [0.01, 0.04]),
]


def joint(d: list[float], s: list[float]) -> tuple[Axis, Axis, Axis]:
    """The joint density of delta and tau on a fine grid of both, [delta, tau], and its axes."""
    delta, tau = np.linspace(-2.5, 2.5, 5001), np.linspace(0.0, 0.5, 1001)
    log = scipy_stats.halfcauchy.logpdf(tau, scale=0.05)[None] * np.ones((len(delta), 1))
    for mean, error in zip(d, s, strict=True):
        log += scipy_stats.norm.logpdf(mean, delta[:, None], np.hypot(error, tau)[None])
    return delta, tau, np.exp(log - log.max())


def integral(y: Axis, delta: Axis, tau: Axis) -> float:
    return float(integrate.simpson(integrate.simpson(y, x=tau, axis=1), x=delta))


@pytest.mark.parametrize(("d", "s"), CASES)
def test_moments_are_those_of_the_joint_density(d: list[float], s: list[float]) -> None:
    found, (delta, tau, density) = pooled(d, s), joint(d, s)
    whole = integral(density, delta, tau)
    assert found.n == len(d)
    mean = integral(density * delta[:, None], delta, tau) / whole
    assert found.delta == pytest.approx(mean, abs=1e-5)
    assert found.tau == pytest.approx(integral(density * tau, delta, tau) / whole, abs=1e-5)


def sampled(d: list[float], s: list[float]) -> np.ndarray:
    """Draws of delta: tau by rejection from the prior, theta_c integrated out."""
    rng = generator("hierarchical", len(d))
    tau = np.abs(0.05 * rng.standard_cauchy((1_000_000, 1)))
    tau = tau[tau[:, 0] < 0.5]
    variance = np.square(s) + tau**2
    weight = (1 / variance).sum(axis=1)
    mean = (np.array(d) / variance).sum(axis=1) / weight
    log = scipy_stats.norm.logpdf(d, mean[:, None], variance**0.5).sum(axis=1)
    log -= 0.5 * np.log(weight)
    kept = np.log(rng.random(len(log))) < log - log.max()
    drawn: np.ndarray = rng.normal(mean[kept], weight[kept] ** -0.5)
    return drawn


@pytest.mark.parametrize(("d", "s"), CASES)
def test_probabilities_and_interval_are_those_of_draws(d: list[float], s: list[float]) -> None:
    found, draws = pooled(d, s), sampled(d, s)
    assert len(draws) > 20_000
    assert found.better == pytest.approx(np.mean(draws > 0), abs=0.01)
    assert found.equivalent == pytest.approx(np.mean(np.abs(draws) < 0.02), abs=0.01)
    low, high = np.quantile(draws, [0.025, 0.975])
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.003)


differences = st.lists(
    st.tuples(st.floats(-0.3, 0.3), st.floats(0.0, 0.2)), min_size=1, max_size=15
)


@given(differences)
def test_the_other_way_round_it_is_the_same(pairs: list[tuple[float, float]]) -> None:
    d, s = np.array(pairs).T
    found, mirrored = pooled(d, s), pooled(-d, s)
    assert found.low <= found.delta <= found.high
    assert (mirrored.low, mirrored.high) == pytest.approx((-found.high, -found.low), abs=1e-6)
    assert mirrored.better == pytest.approx(1 - found.better, abs=1e-6)
    assert mirrored.equivalent == pytest.approx(found.equivalent, abs=1e-6)
    again = pooled(d[::-1], s[::-1])
    assert (again.delta, again.low) == pytest.approx((found.delta, found.low), abs=1e-9)


def test_more_cohorts_tell_more_and_none_tell_nothing() -> None:
    widths = [pooled([0.03] * n, [0.02] * n) for n in (2, 4, 8, 13)]
    assert all(a.high - a.low > b.high - b.low for a, b in pairwise(widths))
    assert widths[0].low < 0 < widths[-1].low
    assert pooled([], []) == NOTHING
