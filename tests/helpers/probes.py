"""What an embedding knows of the planted factors, by ridge regression on patients held out."""

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import RidgeCV
from sklearn.metrics import r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tasks.data.cohort import Cohort
from tasks.embeddings import Embeddings

Patients = tuple[str, ...]


def held_out(cohort: Cohort) -> tuple[Patients, Patients]:
    """Training and test patients among those with both modalities; every fifth is tested."""
    pairs = cohort.complete()
    test = pairs[::5]
    return tuple(patient for patient in pairs if patient not in test), test


def r2_of_factors(embeddings: Embeddings, cohort: Cohort) -> dict[str, float]:
    """R2 of each planted factor on the test patients, from the joint embedding."""
    train, test = held_out(cohort)
    found = {}
    for name, values in cohort.truth.items():
        factor = dict(zip(cohort.patients, values, strict=True))

        def of(patients: Patients, factor: dict[str, float] = factor) -> NDArray[np.float64]:
            return np.array([factor[patient] for patient in patients])

        model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-1, 5, 13)))
        model.fit(embeddings.joint[embeddings.rows(train)], of(train))
        predicted = model.predict(embeddings.joint[embeddings.rows(test)])
        found[name] = float(r2_score(of(test), predicted))
    return found
