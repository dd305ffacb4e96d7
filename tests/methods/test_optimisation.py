"""Schedules by the papers' formulas, and when training ends."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from methods.base import Context
from methods.contrastive import ContrastiveConfig, PairMethod
from methods.optimisation import Optimisation, Optimiser, Schedule, Stepper
from tasks.metrics.convergence import WINDOW
from tests.helpers.planted import planted


def test_warm_up_rises_by_the_step_and_the_cosine_ends_at_zero() -> None:
    how = Optimisation(epochs=10, schedule=Schedule.COSINE, warmup=2)
    rates = [how.rate(step, 5) for step in range(50)]
    assert rates[:10] == pytest.approx([(i + 1) / 10 for i in range(10)])
    expected = [0.5 * (1 + math.cos(math.pi * i / 40)) for i in range(40)]
    assert rates[10:] == pytest.approx(expected)
    assert [replace(how, schedule=Schedule.CONSTANT, warmup=0).rate(i, 5) for i in (0, 49)] == [
        1.0,
        1.0,
    ]


@pytest.mark.parametrize("rule", Optimiser)
def test_steps_are_those_of_the_papers(rule: Optimiser) -> None:
    """Adam with decay in the gradient, AdamW beside it; both from Loshchilov and Hutter, 2019."""
    rng = np.random.default_rng(0)
    weight = nn.Parameter(torch.from_numpy(rng.normal(size=4)))
    x, m, v = weight.detach().numpy().copy(), np.zeros(4), np.zeros(4)
    how = Optimisation(
        epochs=3, learning_rate=0.1, optimiser=rule, weight_decay=0.02, schedule=Schedule.COSINE
    )
    stepper = Stepper([weight], replace(how, clip=0.5), 1)
    for t in range(1, 4):
        gradient = rng.normal(size=4)
        stepper.forget()
        weight.grad = torch.from_numpy(gradient.copy())
        stepper.step()
        gradient = gradient * min(1.0, 0.5 / (float(np.linalg.norm(gradient)) + 1e-6))
        rate = 0.1 * 0.5 * (1 + math.cos(math.pi * (t - 1) / 3))
        if rule is Optimiser.ADAM:
            gradient = gradient + 0.02 * x
        else:
            x = x - rate * 0.02 * x
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        x = x - rate * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        np.testing.assert_allclose(weight.detach().numpy(), x, rtol=1e-9)


@given(st.lists(st.floats(-10, 10), max_size=30), st.floats(0.001, 0.1))
def test_training_ends_where_two_windows_hardly_differ(losses: list[float], gain: float) -> None:
    ended = Optimisation(min_gain=gain).has_converged(losses)
    if len(losses) < 2 * WINDOW:
        assert not ended
        return
    before = sum(losses[-2 * WINDOW : -WINDOW]) / WINDOW
    now = sum(losses[-WINDOW:]) / WINDOW
    margin = before - now - gain * max(0, losses[0] - now)
    if abs(margin) > 1e-9:
        assert ended == (margin < 0)
        scaled = [3 * loss - 7 for loss in losses]
        assert Optimisation(min_gain=gain).has_converged(scaled) == ended


def test_a_loss_that_falls_goes_on_and_one_that_stands_ends() -> None:
    falling = [0.95**i for i in range(20)]
    assert not Optimisation().has_converged(falling)
    assert Optimisation().has_converged([0.95**i for i in range(120)])
    assert Optimisation().has_converged([1.0] * 10)
    assert not Optimisation(min_gain=0.0).has_converged([1.0] * 10)


def test_a_fit_ends_when_its_loss_stands() -> None:
    """At a rate that moves nothing the loss stands from the first epoch."""
    train = planted(bags=False)
    config = ContrastiveConfig(width=24, epochs=40, learning_rate=1e-12)
    epochs: list[int] = []
    context = Context(seed=0, log=lambda epoch, _: epochs.append(epoch))
    PairMethod(config).fit(train.subset(train.complete()[:60]), context)
    assert epochs == list(range(len(epochs)))
    assert 2 * WINDOW <= len(epochs) < 40
