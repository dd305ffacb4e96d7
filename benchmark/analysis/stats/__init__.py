"""Intervals, corrected tests, ranks and what could have been shown: arrays in, numbers out."""

from benchmark.analysis.stats.bootstrap import (
    bootstrap_concordance,
    percentile_interval,
    resample_counts,
)
from benchmark.analysis.stats.estimate import Estimate
from benchmark.analysis.stats.power import smallest_over_folds
from benchmark.analysis.stats.rank_tests import (
    Friedman,
    critical_difference,
    friedman,
    holm,
    nemenyi,
    task_ranks,
    wilcoxon,
)
from benchmark.analysis.stats.resampled import nadeau_bengio

__all__ = [
    "Estimate",
    "Friedman",
    "bootstrap_concordance",
    "critical_difference",
    "friedman",
    "holm",
    "nadeau_bengio",
    "nemenyi",
    "percentile_interval",
    "resample_counts",
    "smallest_over_folds",
    "task_ranks",
    "wilcoxon",
]
