"""The self-supervised networks beside MIRROR: what reaches what, and what does not."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import RidgeCV
from sklearn.metrics import r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from methods.base import Budget, Context
from methods.encoders.mlp import Perceptron
from methods.encoders.pooled import PooledArchitecture
from methods.objectives.alignment import info_nce
from methods.one_modality import IntraConfig, MaskedGenes
from methods.redundancy import BarlowTwinsConfig, VICRegConfig, projector
from methods.registry import all_methods
from methods.trainer import Precision, Shape, TorchMethod
from methods.views import partial_view
from tasks.data.cohort import Kind, VectorModality
from tasks.errors import InputError
from tasks.kinds.retention import FACTORS, factors_of
from tasks.seeds import generator
from tests.helpers.planted import planted

PAIRS = ("contrastive", "clip", "siglip", "vicreg", "barlow-twins", "tangle")
NAMES = (*PAIRS, "byol", "comm", "tangle-rec", "masked-autoencoder", "intra", "gene-autoencoder")
GENES = 30
TOKENS = {Kind.BAG: 36, Kind.VECTOR: None}
SHAPES = {Kind.BAG: (4, 36, 10), Kind.VECTOR: (4, 10)}


def network(name: str, kind: Kind, **changes: Any) -> nn.Module:
    """The untrained network of a method at smoke size."""
    spec = all_methods()[name]
    method = spec.build(replace(spec.config_for(Budget.SMOKE), **changes))
    assert isinstance(method, TorchMethod)
    torch.manual_seed(0)
    return method.build({"wsi": Shape(10, TOKENS[kind]), "rna": Shape(GENES)})


def inputs(name: str, kind: Kind) -> dict[str, Tensor]:
    sides = {"intra": ("wsi",), "gene-autoencoder": ("rna",)}.get(name, ("wsi", "rna"))
    torch.manual_seed(1)
    both = {"wsi": torch.randn(SHAPES[kind]), "rna": torch.randn(4, GENES)}
    return {side: both[side] for side in sides}


def losses(model: nn.Module, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    found: dict[str, Tensor] = model.losses(**tensors)  # type: ignore[operator]
    return found


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("name", NAMES)
def test_the_gradient_reaches_every_weight(name: str, kind: Kind) -> None:
    model = network(name, kind)
    losses(model, inputs(name, kind))["total"].backward()
    for weight, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, weight
            assert parameter.grad.isfinite().all(), weight


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("name", NAMES)
def test_losses_are_float32_under_bfloat16(name: str, kind: Kind) -> None:
    model = network(name, kind, precision=Precision.BFLOAT16)
    with torch.autocast("cpu", torch.bfloat16):
        found = losses(model, inputs(name, kind))
    assert all(loss.dtype == torch.float32 and loss.isfinite() for loss in found.values())
    found["total"].backward()
    assert all(w.grad is None or w.grad.isfinite().all() for w in model.parameters())


def test_an_objective_is_as_sharp_under_bfloat16() -> None:
    a, b = torch.randn(6, 24), torch.randn(6, 24)
    for name in PAIRS:
        objective: Any = network(name, Kind.VECTOR).objective
        expected = objective(a, b)["total"]
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(objective(a, b)["total"], expected), name


@pytest.mark.parametrize("name", PAIRS)
def test_pairs_of_different_patients_cost_more_after_training(name: str) -> None:
    model = network(name, Kind.VECTOR)
    tensors = inputs(name, Kind.VECTOR)
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(25):
        optimiser.zero_grad()
        losses(model, tensors)["total"].backward()
        optimiser.step()
        model.after_step()  # type: ignore[operator]
    shifted = {**tensors, "rna": tensors["rna"].roll(1, dims=0)}
    assert losses(model, shifted)["total"] > 1.1 * losses(model, tensors)["total"]


def test_contrastive_is_info_nce_of_linear_heads() -> None:
    model = network("contrastive", Kind.VECTOR).eval()
    tensors = inputs("contrastive", Kind.VECTOR)
    heads: Any = model
    found = losses(model, tensors)
    expected = info_nce(
        heads.wsi_head(heads.encode_wsi(tensors["wsi"])),
        heads.rna_head(heads.encode_rna(tensors["rna"])),
        0.1,
    )
    assert torch.equal(found["total"], expected)
    assert found["total"] is found["alignment"]


def test_projectors_standardise_a_batch_and_a_patient_by_batches_before_it() -> None:
    head = projector(6, 24)
    assert [type(layer).__name__ for layer in head.children()] == [
        *("Linear", "BatchNorm1d", "ReLU") * 2,
        "Linear",
    ]
    x = torch.randn(50, 6)
    torch.testing.assert_close(head(x), head(1000 * x), rtol=1e-3, atol=1e-3)
    head.eval()
    torch.testing.assert_close(head(x)[:1], head(x[:1]))


@pytest.mark.parametrize("config", [VICRegConfig, BarlowTwinsConfig])
def test_batches_without_statistics_are_refused(config: type[VICRegConfig]) -> None:
    with pytest.raises(InputError, match=r"batch_size: at least 3 expected .*, 2 found"):
        config(batch_size=2)
    for patients in range(2, 40):
        n_batches = -(-patients // config(batch_size=3).batch_size)
        assert min(map(len, np.array_split(np.arange(patients), n_batches))) > 1


def test_a_perceptron_is_as_declared() -> None:
    layers = [type(layer).__name__ for layer in Perceptron((7, 5, 3), 2, activation=nn.ReLU)]
    assert layers == [*("Linear", "LayerNorm", "ReLU", "Dropout") * 2, "Linear"]
    assert Perceptron((7, 5), dropout=0.0)(torch.ones(4, 7)).shape == (4, 5)
    assert Perceptron((7,), 2)(torch.ones(4, 7)).shape == (4, 2)


def test_pooling_is_blind_to_order_and_repetition_of_patches() -> None:
    torch.manual_seed(0)
    encoder = PooledArchitecture(width=24).pooled_encoder(10, bags=True).double().eval()
    bags = torch.randn(3, 9, 10, dtype=torch.float64)
    there = encoder.summary(bags)
    torch.testing.assert_close(encoder.summary(bags.flip(1)), there)
    torch.testing.assert_close(encoder.summary(torch.cat([bags, bags], dim=1)), there)
    assert not torch.allclose(encoder.summary(bags[:, 1:]), there)


def test_pooling_of_one_patch_is_the_encoder_of_vectors() -> None:
    torch.manual_seed(0)
    bags = PooledArchitecture(width=24).pooled_encoder(10, bags=True).eval()
    torch.manual_seed(0)
    vectors = PooledArchitecture(width=24).pooled_encoder(10, bags=False).eval()
    x = torch.randn(3, 10)
    torch.testing.assert_close(bags.summary(x[:, None]), vectors.summary(x))


def test_tangle_rec_never_looks_at_expression_when_it_embeds() -> None:
    cohort = planted(False)
    train, others = cohort.complete()[:24], cohort.patients[100:]
    spec = all_methods()["tangle-rec"]
    method = spec.build(spec.config_for(Budget.SMOKE))
    method.fit(cohort.subset(train), Context(seed=1))
    there = method.embed(cohort.subset(others))
    rna = cohort.modalities["rna"]
    assert isinstance(rna, VectorModality)
    absurd = replace(rna, values=rna.values + 100)
    found = method.embed(
        replace(cohort, modalities={**cohort.modalities, "rna": absurd}).subset(others)
    )
    np.testing.assert_array_equal(found.joint, there.joint)
    assert there.rna is None
    without = set(others) - set(rna.patients)
    assert without
    assert without & set(there.known()) == without & set(cohort.modalities["wsi"].patients)


def test_views_of_a_bag_hold_some_of_its_patches_and_no_others() -> None:
    bags = torch.arange(40.0).view(4, 10, 1)
    seen = [partial_view(bags, 0.25) for _ in range(2)]
    for view in seen:
        assert view.shape == (4, 7, 1)
        for kept, bag in zip(view, bags, strict=True):
            assert set(kept.flatten().tolist()) < set(bag.flatten().tolist())
            assert len(kept.unique()) == 7
    assert not torch.equal(*seen)


def test_views_of_a_vector_have_zeros() -> None:
    vectors = torch.ones(5, 8)
    first, second = partial_view(vectors, 0.5), partial_view(vectors, 0.5)
    assert first.sum(dim=1).tolist() == second.sum(dim=1).tolist() == [4.0] * 5
    assert not torch.equal(first, second)


def test_views_that_hide_every_patch_are_refused() -> None:
    with pytest.raises(InputError, match="mask_ratio: one that leaves a patch of 3 expected"):
        IntraConfig(tokens=3, mask_ratio=0.75)
    # Of short bags sixteen patches are drawn, however many are asked for.
    with pytest.raises(InputError, match="mask_ratio: one that leaves a patch of 16 expected"):
        IntraConfig(tokens=64, mask_ratio=0.95)
    assert IntraConfig(tokens=64, mask_ratio=0.95, oversample=True).tokens == 64


@pytest.mark.parametrize("kind", Kind)
def test_two_views_do_not_collapse(kind: Kind) -> None:
    model = network("intra", kind)
    tensors = {"wsi": inputs("intra", kind)["wsi"] + torch.randn(4, *(1,) * (kind is Kind.BAG), 10)}
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(50):
        optimiser.zero_grad()
        loss = losses(model, tensors)["total"]
        loss.backward()
        optimiser.step()
    assert loss < 0.5 * np.log(4)  # log 4 is what embeddings all alike would have
    embeddings = nn.functional.normalize(model.eval().encode_wsi(tensors["wsi"]))  # type: ignore[operator]
    assert (embeddings @ embeddings.mT - torch.eye(4)).max() < 0.95


def test_hidden_genes_do_not_reach_their_prediction() -> None:
    model = MaskedGenes(GENES, hidden=16, width=8, mask_ratio=0.75, dropout=0.0)
    seen: list[Tensor] = []
    model.rna.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    rna = torch.randn(6, GENES)
    torch.manual_seed(3)
    loss = losses(model, {"rna": rna})["total"]
    hidden = seen[0] == 0
    assert hidden.sum(dim=1).tolist() == [GENES - int(GENES * 0.25)] * 6
    torch.testing.assert_close(seen[0][~hidden], rna[~hidden])
    prediction = model.decoder(model.rna(seen[0]))
    expected = (prediction - rna)[hidden].square().mean()
    torch.testing.assert_close(loss, expected)


@pytest.mark.parametrize("kind", Kind)
def test_the_sides_of_the_masked_autoencoder_share_nothing(kind: Kind) -> None:
    model = network("masked-autoencoder", kind)
    found = losses(model, inputs("masked-autoencoder", kind))
    torch.testing.assert_close(
        found["total"], found["wsi_reconstruction"] + found["rna_reconstruction"]
    )
    found["wsi_reconstruction"].backward()
    for name, parameter in model.named_parameters():
        assert (parameter.grad is not None) == name.startswith("wsi."), name


@pytest.fixture(scope="module")
def recovered() -> Callable[[str], dict[str, float]]:
    """R2 of ridge maps from a method's embedding to the planted factors, by kind of factor."""
    cohort = planted(False)
    patients = generator("recovered").permutation(np.array(cohort.complete()))
    train, test = sorted(patients[:120].tolist()), sorted(patients[120:].tolist())

    @cache
    def of(name: str) -> dict[str, float]:
        spec = all_methods()[name]
        method = spec.build(spec.config_for(Budget.DEFAULT))
        method.fit(cohort.subset(train), Context(seed=1))
        embeddings = method.embed(cohort)
        x, x_test = (embeddings.joint[embeddings.rows(part)] for part in (train, test))
        r2 = {}
        for kind in FACTORS:
            factors = np.stack([cohort.truth[factor] for factor in factors_of(cohort, kind)], 1)
            y, y_test = (factors[embeddings.rows(part)] for part in (train, test))
            ridge = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 4, 13))).fit(x, y)
            r2[kind] = r2_score(y_test, ridge.predict(x_test))
        return r2

    return of


@pytest.mark.parametrize(
    ("name", "unseen"),
    [
        ("intra", "rna_private"),
        ("tangle-rec", "rna_private"),
        ("gene-autoencoder", "wsi_private"),
    ],
)
def test_one_side_knows_nothing_private_of_the_other(
    recovered: Callable[[str], dict[str, float]], name: str, unseen: str
) -> None:
    r2 = recovered(name)
    assert r2[unseen] < 0.05
    assert r2["shared"] > 0.6


def test_prediction_of_hidden_genes_keeps_what_alignment_drops(
    recovered: Callable[[str], dict[str, float]],
) -> None:
    aligned, masked = recovered("tangle"), recovered("masked-autoencoder")
    assert aligned["shared"] > 0.6
    assert masked["rna_private"] > aligned["rna_private"] + 0.1
    assert masked["wsi_private"] > aligned["wsi_private"] + 0.1
