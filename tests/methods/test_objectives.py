"""Objectives of pairs against the papers' formulas written in numpy, and where they must end."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import logsumexp
from torch import Tensor, nn

from methods.objectives.non_contrastive import (
    BarlowTwins,
    Regression,
    VICReg,
    covariance_loss,
    cross_correlation,
    variance_loss,
)
from methods.objectives.pairs import CLIP, InfoNCE, PairObjective, SigLIP, sigmoid_loss

Array = NDArray[np.float64]
WIDTH = 5
OBJECTIVES: dict[str, Callable[[], PairObjective]] = {
    "info_nce": lambda: InfoNCE(0.1),
    "clip": lambda: CLIP(WIDTH),
    "siglip": SigLIP,
    "vicreg": lambda: VICReg(25.0, 25.0, 1.0),
    "barlow": lambda: BarlowTwins(5e-3),
    "regression": Regression,
}


@pytest.fixture(params=OBJECTIVES)
def objective(request: pytest.FixtureRequest) -> PairObjective:
    torch.manual_seed(0)
    return OBJECTIVES[request.param]().double()


def tables(seed: int = 0, n: int = 7) -> tuple[Array, Array]:
    """Two tables whose channels have unlike means and spreads."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(n, WIDTH)) * [0.2, 0.5, 1.0, 2.0, 3.0] + [1.0, 0.0, -2.0, 0.5, 0.0]
    return a, a @ rng.normal(size=(WIDTH, WIDTH)) / 2 + rng.normal(size=(n, WIDTH))


def value(objective: PairObjective, a: Array, b: Array, name: str = "total") -> float:
    losses: dict[str, Tensor] = objective(torch.from_numpy(a), torch.from_numpy(b))
    return losses[name].item()


def cosines(a: Array, b: Array) -> Array:
    result = np.empty((len(a), len(b)))
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            result[i, j] = x @ y / math.sqrt((x @ x) * (y @ y))
    return result


def info_nce_by_hand(logits: Array) -> float:
    """Mean over patients of -log softmax of the match, rows and columns (CLIP, figure 3)."""
    rows = [logsumexp(logits[i]) - logits[i, i] for i in range(len(logits))]
    columns = [logsumexp(logits[:, i]) - logits[i, i] for i in range(len(logits))]
    return float(np.mean(rows) + np.mean(columns)) / 2


def sigmoid_by_hand(logits: Array) -> float:
    """SigLIP, section 3.2: -1/B sum_i sum_j log 1 / (1 + exp(-z_ij logit_ij))."""
    total = 0.0
    for i in range(len(logits)):
        for j in range(len(logits)):
            z = 1 if i == j else -1
            total += math.log(1 + math.exp(-z * logits[i, j]))
    return total / len(logits)


def vicreg_by_hand(a: Array, b: Array) -> dict[str, float]:
    """VICReg, equations 1 to 6; means over channels and sides as in algorithm 1 and its code."""
    d = a.shape[1]
    variance = covariance = 0.0
    for x in (a, b):
        c = np.cov(x, rowvar=False)
        variance += sum(max(0.0, 1 - math.sqrt(c[j, j] + 1e-4)) for j in range(d)) / d / 2
        covariance += sum(c[i, j] ** 2 for i in range(d) for j in range(d) if i != j) / d
    invariance = float(np.mean([(x - y) @ (x - y) for x, y in zip(a, b, strict=True)])) / d
    total = 25 * invariance + 25 * variance + covariance
    return {
        "total": total,
        "invariance": invariance,
        "variance": variance,
        "covariance": covariance,
    }


def barlow_by_hand(a: Array, b: Array) -> dict[str, float]:
    """Barlow Twins, equations 1 and 2, of channels as batch normalisation makes them."""
    d = a.shape[1]
    x, y = ((z - z.mean(axis=0)) / np.sqrt(z.var(axis=0) + 1e-5) for z in (a, b))
    c = np.array([[np.mean(x[:, i] * y[:, j]) for j in range(d)] for i in range(d)])
    invariance = sum((1 - c[i, i]) ** 2 for i in range(d))
    redundancy = sum(c[i, j] ** 2 for i in range(d) for j in range(d) if i != j)
    return {
        "total": invariance + 5e-3 * redundancy,
        "invariance": invariance,
        "redundancy": redundancy,
    }


