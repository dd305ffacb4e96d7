"""Trained methods on a CUDA device, against the CPU.

`MIRROR_BENCH_DEVICE=cpu .venv/bin/pytest -m gpu tests/methods/test_gpu.py` runs the same lines
where there is none.
"""

import os
from dataclasses import replace

import numpy as np
import pytest
import torch

from methods.base import Budget, Context, MethodSpec, Role, UnableError
from methods.registry import all_methods
from methods.trainer import Precision, TorchConfig, TorchMethod
from tasks.embeddings import Embeddings
from tests.helpers.plain_mirror import Build, TrainingStep
from tests.helpers.planted import planted

DEVICE = os.environ.get("MIRROR_BENCH_DEVICE", "cuda")
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(
        DEVICE == "cuda" and not torch.cuda.is_available(), reason="there is no CUDA device"
    ),
]
TRAINED = [
    spec
    for spec in all_methods().values()
    if isinstance(spec.config, TorchConfig) and spec.role is not Role.ABLATION and not spec.needs
]
N_TRAIN = 48


def fitted(spec: MethodSpec, device: str, **changes: object) -> tuple[TorchMethod, Embeddings]:
    cohort = planted(bags=True)
    train = cohort.complete()[:N_TRAIN]
    target = cohort.endpoints["os"].subset(train) if spec.role is Role.SUPERVISED else None
    config = spec.config_for(Budget.SMOKE)
    assert isinstance(config, TorchConfig)
    method = spec.build(replace(config, epochs=2, **changes))  # type: ignore[arg-type]
    assert isinstance(method, TorchMethod)
    try:
        method.fit(cohort.subset(train), Context(seed=1, device=device, target=target))
    except UnableError as error:
        pytest.skip(str(error))
    return method, method.embed(cohort)


@pytest.mark.parametrize("spec", TRAINED, ids=lambda spec: spec.name)
def test_what_was_fitted_there_embeds_the_same_here(spec: MethodSpec) -> None:
    method, there = fitted(spec, DEVICE)
    here = spec.build(method.config)
    here.restore(method.state())
    again = here.embed(planted(bags=True))
    assert np.isfinite(there.joint[:N_TRAIN]).any()
    np.testing.assert_allclose(again.joint, there.joint, rtol=0, atol=5e-3)


def test_bfloat16_trains() -> None:
    _, embeddings = fitted(all_methods()["mirror"], DEVICE, precision=Precision.BFLOAT16)
    complete = embeddings.joint[np.isfinite(embeddings.joint).all(axis=1)]
    assert len(complete) >= N_TRAIN
    assert complete.std(axis=0).max() > 0


def test_two_fits_are_close_if_not_the_same_bits() -> None:
    """Sums on a GPU have no fixed order everywhere; what two epochs make of it is small."""
    spec = all_methods()["mirror"]
    (_, one), (_, two) = fitted(spec, DEVICE), fitted(spec, DEVICE)
    np.testing.assert_allclose(one.joint, two.joint, rtol=0, atol=5e-2)


@pytest.mark.parametrize("which", ["published", "ours"])
def test_steps_of_both_builds_move_every_weight(which: Build) -> None:
    step = TrainingStep(which, 256, 96, device=DEVICE)
    before = [weight.detach().clone() for weight in step.model.parameters()]
    step()
    after = list(step.model.parameters())
    moved = [not torch.equal(a, b) for a, b in zip(before, after, strict=True)]
    assert all(weight.device.type == torch.device(DEVICE).type for weight in after)
    assert np.mean(moved) > 0.9
