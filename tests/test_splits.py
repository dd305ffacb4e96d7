"""Folds: nobody twice, everybody once, strata in proportion, whatever the order of rows."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.cohort import Cohort, Endpoint, Label, VectorModality
from tasks.errors import InputError
from tasks.splits import inner_folds, make_splits, split_fingerprint

Row = tuple[bool, bool, float | None, bool, str]  # has wsi, has rna, time, event, class

ROWS = st.lists(
    st.tuples(
        st.booleans(),
        st.booleans(),
        st.none() | st.sampled_from([1.0, 2.0, 3.5]) | st.floats(0.1, 200),
        st.booleans(),
        st.sampled_from(["", "A", "B"]),
    ),
    min_size=6,
    max_size=60,
)


def cohort_of(rows: list[Row], order: list[int]) -> Cohort:
    """A cohort whose tables list the patients in the given order."""

    def modality(column: int) -> VectorModality:
        patients = tuple(f"P{i}" for i in order if rows[i][column])
        return VectorModality(patients, np.ones((len(patients), 1), np.float32), ("x",))

    dated = [i for i in order if rows[i][2] is not None]
    endpoint = Endpoint(
        tuple(f"P{i}" for i in dated),
        np.array([rows[i][2] for i in dated], dtype=np.float64),
        np.array([rows[i][3] for i in dated], dtype=np.bool_),
    )
    label = Label({f"P{i}": rows[i][4] for i in order if rows[i][4]}, ("A", "B"))
    return Cohort(
        "X",
        tuple(f"P{i}" for i in order),
        {"wsi": modality(0), "rna": modality(1)},
        {"os": endpoint},
        {"histology": label},
    )


@given(ROWS, st.integers(2, 6), st.randoms())
def test_properties_of_folds(rows: list[Row], n_folds: int, random: object) -> None:
    order = list(range(len(rows)))
    splits = make_splits(cohort_of(rows, order), n_folds)
    tested = Counter(patient for split in splits for patient in split.test)
    assert tested == Counter(f"P{i}" for i in order)
    for split in splits:
        assert not set(split.train) & set(split.test)
        assert set(split.train) | set(split.test) == set(tested)
        assert list(split.train) == sorted(split.train)

    def stratum(i: int) -> tuple[object, ...]:
        has_wsi, has_rna, time, event, klass = rows[i]
        return (has_wsi and has_rna, None if time is None else event, klass)

    for members in (
        order,
        [i for i in order if rows[i][2] is not None and rows[i][3]],
        *([i for i in order if stratum(i) == s] for s in {stratum(i) for i in order}),
    ):
        counts = [sum(f"P{i}" in split.test for i in members) for split in splits]
        assert max(counts) - min(counts) <= 1

    shuffled = order.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    again = make_splits(cohort_of(rows, shuffled), n_folds)
    assert again == splits
    assert split_fingerprint(again) == split_fingerprint(splits)


def test_survival_times_spread_over_folds() -> None:
    rows: list[Row] = [(True, True, float(i + 1), True, "A") for i in range(50)]
    splits = make_splits(cohort_of(rows, list(range(50))), 5)
    for split in splits:  # one patient of each block of five neighbours in time
        blocks = sorted(int(patient[1:]) // 5 for patient in split.test)
        assert blocks == list(range(10))


def test_folds_differ_between_cohorts_and_numbers_of_folds() -> None:
    rows: list[Row] = [(True, True, float(i + 1), bool(i % 2), "A") for i in range(40)]
    cohort = cohort_of(rows, list(range(40)))
    other = Cohort("Y", cohort.patients, cohort.modalities, cohort.endpoints, cohort.labels)
    prints = {split_fingerprint(make_splits(c, n)) for c in (cohort, other) for n in (2, 4, 5)}
    assert len(prints) == 6


@pytest.mark.parametrize("n_folds", [0, 1, 7])
def test_impossible_number_of_folds(n_folds: int) -> None:
    rows: list[Row] = [(True, True, None, False, "")] * 6
    with pytest.raises(InputError, match=rf"X: --folds .* \(6\), found {n_folds}"):
        make_splits(cohort_of(rows, list(range(6))), n_folds)


@given(st.lists(st.integers(0, 2), min_size=5, max_size=60), st.integers(2, 5), st.randoms())
def test_inner_folds(strata: list[int], n_folds: int, random: object) -> None:
    patients = [f"P{i}" for i in range(len(strata))]
    folds = inner_folds(patients, strata, n_folds)
    for members in (
        range(len(strata)),
        *([i for i, x in enumerate(strata) if x == s] for s in (0,)),
    ):
        counts = np.bincount(folds[list(members)], minlength=n_folds)
        assert counts.max() - counts.min() <= 1
    order = list(range(len(strata)))
    random.shuffle(order)  # type: ignore[attr-defined]
    again = inner_folds([patients[i] for i in order], [strata[i] for i in order], n_folds)
    np.testing.assert_array_equal(again, folds[order])
