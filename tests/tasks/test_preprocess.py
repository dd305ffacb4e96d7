"""Scalers: fitted on training rows alone, robust, and equal to what they say."""

import weakref
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tasks.data.cohort import BagModality, Slide
from tasks.data.preprocess import InstanceScaler, VectorScaler
from tasks.draws import fixed_rows


def test_by_hand() -> None:
    column = np.array([1.0, 2.0, 3.0, 4.0, np.nan])
    scaler = VectorScaler.fit(np.column_stack([column, np.full(5, 7.0), np.full(5, np.nan)]))
    assert scaler.kept.tolist() == [0]
    # 1st and 99th percentile of 1..4 are 1.03 and 3.97; the missing cell becomes 2.5
    clipped = np.array([1.03, 2.0, 3.0, 3.97, 2.5])
    expected = (clipped - clipped.mean()) / clipped.std()
    table = np.column_stack([column, np.zeros(5), np.zeros(5)])
    np.testing.assert_allclose(scaler.transform(table)[:, 0], expected, rtol=1e-6)
    assert scaler.transform(table).dtype == np.float32


def test_an_outlier_neither_sets_the_scale_nor_buys_a_place() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(200, 3)) * [1.0, 2.0, 3.0]
    values[7, 0] = 36893.0
    scaler = VectorScaler.fit(values, n_features=2)
    assert scaler.kept.tolist() == [1, 2]
    everything = VectorScaler.fit(values).transform(values)
    assert np.abs(everything).max() < 5
    np.testing.assert_allclose(everything.std(axis=0), 1, rtol=1e-5)


@given(arrays(np.float32, (12, 4), elements=st.floats(-1e6, 1e6, width=32) | st.just(np.nan)))
def test_always_finite_and_centred(values: np.ndarray) -> None:
    scaler = VectorScaler.fit(values)
    out = scaler.transform(values)
    assert out.shape == (12, scaler.width)
    assert np.isfinite(out).all()
    np.testing.assert_allclose(out.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(out.std(axis=0), 1, atol=1e-4)


def test_state_round_trip_is_exact() -> None:
    values = np.random.default_rng(1).normal(size=(20, 5)).astype(np.float32)
    scaler = VectorScaler.fit(values, 3)
    restored = VectorScaler.from_state(scaler.state())
    np.testing.assert_array_equal(restored.transform(values), scaler.transform(values))


def bags_of(bags: dict[str, np.ndarray]) -> BagModality:
    slides = {p: (Slide(p, len(bag), "", partial(np.asarray, bag)),) for p, bag in bags.items()}
    return BagModality(slides, next(iter(bags.values())).shape[1])


def test_instances_are_scaled_by_the_mixture_in_which_patients_weigh_the_same() -> None:
    rng = np.random.default_rng(2)
    bags = {
        f"P{i}": rng.normal([i, 1e4 + i, 0], 1 + i, size=(5 + 40 * i, 3)).astype(np.float32)
        for i in range(4)
    }
    for bag in bags.values():
        bag[:, 2] = 0.1
    scaler = InstanceScaler.fit(bags_of(bags))
    assert scaler.kept.tolist() == [0, 1]
    stacked = np.concatenate(list(bags.values())).astype(np.float64)[:, :2]
    weights = np.concatenate([np.full(len(b), 1 / len(b)) for b in bags.values()])
    mean = np.average(stacked, axis=0, weights=weights)
    variance = np.average((stacked - mean) ** 2, axis=0, weights=weights)
    np.testing.assert_allclose(scaler.mean, mean, rtol=1e-10)
    np.testing.assert_allclose(scaler.scale, np.sqrt(variance), rtol=1e-8)
    out = InstanceScaler.from_state(scaler.state()).scale_(torch.tensor(bags["P1"])).numpy()
    np.testing.assert_allclose(out[:, 0], (bags["P1"][:, 0] - mean[0]) / variance[0] ** 0.5, 1e-4)
    assert out.dtype == np.float32


def test_bags_are_let_go_of() -> None:
    read_so_far: list[weakref.ref[np.ndarray]] = []

    def read() -> np.ndarray:
        held = sum(bag() is not None for bag in read_so_far)
        assert held <= 1, "more than the last bag is still in memory"
        bag = np.arange(20, dtype=np.float32).reshape(10, 2).copy()
        read_so_far.append(weakref.ref(bag))
        return bag

    slides = {f"P{i}": (Slide("s", 10, "", read),) for i in range(20)}
    assert InstanceScaler.fit(BagModality(slides, 2)).width == 2
    assert len(read_so_far) == 20


def test_other_rows_do_not_matter() -> None:
    values = np.random.default_rng(3).normal(size=(30, 4)).astype(np.float32)
    before = VectorScaler.fit(values[:20]).state()
    values[20:] = 1e9
    after = VectorScaler.fit(values[:20]).state()
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_of_a_large_bag_a_fixed_draw_is_fitted(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    bags = {"P0": rng.normal(size=(300, 3)), "P1": rng.normal(size=(40, 3))}
    whole = InstanceScaler.fit(bags_of(bags))
    monkeypatch.setattr("tasks.data.preprocess.FITTED_INSTANCES", 40)
    drawn, again = InstanceScaler.fit(bags_of(bags)), InstanceScaler.fit(bags_of(bags))
    np.testing.assert_array_equal(drawn.mean, again.mean)
    assert not np.array_equal(drawn.mean, whole.mean)
    np.testing.assert_allclose(drawn.mean, whole.mean, atol=0.5)
    np.testing.assert_allclose(drawn.scale, whole.scale, rtol=0.3)
    # what is drawn of a patient is its own: it does not move with who else is there
    rows = fixed_rows(300, 40, "scaler", "P0")
    assert rows is not None
    alone = InstanceScaler.fit(bags_of({"P0": bags["P0"]}))
    np.testing.assert_allclose(alone.mean, bags["P0"][rows].mean(axis=0))
