"""Collapse is seen while a network is trained, and looking at it changes nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from methods.base import Context
from methods.contrastive import ContrastiveConfig, PairMethod
from methods.objectives.pairs import PairObjective
from methods.trainer import WATCHED, Network, Shape, TorchConfig, TrainingError
from methods.two_tower import TwoTower
from tasks.data.cohort import Cohort
from tasks.metrics.geometry import geometry, has_collapsed
from tests.helpers.planted import planted

EPOCHS = 15


class Together(PairObjective):
    """Partners are to be alike, and nothing keeps patients apart."""

    def compare(self, wsi: Tensor, rna: Tensor) -> dict[str, Tensor]:
        """Squared difference of sides, and of patients."""
        return {"total": (wsi - rna).square().mean() + wsi.var(0).mean() + rna.var(0).mean()}


@dataclass(frozen=True)
class TogetherConfig(ContrastiveConfig):
    """Of the objective that collapses."""

    def objective(self) -> PairObjective:
        """That objective."""
        return Together()

    def head(self) -> nn.Module:
        """None, which could collapse in the encoders' place."""
        return nn.Identity()


def train(*, bags: bool = True) -> Cohort:
    cohort = planted(bags=bags)
    return cohort.subset(cohort.complete()[:100])


def small(config: type[ContrastiveConfig], epochs: int = EPOCHS) -> ContrastiveConfig:
    return config(width=24, tokens=16, epochs=epochs, min_gain=0.0, learning_rate=3e-3)


def curves(config: TorchConfig, cohort: Cohort) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}

    def watch(values: Mapping[str, float]) -> None:
        for name, value in values.items():
            found.setdefault(name, []).append(value)

    PairMethod(config).fit(cohort, Context(seed=0, watch=watch))
    return found


def test_collapse_is_seen_and_its_absence_too() -> None:
    apart, alike = (
        curves(small(c), train(bags=False)) for c in (ContrastiveConfig, TogetherConfig)
    )
    assert len(apart["effective_rank"]) == 1 + EPOCHS
    ends = [
        [has_collapsed(found["effective_rank"][at], found["uniformity"][at]) for at in (0, -1)]
        for found in (apart, alike)
    ]
    assert ends == [[False, False], [False, True]]


def test_looking_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, unseen = (PairMethod(small(ContrastiveConfig, 2)) for _ in range(2))
    seen.fit(train(), Context(seed=0))
    monkeypatch.setattr(PairMethod, "_watched", lambda *_: {})
    unseen.fit(train(), Context(seed=0))
    for name, values in seen.state().items():
        np.testing.assert_array_equal(unseen.state()[name], values, err_msg=name)


@given(st.integers(1, 6), st.integers(0, 10))
def test_the_rank_is_that_of_equal_directions(rank: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    centred = np.linalg.qr(rng.normal(size=(40, 7)))[0]
    centred = np.linalg.qr(centred - centred.mean(axis=0))[0][:, :rank]
    turned = centred @ np.linalg.qr(rng.normal(size=(8, 8)))[0][:rank]
    found = geometry({"wsi": (turned + rng.normal(size=8)).astype(np.float32)})
    assert found["effective_rank"] == pytest.approx(rank, rel=0.02)


def test_equal_rows_have_collapsed_though_float32_rounds_them() -> None:
    row = torch.nn.functional.layer_norm(torch.randn(24), (24,)).numpy()
    rows = np.stack([row * np.float32(1 + 1e-7 * i) for i in range(WATCHED)])
    found = geometry({"wsi": rows, "rna": rows})
    assert has_collapsed(found["effective_rank"], found["uniformity"])
    assert found["alignment"] == pytest.approx(0, abs=1e-9)
    assert found["uniformity"] == pytest.approx(0, abs=1e-9)


class Lost(Together):
    """Weights that are no numbers after a step, though its loss was one."""

    def after_step(self) -> None:
        """Lose them."""
        with torch.no_grad():
            for weight in self.lose:
                weight.fill_(torch.nan)

    lose: tuple[nn.Parameter, ...] = ()


def test_embeddings_that_are_no_numbers_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def build(self: PairMethod, shapes: Mapping[str, Shape]) -> Network:
        network = original(self, shapes)
        assert isinstance(network, TwoTower)
        network.objective = Lost()
        encoder = [w for name, w in network.named_parameters() if name.startswith("rna.")]
        network.objective.lose = tuple(encoder)
        return network

    original = PairMethod.build
    monkeypatch.setattr(PairMethod, "build", build)
    with pytest.raises(TrainingError, match=r"^embeddings of rna are not finite$"):
        PairMethod(replace(small(TogetherConfig, 1), batch_size=128)).fit(
            train(bags=False), Context(seed=0)
        )
