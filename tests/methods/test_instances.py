"""CLAM and DSMIL against their papers in numpy, and a planted patch that they must find."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from methods.encoders.abmil import GatedAttention, attended_patches
from methods.encoders.linear_map import Linear
from methods.objectives.cox import CoxLoss
from methods.objectives.instances import UNKNOWN, InstanceClustering
from methods.supervised.clam import Clustered
from methods.supervised.dsmil import DualStream
from methods.supervised.training import Predictor
from tests.methods.test_fidelity import linear, shaken, weights

Array = NDArray[np.float64]
PATCH, WIDTH = 5, 6


def clam(outputs: int, objective: nn.Module, instances: int = 8) -> Clustered:
    return Clustered(
        attended_patches(PATCH, WIDTH, 0.25),
        WIDTH,
        outputs,
        objective,
        clustering=InstanceClustering(WIDTH, max(2, outputs), instances),
        bag_weight=0.7,
        cut=10.0,
    )


def dsmil(outputs: int, objective: nn.Module) -> DualStream:
    encoder = nn.Sequential(Linear(PATCH, WIDTH), nn.ReLU())
    return DualStream(encoder, WIDTH, outputs, objective, queries=4, dropout=0.25)


def instance_loss_by_hand(tokens: Array, attention: Array, w: Array, b: Array, own: int) -> float:
    """Of a bag: B patches at either end for its class, B at the top for every other (Lu et al.)."""
    order = np.argsort(attention)
    count = min(3, len(tokens) // 2)
    top, bottom = tokens[order[-count:]], tokens[order[:count]]
    losses = []
    for c in range(len(w)):

        def svm(x: Array, sign: int, c: int = c) -> float:
            return float(np.log1p(np.exp(1 - sign * (w[c] @ x + b[c]))))

        examples = (
            [svm(x, 1) for x in top] + [svm(x, -1) for x in bottom]
            if c == own
            else [svm(x, -1) for x in top]
        )
        losses.append(np.mean(examples))
    return float(np.mean(losses))


@pytest.mark.parametrize("n", [4, 9])
def test_clustering_of_patches_is_clams(n: int) -> None:
    torch.manual_seed(0)
    clustering = shaken(InstanceClustering(WIDTH, 3, instances=3))
    rng = np.random.default_rng(0)
    tokens, attention = rng.normal(size=(4, n, WIDTH)), rng.dirichlet(np.ones(n), 4)
    classes = np.array([2, UNKNOWN, 0, 2])
    found: Tensor = clustering(*map(torch.from_numpy, (tokens, attention, classes)))
    weight = weights(clustering)
    known = [
        instance_loss_by_hand(
            tokens[i], attention[i], weight["classifiers.weight"], weight["classifiers.bias"], own
        )
        for i, own in enumerate(classes)
        if own != UNKNOWN
    ]
    assert found.item() == pytest.approx(np.mean(known), abs=1e-12)
    nobody = clustering(torch.from_numpy(tokens), torch.from_numpy(attention), torch.full((4,), -1))
    assert nobody.item() == 0


def test_clams_loss_is_seven_tenths_the_bags() -> None:
    torch.manual_seed(0)
    network = shaken(clam(3, nn.CrossEntropyLoss(), instances=2))
    assert isinstance(network, Clustered)
    wsi, outcome = torch.randn(4, 7, PATCH).double(), torch.tensor([0, 2, 2, 1])
    found = {name: loss.item() for name, loss in network.losses(outcome, wsi=wsi).items()}
    w = weights(network)
    tokens = np.maximum(linear(wsi.numpy(), w, "encoder.0"), 0)
    content = np.tanh(linear(tokens, w, "encoder.3.content"))
    gate = 1 / (1 + np.exp(-linear(tokens, w, "encoder.3.gate")))
    raw = np.exp(linear(content * gate, w, "encoder.3.score")[..., 0])
    attention = raw / raw.sum(axis=1, keepdims=True)
    logits = linear(np.einsum("bn,bnd->bd", attention, tokens), w, "head")
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    bag = -log_p[np.arange(4), outcome.numpy()].mean()
    assert found["bag"] == pytest.approx(bag, abs=1e-10)
    assert found["total"] == pytest.approx(0.7 * bag + 0.3 * found["instances"], abs=1e-10)
    np.testing.assert_allclose(network(wsi).detach().numpy(), logits, atol=1e-12)


def test_survival_has_classes_but_for_who_was_censored_before_the_cut() -> None:
    outcome = torch.tensor([[3.0, 1], [3, 0], [10, 1], [10, 0], [11, 1], [40, 0]])
    assert clam(1, CoxLoss()).classes(outcome).tolist() == [1, UNKNOWN, 1, UNKNOWN, 0, 0]


@pytest.mark.parametrize("outputs", [1, 3])
def test_dsmil_is_the_mean_of_two_streams(outputs: int) -> None:
    torch.manual_seed(0)
    network = shaken(dsmil(outputs, CoxLoss()))
    wsi = torch.randn(3, 7, PATCH).double()
    w = weights(network)
    found = network(wsi).detach().numpy()
    for bag, there in zip(wsi.numpy(), found, strict=True):
        h = np.maximum(linear(bag, w, "encoder.0"), 0)
        scores = linear(h, w, "head")
        q = np.tanh(linear(np.maximum(linear(h, w, "query.0"), 0), w, "query.2"))
        v = np.maximum(linear(h, w, "value.1"), 0)
        seen = []
        for c in range(outputs):
            nearness = np.exp(q @ q[scores[:, c].argmax()] / np.sqrt(4))
            seen.append(nearness @ v / nearness.sum())
        bag_score = linear(np.concatenate(seen)[None], w, "bag_head")[0]
        np.testing.assert_allclose(there, (scores.max(axis=0) + bag_score) / 2, atol=1e-12)


def bags(n: int, seed: int, *, planted: bool = True) -> tuple[Tensor, Tensor]:
    """Bags of 12 patches and their class: if planted, class 1 has one unlike others, the first."""
    rng = np.random.default_rng(seed)
    wsi = rng.normal(size=(n, 12, PATCH))
    classes = np.arange(n) % 2
    if planted:
        wsi[classes == 1, 0] += 3
    return torch.from_numpy(wsi).float(), torch.from_numpy(classes)


NETWORKS: Mapping[str, Callable[[int, nn.Module], Predictor]] = {"clam": clam, "dsmil": dsmil}


def train(name: str, *, planted: bool) -> Predictor:
    torch.manual_seed(1)
    network: Any = NETWORKS[name](2, nn.CrossEntropyLoss())
    wsi, classes = bags(80, 0, planted=planted)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(60):
        optimiser.zero_grad()
        network.losses(classes, wsi=wsi)["total"].backward()
        optimiser.step()
    found: Predictor = network.eval()
    return found


@pytest.mark.parametrize("name", NETWORKS)
def test_a_single_patch_is_found_and_noise_is_not(name: str) -> None:
    for planted, low, high in ((True, 0.9, 1.0), (False, 0.4, 0.6)):
        wsi, classes = bags(300, 9, planted=planted)
        found = train(name, planted=planted)(wsi).softmax(1)[:, 1].detach()
        assert low <= roc_auc_score(classes, found) <= high


def test_clams_attention_goes_to_the_patch_that_decides() -> None:
    network: Any = train("clam", planted=True)
    wsi, classes = bags(100, 9)
    attention = network.encoder[-1]
    assert isinstance(attention, GatedAttention)
    with torch.no_grad():
        share = attention.weights(network.encoder[:-1](wsi))[classes == 1, 0].mean()
    assert share > 3 / 12
