"""Networks against their publications, written out in numpy from the weights."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from methods.encoders.co_attention import GeneGroups
from methods.registry import all_methods
from methods.supervised.mil import TransMILMethod
from methods.tangle import TangleRecMethod
from methods.trainer import Shape

Array = NDArray[np.float64]


def weights(module: nn.Module) -> dict[str, Array]:
    return {name: value.numpy() for name, value in module.state_dict().items()}


def linear(x: Array, w: dict[str, Array], name: str) -> Array:
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def layer_norm(x: Array, w: dict[str, Array], name: str) -> Array:
    centred = x - x.mean(axis=1, keepdims=True)
    scaled: Array = centred / np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)
    return scaled * w[f"{name}.weight"] + w[f"{name}.bias"]


def shaken(module: nn.Module) -> nn.Module:
    """In float64 and evaluation mode, with no weight at the value that it starts from."""
    module.double().eval()
    with torch.no_grad():
        for weight in module.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    return module


def test_tangle_rec_predicts_genes_by_two_hidden_layers() -> None:
    """Jaume et al.: Linear, LayerNorm, ReLU and dropout, twice, then Linear."""
    torch.manual_seed(0)
    spec = all_methods()["tangle-rec"]
    method = spec.build(spec.config)
    assert isinstance(method, TangleRecMethod)
    network = method.build({"wsi": Shape(6, tokens=4), "rna": Shape(11)})
    predictor = shaken(network.get_submodule("predictor"))
    w = weights(predictor)
    x = np.random.default_rng(0).normal(size=(5, w["0.weight"].shape[1]))
    hidden = x
    for first, norm in (("0", "1"), ("4", "5")):
        hidden = np.maximum(layer_norm(linear(hidden, w, first), w, norm), 0)
    expected = linear(hidden, w, "8")
    assert expected.shape == (5, 11)
    found: Tensor = predictor(torch.from_numpy(x))
    np.testing.assert_allclose(found.detach().numpy(), expected, atol=1e-12)


def test_mcats_groups_of_genes_are_seen_through_elu() -> None:
    """Chen et al.'s public code: Linear, ELU and alpha dropout, twice, for each group."""
    torch.manual_seed(0)
    groups = [np.array([0, 3, 4]), np.array([1, 2])]
    tokens = shaken(GeneGroups(groups, 7, 0.25))
    w = weights(tokens)
    profile = np.random.default_rng(0).normal(size=(4, 5))

    def elu(x: Array) -> Array:
        return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))

    found = tokens(torch.from_numpy(profile)).detach().numpy()
    for g, group in enumerate(groups):
        hidden = elu(linear(profile[:, group], w, f"layers.{g}.0"))
        expected = elu(linear(hidden, w, f"layers.{g}.3"))
        np.testing.assert_allclose(found[:, g], expected, atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_transmils_class_token_starts_normal(seed: int) -> None:
    torch.manual_seed(seed)
    spec = all_methods()["transmil"]
    method = spec.build(spec.config)
    assert isinstance(method, TransMILMethod)
    encoder = method.encoder({"wsi": Shape(6, tokens=4)})
    token = weights(encoder)["slides.cls_token"].ravel()
    # of n standard normal numbers, the sum of squares is within 5 deviations of n
    assert abs((token**2).sum() - len(token)) < 5 * np.sqrt(2 * len(token))
    assert abs(token.sum()) < 5 * np.sqrt(len(token))