@pytest.mark.parametrize("seed", range(3))
def test_info_nce_is_the_papers(seed: int) -> None:
    a, b = tables(seed)
    expected = info_nce_by_hand(cosines(a, b) / 0.07)
    assert value(InfoNCE(0.07), a, b) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_clip_is_info_nce_of_headed_cosines_times_the_scale(seed: int) -> None:
    torch.manual_seed(seed)
    a, b = tables(seed)
    clip = CLIP(WIDTH).double()
    heads = [
        (weight.detach().numpy(), bias.detach().numpy())
        for head in (clip.alignment.wsi_head, clip.alignment.rna_head)
        for weight, bias in [(head.weight, head.bias)]
    ]
    projected = [x @ weight.T + bias for x, (weight, bias) in zip((a, b), heads, strict=True)]
    expected = info_nce_by_hand(cosines(*projected) / 0.07)
    assert value(clip, a, b) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("scale", "bias"), [(10.0, -10.0), (3.0, 0.5)])
def test_siglip_is_the_papers(seed: int, scale: float, bias: float) -> None:
    a, b = tables(seed)
    siglip = SigLIP().double()
    with torch.no_grad():
        siglip.log_scale.fill_(math.log(scale))
        siglip.bias.fill_(bias)
    expected = sigmoid_by_hand(scale * cosines(a, b) + bias)
    assert value(siglip, a, b) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_vicreg_is_the_papers(seed: int) -> None:
    a, b = tables(seed)
    for name, expected in vicreg_by_hand(a, b).items():
        found = value(VICReg(25.0, 25.0, 1.0), a, b, name)
        assert found == pytest.approx(expected, rel=1e-6), name


@pytest.mark.parametrize("seed", range(3))
def test_barlow_twins_is_the_papers(seed: int) -> None:
    a, b = tables(seed)
    for name, expected in barlow_by_hand(a, b).items():
        assert value(BarlowTwins(5e-3), a, b, name) == pytest.approx(expected, rel=1e-6), name


@pytest.mark.parametrize("seed", range(3))
def test_regression_is_byols(seed: int) -> None:
    """Grill et al., equation 2: 2 - 2 <q, z> / (|q| |z|), the mean over the batch."""
    a, b = tables(seed)
    expected = np.mean(2 - 2 * np.diag(cosines(a, b)))
    assert value(Regression(), a, b) == pytest.approx(expected, rel=1e-6)


def test_learned_scales_start_where_the_papers_start_them() -> None:
    siglip, clip = SigLIP(), CLIP(WIDTH)
    assert siglip.log_scale.exp().item() == pytest.approx(10)
    assert siglip.bias.item() == -10
    assert clip.alignment.log_scale.exp().item() == pytest.approx(1 / 0.07)
    with torch.no_grad():
        clip.alignment.log_scale.fill_(9.0)
    clip.after_step()
    assert clip.alignment.log_scale.exp().item() == pytest.approx(100)


def test_a_batch_of_one_patient() -> None:
    a, b = tables(n=1)
    assert value(InfoNCE(0.1), a, b) == 0
    logit = 10 * cosines(a, b).item() - 10
    expected = math.log(1 + math.exp(-logit))
    assert value(SigLIP().double(), a, b) == pytest.approx(expected, rel=1e-6)


def test_embeddings_all_alike_say_nothing_to_info_nce() -> None:
    a = np.ones((6, WIDTH))
    assert value(InfoNCE(0.1), a, 3 * a) == pytest.approx(math.log(6))


def test_a_perfect_match_costs_the_sigmoid_loss_nothing() -> None:
    logits = 200 * torch.eye(4) - 100
    assert sigmoid_loss(logits).item() == pytest.approx(0, abs=1e-12)
    # At logit zero every pair is a coin toss: B * B pairs of log 2, over B.
    assert sigmoid_loss(torch.zeros(4, 4)).item() == pytest.approx(4 * math.log(2))


def whitened(n: int, d: int) -> Array:
    """Channels of mean zero and of variance one that do not correlate."""
    x = np.random.default_rng(0).normal(size=(n, d))
    q, _ = np.linalg.qr(x - x.mean(axis=0))
    return np.asarray(q * math.sqrt(n - 1))


