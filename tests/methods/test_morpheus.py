"""MORPHEUS: its loss in numpy, what is hidden of it, and groups that a slide or others predict."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from methods.base import Budget, Context
from methods.morpheus import MaskedGroups, MorpheusConfig, MorpheusMethod
from methods.prototypes import PrototypesConfig, PrototypeTokens
from methods.registry import all_methods
from tasks.data.cohort import BagModality, VectorModality
from tasks.errors import InputError
from tests.helpers.planted import planted
from tests.methods.test_comm import layer_norm
from tests.methods.test_fidelity import linear, shaken, weights

Array = NDArray[np.float64]
SMOKE: Any = all_methods()["morpheus"].config_for(Budget.SMOKE)
GROUPS = [np.array([0, 3]), np.array([2, 6, 1]), np.array([4, 5]), np.array([1, 7])]
WIDTH, HEADS = 8, 2


def network(groups: Sequence[NDArray[np.int64]] = GROUPS, **changes: Any) -> MaskedGroups:
    torch.manual_seed(0)
    told: dict[str, Any] = {"heads": HEADS, "dropout": 0.0, "mask_ratio": 0.75, **changes}
    return MaskedGroups(4, 3, groups, WIDTH, **told)


def elu(x: Array) -> Array:
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def gelu(x: Array) -> Array:
    return np.asarray(torch.nn.functional.gelu(torch.from_numpy(x)).numpy())


def attention(asking: Array, tokens: Array, w: dict[str, Array], name: str) -> Array:
    """Of one patient: [k, width] ask [n, width]."""
    q, k, v = (
        x @ weight.T + bias
        for x, weight, bias in zip(
            (asking, tokens, tokens),
            np.split(w[f"{name}.in_proj_weight"], 3),
            np.split(w[f"{name}.in_proj_bias"], 3),
            strict=True,
        )
    )
    heads = []
    for part in np.split(np.arange(WIDTH), HEADS):
        weight = np.exp(q[:, part] @ k[:, part].T / np.sqrt(len(part)))
        heads.append(weight / weight.sum(axis=1, keepdims=True) @ v[:, part])
    return linear(np.hstack(heads), w, f"{name}.out_proj")


def errors_by_hand(wsi: Array, rna: Array, shown: Sequence[int], w: dict[str, Array]) -> Array:
    """Mean absolute error of each group of one patient who is shown some groups."""
    slide = linear(wsi.reshape(3, -1), w, "slides") + w["places"][:3]
    genes = [
        elu(linear(elu(linear(rna[g][None], w, f"genes.layers.{i}.0")), w, f"genes.layers.{i}.3"))
        for i, g in enumerate(GROUPS)
    ]
    x = np.vstack([slide, *(genes[i] + w["places"][3 + i] for i in shown)])
    normed = layer_norm(x, w, "layer.norm1")
    x = x + attention(normed, normed, w, "layer.self_attn")
    hidden = gelu(linear(layer_norm(x, w, "layer.norm2"), w, "layer.linear1"))
    x = layer_norm(x + linear(hidden, w, "layer.linear2"), w, "norm")
    asking = w["questions"]
    keys = layer_norm(x, w, "decoder.norm")
    y = asking + attention(layer_norm(asking, w, "decoder.norm"), keys, w, "decoder.attention")
    hidden = gelu(linear(layer_norm(y, w, "decoder.perceptron.0"), w, "decoder.perceptron.1"))
    y = layer_norm(y + linear(hidden, w, "decoder.perceptron.4"), w, "decoded")
    return np.array(
        [
            np.abs(linear(y[i][None], w, f"predictors.{i}") - rna[g]).mean()
            for i, g in enumerate(GROUPS)
        ]
    )


def test_the_loss_is_the_mean_absolute_error_of_hidden_groups() -> None:
    model = shaken(network())
    assert isinstance(model, MaskedGroups)
    wsi, rna = torch.randn(5, 12).double(), torch.randn(5, 8).double()
    torch.manual_seed(3)
    found = model.losses(wsi, rna)["total"].item()
    torch.manual_seed(3)
    # the one group in four that is shown is that of the least noise
    shown = torch.rand(5, 4).argmin(dim=1).tolist()
    w, errors = weights(model), []
    for patient, group in enumerate(shown):
        by_hand = errors_by_hand(wsi[patient].numpy(), rna[patient].numpy(), [group], w)
        errors += [by_hand[i] for i in range(4) if i != group]
    assert found == pytest.approx(np.mean(errors), abs=1e-6)


def test_what_is_hidden_reaches_no_token() -> None:
    """A patient's error of a hidden group depends on its genes as a target alone."""
    model = network()
    wsi, rna = torch.randn(3, 12), torch.randn(3, 8, requires_grad=True)
    torch.manual_seed(3)
    shown = torch.rand(3, 4).argmin(dim=1).tolist()
    seen: list[Tensor] = []
    handle = model.layer.register_forward_hook(lambda _, __, out: seen.append(out))
    torch.manual_seed(3)
    model.losses(wsi, rna)
    handle.remove()
    (gradient,) = torch.autograd.grad(seen[0].square().sum(), rna)
    for patient, group in enumerate(shown):
        assert set(gradient[patient].nonzero()[:, 0].tolist()) == set(GROUPS[group].tolist())


