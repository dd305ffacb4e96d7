"""DRIM's claim on planted bags: what only one side knows is kept where alignment drops it."""

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from methods.base import Budget, Context
from methods.registry import all_methods
from tasks.kinds.retention import factors_of
from tests.helpers.planted import planted

PRIVATE = ("wsi_private", "rna_private")


@cache
def squared_errors(name: str) -> dict[str, NDArray[np.float64]]:
    """Of each patient's private factors, by a ridge map of embeddings of the other four folds."""
    cohort = planted(True)
    patients = np.array(cohort.complete())
    spec = all_methods()[name]
    truth = truths()
    errors = {kind: np.empty(len(patients)) for kind in PRIVATE}
    folds = KFold(5, shuffle=True, random_state=0).split(patients)
    for number, (train, test) in enumerate(folds):
        method = spec.build(spec.config_for(Budget.DEFAULT))
        method.fit(cohort.subset(patients[train].tolist()), Context(seed=number))
        embeddings = method.embed(cohort)
        x = embeddings.joint[embeddings.rows(patients.tolist())]
        for kind, y in truth.items():
            ridge = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 4, 13)))
            predicted = ridge.fit(x[train], y[train]).predict(x[test])
            errors[kind][test] = ((predicted - y[test]) ** 2).sum(axis=1)
    return errors


def truths() -> dict[str, NDArray[np.float64]]:
    """The private factors of each side, [n, 2], of patients who have both."""
    cohort = planted(True)
    row = {patient: number for number, patient in enumerate(cohort.patients)}
    rows = [row[patient] for patient in cohort.complete()]
    return {
        kind: np.stack([cohort.truth[name][rows] for name in factors_of(cohort, kind)], axis=1)
        for kind in PRIVATE
    }


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("kind", PRIVATE)
def test_drim_keeps_what_contrastive_drops_of_either_side(kind: str) -> None:
    """The difference of R2, with its interval over 2,000 draws of patients, is above zero."""
    y = truths()[kind]
    total = ((y - y.mean(axis=0)) ** 2).sum(axis=1)
    kept, dropped = (squared_errors(name)[kind] for name in ("drim", "contrastive"))
    draws = np.random.default_rng(0).integers(0, len(y), (2000, len(y)))
    gain = (dropped - kept)[draws].sum(axis=1) / total[draws].sum(axis=1)
    low = float(np.quantile(gain, 0.025))
    assert low > 0, (low, float(gain.mean()))
    assert 1 - kept.sum() / total.sum() > 0.55
