"""Perceptrons with layer norm: encoders of vectors, and decoders."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from methods.encoders.linear_map import Linear


class Perceptron(nn.Sequential):
    """Hidden layers of Linear, LayerNorm, activation and dropout, then a linear layer if asked.

    Args:
        widths: Of the input and of each hidden layer.
        output: Width of the closing linear layer; None ends with the last hidden one.
        activation: After each layer norm.
        dropout: After each activation.
    """

    def __init__(
        self,
        widths: Sequence[int],
        output: int | None = None,
        *,
        activation: type[nn.Module] = nn.GELU,
        dropout: float = 0.1,
    ) -> None:
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [
                Linear(before, after),
                nn.LayerNorm(after),
                activation(),
                nn.Dropout(dropout),
            ]
        if output is not None:
            layers.append(Linear(widths[-1], output))
        super().__init__(*layers)

    def summary(self, x: Tensor) -> Tensor:
        """The embedding of vectors [B, features]: what the last layer gives."""
        output: Tensor = self(x)
        return output
