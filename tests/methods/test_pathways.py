"""Methods of pathways: their arithmetic in numpy, and that the right pathways help them."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.special import erf, softmax
from scipy.stats import ttest_1samp
from sksurv.metrics import concordance_index_censored
from torch import nn

from methods.base import Budget, Context
from methods.objectives.transport import unbalanced_plan
from methods.registry import all_methods
from methods.supervised.motcat import TransportedAttention
from methods.supervised.survpath import PathwayAttention
from tasks.data.cohort import Cohort, VectorModality
from tasks.data.load import load_cohort
from tasks.data.planted import PlantedConfig
from tasks.data.synthetic import write_planted
from tests.helpers.planted import session_folder

Array = NDArray[np.float64]

GROUPS = [np.array([0, 3]), np.array([2, 6, 1]), np.array([4, 5])]


def weights(network: nn.Module) -> Mapping[str, Array]:
    return {name: w.detach().numpy().astype(np.float64) for name, w in network.state_dict().items()}


def shaken(network: nn.Module) -> nn.Module:
    """In double precision, without dropout, no weight where it starts: none is zero or one."""
    generator = torch.Generator().manual_seed(0)
    network.double().eval()
    for parameter in network.parameters():
        noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        parameter.data += 0.3 * noise
    return network


def linear(w: Mapping[str, Array], name: str, x: Array) -> Array:
    product: Array = x @ w[f"{name}.weight"].T
    return np.asarray(product + w.get(f"{name}.bias", np.zeros(1)))


def norm(w: Mapping[str, Array], name: str, x: Array) -> Array:
    centred = x - x.mean(axis=-1, keepdims=True)
    scaled = centred / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5)
    return np.asarray(scaled * w[f"{name}.weight"] + w[f"{name}.bias"])


def gelu(x: Array) -> Array:
    return np.asarray(x * (1 + erf(x / np.sqrt(2))) / 2)


def gene_tokens(w: Mapping[str, Array], rna: Array) -> Array:
    """Two layers of ELU a group, [B, groups, width]."""
    tokens = []
    for number, members in enumerate(GROUPS):
        x = rna[:, members]
        for layer in (0, 3):
            y = linear(w, f"genes.layers.{number}.{layer}", x)
            x = np.where(y > 0, y, np.expm1(y))
        tokens.append(x)
    return np.stack(tokens, axis=1)


def inputs() -> tuple[Array, Array]:
    """Three bags of eight patches of five features, and as many profiles of seven genes."""
    rng = np.random.default_rng(1)
    return rng.normal(size=(3, 8, 5)), rng.normal(size=(3, 7))


def test_pathways_see_everything_and_patches_see_pathways() -> None:
    network = shaken(PathwayAttention(5, GROUPS, 6, 0.25))
    wsi, rna = inputs()
    w = weights(network)
    tokens = np.concatenate([gene_tokens(w, rna), linear(w, "patches", wsi)], axis=1)
    q, k, v = np.split(linear(w, "asked", norm(w, "norm", tokens)), 3, axis=2)
    scores = q @ k.transpose(0, 2, 1) / np.sqrt(6)
    scores[:, 3:, 3:] = -np.inf  # no patch sees a patch
    seen = linear(w, "seen.0", softmax(scores, axis=2) @ v)
    x = gelu(linear(w, "perceptron.1", norm(w, "perceptron.0", seen)))
    x = norm(w, "perceptron.6", linear(w, "perceptron.4", x))
    both = np.concatenate([x[:, :3].mean(axis=1), x[:, 3:].mean(axis=1)], axis=1)
    expected = np.maximum(linear(w, "fusion.0", both), 0)
    found = network(torch.from_numpy(wsi), torch.from_numpy(rna)).detach().numpy()
    assert (expected > 0).any()
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(("groups", "patches"), [(3, 8), (50, 20)])
@pytest.mark.parametrize(("entropy", "slack"), [(0.1, 0.5), (0.05, 0.5)])
def test_the_plan_is_pots(groups: int, patches: int, entropy: float, slack: float) -> None:
    ot = pytest.importorskip("ot", reason="needs POT")
    cost = np.random.default_rng(groups).random((2, groups, patches))
    found = unbalanced_plan(torch.from_numpy(cost), entropy, slack).numpy()
    for one, plan in zip(cost, found, strict=True):
        expected = ot.unbalanced.sinkhorn_unbalanced(
            ot.unif(groups), ot.unif(patches), one, entropy, slack, stopThr=1e-13, numItermax=5000
        )
        np.testing.assert_allclose(plan, expected, atol=1e-6)


def test_the_plan_is_the_best_of_its_neighbours() -> None:
    """The objective, written out, rises whichever way the plan is changed."""
    rng = np.random.default_rng(2)
    cost = rng.random((3, 8))
    plan = unbalanced_plan(torch.from_numpy(cost[None]), 0.1, 0.5).numpy()[0]

    def divergence(p: Array, q: Array) -> float:
        return float((p * np.log(p / q) - p + q).sum())

    def objective(p: Array) -> float:
        left, right = np.full(3, 1 / 3), np.full(8, 1 / 8)
        marginals = divergence(p.sum(axis=1), left) + divergence(p.sum(axis=0), right)
        entropy = divergence(p, np.outer(left, right))
        return float((p * cost).sum() + 0.1 * entropy + 0.5 * marginals)

    lowest = objective(plan)
    for _ in range(50):
        assert objective(plan * np.exp(0.01 * rng.normal(size=plan.shape))) > lowest


def test_groups_see_what_is_transported_to_them() -> None:
    options = {"heads": 2, "dropout": 0.25, "entropy": 0.1, "slack": 0.5}
    network = shaken(TransportedAttention(5, GROUPS, 6, **options))  # type: ignore[arg-type]
    wsi, rna = inputs()
    w = weights(network)
    genes, patches = gene_tokens(w, rna), np.maximum(linear(w, "patches.0", wsi), 0)
    expected = []
    for tokens, bag in zip(genes, patches, strict=True):
        cost = ((tokens[:, None] - bag[None]) ** 2).sum(axis=2)
        kernel, u, v = np.exp(-cost / cost.max() / 0.1) / 24, np.ones(3), np.ones(8)
        for _ in range(500):
            u = (1 / 3 / (kernel @ v)) ** (0.5 / 0.6)
            v = (1 / 8 / (kernel.T @ u)) ** (0.5 / 0.6)
        expected.append(3 * (u[:, None] * kernel * v) @ bag)
    found = network.seen(torch.from_numpy(genes), torch.from_numpy(patches))  # type: ignore[operator]
    np.testing.assert_allclose(found.numpy(), np.stack(expected), atol=1e-5)
    assert not any(name.startswith("attention") for name in w)


# --- what pathways are good for


@cache
def with_pathways() -> Cohort:
    """Genes of twenty pathways that follow the outcome's causes, and twice as many that do not."""
    config = PlantedConfig(
        name="PLANTED-PATHWAYS",
        seed=7,
        bags=True,
        width=16,
        patients=240,
        patches=(16, 24),
        loose_genes=600,
        gene_sets=True,
        missing=0.0,
        censored=0.3,
        hazard=(("rna_private_0", 1.5), ("shared_0", 0.5)),
    )
    folder: Path = session_folder() / "pathways"
    write_planted(config, folder)
    return load_cohort(folder)


