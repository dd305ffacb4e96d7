"""BYOL: its loss from the weights, its target, and that it finds what two sides share."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from methods.base import Budget, Context
from methods.byol import Bootstrap, BYOLConfig, BYOLMethod
from methods.registry import all_methods
from methods.trainer import Shape
from tasks.errors import InputError
from tests.helpers.paired import shuffled, told_apart
from tests.helpers.planted import planted

SMOKE: Any = all_methods()["byol"].config_for(Budget.SMOKE)


def network(**changes: Any) -> Bootstrap:
    torch.manual_seed(0)
    method = BYOLMethod(replace(SMOKE, vector_dropout=0.0, **changes))
    model = method.build({"wsi": Shape(10), "rna": Shape(30)})
    assert isinstance(model, Bootstrap)
    return model.double()


def inputs() -> tuple[Tensor, Tensor]:
    torch.manual_seed(1)
    return torch.randn(7, 10).double(), torch.randn(7, 30).double()


def head(x: NDArray[np.float64], w: dict[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Linear, batch norm by the batch itself, ReLU, linear."""
    hidden = x @ w["0.weight"].T + w["0.bias"]
    hidden = (hidden - hidden.mean(axis=0)) / np.sqrt(hidden.var(axis=0) + 1e-5)
    hidden = np.maximum(hidden * w["1.weight"] + w["1.bias"], 0)
    return np.asarray(hidden @ w["3.weight"].T + w["3.bias"])


def weights(module: torch.nn.Module) -> dict[str, NDArray[np.float64]]:
    return {name: value.numpy().copy() for name, value in module.state_dict().items()}


def test_the_loss_is_that_of_predictions_of_the_targets_projections() -> None:
    model, (wsi, rna) = network(), inputs()
    with torch.no_grad():
        for weight in model.target.parameters():  # or it would be the same network
            weight.add_(0.1 * torch.randn_like(weight))
    found = {name: loss.item() for name, loss in model.losses(wsi, rna).items()}
    online: Any = model.online
    target: Any = model.target
    z = {
        (which, side): head(
            getattr(towers, f"encode_{side}")(x).detach().numpy(),
            weights(getattr(towers, f"{side}_head")),
        )
        for which, towers in (("online", online), ("target", target))
        for side, x in (("wsi", wsi), ("rna", rna))
    }

    def regression(side: str, other: str, predictor: torch.nn.Module) -> float:
        q, wanted = head(z["online", side], weights(predictor)), z["target", other]
        lengths = np.linalg.norm(q, axis=1) * np.linalg.norm(wanted, axis=1)
        return float(np.mean(2 - 2 * (q * wanted).sum(axis=1) / lengths))

    expected = {
        "rna_regression": regression("wsi", "rna", model.wsi_predictor),
        "wsi_regression": regression("rna", "wsi", model.rna_predictor),
    }
    assert found == pytest.approx({**expected, "total": sum(expected.values())}, abs=1e-6)


def test_the_target_starts_as_a_copy_and_follows_by_average() -> None:
    model, sides = network(momentum=0.75), inputs()
    there = weights(model.target)
    for name, values in weights(model.online).items():
        np.testing.assert_array_equal(there[name], values)
    optimiser = torch.optim.SGD(model.parameters(), lr=1e-2)
    for _ in range(3):
        optimiser.zero_grad()
        model.losses(*sides)["total"].backward()
        optimiser.step()
        moved = weights(model.online)
        model.after_step()
        found = weights(model.target)
        for name, _ in model.online.named_parameters():
            expected = 0.75 * there[name] + 0.25 * moved[name]
            np.testing.assert_allclose(found[name], expected, atol=1e-12)
        there = found
    assert all(weight.grad is None for weight in model.target.parameters())
    assert sum(w.requires_grad for w in model.parameters()) < len(list(model.parameters()))


@pytest.mark.parametrize("momentum", [-0.1, 1.5])
def test_a_target_that_runs_away_is_refused(momentum: float) -> None:
    with pytest.raises(InputError, match=rf"momentum: a share from 0 to 1 .*, {momentum} found"):
        BYOLConfig(momentum=momentum)


@pytest.mark.parametrize("paired", [True, False])
def test_it_tells_strangers_pairs_if_it_was_taught_pairs(paired: bool) -> None:
    """Share of strangers whose slide predicts their own expression better than another's."""
    cohort = planted(False)
    patients = cohort.complete()
    train, others = cohort.subset(patients[:120]), cohort.subset(patients[120:])
    config = replace(SMOKE, width=48, epochs=60, momentum=0.9)
    method = BYOLMethod(config)
    method.fit(train if paired else shuffled(train), Context(seed=1))
    found = method.embed(others)
    model: Any = method._network
    assert found.rna is not None
    assert found.head is not None
    with torch.no_grad():
        rna = model.online.project("rna", torch.from_numpy(found.rna)).numpy()
    own = told_apart(found.head[:, : config.width], rna)
    assert own > 0.65 if paired else own < 0.58
