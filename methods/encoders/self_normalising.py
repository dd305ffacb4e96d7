"""Self-normalising layers: activations keep mean 0 and variance 1 without normalisation."""

from torch import nn


def self_normalising(
    features: int,
    width: int,
    depth: int,
    dropout: float,
    activation: type[nn.SELU | nn.ELU] = nn.SELU,
) -> nn.Sequential:
    """Layers of SELU and alpha dropout with LeCun normal weights (Klambauer et al., NeurIPS 2017).

    Args:
        features: Width of the input, best standardised.
        width: Width of every layer, the last included.
        depth: Number of layers.
        dropout: Share of activations set to the value that keeps mean and variance.
        activation: ELU is what MCAT's public code has in its place.

    Returns:
        Layers from [..., features] to [..., width].
    """
    layers: list[nn.Module] = []
    for fan_in in (features, *[width] * (depth - 1)):
        linear = nn.Linear(fan_in, width)
        nn.init.normal_(linear.weight, std=fan_in**-0.5)
        nn.init.zeros_(linear.bias)
        layers += [linear, activation(), nn.AlphaDropout(dropout)]
    return nn.Sequential(*layers)