def test_tokens_are_weights_and_means_of_the_mixture() -> None:
    slides = planted(True).modalities["wsi"]
    assert isinstance(slides, BagModality)
    train = planted(True).subset(slides.patients[:20])
    method = PrototypeTokens(MorpheusConfig(prototypes=3))
    method.fit(train, Context(seed=0))
    patient = slides.patients[30]
    mixture = method.mixture(slides, patient)
    found = method.embed(planted(True).subset([patient])).joint.reshape(3, -1)
    np.testing.assert_allclose(found[:, 0], 3 * mixture.weights, rtol=1e-6)
    np.testing.assert_allclose(found[:, 1:], mixture.means, rtol=1e-5, atol=1e-6)
    assert isinstance(method.config, PrototypesConfig)


def test_declared_gene_sets_are_the_groups_and_are_restored() -> None:
    cohort = planted(True)
    train = cohort.subset(cohort.complete()[:24])
    rna = train.modalities["rna"]
    assert isinstance(rna, VectorModality)
    sets = {"first": rna.features[:5], "second": rna.features[3:9], "strange": ("NOBODY",)}
    declared = replace(train, modalities={**train.modalities, "rna": replace(rna, gene_sets=sets)})
    method = MorpheusMethod(replace(SMOKE, epochs=1, genes=0))
    method.fit(declared, Context(seed=1))
    assert method.state()["network.genes.sizes"].tolist() == [5, 6]
    restored = MorpheusMethod(method.config)
    restored.restore(method.state())
    some = cohort.subset(cohort.complete()[30:36])
    there = method.embed(some)
    np.testing.assert_array_equal(restored.embed(some).joint, there.joint)
    # both sides of a joint embedding know of each other: it is not the two side by side
    assert there.wsi is not None
    assert there.joint.shape[1] == 2 * SMOKE.width
    assert not np.allclose(there.joint[:, : SMOKE.width], there.wsi, atol=1e-3)


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(InputError, match="width: a multiple of heads 8 expected, 20 found"):
        MorpheusConfig(width=20)


@pytest.mark.parametrize("source", ["slide", "others", "nothing"])
def test_hidden_groups_are_predicted_from_the_slide_or_the_others_or_not(source: str) -> None:
    """All genes say one number, that the slide says too, or that it does not, or are noise."""
    rng = np.random.default_rng(0)

    def draw(n: int) -> tuple[Tensor, Tensor]:
        level = rng.normal(size=(n, 1))
        wsi, rna = rng.normal(size=(n, 12)), rng.normal(size=(n, 8))
        if source != "nothing":
            rna = 2 * level + 0.3 * rna
        if source == "slide":
            wsi[:, 0] = 3 * level[:, 0]
        return torch.from_numpy(wsi).float(), torch.from_numpy(rna / rna.std()).float()

    groups = np.split(np.arange(8), 4)  # no gene is in two of them, which would tell of it
    model = network(groups, mask_ratio=0.99 if source == "slide" else 0.75)  # all four, or three
    optimiser = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(150):
        wsi, rna = draw(64)
        optimiser.zero_grad()
        model.losses(wsi, rna)["total"].backward()
        optimiser.step()
    wsi, rna = draw(1000)
    with torch.no_grad():
        found = model.eval().losses(wsi, rna)["total"].item()
    guessed = rna.abs().mean().item()  # what the mean of everybody would have
    assert found < 0.5 * guessed if source != "nothing" else found > 0.97 * guessed
