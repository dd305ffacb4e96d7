"""Bootstrap of Harrell's C against a loop over scikit-survival, on the same resamples."""

import resource
import time as clock
import tracemalloc

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from sksurv.metrics import concordance_index_censored

from benchmark.analysis.stats import bootstrap_concordance, resample_counts
from tasks.seeds import generator

pytestmark = pytest.mark.speed


def test_thousand_resamples_of_thousand_patients(benchmark: BenchmarkFixture) -> None:
    rng = generator("speed", "bootstrap", 1000)
    event, time, risk = rng.random(1000) < 0.3, rng.exponential(30.0, 1000), rng.normal(size=1000)
    counts = resample_counts(1000, 1000, rng)
    found = benchmark(bootstrap_concordance, event, time, risk, counts)
    start = clock.perf_counter()
    looped = []
    for count in counts:
        rows = np.repeat(np.arange(1000), count)
        looped.append(concordance_index_censored(event[rows], time[rows], risk[rows])[0])
    seconds = clock.perf_counter() - start
    np.testing.assert_allclose(found, looped, rtol=0, atol=1e-12)
    assert benchmark.stats is not None
    ratio = seconds / benchmark.stats.stats.mean
    benchmark.extra_info["times_faster_than_scikit_survival"] = round(ratio)
    assert ratio >= 50


def test_five_thousand_patients_stay_within_memory() -> None:
    rng = generator("speed", "bootstrap", 5000)
    event, time, risk = rng.random(5000) < 0.9, rng.exponential(30.0, 5000), rng.normal(size=5000)
    counts = resample_counts(5000, 1000, rng)
    tracemalloc.start()
    bootstrap_concordance(event, time, risk, counts)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 500e6
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 < 2e9
