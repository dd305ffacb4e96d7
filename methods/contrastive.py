"""Contrastive pre-training of slides and expression: alignment alone, on MIRROR's encoders.

Source: van den Oord et al., "Representation learning with contrastive predictive coding", 2018;
Radford et al., "Learning transferable visual models from natural language supervision", ICML 2021.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from methods.base import Budget, MethodSpec
from methods.branches import EncoderArchitecture
from methods.mirror import initialise
from methods.mirror_family import PAPER, SMOKE, bag_tokens
from methods.objectives.alignment import info_nce
from methods.trainer import Shape, TorchConfig, TorchMethod


class Contrastive(nn.Module):
    """MIRROR's encoders, a linear head on each, and symmetric InfoNCE on their cosines.

    Args:
        wsi_width: Features of a patch, or of a slide vector.
        rna_width: Number of genes.
        wsi_tokens: Patches in a training bag; None where slides are vectors.
        architecture: Of the encoders.
        temperature: Divides the cosines; fixed.
    """

    def __init__(
        self,
        wsi_width: int,
        rna_width: int,
        wsi_tokens: int | None,
        architecture: EncoderArchitecture = EncoderArchitecture(),  # noqa: B008 (frozen)
        temperature: float = 0.1,
    ) -> None:
        super().__init__()
        self.temperature = temperature
        self.wsi = architecture.encoder(wsi_width, wsi_tokens)
        self.rna = architecture.encoder(rna_width, None)
        self.wsi_head = nn.Linear(architecture.width, architecture.width)
        self.rna_head = nn.Linear(architecture.width, architecture.width)
        initialise(self)

    def losses(
        self,
        wsi: Tensor,
        rna: Tensor,
        noise: Mapping[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """`alignment`, and `total`, which is the same."""
        loss = info_nce(
            self.wsi_head(self.encode_wsi(wsi)),
            self.rna_head(self.encode_rna(rna)),
            self.temperature,
        )
        return {"total": loss, "alignment": loss}

    def encode_wsi(self, wsi: Tensor) -> Tensor:
        """Slide embeddings [B, width]."""
        return self.wsi.summary(wsi)

    def encode_rna(self, rna: Tensor) -> Tensor:
        """Expression embeddings [B, width]."""
        return self.rna.summary(rna)

    def before_step(self) -> None:
        """Nothing to renormalise."""

    def after_step(self) -> None:
        """Nothing to clamp."""


@dataclass(frozen=True)
class ContrastiveConfig(TorchConfig, EncoderArchitecture):
    """How the encoders are trained and what they are made of.

    Attributes:
        temperature: Divides the cosines; fixed.
    """

    temperature: float = 0.1


class ContrastiveMethod(TorchMethod):
    """Alignment alone, on bags or slide vectors, and expression."""

    config: ContrastiveConfig

    def build(self, shapes: Mapping[str, Shape]) -> nn.Module:
        """MIRROR's encoders with a head each."""
        return Contrastive(
            shapes["wsi"].width,
            shapes["rna"].width,
            bag_tokens(shapes["wsi"], self.config),
            self.config,
            self.config.temperature,
        )


SPECS = (
    MethodSpec(
        name="contrastive",
        summary="Symmetric InfoNCE on MIRROR's encoders, fixed temperature",
        family="contrastive",
        citation="van den Oord et al., 2018; Radford et al., ICML 2021",
        build=ContrastiveMethod,
        config=ContrastiveConfig(),
        ordered=True,
        budgets={Budget.SMOKE: SMOKE, Budget.PAPER: PAPER},
    ),
)
