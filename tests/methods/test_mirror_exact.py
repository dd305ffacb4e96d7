"""MIRROR is the published function: against a plain reference, and against published numbers."""

import json
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from methods.mirror.model import MIRROR, MirrorArchitecture
from methods.objectives.alignment import info_nce
from tests.helpers import published_reference as reference
from tests.helpers.published_weights import to_published
from tests.helpers.real import SHARED

LOSSES = ("total", "alignment", "wsi_retention", "rna_retention", "style", "cluster")
WEIGHTS: dict[str, Any] = {
    "alignment": 0.4,
    "wsi_retention": 0.3,
    "rna_retention": 0.2,
    "style": 0.15,
    "cluster": 0.05,
}


def goldens(name: str) -> dict[str, Any]:
    root = SHARED / "goldens"
    if not root.is_dir():
        pytest.skip(f"no golden numbers at {root}; set MIRROR_BENCH_SHARED")
    with np.load(root / f"{name}.npz") as file:
        return dict(file)


def drawn_noise(batch: int, tokens: int, width: int, latent: int) -> dict[str, Tensor]:
    return {
        "wsi_mask": torch.rand(batch, tokens, dtype=torch.float64),
        "rna_mask": torch.rand(batch, width, dtype=torch.float64),
        "wsi_style": torch.randn(batch, latent, dtype=torch.float64),
        "rna_style": torch.randn(batch, latent, dtype=torch.float64),
    }


def jittered(model: MIRROR) -> MIRROR:
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.05 * torch.randn_like(weight))
    return model


@settings(max_examples=8, deadline=None)
@given(
    tokens=st.sampled_from([1, 2, 17, 25, 40]),
    batch=st.integers(1, 3),
    depth=st.integers(1, 3),
    ratio=st.sampled_from([0.3, 0.5, 0.75, 0.9]),
    width=st.sampled_from([24, 48]),
)
def test_losses_and_gradients_are_those_of_the_plain_reference(
    tokens: int, batch: int, depth: int, ratio: float, width: int
) -> None:
    torch.manual_seed(tokens)
    architecture = MirrorArchitecture(
        width=width,
        depth=depth,
        rna_retention_depth=depth,
        mask_ratio=ratio,
        style_hidden=16,
        style_output=12,
        style_latent=8,
        prototypes=20,
        exact_attention=False,
        **WEIGHTS,
    )
    model = jittered(MIRROR(10, 30, tokens, architecture)).double().eval()
    wsi = torch.randn(batch, tokens, 10, dtype=torch.float64)
    rna = torch.randn(batch, 30, dtype=torch.float64)
    noise = drawn_noise(batch, tokens, width, 8)
    weights = {
        name: weight.detach().clone().requires_grad_()
        for name, weight in to_published(model).items()
    }
    expected = reference.losses(weights, wsi, rna, noise, ratio)
    found = model.losses(wsi, rna, noise)
    for name, loss in expected.items():
        torch.testing.assert_close(found[name], loss, rtol=1e-8, atol=1e-10)
    sum(WEIGHTS[name] * loss for name, loss in expected.items()).backward()
    found["total"].backward()
    by_name = dict(zip(to_published(model), model.parameters(), strict=True))
    for name, weight in weights.items():
        torch.testing.assert_close(by_name[name].grad, weight.grad, rtol=1e-6, atol=1e-8)
    with torch.no_grad():
        slides = reference.slide_encoder(weights, wsi)[:, 0]
        torch.testing.assert_close(model.encode_wsi(wsi), slides, rtol=1e-8, atol=1e-9)
        profiles = reference.rna_encoder(weights, rna)
        torch.testing.assert_close(model.encode_rna(rna), profiles, rtol=1e-8, atol=1e-9)


def test_the_template_has_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        model = MIRROR(768, 10234, 2048)
    sizes = {name: weight.numel() for name, weight in to_published(model).items()}
    for beginning, size in (
        ("", 54_030_618),
        ("wsi_encoder.", 11_092_248),
        ("rna_encoder.", 39_944_449),
        ("style_encoder_mlp.", 525_056),
        ("prototypes.", 2_304_000),
    ):
        assert sum(n for name, n in sizes.items() if name.startswith(beginning)) == size


def golden_model(golden: dict[str, Any], dtype: torch.dtype) -> tuple[MIRROR, dict[str, Any]]:
    config = json.loads(bytes(golden["config"]))
    state = {
        name.removeprefix("state/"): torch.from_numpy(values).to(dtype)
        for name, values in golden.items()
        if name.startswith("state/")
    }
    model = MIRROR.from_published(state, config).to(dtype).eval()
    back = to_published(model)
    assert set(back) == set(state)
    assert all(torch.equal(back[name], weight) for name, weight in state.items())
    return model, config


def golden_noise(golden: dict[str, Any], place: str, dtype: torch.dtype) -> dict[str, Tensor]:
    names = {
        "wsi_mask": "wsi_mask_noise",
        "rna_mask": "rna_mask_noise",
        "wsi_style": "wsi_style_eps",
        "rna_style": "rna_style_eps",
    }
    return {k: torch.from_numpy(golden[f"{place}/{v}"]).to(dtype) for k, v in names.items()}


@pytest.mark.real
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", ["mirror_small", "mirror_square"])
def test_golden_losses_gradients_embeddings(name: str, dtype: torch.dtype) -> None:
    golden = goldens(name)
    model, _ = golden_model(golden, dtype)
    wsi, rna = (torch.from_numpy(golden[f"in/{side}"]).to(dtype) for side in ("wsi", "rna"))
    losses = model.losses(wsi, rna, golden_noise(golden, "in", dtype))
    for key in LOSSES:
        assert losses[key].item() == pytest.approx(float(golden[f"loss/{key}"]), rel=1e-5)
    losses["total"].backward()
    for key, weight in zip(to_published(model), model.parameters(), strict=True):
        expected = torch.from_numpy(golden[f"grad/{key}"]).to(dtype)
        found = torch.zeros_like(weight) if weight.grad is None else weight.grad
        error = (found - expected).abs().max().item()
        assert error <= 1e-4 * expected.abs().max().item(), key
    with torch.no_grad():
        for side, encode, x in (("wsi", model.encode_wsi, wsi), ("rna", model.encode_rna, rna)):
            expected = torch.from_numpy(golden[f"embed/{side}"]).to(dtype)
            torch.testing.assert_close(encode(x), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.real
@pytest.mark.parametrize("name", ["mirror_small", "mirror_square"])
def test_golden_trajectory_of_adam(name: str) -> None:
    golden = goldens(name)
    model, config = golden_model(golden, torch.float32)
    wsi, rna = (torch.from_numpy(golden[f"in/{side}"]) for side in ("wsi", "rna"))
    optimiser = torch.optim.Adam(model.parameters(), lr=config["adam_lr"])
    for step, expected in enumerate(golden["trajectory"]):
        losses = model.losses(wsi, rna, golden_noise(golden, f"step{step}", torch.float32))
        assert [losses[key].item() for key in LOSSES] == pytest.approx(expected.tolist(), rel=1e-4)
        optimiser.zero_grad()
        losses["total"].backward()
        optimiser.step()


@pytest.mark.real
def test_golden_info_nce() -> None:
    golden = goldens("survival_losses")
    a, b = (torch.from_numpy(golden[f"nce_{side}"]) for side in "ab")
    expected = float(golden["info_nce_sym_t0.07"])
    assert info_nce(a, b, 0.07).item() == pytest.approx(expected, rel=1e-6)
