"""CoMM: fusion and loss in numpy, and that a side alone is known by what it shares."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.special import erf, logsumexp
from torch import Tensor

from methods.base import Budget, Context
from methods.comm import CoMMConfig, CoMMMethod, Communicating, Fusion
from methods.registry import all_methods
from methods.trainer import Shape
from tasks.errors import InputError
from tests.helpers.paired import shuffled, told_apart
from tests.helpers.planted import planted
from tests.methods.test_fidelity import linear, shaken, weights

Array = NDArray[np.float64]
SMOKE: Any = all_methods()["comm"].config_for(Budget.SMOKE)
WIDTH = 8


def layer_norm(x: Array, w: dict[str, Array], name: str) -> Array:
    centred = x - x.mean(axis=-1, keepdims=True)
    scaled: Array = centred / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5)
    return scaled * w[f"{name}.weight"] + w[f"{name}.bias"]


def fused_by_hand(tokens: Array, w: dict[str, Array], heads: int) -> Array:
    """A pre-norm transformer layer, of which the class token is read, of one patient's tokens."""
    token = w["token"][0]
    x = layer_norm(np.vstack([token, tokens]), w, "layer.norm")
    projected = x @ w["layer.attention.in_proj_weight"].T + w["layer.attention.in_proj_bias"]
    q, k, v = np.split(projected, 3, axis=1)
    size = WIDTH // heads
    seen = []
    for h in range(heads):
        part = slice(h * size, (h + 1) * size)
        weight = np.exp(q[0, part] @ k[:, part].T / np.sqrt(size))
        seen.append(weight @ v[:, part] / weight.sum())
    fused = token + linear(np.concatenate(seen)[None], w, "layer.attention.out_proj")
    hidden = linear(layer_norm(fused, w, "layer.perceptron.0"), w, "layer.perceptron.1")
    hidden = hidden * (1 + erf(hidden / np.sqrt(2))) / 2
    hidden = fused + linear(hidden, w, "layer.perceptron.4")
    return np.asarray(layer_norm(hidden, w, "norm")[0])


def test_fusion_is_a_transformer_layer_read_at_its_class_token() -> None:
    torch.manual_seed(0)
    fusion = shaken(Fusion(WIDTH, heads=2, dropout=0.1))
    assert isinstance(fusion, Fusion)
    sides = [torch.randn(3, n, WIDTH).double() for n in (5, 2)]
    w = weights(fusion)
    for number, some in enumerate((sides, sides[:1], sides[1:])):
        found = fusion(some)
        for patient, tokens in enumerate(torch.cat(some, dim=1).numpy()):
            expected = fused_by_hand(tokens, w, 2)
            np.testing.assert_allclose(found[patient].detach().numpy(), expected, atol=1e-10)
        torch.testing.assert_close(fusion.parts(sides)[number], found)


def info_nce(a: Array, b: Array, temperature: float) -> float:
    """Mean over patients of -log softmax of the own pair, both ways."""
    a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b))
    logits = a @ b.T / temperature
    own = np.diag(logits)
    return float(np.mean(logsumexp(logits, axis=0) + logsumexp(logits, axis=1) - 2 * own) / 2)


def network(**changes: Any) -> Communicating:
    torch.manual_seed(0)
    method = CoMMMethod(replace(SMOKE, **changes))
    model = method.build({"wsi": Shape(10, tokens=9), "rna": Shape(30)})
    shaken(model)
    assert isinstance(model, Communicating)
    return model


def test_the_loss_is_of_both_views_and_of_each_side_with_them() -> None:
    """Where nothing is hidden, both views are alike and the loss is that of what is embedded."""
    model = network(mask_ratio=0.0, temperature=0.2)
    wsi, rna = torch.randn(6, 9, 10).double(), torch.randn(6, 30).double()
    found = {name: loss.item() for name, loss in model.losses(wsi, rna).items()}

    def seen(z: Tensor) -> Array:
        return np.asarray(model.head(z).detach().numpy())

    both = seen(model.encode(wsi, rna))
    expected = {
        "fused": info_nce(both, both, 0.2),
        "wsi": info_nce(seen(model.encode_wsi(wsi)), both, 0.2),
        "rna": info_nce(seen(model.encode_rna(rna)), both, 0.2),
    }
    assert found == pytest.approx({**expected, "total": sum(expected.values())}, abs=1e-6)


def test_each_side_is_set_against_the_other_view() -> None:
    """With all but one patch hidden the two views differ, and so do their halves of the loss."""
    model = network(mask_ratio=0.8)
    wsi, rna = torch.randn(6, 9, 10).double(), torch.randn(6, 30).double()
    torch.manual_seed(3)
    found = model.losses(wsi, rna)["wsi"].item()
    torch.manual_seed(3)
    kept: list[tuple[Tensor, ...]] = []
    handle = model.fusion.norm.register_forward_hook(
        lambda _, __, out: kept.append(model.head(out).detach().unbind(1))
    )
    model.losses(wsi, rna)
    handle.remove()
    (both, one, _), (other_both, other, _) = ([x.numpy() for x in view] for view in kept)
    expected = (info_nce(one, other_both, 0.1) + info_nce(other, both, 0.1)) / 2
    assert found == pytest.approx(expected, abs=1e-6)
    assert found != pytest.approx((info_nce(one, both, 0.1) + info_nce(other, other_both, 0.1)) / 2)


def test_the_joint_embedding_is_both_sides_fused() -> None:
    cohort = planted(False)
    method = CoMMMethod(SMOKE)
    method.fit(cohort.subset(cohort.complete()[:40]), Context(seed=1))
    found = method.embed(cohort)
    assert found.joint.shape[1] == SMOKE.width
    assert found.head is not None
    known = found.rows(found.known())
    assert found.wsi is not None
    assert not np.allclose(found.joint[known], found.wsi[known], atol=1e-2)
    np.testing.assert_array_equal(np.isnan(found.head), np.isnan(found.joint))


@pytest.mark.parametrize("paired", [True, False])
def test_it_tells_strangers_pairs_if_it_was_taught_pairs(paired: bool) -> None:
    cohort = planted(False)
    patients = cohort.complete()
    train, others = cohort.subset(patients[:120]), cohort.subset(patients[120:])
    method = CoMMMethod(replace(SMOKE, width=48, epochs=30))
    method.fit(train if paired else shuffled(train), Context(seed=1))
    found = method.embed(others)
    assert found.wsi is not None
    assert found.rna is not None
    model: Any = method._network
    with torch.no_grad():
        a, b = (model.head(torch.from_numpy(z)).numpy() for z in (found.wsi, found.rna))
    own = told_apart(a, b)
    assert own > 0.7 if paired else own < 0.58


def test_heads_that_do_not_divide_and_views_of_nothing_are_refused() -> None:
    with pytest.raises(InputError, match="width: a multiple of heads 8 expected, 20 found"):
        CoMMConfig(width=20)
    with pytest.raises(InputError, match="mask_ratio: one that leaves a patch of 16 expected"):
        CoMMConfig(mask_ratio=0.95)
