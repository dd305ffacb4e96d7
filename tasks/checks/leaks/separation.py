"""How well features tell groups of patients apart: tissue-source sites, cohorts, classes.

What a simple classifier reads off the features, a network will read too (Howard et al., "The impact
of site-specific digital histology signatures on deep learning model accuracy and bias", Nat Commun
12:4423, 2021).
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tasks.data.preprocess import VectorScaler
from tasks.data.splits import inner_folds

MIN_GROUP = 20
"""Patients that a group needs to be told apart from others."""

_N_FOLDS = 5
_AXES = 32
_TREES = 100


def linear(n_train: int, width: int) -> Any:
    """Logistic regression on the first principal components: sees shifts of means."""
    axes = min(_AXES, width, n_train - 1)
    return make_pipeline(
        PCA(axes, random_state=0, svd_solver="randomized"),
        StandardScaler(),
        LogisticRegression(max_iter=1000),
    )


def forest(n_train: int, width: int) -> Any:  # noqa: ARG001 - as `linear`
    """A random forest: sees what standardising within a group leaves, such as its floor values."""
    return RandomForestClassifier(_TREES, min_samples_leaf=3, random_state=0, n_jobs=1)


def separability(
    patients: Sequence[str],
    values: NDArray[np.floating],
    groups: Sequence[str],
    classifier: Callable[[int, int], Any],
) -> Mapping[str, float]:
    """Cross-validated AUROC of each group against the others.

    Args:
        patients: Each once, [n].
        values: [n, width]; NaN is a missing cell.
        groups: Group of each patient; those of fewer than `MIN_GROUP` are left out.
        classifier: `linear` or `forest`.

    Returns:
        Group -> AUROC of the pooled out-of-fold probabilities; empty if fewer than two groups are
        large enough, or no feature varies.
    """
    counts = Counter(groups)
    names = sorted(name for name, n in counts.items() if n >= MIN_GROUP)
    if len(names) < 2:
        return {}
    rows = [row for row, group in enumerate(groups) if counts[group] >= MIN_GROUP]
    X = values[rows]
    y = np.array([names.index(groups[row]) for row in rows])
    folds = inner_folds([patients[row] for row in rows], y.tolist(), _N_FOLDS)
    scores = np.zeros((len(y), len(names)))
    for fold in range(_N_FOLDS):
        train, test = folds != fold, folds == fold
        scaler = VectorScaler.fit(X[train])
        if not scaler.width:
            return {}
        model = classifier(int(train.sum()), scaler.width)
        model.fit(scaler.transform(X[train]), y[train])
        scores[test] = model.predict_proba(scaler.transform(X[test]))
    return {
        name: float(roc_auc_score(y == label, scores[:, label])) for label, name in enumerate(names)
    }
