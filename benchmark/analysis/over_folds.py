"""Estimates over outer folds: seeds are averaged within a fold first, since they share patients."""

import numpy as np
import pandas as pd

from benchmark.analysis.stats import Estimate, nadeau_bengio


def share_tested(n_folds: int) -> float:
    """Test patients over training patients, where each of `n_folds` folds is tested once."""
    return 1.0 / (n_folds - 1) if n_folds > 1 else np.inf


def over_folds(values: pd.Series, n_folds: int) -> Estimate:
    """Mean, corrected interval and test of values with an index level `fold`; NaN do not count."""
    folds = values.groupby(level="fold").mean().dropna()
    return nadeau_bengio(folds.to_numpy(), share_tested(n_folds))
