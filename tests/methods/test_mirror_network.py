"""The networks of MIRROR and of its ablations: finite, deterministic, by kind, as declared."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from methods.base import Budget, Context, UnableError
from methods.branches import encoder_of
from methods.encoders.attention.nystrom import NystromAttention
from methods.encoders.slide import SlideEncoder
from methods.mirror.family import SPEC, MirrorConfig, MirrorMethod
from methods.mirror.model import MIRROR, MirrorArchitecture
from methods.objectives.alignment import info_nce, matching_loss
from methods.objectives.pairs import InfoNCE
from methods.objectives.retention import choose_masked, masked_error
from methods.objectives.style import cluster_loss
from methods.two_tower import TwoTower
from tasks.errors import InputError
from tests.helpers.planted import planted

SMALL = MirrorArchitecture(
    width=24, style_hidden=16, style_output=12, style_latent=8, prototypes=20
)
GENES = 30
KINDS = {"bags": (9, (4, 9, 10)), "vectors": (None, (4, 10))}
SWITCHES: list[dict[str, Any]] = [
    {},
    {"detach_targets": True},
    {"mask_inputs": True},
    {"cosine": True},
    {"exact_attention": True},
    {"checkpointing": True},
    {"alignment": 0.0},
    {"wsi_retention": 0.0, "rna_retention": 0.0},
    {"style": 0.0, "cluster": 0.0},
]


def pair(shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    return torch.randn(shape), torch.randn(shape[0], GENES)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("switches", SWITCHES, ids=str)
def test_every_variant_learns_on_bags_and_on_vectors(kind: str, switches: dict[str, Any]) -> None:
    torch.manual_seed(0)
    tokens, shape = KINDS[kind]
    model = MIRROR(10, GENES, tokens, replace(SMALL, **switches))
    wsi, rna = pair(shape)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    totals = []
    for _ in range(15):
        model.before_step()
        losses = model.losses(wsi, rna)
        optimiser.zero_grad()
        losses["total"].backward()
        optimiser.step()
        model.after_step()
        totals.append(losses["total"].item())
    assert set(losses) == {
        "total",
        "alignment",
        "wsi_retention",
        "rna_retention",
        "style",
        "cluster",
    }
    assert min(totals[-3:]) < totals[0]
    assert model.encode_wsi(wsi).shape == model.encode_rna(rna).shape == (4, 24)


@pytest.mark.parametrize("kind", KINDS)
def test_weight_zero_means_no_gradient(kind: str) -> None:
    tokens, shape = KINDS[kind]
    model = MIRROR(10, GENES, tokens, replace(SMALL, wsi_retention=0.0, style=0.0, cluster=0.0))
    losses = model.losses(*pair(shape))
    losses["total"].backward()
    for module in (model.wsi.retention, model.style):
        assert all(weight.grad is None for weight in module.parameters())  # type: ignore[union-attr]
    expected = 0.5 * losses["alignment"] + 0.15 * losses["rna_retention"]
    torch.testing.assert_close(losses["total"], expected)


def test_detached_targets_leave_values_and_change_gradients() -> None:
    torch.manual_seed(0)
    model = MIRROR(10, GENES, 9, SMALL).eval()
    repaired = MIRROR(10, GENES, 9, replace(SMALL, detach_targets=True)).eval()
    repaired.load_state_dict(model.state_dict())
    wsi, rna = pair((4, 9, 10))
    results = []
    for each in (model, repaired):
        torch.manual_seed(1)
        losses = each.losses(wsi, rna)
        losses["wsi_retention"].backward()
        results.append((losses["wsi_retention"], each.wsi.encoder.patch_embedding.weight.grad))  # type: ignore[union-attr]
    torch.testing.assert_close(results[0][0], results[1][0])
    assert not torch.allclose(results[0][1], results[1][1])  # type: ignore[arg-type]


@pytest.mark.parametrize("exact", [False, True])
def test_checkpointing_changes_no_loss_and_no_gradient(exact: bool) -> None:
    results = []
    for checkpointing in (False, True):
        torch.manual_seed(0)
        architecture = replace(SMALL, exact_attention=exact, checkpointing=checkpointing)
        model = MIRROR(10, GENES, 9, architecture)
        losses = model.losses(*pair((4, 9, 10)))  # with dropout, whose draws must be repeated
        losses["total"].backward()
        results.append([losses["total"], *(weight.grad for weight in model.parameters())])
    assert all(torch.equal(*both) for both in zip(*results, strict=True))


def test_masked_inputs_do_not_reach_the_prediction() -> None:
    model = MIRROR(10, GENES, 9, replace(SMALL, mask_inputs=True)).eval()
    wsi, rna = pair((2, 9, 10))
    for branch, x, shape in ((model.wsi, wsi, (2, 9)), (model.rna, rna, (2, GENES))):
        mask = choose_masked(torch.rand(shape), 0.75)
        other = torch.where(mask.view(*shape, *[1] * (x.dim() - 2)), torch.randn_like(x), x)
        first, target = branch.recover(x, branch(x), mask)
        second, _ = branch.recover(other, branch(other), mask)
        torch.testing.assert_close(first, second)
        assert target is x
        assert first.shape == x.shape


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("kind", KINDS)
def test_losses_are_finite_under_autocast(kind: str, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    tokens, shape = KINDS[kind]
    model = MIRROR(10, GENES, tokens, SMALL)
    wsi, rna = pair(shape)
    with torch.autocast("cpu", dtype):
        losses = model.losses(wsi, rna)
    assert all(loss.dtype == torch.float32 and loss.isfinite() for loss in losses.values())
    losses["total"].backward()
    assert all(w.grad is None or w.grad.isfinite().all() for w in model.parameters())


EDGES = {
    "one pair": torch.randn(1, 9, 10),
    "constant bags": torch.ones(3, 9, 10),
    "zero bags": torch.zeros(2, 9, 10),
    "one token": torch.randn(2, 1, 10),
}


@pytest.mark.parametrize("switches", SWITCHES, ids=str)
@pytest.mark.parametrize("wsi", EDGES.values(), ids=EDGES)
def test_losses_and_gradients_are_finite_at_the_edges(
    wsi: Tensor, switches: dict[str, Any]
) -> None:
    model = MIRROR(10, GENES, wsi.shape[1], replace(SMALL, **switches))
    losses = model.losses(wsi, torch.zeros(len(wsi), GENES))
    assert all(loss.isfinite() for loss in losses.values())
    losses["total"].backward()
    assert all(w.grad is None or w.grad.isfinite().all() for w in model.parameters())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("wsi", EDGES.values(), ids=EDGES)
def test_half_precision_is_finite_at_the_edges(wsi: Tensor, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    model = MIRROR(10, GENES, wsi.shape[1], SMALL)
    with torch.autocast("cpu", dtype):
        losses = model.losses(wsi, torch.zeros(len(wsi), GENES))
    assert all(loss.dtype == torch.float32 and loss.isfinite() for loss in losses.values())
    losses["total"].backward()
    assert all(w.grad is None or w.grad.isfinite().all() for w in model.parameters())
    with torch.inference_mode(), torch.autocast("cpu", dtype):
        assert model.eval().encode_wsi(wsi).isfinite().all()


def test_losses_are_finite_for_prototype_scores_far_apart() -> None:
    torch.manual_seed(0)
    model = MIRROR(10, GENES, 9, SMALL)
    with torch.no_grad():
        model.style.decoder.weight.mul_(1e4)
    wsi, rna = pair((4, 9, 10))
    style = model.style(model.encode_wsi(wsi), torch.randn(4, 8))
    assert (style.scores.amax(1) - style.scores.amin(1)).min() > 200
    losses = model.losses(wsi, rna)
    losses["total"].backward()
    assert all(loss.isfinite() for loss in losses.values())
    assert all(w.grad is None or w.grad.isfinite().all() for w in model.parameters())


def test_cluster_loss_is_finite_for_any_gap_and_zero_for_none() -> None:
    scores = torch.tensor([[0.0, 200.0]])
    assert cluster_loss(scores, -scores).item() == pytest.approx(200.0)
    assert cluster_loss(scores, scores).item() == 0
    huge = torch.tensor([[0.0, 1e30]], requires_grad=True)
    loss = cluster_loss(huge, -huge)
    loss.backward()
    assert loss.isfinite()
    assert huge.grad is not None
    assert huge.grad.isfinite().all()


def test_a_mask_keeps_the_smallest_noise() -> None:
    noise = torch.tensor([[0.5, 0.1, 0.9, 0.3]])
    assert choose_masked(noise, 0.5).tolist() == [[True, False, True, False]]
    assert choose_masked(noise, 0.0).sum() == 0
    prediction, target = torch.tensor([[1.0, 5.0]]), torch.zeros(1, 2)
    assert masked_error(prediction, target, torch.tensor([[True, False]])).item() == 1
    assert masked_error(prediction, target, torch.tensor([[False, False]])).item() == 0


def test_contrastive_losses() -> None:
    assert matching_loss(torch.zeros(4, 4)).item() == pytest.approx(torch.tensor(4.0).log().item())
    same = torch.eye(3, 5)
    assert info_nce(same, 7 * same, 0.1) < 1e-3
    for tokens, shape in KINDS.values():
        towers = encoder_of(10, tokens, SMALL), encoder_of(GENES, None, SMALL)
        losses = TwoTower(*towers, InfoNCE(0.1)).losses(*pair(shape))
        assert losses["total"] is losses["alignment"]


def test_evaluation_is_deterministic_and_one_bag_depends_on_no_other() -> None:
    model = MIRROR(10, GENES, 9, SMALL).eval()
    bag, rna = torch.randn(1, 40, 10), torch.randn(3, GENES)
    first = model.encode_wsi(bag)
    model.encode_wsi(torch.randn(1, 7, 10))
    assert torch.equal(model.encode_wsi(bag), first)
    torch.testing.assert_close(model.encode_rna(rna)[:1], model.encode_rna(rna[:1]))
    exact = MIRROR(10, GENES, 9, replace(SMALL, exact_attention=True)).eval()
    bags = torch.randn(3, 9, 10)
    torch.testing.assert_close(exact.encode_wsi(bags)[:1], exact.encode_wsi(bags[:1]))


def test_the_embedding_is_the_summary_of_the_full_pass() -> None:
    for switches in ({}, {"exact_attention": True}):
        model = MIRROR(10, GENES, 9, replace(SMALL, **switches)).double().eval()
        for n in (1, 2, 9, 30, 100):
            bag = torch.randn(2, n, 10, dtype=torch.float64)
            full = model.wsi.summary(model.wsi(bag))
            torch.testing.assert_close(model.encode_wsi(bag), full, rtol=1e-9, atol=1e-9)


def test_prototypes_are_unit_rows_and_the_scale_is_clamped() -> None:
    model = MIRROR(10, GENES, 9, SMALL)
    with torch.no_grad():
        model.style.prototypes.weight.mul_(3)
        model.alignment.log_scale.fill_(9.0)
    model.before_step()
    model.after_step()
    torch.testing.assert_close(model.style.prototypes.weight.norm(dim=1), torch.ones(20))
    assert model.alignment.log_scale.exp().item() == pytest.approx(100)


def test_initial_values_follow_the_seed_and_the_published_scales() -> None:
    states = []
    for _ in range(2):
        torch.manual_seed(3)
        states.append(MIRROR(10, GENES, 9, SMALL).state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert states[0]["alignment.log_scale"].exp().item() == pytest.approx(1 / 0.07)
    for name, weight in states[0].items():
        if name.endswith("bias") and "norm" not in name and "position" not in name:
            assert weight.eq(0).all(), name


def test_wrong_sizes_are_said_in_one_line() -> None:
    with pytest.raises(InputError, match="width: a multiple of slide_heads 8 expected, 20 found"):
        MirrorArchitecture(width=20)
    model = MIRROR(10, GENES, 9, SMALL)
    with pytest.raises(ValueError, match="bags of 9 patches expected"):
        model.losses(*pair((2, 8, 10)))


def test_attention_is_exact_where_that_costs_less() -> None:
    """Of up to 64 patches, and where every token would be one of 72 landmarks."""

    def is_exact(asked: bool | None, width: int, tokens: int) -> bool:
        towers = encoder_of(10, tokens, replace(SMALL, width=width, exact_attention=asked))
        assert isinstance(towers, SlideEncoder)
        return not isinstance(towers.first.attention, NystromAttention)

    assert is_exact(None, 24, 64)
    assert not is_exact(None, 24, 65)
    assert is_exact(None, 144, 71)
    assert not is_exact(None, 144, 72)
    assert is_exact(True, 24, 2048)
    assert not is_exact(False, 192, 4)
    for budget, exact in ((Budget.DEFAULT, True), (Budget.PAPER, False)):
        config = SPEC.config_for(budget)
        assert isinstance(config, MirrorConfig)
        assert is_exact(config.exact_attention, config.width, config.tokens) == exact
    asked = MirrorMethod(replace(MirrorConfig(), exact_attention=True))
    with pytest.raises(UnableError, match="this one unasked"):
        asked.fit(planted(bags=True), Context(seed=0))
