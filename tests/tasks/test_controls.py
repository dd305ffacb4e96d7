"""Permuted labels: the same patients and outcomes, dealt anew; the features stay."""

from collections import Counter

import numpy as np

from tasks.data.controls import permuted
from tests.helpers.planted import planted


def test_outcomes_are_dealt_anew_and_none_is_lost() -> None:
    cohort = planted(bags=False)
    broken = permuted(cohort, 0)
    for name, endpoint in cohort.endpoints.items():
        other = broken.endpoints[name]
        assert other.patients == endpoint.patients
        pairs = sorted(zip(endpoint.time.tolist(), endpoint.event.tolist(), strict=True))
        assert sorted(zip(other.time.tolist(), other.event.tolist(), strict=True)) == pairs
        assert (other.time != endpoint.time).mean() > 0.9
    for name, label in cohort.labels.items():
        other_label = broken.labels[name]
        assert other_label.values.keys() == label.values.keys()
        assert Counter(other_label.values.values()) == Counter(label.values.values())
        assert other_label.values != label.values
    assert broken.modalities is cohort.modalities


def test_every_repeat_has_its_own_permutation_and_always_the_same() -> None:
    cohort = planted(bags=False)
    os = [permuted(cohort, seed).endpoints["os"].time for seed in (0, 0, 1)]
    np.testing.assert_array_equal(os[0], os[1])
    assert (os[0] != os[2]).any()
