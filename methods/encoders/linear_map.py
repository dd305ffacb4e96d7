"""Linear maps of tokens, by whichever of torch's two CPU libraries is faster on this processor."""

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional

# Multiplications, and tokens, below which preparing a convolution costs more than it saves.
FEW_PRODUCTS = 2**23
FEW_TOKENS = 64


@cache
def mkl_is_slow() -> bool:
    """Whether MKL, which makes torch's products of float32 matrices, uses half of this processor.

    MKL takes AVX-512 on Intel's processors alone; oneDNN, which makes convolutions, wherever it is.
    On a Zen 5, known by its AVX-VNNI, a map of 2,117 tokens from 768 to 768 channels takes 11.8 ms
    by MKL, 5.5 by oneDNN. A Zen 4 makes AVX-512 in two halves: both take the same time there, and a
    backward pass without copies a seventh less. By the kind of processor and not by a measurement,
    which another process on the machine could turn: the same command, the same numbers.
    """
    capabilities: Callable[[], dict[str, object]] = getattr(torch.cpu, "get_capabilities", dict)
    processor = capabilities()  # of an older torch, nothing
    whole = bool(processor.get("avx512_f")) and bool(processor.get("avx_vnni"))
    return (
        "AMD" in str(processor.get("cpu_name")) and whole and torch.backends.mkldnn.is_available()
    )


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`functional.linear` of tokens.

    Args:
        x: [.., n, in].
        weight: [out, in].
        bias: [out].

    Returns:
        [.., n, out].
    """
    if not _by_convolution(x, weight):
        return functional.linear(x, weight, bias)
    # Tokens are an image of one row, channels last. Dilation is nothing to one place, but without
    # it torch leaves the convolutions of a single thread to MKL too.
    image = x.flatten(0, -2)[None, None].permute(0, 3, 1, 2)
    output = functional.conv2d(image, weight[..., None, None], bias, dilation=2)
    tokens: Tensor = output[0, :, 0].mT.unflatten(0, x.shape[:-1])
    return tokens


def _by_convolution(x: Tensor, weight: Tensor) -> bool:
    if x.device.type != "cpu" or x.dtype != torch.float32 or torch.is_autocast_enabled("cpu"):
        return False
    few = x.shape[:-1].numel() < FEW_TOKENS or x.numel() * weight.shape[0] < FEW_PRODUCTS
    return not few and mkl_is_slow()


class Linear(nn.Linear):
    """`nn.Linear` of tokens, by `linear`."""

    def forward(self, x: Tensor) -> Tensor:
        """[.., n, in] -> [.., n, out]."""
        return linear(x, self.weight, self.bias)
