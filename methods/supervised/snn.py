"""A self-normalising network on expression, trained on the outcome."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from methods.base import Budget, Choice, LogUniform, MethodSpec, Role
from methods.encoders.self_normalising import self_normalising
from methods.sizes import SMOKE
from methods.supervised.training import (
    DEPARTURES,
    FAMILY,
    PUBLISHED_ADAM,
    SupervisedConfig,
    SupervisedMethod,
)
from methods.trainer import Shape


@dataclass(frozen=True)
class SNNConfig(SupervisedConfig):
    """Of the network.

    Attributes:
        depth: Hidden layers.
    """

    depth: int = 2


class SNNMethod(SupervisedMethod):
    """Expression alone."""

    config: SNNConfig
    sides: ClassVar[tuple[str, ...]] = ("rna",)

    def encoder(self, shapes: Mapping[str, Shape]) -> nn.Module:
        """Self-normalising layers."""
        config = self.config
        return self_normalising(shapes["rna"].width, config.width, config.depth, config.dropout)


SPECS = (
    MethodSpec(
        name="snn",
        summary="Supervised: self-normalising network on expression",
        family=FAMILY,
        citation="Klambauer et al., NeurIPS 2017",
        build=SNNMethod,
        config=SNNConfig(),
        role=Role.SUPERVISED,
        sides=SNNMethod.sides,
        budgets={
            Budget.SMOKE: {**SMOKE, "epochs": 10, "learning_rate": 2e-3},
            Budget.PAPER: {
                "width": 256,
                **PUBLISHED_ADAM,
                "genes": 0,
            },
        },
        space={
            "learning_rate": LogUniform(1e-5, 3e-3),
            "width": Choice((48, 96, 192)),
            "depth": Choice((1, 2, 3)),
            "dropout": Choice((0.1, 0.25, 0.5)),
        },
        departures=DEPARTURES,
    ),
)
