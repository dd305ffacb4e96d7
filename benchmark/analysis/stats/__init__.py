"""Intervals, corrected tests, ranks and what could have been shown: arrays in, numbers out."""

from benchmark.analysis.stats.bayes import Posterior, bayesian_signed_rank
from benchmark.analysis.stats.bootstrap import (
    bootstrap_concordance,
    paired_bootstrap,
    percentile_interval,
    resample_counts,
)
from benchmark.analysis.stats.estimate import Estimate
from benchmark.analysis.stats.power import smallest_over_folds, smallest_over_patients
from benchmark.analysis.stats.rank_tests import (
    Friedman,
    average_ranks,
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
    "Posterior",
    "average_ranks",
    "bayesian_signed_rank",
    "bootstrap_concordance",
    "critical_difference",
    "friedman",
    "holm",
    "nadeau_bengio",
    "nemenyi",
    "paired_bootstrap",
    "percentile_interval",
    "resample_counts",
    "smallest_over_folds",
    "smallest_over_patients",
    "task_ranks",
    "wilcoxon",
]
