"""Folds: nobody twice, everybody once, strata in proportion, whatever the order of rows."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.data.cohort import Cohort, Endpoint, Label, VectorModality
from tasks.data.splits import Dealing, inner_folds, make_splits, split_fingerprint
from tasks.errors import InputError

Row = tuple[bool, bool, float | None, bool, str]  # has wsi, has rna, time, event, class

ROW = st.tuples(
    st.booleans(),
    st.booleans(),
    st.none() | st.sampled_from([1.0, 2.0, 3.5]) | st.floats(0.1, 200),
    st.booleans(),
    st.sampled_from(["", "A", "B"]),
)
ROWS = st.lists(ROW, min_size=6, max_size=60)


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


# Folds of whole sites


@st.composite
def sited(draw: st.DrawFn) -> tuple[list[Row], list[str]]:
    """Patients with the sites of their barcodes, a few large ones and many small."""
    n_sites = draw(st.integers(2, 12))
    sites = draw(st.lists(st.integers(0, n_sites - 1), min_size=12, max_size=80))
    rows = draw(st.lists(ROW, min_size=len(sites), max_size=len(sites)))
    return rows, [f"TCGA-S{'ABCDEFGHIJKL'[s]}-{i:04d}" for i, s in enumerate(sites)]


def named(rows: list[Row], names: list[str], order: list[int]) -> Cohort:
    """The cohort of the rows under other names."""
    cohort = cohort_of(rows, order)
    of = {f"P{i}": names[i] for i in order}
    os = cohort.endpoints["os"]
    label = cohort.labels["histology"]
    return Cohort(
        cohort.name,
        tuple(of[p] for p in cohort.patients),
        {
            name: VectorModality(tuple(of[p] for p in m.patients), m.values, m.features)
            for name, m in cohort.modalities.items()
            if isinstance(m, VectorModality)
        },
        {"os": Endpoint(tuple(of[p] for p in os.patients), os.time, os.event)},
        {"histology": Label({of[p]: c for p, c in label.values.items()}, label.classes)},
    )


@settings(max_examples=60, deadline=None)
@given(sited(), st.integers(2, 5), st.integers(1, 2), st.randoms())
def test_properties_of_folds_by_site(
    drawn: tuple[list[Row], list[str]], n_folds: int, repeats: int, random: object
) -> None:
    rows, names = drawn
    order = list(range(len(rows)))
    sites = {name[5:7] for name in names}
    cohort = named(rows, names, order)
    if len(sites) < n_folds:
        with pytest.raises(InputError, match=rf"expected {n_folds} tissue-source sites or more"):
            make_splits(cohort, n_folds, Dealing.SITE)
        return
    splits = make_splits(cohort, n_folds, Dealing.SITE, repeats)
    assert [split.fold for split in splits] == list(range(n_folds * repeats))
    for repeat in range(repeats):
        tested = [p for split in splits[repeat * n_folds :][:n_folds] for p in split.test]
        assert Counter(tested) == Counter(names)
    for split in splits:
        assert split.test
        assert not {p[5:7] for p in split.train} & {p[5:7] for p in split.test}
        assert sorted((*split.train, *split.test)) == sorted(names)
    shuffled = order.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert make_splits(named(rows, names, shuffled), n_folds, Dealing.SITE, repeats) == splits


def test_folds_by_site_are_as_even_as_sites_allow() -> None:
    # Ten sites of 1 to 10 patients, every second with an event: 55 patients, 5 folds of 11 exist.
    names = [f"TCGA-A{site}-{i:04d}" for site in range(10) for i in range(site + 1)]
    rows: list[Row] = [(True, True, 1.0, bool(i % 2), "A") for i in range(len(names))]
    splits = make_splits(named(rows, names, list(range(len(names)))), 5, Dealing.SITE)
    assert [len(split.test) for split in splits] == [11] * 5
    event = dict(zip(names, (row[3] for row in rows), strict=True))
    counts = [sum(event[p] for p in split.test) for split in splits]
    assert max(counts) - min(counts) <= 1


def test_no_patient_is_moved_for_a_site_larger_than_a_fold() -> None:
    names = [f"TCGA-AA-{i:04d}" for i in range(40)] + [f"TCGA-B{i}-0000" for i in range(8)]
    rows: list[Row] = [(True, True, 1.0, True, "A")] * 48
    splits = make_splits(named(rows, names, list(range(48))), 3, Dealing.SITE)
    assert sorted(len(split.test) for split in splits) == [4, 4, 40]


def test_sites_come_from_barcodes() -> None:
    rows: list[Row] = [(True, True, 1.0, True, "A")] * 6
    with pytest.raises(InputError, match="X: expected the site of each patient"):
        make_splits(cohort_of(rows, list(range(6))), 2, Dealing.SITE)


# Repeats


@settings(max_examples=50, deadline=None)
@given(ROWS, st.integers(2, 5))
def test_repeats_deal_everybody_anew_and_keep_the_first(rows: list[Row], n_folds: int) -> None:
    cohort = cohort_of(rows, list(range(len(rows))))
    splits = make_splits(cohort, n_folds, repeats=3)
    assert splits[:n_folds] == make_splits(cohort, n_folds)
    for repeat in range(3):
        tests = [split.test for split in splits[repeat * n_folds :][:n_folds]]
        assert sorted(p for test in tests for p in test) == sorted(cohort.patients)
        assert max(map(len, tests)) - min(map(len, tests)) <= 1


def test_repeats_differ() -> None:
    rows: list[Row] = [(True, True, float(i + 1), bool(i % 2), "A") for i in range(40)]
    splits = make_splits(cohort_of(rows, list(range(40))), 5, repeats=4)
    assert len({frozenset(split.test) for split in splits}) == 20


def test_the_default_folds_stay_as_committed_records_have_them() -> None:
    # Computed by the code that the first committed records were made with.
    rows: list[Row] = [(i % 3 > 0, True, float(i % 17), i % 4 == 0, "AB"[i % 2]) for i in range(50)]
    splits = make_splits(cohort_of(rows, list(range(50))), 5)
    assert (
        split_fingerprint(splits)
        == "e1ce1fa82baacd8793dc0e55e60acaee13d52c2a8bb6c4064d6492547124d3b4"
    )


def test_events_of_every_endpoint_and_classes_of_every_label_are_shared_evenly() -> None:
    """Rare relapses and a gene that go with nothing else: dealt blindly, folds have 1 to 8."""
    rng = np.random.default_rng(0)
    rows: list[Row] = [(True, True, float(t), t % 5 == 0, "AB"[t % 3 == 0]) for t in range(1, 201)]
    cohort = cohort_of(rows, list(range(200)))
    os = cohort.endpoints["os"]
    relapse, mutated = rng.random(200) < 0.1, rng.random(200) < 0.2
    gene = Label({p: str(m) for p, m in zip(os.patients, mutated, strict=True)}, ("False", "True"))
    asked = replace(
        cohort,
        endpoints={**cohort.endpoints, "dfi": replace(os, event=relapse)},
        labels={**cohort.labels, "TP53": gene},
    )
    for split in make_splits(asked, 5, repeats=3):
        rows_of = [os.patients.index(p) for p in split.test]
        assert abs(relapse[rows_of].sum() - relapse.sum() / 5) <= 1
        assert abs(mutated[rows_of].sum() - mutated.sum() / 5) <= 1.5
        assert os.event[rows_of].sum() == os.event.sum() / 5
    assert len({split.test for split in make_splits(asked, 5, repeats=3)}) == 15


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
