"""Two encoders and an objective of what they give for the same patients."""

from collections.abc import Callable
from typing import Protocol

from torch import Tensor, nn

from methods.objectives.pairs import PairObjective
from methods.trainer import Network


class Tower(Protocol):
    """An encoder, an `nn.Module`."""

    def summary(self, x: Tensor) -> Tensor:
        """One embedding per patient, [B, width]."""


class TwoTower(Network):
    """An encoder and a head of each side, and an objective of what the heads give.

    The embedding is the encoder's; the heads serve the objective and are left behind.

    Args:
        wsi: Encoder of slides.
        rna: Encoder of expression.
        objective: Of the two sides of a batch.
        head: Makes the head of a side; by default the objective sees the embeddings themselves.
    """

    def __init__(
        self,
        wsi: Tower,
        rna: Tower,
        objective: PairObjective,
        head: Callable[[], nn.Module] = nn.Identity,
    ) -> None:
        super().__init__()
        self.wsi = wsi
        self.rna = rna
        self.wsi_head = head()
        self.rna_head = head()
        self.objective = objective

    def losses(self, wsi: Tensor, rna: Tensor) -> dict[str, Tensor]:
        """The objective's losses by name."""
        losses: dict[str, Tensor] = self.objective(
            self.wsi_head(self.encode_wsi(wsi)), self.rna_head(self.encode_rna(rna))
        )
        return losses

    def encode_wsi(self, wsi: Tensor) -> Tensor:
        """Slide embeddings [B, width]."""
        return self.wsi.summary(wsi)

    def encode_rna(self, rna: Tensor) -> Tensor:
        """Expression embeddings [B, width]."""
        return self.rna.summary(rna)

    def project(self, side: str, z: Tensor) -> Tensor:
        """What the objective sees of the embeddings of a side."""
        behind: Tensor = getattr(self, f"{side}_head")(z)
        return behind

    def after_step(self) -> None:
        """Whatever the objective keeps within bounds."""
        self.objective.after_step()
