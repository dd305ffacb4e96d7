"""Contrastive pre-training of slides and expression: alignment alone, on MIRROR's encoders.

A patient's slide and expression are to be closer than those of different patients. The methods
differ in how a batch's similarities are judged, and in nothing else.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import nn

from methods.base import Budget, LogUniform, MethodSpec
from methods.branches import EncoderArchitecture
from methods.mirror.model import initialise
from methods.objectives.pairs import CLIP, InfoNCE, PairObjective, SigLIP
from methods.sizes import PAPER, SMOKE, SPACE
from methods.trainer import Shape, TorchConfig, TorchMethod, bag_tokens
from methods.two_tower import PairNetwork


class Contrastive(PairNetwork):
    """MIRROR's encoders, a head on each, and an objective of pairs.

    Args:
        wsi_width: Features of a patch, or of a slide vector.
        rna_width: Number of genes.
        wsi_tokens: Patches in a training bag; None where slides are vectors.
        architecture: Of the encoders.
        objective: Of the two sides of a batch; None is InfoNCE of temperature 0.1.
        head: Makes the head of a side; None is a linear one.
    """

    def __init__(
        self,
        wsi_width: int,
        rna_width: int,
        wsi_tokens: int | None,
        architecture: EncoderArchitecture = EncoderArchitecture(),  # noqa: B008 (frozen)
        objective: PairObjective | None = None,
        head: Callable[[], nn.Module] | None = None,
    ) -> None:
        super().__init__(
            architecture.encoder(wsi_width, wsi_tokens),
            architecture.encoder(rna_width, None),
            objective or InfoNCE(0.1),
            head or partial(nn.Linear, architecture.width, architecture.width),
        )
        initialise(self)


@dataclass(frozen=True)
class PairConfig(TorchConfig, EncoderArchitecture, ABC):
    """How MIRROR's encoders are trained by an objective of pairs, and what they are made of."""

    @abstractmethod
    def objective(self) -> PairObjective:
        """The objective, as configured."""

    def head(self) -> nn.Module:
        """The head of a side: linear."""
        return nn.Linear(self.width, self.width)


class PairMethod(TorchMethod):
    """MIRROR's encoders under the objective and the heads of the configuration."""

    config: PairConfig

    def build(self, shapes: Mapping[str, Shape]) -> nn.Module:
        """MIRROR's encoders with a head each."""
        return Contrastive(
            shapes["wsi"].width,
            shapes["rna"].width,
            bag_tokens(shapes["wsi"], self.config),
            self.config,
            self.config.objective(),
            self.config.head,
        )


@dataclass(frozen=True)
class ContrastiveConfig(PairConfig):
    """Configuration of `contrastive`.

    Attributes:
        temperature: Divides the cosines; fixed.
    """

    temperature: float = 0.1

    def objective(self) -> PairObjective:
        """InfoNCE of a fixed temperature."""
        return InfoNCE(self.temperature)


@dataclass(frozen=True)
class CLIPConfig(PairConfig):
    """Configuration of `clip`."""

    def objective(self) -> PairObjective:
        """InfoNCE of a learned scale, which brings its linear heads along."""
        return CLIP(self.width)

    def head(self) -> nn.Module:
        """None: the objective has them."""
        return nn.Identity()


@dataclass(frozen=True)
class SigLIPConfig(PairConfig):
    """Configuration of `siglip`."""

    def objective(self) -> PairObjective:
        """Sigmoid loss of a learned scale and bias."""
        return SigLIP()


BUDGETS: Mapping[Budget, Mapping[str, Any]] = {Budget.SMOKE: SMOKE, Budget.PAPER: PAPER}

SPECS = (
    MethodSpec(
        name="contrastive",
        summary="Symmetric InfoNCE on MIRROR's encoders, fixed temperature",
        family="contrastive",
        citation="van den Oord et al., 2018; Radford et al., ICML 2021",
        build=PairMethod,
        config=ContrastiveConfig(),
        ordered=True,
        budgets=BUDGETS,
        space={**SPACE, "temperature": LogUniform(0.01, 0.5)},
    ),
    MethodSpec(
        name="clip",
        summary="Symmetric InfoNCE on MIRROR's encoders, learned scale",
        family="contrastive",
        citation="Radford et al., ICML 2021",
        build=PairMethod,
        config=CLIPConfig(),
        ordered=True,
        budgets=BUDGETS,
        space=SPACE,
    ),
    MethodSpec(
        name="siglip",
        summary="Sigmoid loss of every pair on MIRROR's encoders, learned scale and bias",
        family="contrastive",
        citation="Zhai et al., ICCV 2023",
        build=PairMethod,
        config=SigLIPConfig(),
        ordered=True,
        budgets=BUDGETS,
        space=SPACE,
    ),
)
