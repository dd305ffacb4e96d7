"""Objectives of shared and unique embeddings against numpy, and what they must keep apart."""

import math

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from torch import nn

from methods.objectives.disentangling import Discriminator, supervised_contrast


def test_supervised_contrast_is_the_papers_formula() -> None:
    rng = np.random.default_rng(0)
    parts = rng.normal(size=(3, 5, 4))
    rows = parts.reshape(15, 4) / np.linalg.norm(parts.reshape(15, 4), axis=1, keepdims=True)
    expected = []
    for i in range(15):
        others = [j for j in range(15) if j != i]
        total = logsumexp([rows[i] @ rows[j] / 0.07 for j in others])
        own = [j for j in others if j % 5 == i % 5]
        expected.append(-np.mean([rows[i] @ rows[j] / 0.07 - total for j in own]))
    found = supervised_contrast(torch.from_numpy(parts), 0.07)
    assert found.item() == pytest.approx(np.mean(expected), abs=1e-12)


def test_the_discriminators_loss_is_the_cross_entropy_of_pairs_and_shifted_pairs() -> None:
    torch.manual_seed(0)
    discriminator = Discriminator(7, 6)
    a, b = torch.randn(5, 3), torch.randn(5, 4)
    found = discriminator(a, b, 2)
    with torch.no_grad():
        real = discriminator.layers(torch.cat([a, b], dim=1)).numpy()
        other = [torch.cat([a[i], b[(i + 2) % 5]]) for i in range(5)]
        false = discriminator.layers(torch.stack(other)).numpy()
    expected = np.log1p(np.exp(-real)).mean() + np.log1p(np.exp(false)).mean()
    assert found.item() == pytest.approx(expected, rel=1e-6)


def test_the_gradient_of_the_embeddings_is_turned_around_and_the_discriminators_is_not() -> None:
    torch.manual_seed(0)
    discriminator = Discriminator(4, 6)
    a, b = torch.randn(8, 2, requires_grad=True), torch.randn(8, 2)
    learnt = (a, *discriminator.parameters())
    around, *weights = torch.autograd.grad(discriminator(a, b, 1), learnt)
    plain = torch.cat([torch.cat([a, b], 1), torch.cat([a, b.roll(-1, 0)], 1)])
    truth = torch.cat([torch.ones(8, 1), torch.zeros(8, 1)])
    loss = 2 * nn.functional.binary_cross_entropy_with_logits(discriminator.layers(plain), truth)
    expected = torch.autograd.grad(loss, learnt)
    torch.testing.assert_close((around, *weights), (-expected[0], *expected[1:]))


@pytest.mark.parametrize(("dependent", "told"), [(True, True), (False, False)])
def test_dependence_is_told_and_independence_is_not(dependent: bool, told: bool) -> None:
    """Trained on some, asked of others: guesswork costs 2 log 2."""
    torch.manual_seed(0)
    a = torch.randn(512, 2)
    b = a.flip(1) if dependent else torch.randn(512, 2)
    discriminator = Discriminator(4, 16)
    optimiser = torch.optim.Adam(discriminator.parameters(), lr=1e-2)
    for _ in range(150):
        optimiser.zero_grad()
        discriminator(a[:256], b[:256], 1).backward()
        optimiser.step()
    with torch.no_grad():
        loss = discriminator(a[256:], b[256:], 1).item()
    assert (loss < 2 * math.log(2) - 0.3) == told
