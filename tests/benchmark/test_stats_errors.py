"""How often the intervals hold the truth and the tests cry wolf, measured on simulated data."""

from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats as scipy_stats
from statsmodels.stats.power import TTestPower

from benchmark.analysis.deduplicate import deduplicate
from benchmark.analysis.intervals import patient_intervals
from benchmark.analysis.standings import standings
from benchmark.analysis.stats import (
    bootstrap_concordance,
    nadeau_bengio,
    percentile_interval,
    resample_counts,
    smallest_over_folds,
)
from benchmark.analysis.stats.simultaneous import adjusted_p, critical_value
from tasks.seeds import generator
from tests.helpers import frames

Column = NDArray[np.float64]


@dataclass(frozen=True)
class Cohort:
    """Exponential survival by a hidden hazard, censored at random and at ten years."""

    event: NDArray[np.bool_]
    time: Column
    hazard: Column

    def risk(self, rng: np.random.Generator, noise: float = 1.0) -> Column:
        """What a method would predict: the log-hazard and its own noise."""
        return self.hazard + noise * rng.normal(size=self.hazard.size)


def cohort(rng: np.random.Generator, n: int, censoring: float) -> Cohort:
    hazard = rng.normal(size=n)
    death = rng.exponential(1.0 / (0.02 * np.exp(0.7 * hazard)))
    lost = np.minimum(rng.exponential(1.0 / censoring, n), 120.0)
    return Cohort(death <= lost, np.minimum(death, lost), hazard)


def truth(censoring: float) -> float:
    """C of the population, to about 0.001."""
    rng = generator("truth", str(censoring))
    large = [cohort(rng, 1000, censoring) for _ in range(200)]
    once = np.ones((1, 1000))
    return float(
        np.mean([bootstrap_concordance(c.event, c.time, c.risk(rng), once)[0] for c in large])
    )


def coverage(n: int, folds: int, censoring: float, repeats: int, resamples: int) -> float:
    """Share of intervals over patients, made as the leaderboard makes them, with the true C."""
    rng = generator("coverage", n, folds, str(censoring))
    expected, held = truth(censoring), 0
    for _ in range(repeats):
        cells = []
        for _ in range(folds):
            c = cohort(rng, n, censoring)
            counts = resample_counts(n, resamples, rng)
            cells.append(bootstrap_concordance(c.event, c.time, c.risk(rng), counts))
        low, high = percentile_interval(np.mean(cells, axis=0))
        held += low <= expected <= high
    return held / repeats


def test_patient_intervals_cover() -> None:
    # 180 patients, about 73 events, five folds: a small cohort of TCGA.
    assert 0.93 <= coverage(36, 5, 0.03, repeats=400, resamples=200) <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n", "folds", "censoring"),
    [(36, 5, 0.03), (36, 5, 0.08), (50, 1, 0.06), (100, 1, 0.03), (150, 5, 0.06)],
)
def test_patient_intervals_cover_cohorts_of_many_kinds(
    n: int, folds: int, censoring: float
) -> None:
    repeats = 3000 // folds
    assert 0.93 <= coverage(n, folds, censoring, repeats, resamples=500) <= 0.97


@pytest.mark.slow
def test_patient_intervals_of_the_leaderboard_cover() -> None:
    """The same from predictions, with two seeds whose models differ and patients that do not."""
    rng = generator("coverage", "leaderboard")
    parts = []
    for repeat, fold in product(range(400), range(5)):
        c = cohort(rng, 36, 0.03)
        for seed in (0, 1):
            columns = {
                "task": f"survival/{repeat}/os", "protocol": "strict", "budget": "default",
                "n_folds": 5, "method": "mirror", "fold": fold, "seed": seed,
                "patient": range(36), "risk": c.risk(rng), "time_months": c.time,
                "event": c.event,
            }  # fmt: skip
            parts.append(pd.DataFrame(columns))
    found = patient_intervals(pd.concat(parts)).values()
    expected = truth(0.03)
    assert len(found) == 400
    assert 0.93 <= np.mean([low <= expected <= high for low, high in found]) <= 0.97