def test_white_embeddings_that_agree_are_the_best_without_negatives() -> None:
    x = whitened(40, WIDTH)
    barlow = BarlowTwins(5e-3)
    assert value(barlow, x, x) == pytest.approx(0, abs=1e-8)
    # Neither scale nor offset of a channel counts for Barlow Twins.
    assert value(barlow, x, x * [1, 2, 3, 4, 5] + 7) == pytest.approx(0, abs=1e-8)
    assert value(VICReg(25.0, 25.0, 1.0), x, x) == pytest.approx(0, abs=1e-12)


def test_collapse_is_what_vicreg_punishes() -> None:
    a = np.ones((9, WIDTH))
    losses = {
        name: value(VICReg(25.0, 25.0, 1.0), a, a, name)
        for name in ("invariance", "variance", "covariance")
    }
    assert losses == pytest.approx({"invariance": 0, "variance": 0.99, "covariance": 0})


def test_channels_that_repeat_are_what_both_punish() -> None:
    x = np.repeat(whitened(40, 1), 3, axis=1)
    tensor = torch.from_numpy(x)
    assert covariance_loss(tensor).item() == pytest.approx(6 / 3)
    assert variance_loss(tensor).item() == 0
    assert value(BarlowTwins(5e-3), x, x, "redundancy") == pytest.approx(6, rel=1e-4)


def test_a_constant_channel_correlates_with_nothing() -> None:
    a = torch.tensor([[1.0, 0.0], [1.0, 1.0], [1.0, 3.0]], requires_grad=True)
    correlation = cross_correlation(a, a)
    torch.testing.assert_close(correlation, torch.diag(torch.tensor([0.0, 1.0])), atol=1e-5, rtol=0)
    correlation.sum().backward()
    assert a.grad is not None
    assert a.grad.isfinite().all()


def test_gradients_are_those_of_the_values(objective: PairObjective) -> None:
    a, b = (torch.from_numpy(x).requires_grad_() for x in tables(n=6))

    def total(a: Tensor, b: Tensor) -> Tensor:
        losses: dict[str, Tensor] = objective(a, b)
        return losses["total"]

    assert torch.autograd.gradcheck(total, (a, b))


@pytest.mark.parametrize("name", ["clip", "siglip"])
def test_what_an_objective_has_of_its_own_learns(name: str) -> None:
    objective = OBJECTIVES[name]().double()
    a, b = (torch.from_numpy(x) for x in tables())
    objective(a, b)["total"].backward()
    assert all(w.grad is not None and w.grad.abs().sum() > 0 for w in objective.parameters())


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), n=st.integers(2, 9), scale=st.sampled_from([0.0, 1e-6, 1.0, 1e4]))
@pytest.mark.parametrize("name", OBJECTIVES)
def test_losses_and_gradients_are_finite_and_blind_to_the_order_of_patients(
    name: str, seed: int, n: int, scale: float
) -> None:
    torch.manual_seed(seed)
    objective: nn.Module = OBJECTIVES[name]()
    a = (scale * torch.randn(n, WIDTH)).requires_grad_()
    b = torch.randn(n, WIDTH)
    losses = objective(a, b)
    order = torch.randperm(n)
    assert all(loss.isfinite() and loss >= -1e-6 for loss in losses.values())
    torch.testing.assert_close(objective(a[order], b[order])["total"], losses["total"])
    losses["total"].backward()
    assert a.grad is not None
    assert a.grad.isfinite().all()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000))
@pytest.mark.parametrize("name", [name for name in OBJECTIVES if name != "clip"])
def test_neither_side_comes_first(name: str, seed: int) -> None:
    # CLIP has a head per side, so exchanging its inputs exchanges their heads.
    a, b = tables(seed)
    objective = OBJECTIVES[name]().double()
    assert value(objective, a, b) == pytest.approx(value(objective, b, a), rel=1e-9)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), length=st.floats(0.01, 100))
@pytest.mark.parametrize("name", ["info_nce", "siglip", "regression"])
def test_only_directions_count_for_cosines(name: str, seed: int, length: float) -> None:
    a, b = tables(seed)
    objective = OBJECTIVES[name]().double()
    assert value(objective, length * a, b) == pytest.approx(value(objective, a, b), rel=1e-9)
