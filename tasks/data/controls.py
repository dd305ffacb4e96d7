"""Cohorts broken on purpose, on which nothing must be found."""

from dataclasses import replace

import numpy as np

from tasks.data.cohort import Cohort, Endpoint
from tasks.seeds import generator


def permuted(cohort: Cohort, seed: int) -> Cohort:
    """The cohort with every outcome dealt anew among the patients that have it.

    Times and events stay together, classes keep their sizes, features and folds are untouched:
    whatever still scores above chance has seen what it should not have.

    Args:
        cohort: The honest cohort.
        seed: The repeat; each has a permutation of its own.
    """

    def order(kind: str, name: str, n: int) -> list[int]:
        rng = generator("permuted", cohort.name, kind, name, seed)
        return [int(row) for row in rng.permutation(n)]

    endpoints = {}
    for name, endpoint in cohort.endpoints.items():
        rows = np.array(order("endpoint", name, len(endpoint.patients)), dtype=np.intp)
        endpoints[name] = Endpoint(endpoint.patients, endpoint.time[rows], endpoint.event[rows])
    labels = {}
    for name, label in cohort.labels.items():
        patients = sorted(label.values)
        classes = [label.values[patients[row]] for row in order("label", name, len(patients))]
        labels[name] = replace(label, values=dict(zip(patients, classes, strict=True)))
    return replace(cohort, endpoints=endpoints, labels=labels)