@pytest.mark.parametrize("folds", [5, 15])
def test_corrected_t_covers_where_folds_correlate_as_it_assumes(folds: int) -> None:
    """Correlation n_test / (n_test + n_train) between folds: the level is exact."""
    rng = generator("nadeau-bengio", folds)
    shared, own = rng.normal(size=(4000, 1)), rng.normal(size=(4000, folds))
    scores = 0.7 + 0.05 * (0.2**0.5 * shared + 0.8**0.5 * own)
    found = [nadeau_bengio(x, 0.25) for x in scores]
    assert 0.94 <= np.mean([f.low <= 0.7 <= f.high for f in found]) <= 0.96


def test_corrected_t_is_careful_where_folds_do_not_correlate() -> None:
    """Independent folds: it errs on the side of no claim, and by how much is known."""
    scores = generator("independent").normal(size=(4000, 5))
    held = np.mean([nadeau_bengio(x, 0.25).p >= 0.05 for x in scores])
    critical = scipy_stats.t.isf(0.025, 4) * (1 + 5 * 0.25) ** 0.5
    assert held == pytest.approx(1 - 2 * scipy_stats.t.sf(critical, 4), abs=0.006)


@pytest.mark.parametrize(
    ("n", "family"), [(5, 3), (15, 13), pytest.param(50, 24, marks=pytest.mark.slow)]
)
def test_a_family_is_wrong_in_a_twentieth_of_cases(n: int, family: int) -> None:
    """Independent folds and methods that are alike, each against one of them."""
    rng, wrong = generator("family", n, family), 0
    for _ in range(2000):
        x = rng.normal(size=(n, family + 1))
        found = [nadeau_bengio(x[:, i] - x[:, 0], 0.0, family) for i in range(1, family + 1)]
        assert all((f.p < 0.05) == (f.low > 0 or f.high < 0) for f in found)
        wrong += any(f.p < 0.05 for f in found)
    assert wrong / 2000 == pytest.approx(0.05, abs=0.015)


@given(st.integers(2, 60), st.integers(1, 30))
def test_larger_families_ask_for_more_and_bonferroni_for_most(n: int, family: int) -> None:
    found = critical_value(n, family)
    assert critical_value(n, 1) <= found <= critical_value(n, family + 1)
    assert found <= scipy_stats.t.isf(0.025 / family, n - 1) * 1.03  # the draws' own error
    assert adjusted_p(found * 1.0001, n, family) < 0.05 <= adjusted_p(found, n, family) + 1e-12


def test_of_many_folds_it_is_dunnetts() -> None:
    """Two-sided 5 % points for 3 and 9 treatments, infinite degrees: Dunnett (1964), table II."""
    assert critical_value(2000, 3) == pytest.approx(2.35, abs=0.04)
    assert critical_value(2000, 9) == pytest.approx(2.69, abs=0.04)


def better_by_folds(rng: np.random.Generator) -> bool:
    """Two equal methods with five folds whose differences correlate as the test assumes."""
    differences = 0.2**0.5 * rng.normal() + 0.8**0.5 * rng.normal(size=5)
    found = nadeau_bengio(differences, 0.25)
    return found.mean > 0.0 and found.p < 0.05


def test_a_thousand_null_comparisons_seldom_name_a_better_method() -> None:
    rng = generator("null", better_by_folds.__name__)
    claims = sum(better_by_folds(rng) for _ in range(1000))
    assert 5 <= claims <= 60


@pytest.mark.slow
def test_a_thousand_null_tables_seldom_call_a_method_better() -> None:
    """The claim as the leaderboard makes it: from records, corrected, adjusted, at 0.05."""
    rng = generator("null", "tables")
    shape = (1000, 1, 5)
    shared, own = rng.normal(size=(2, 1000, 1, 1)), rng.normal(size=(2, *shape))
    scores = 0.65 + 0.05 * (0.2**0.5 * shared + 0.8**0.5 * own)
    parts = [
        frames.records({"mirror": a.tolist(), "other": b.tolist()}, task=f"survival/{i}/os")
        for i, (a, b) in enumerate(zip(*scores, strict=True))
    ]
    tables = standings(deduplicate(pd.concat(parts, ignore_index=True)))
    rows = [row.difference for table in tables for row in table.rows if row.method == "other"]
    assert len(rows) == 1000
    assert 5 <= sum(row.mean > 0.0 and row.p < 0.05 for row in rows) <= 60


