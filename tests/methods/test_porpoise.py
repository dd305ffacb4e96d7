"""PORPOISE's fusion in numpy, and an outcome that neither side knows alone."""

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from methods.encoders.gated_fusion import KroneckerFusion
from methods.registry import all_methods
from methods.supervised.porpoise import PorpoiseConfig, PorpoiseMethod
from methods.supervised.training import Predictor
from methods.trainer import Shape
from tests.methods.test_fidelity import linear, shaken, weights

PATCH, GENES = 6, 8


def test_fusion_is_the_product_of_gated_sides() -> None:
    torch.manual_seed(0)
    fusion = shaken(KroneckerFusion(5, 3, 0.25))
    w = weights(fusion)
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(4, 5)), rng.normal(size=(4, 5))
    both, gated = np.hstack([a, b]), []
    for side, x in (("first", a), ("second", b)):
        layer = np.maximum(linear(x, w, f"{side}.layer.0"), 0)
        gated.append(layer / (1 + np.exp(-linear(both, w, f"{side}.gate.0"))))
    products = np.stack(
        [np.kron([1, *x], [1, *y]) for x, y in zip(gated[0], gated[1], strict=True)]
    )
    expected = np.maximum(linear(products, w, "hidden.1"), 0)
    found: Tensor = fusion(torch.from_numpy(a), torch.from_numpy(b))
    assert expected.any()
    np.testing.assert_allclose(found.detach().numpy(), expected, atol=1e-12)


def pairs(n: int, seed: int, *, planted: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Bags, profiles, and classes: whether the signs of both sides agree, or, if not, a coin."""
    rng = np.random.default_rng(seed)
    slide, gene = rng.choice([-1, 1], (2, n))
    wsi, rna = rng.normal(size=(n, 10, PATCH)), rng.normal(size=(n, GENES))
    wsi[:, :, 0] += slide[:, None]
    rna[:, 0] += 3 * gene
    classes = (slide == gene if planted else rng.integers(0, 2, n)).astype(np.int64)
    return torch.from_numpy(wsi).float(), torch.from_numpy(rna).float(), torch.from_numpy(classes)


@pytest.mark.parametrize("planted", [True, False])
def test_what_neither_side_knows_alone_is_found_and_noise_is_not(planted: bool) -> None:
    torch.manual_seed(0)
    method = PorpoiseMethod(PorpoiseConfig(width=24, narrow=8))
    encoder = method.encoder({"wsi": Shape(PATCH, tokens=10), "rna": Shape(GENES)})
    network: Any = Predictor(encoder, 24, 2, nn.CrossEntropyLoss())
    optimiser = torch.optim.Adam(network.parameters(), lr=5e-3)
    wsi, rna, classes = pairs(300, 0, planted=planted)
    for _ in range(150):
        optimiser.zero_grad()
        network.losses(classes, wsi=wsi, rna=rna)["total"].backward()
        optimiser.step()
    wsi, rna, classes = pairs(300, 1, planted=planted)
    with torch.no_grad():
        found = network.eval()(wsi, rna).softmax(1)[:, 1]
    score = roc_auc_score(classes, found)
    assert score > 0.9 if planted else abs(score - 0.5) < 0.1


def test_the_paper_makes_products_of_thirty_two_channels() -> None:
    spec = all_methods()["porpoise"]
    assert isinstance(spec.config, PorpoiseConfig)
    assert spec.config.narrow == 32
