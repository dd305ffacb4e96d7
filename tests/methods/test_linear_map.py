"""Linear maps of tokens are `functional.linear`, by whichever library."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from methods.encoders import linear_map as module
from methods.encoders.linear_map import Linear, linear


class Operations(TorchDispatchMode):
    """The names of what is done."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Note, then do."""
        self.names.append(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


def by_convolution(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> bool:
    with Operations() as operations:
        linear(x, weight, bias)
    return "convolution" in operations.names


@pytest.fixture(params=[False, True], ids=["mkl", "convolution"])
def convolution(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    slow = bool(request.param)
    monkeypatch.setattr(module, "mkl_is_slow", lambda: slow)
    return slow


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("shape", [(300, 192), (1, 300, 192), (2, 150, 192), (2, 2, 75, 192)])
@pytest.mark.parametrize("biased", [False, True])
def test_output_and_gradients_are_those_of_functional_linear(
    shape: tuple[int, ...], biased: bool, threads: int, convolution: bool
) -> None:
    torch.manual_seed(0)
    x, direction = torch.randn(shape), torch.randn(*shape[:-1], 160)
    layer = Linear(192, 160, bias=biased)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        assert by_convolution(x, layer.weight, layer.bias) == convolution
        found = torch.autograd.grad(
            (layer(x.requires_grad_()) * direction).sum(), [x, *layer.parameters()]
        )
        output = layer(x)
    finally:
        torch.set_num_threads(before)
    exact = x.detach().double().requires_grad_()
    full = Linear(192, 160, bias=biased).double()
    full.load_state_dict(layer.state_dict())
    expected = functional.linear(exact, full.weight, full.bias)
    gradients = torch.autograd.grad((expected * direction).sum(), [exact, *full.parameters()])
    torch.testing.assert_close(output.double(), expected, rtol=1e-5, atol=1e-5)
    for one, other in zip(found, gradients, strict=True):
        torch.testing.assert_close(one.double(), other, rtol=1e-5, atol=1e-4)


def test_parts_of_tokens_and_of_weights(convolution: bool) -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(2, 300, 192), torch.randn(320, 384)
    few, columns = x[:, :200], weight[:, 96:288]
    assert by_convolution(few, columns) == convolution
    expected = few.double() @ columns.double().mT
    torch.testing.assert_close(linear(few, columns).double(), expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("convolution", [True], indirect=True)
def test_little_and_other_arithmetic_stay_with_torch(convolution: bool) -> None:
    x, weight = torch.randn(1, 300, 192), torch.randn(160, 192)
    assert by_convolution(x, weight) == convolution
    assert not by_convolution(x[:, :60], weight)
    assert not by_convolution(x, weight[:8])
    assert not by_convolution(x.double(), weight.double())
    with torch.autocast("cpu", torch.bfloat16):
        assert not by_convolution(x, weight)
