"""Intervals, corrected tests, ranks and what could have been shown: arrays in, numbers out."""

from benchmark.analysis.stats.block_ranks import block_ranks, critical_difference
from benchmark.analysis.stats.bootstrap import (
    bootstrap_concordance,
    percentile_interval,
    resample_counts,
)
from benchmark.analysis.stats.estimate import Estimate
from benchmark.analysis.stats.hierarchical import NOTHING, Pooled, pooled
from benchmark.analysis.stats.power import smallest_over_folds
from benchmark.analysis.stats.resampled import nadeau_bengio

__all__ = [
    "NOTHING",
    "Estimate",
    "Pooled",
    "block_ranks",
    "bootstrap_concordance",
    "critical_difference",
    "nadeau_bengio",
    "percentile_interval",
    "pooled",
    "resample_counts",
    "smallest_over_folds",
]