def shuffled(cohort: Cohort, seed: int) -> Cohort:
    """The cohort with sets of the same sizes, of genes drawn from all."""
    rna = cohort.modalities["rna"]
    assert isinstance(rna, VectorModality)
    rng = np.random.default_rng(seed)
    sets = {
        name: tuple(str(g) for g in rng.choice(rna.features, len(genes), replace=False))
        for name, genes in rna.gene_sets.items()
    }
    return replace(cohort, modalities={**cohort.modalities, "rna": replace(rna, gene_sets=sets)})


def test_planted_pathways_are_declared() -> None:
    rna = with_pathways().modalities["rna"]
    assert isinstance(rna, VectorModality)
    assert rna.width == 900
    assert len(rna.gene_sets) == 20
    assert {len(genes) for genes in rna.gene_sets.values()} == {15}
    assert rna.gene_sets["PATHWAY_03"][:2] == ("GENE003", "GENE023")
    # genes of one pathway rise and fall together, whichever way each goes
    strength = np.abs(np.corrcoef(rna.values.T))
    inside = np.isin(rna.features, rna.gene_sets["PATHWAY_03"])
    within = strength[np.ix_(inside, inside)][~np.eye(15, dtype=bool)].mean()
    assert within > 2 * strength[np.ix_(inside, ~inside)].mean()


@pytest.mark.timeout(120)
def test_survpath_is_better_with_the_planted_pathways_than_with_shuffled_ones() -> None:
    """By the concordance of 80 test patients: four seeds, and a shuffle a seed."""
    cohort, outcome = with_pathways(), with_pathways().endpoints["os"]
    known = [patient for patient in cohort.complete() if patient in set(outcome.patients)]
    train, test = known[:160], known[160:]
    spec = all_methods()["survpath"]
    config = replace(spec.config_for(Budget.SMOKE), epochs=15)  # type: ignore[call-arg]

    def concordance(cohort: Cohort, seed: int) -> float:
        method = spec.build(config)
        method.fit(cohort.subset(train), Context(seed=seed, target=outcome.subset(train)))
        told = outcome.subset(test)
        embeddings = method.embed(cohort.subset(test))
        risk = embeddings.joint[embeddings.rows(told.patients), 0]
        return float(concordance_index_censored(told.event, told.time, risk)[0])

    planted = np.array([concordance(cohort, seed) for seed in range(4)])
    drawn = np.array([concordance(shuffled(cohort, seed), seed) for seed in range(4)])
    interval = ttest_1samp(planted - drawn, 0.0).confidence_interval(0.95)
    assert interval.low > 0, (planted, drawn)