@pytest.mark.parametrize("truth", [0.55, 0.8, 0.95])
def test_an_interval_on_the_logit_scale_covers_and_stays_inside(truth: float) -> None:
    """Of fractions of 60 patients in five folds, which correlate as the corrected t assumes."""
    rng = generator("inside", str(truth))
    shared = rng.normal(size=(4000, 1))
    logits = np.log(truth / (1 - truth)) + 0.4 * (
        0.2**0.5 * shared + 0.8**0.5 * rng.normal(size=(4000, 5))
    )
    scores = 1 / (1 + np.exp(-logits))
    found = [nadeau_bengio(x, 0.25).within((0.0, 1.0), 60) for x in scores]
    assert all(0 <= f.low <= f.mean <= f.high <= 1 for f in found)
    assert 0.93 <= np.mean([f.low <= scores.mean() <= f.high for f in found]) <= 0.97


@given(
    st.lists(st.floats(0, 1), min_size=2, max_size=10),
    st.sampled_from([(0.0, 1.0), (-np.inf, 1.0), (0.0, np.inf), (-1.0, 1.0), (-np.inf, np.inf)]),
    st.integers(1, 1000),
)
@example([0.0, 1.2e-172], (0.0, 1.0), 1)
def test_no_interval_leaves_its_scale(
    values: list[float], bounds: tuple[float, float], n: int
) -> None:
    plain = nadeau_bengio(values, 0.25)
    found = plain.within(bounds, n)
    assert (found.mean, found.p) == pytest.approx((plain.mean, plain.p), nan_ok=True, abs=0)
    if np.isnan(plain.low):
        assert np.isnan(found.low)
        return
    assert bounds[0] <= found.low <= found.mean <= found.high <= bounds[1]
    if not np.isfinite(bounds).any():
        assert found == plain


def test_the_ends_are_those_of_the_delta_method() -> None:
    plain = nadeau_bengio([0.7, 0.8, 0.9], 0.5)
    half = (plain.high - plain.mean) / (0.8 * 0.2)
    centre = np.log(0.8 / 0.2)
    ends = [1 / (1 + np.exp(-(centre + side * half))) for side in (-1, 1)]
    found = plain.within((0.0, 1.0), 100)
    assert [found.low, found.high] == pytest.approx(ends, abs=1e-12)
    # below one bound alone: the distance to it on a logarithmic scale
    below = plain.within((-np.inf, 1.0), 100)
    reach = (plain.high - plain.mean) / 0.2
    expected = [1 - 0.2 * np.exp(reach), 1 - 0.2 * np.exp(-reach)]
    assert [below.low, below.high] == pytest.approx(expected, abs=1e-12)


@given(st.integers(2, 30), st.floats(0.5, 0.95), st.integers(0, 1000))
def test_smallest_difference_is_that_of_statsmodels(n: int, power: float, seed: int) -> None:
    x = np.random.default_rng(seed).normal(0.0, 0.05, n)
    found = smallest_over_folds(x, 0.0, power=power)
    # The power of the tail on the side of the difference; the other adds nothing.
    reached = TTestPower().power(found / x.std(ddof=1), n, 0.05 / 2, df=n - 1, alternative="larger")
    assert reached == pytest.approx(power, abs=1e-6)


def test_smallest_difference_over_folds_is_found_as_often_as_it_says() -> None:
    rng = generator("power")
    folds = 0.03 * (0.2**0.5 * rng.normal(size=(4000, 1)) + 0.8**0.5 * rng.normal(size=(4000, 5)))
    # The spread that five folds show varies; what they could show is that of the true spread.
    sd = 0.03 * 0.8**0.5
    typical = np.array([-2.0, -1.0, 0.0, 1.0, 2.0]) * sd / 2.5**0.5
    smallest = smallest_over_folds(typical, 0.25)
    assert smallest == pytest.approx(3.7610598 * (0.45**0.5) * sd, rel=1e-6)
    found = np.mean([nadeau_bengio(x + smallest, 0.25).p < 0.05 for x in folds])
    assert found == pytest.approx(0.8, abs=0.02)
    assert smallest_over_folds(typical, 0.25, family=4) > smallest


def test_smallest_difference_degenerate() -> None:
    assert np.isnan(smallest_over_folds([0.1], 0.25))
    assert np.isnan(smallest_over_folds([0.1, 0.1, 0.1], 0.25))
    with pytest.raises(ValueError, match="no values"):
        smallest_over_folds([], 0.25)
