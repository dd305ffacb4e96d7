"""Contrastive pre-training of slides and expression: alignment alone, on MIRROR's encoders.

A patient's slide and expression are to be closer than those of different patients. The methods
differ in how a batch's similarities are judged, and in nothing else.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from methods.base import Budget, Choice, LogUniform, MethodSpec
from methods.branches import encoder_of
from methods.encoders.architecture import EncoderArchitecture
from methods.mirror.model import initialise
from methods.objectives.pairs import CLIP, InfoNCE, PairObjective, SigLIP
from methods.sizes import BUDGETS, CONSTANT_ADAM, DECAYED, INPUTS, PAPER, SHORT_BAGS, SPACE
from methods.trainer import Network, Shape, TorchConfig, TorchMethod
from methods.two_tower import TwoTower


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

    def build(self, shapes: Mapping[str, Shape]) -> Network:
        """MIRROR's encoders with a head each."""
        network = self.towers(shapes)
        initialise(network)
        return network

    def towers(self, shapes: Mapping[str, Shape]) -> TwoTower:
        """The same, as torch initialises them."""
        config, wsi = self.config, shapes["wsi"]
        objective = config.objective()  # the first to draw its weights
        return TwoTower(
            encoder_of(wsi.width, wsi.tokens, config),
            encoder_of(shapes["rna"].width, None, config),
            objective,
            config.head,
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


def pair_spec(
    name: str,
    summary: str,
    family: str,
    citation: str,
    config: PairConfig,
    departures: tuple[str, ...],
    paper: Mapping[str, Any],
    **space: Choice | LogUniform,
) -> MethodSpec:
    """The declaration of a method that differs from the others here by its configuration."""
    return MethodSpec(
        name=name,
        summary=summary,
        family=family,
        citation=citation,
        build=PairMethod,
        config=config,
        ordered=True,
        budgets={**BUDGETS, Budget.PAPER: {**PAPER, **paper}},
        space={**SPACE, **space},
        departures=(ENCODERS, INPUTS, SHORT_BAGS, *departures),
    )


ENCODERS = "MIRROR's encoders of slides and expression; published: of images, or images and text"

SPECS = (
    pair_spec(
        "contrastive",
        "Symmetric InfoNCE on MIRROR's encoders, fixed temperature",
        "contrastive",
        "van den Oord et al., 2018; Radford et al., ICML 2021",
        ContrastiveConfig(),
        (f"{CONSTANT_ADAM}; published recipes, and budget paper, decay it",),
        DECAYED,
        temperature=LogUniform(0.01, 0.5),
    ),
    pair_spec(
        "clip",
        "Symmetric InfoNCE on MIRROR's encoders, learned scale",
        "contrastive",
        "Radford et al., ICML 2021",
        CLIPConfig(),
        (
            f"{CONSTANT_ADAM}; published, and under budget paper: weight decay, warm-up, cosine",
            "batches of tens of pairs; published: 32,768",
        ),
        {**DECAYED, "weight_decay": 0.2},
    ),
    pair_spec(
        "siglip",
        "Sigmoid loss of every pair on MIRROR's encoders, learned scale and bias",
        "contrastive",
        "Zhai et al., ICCV 2023",
        SigLIPConfig(),
        (
            f"{CONSTANT_ADAM}; published, and under budget paper: weight decay, warm-up, cosine",
            "batches of tens of pairs; published: thousands",
        ),
        {**DECAYED, "weight_decay": 1e-4},
    ),
)
