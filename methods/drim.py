"""DRIM without labels: what the sides share and what each has alone, in embeddings kept apart.

Source: Robinet et al., "DRIM: Learning disentangled representations from incomplete multimodal
healthcare data", MICCAI 2024, its self-supervised variant DRIM-U.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.base import Budget, LogUniform, MethodSpec
from methods.encoders.mlp import Perceptron
from methods.encoders.pooled import PooledArchitecture
from methods.objectives.disentangling import Discriminator, supervised_contrast
from methods.sizes import BUDGETS, CONSTANT_ADAM, DECAYED, INPUTS, PAPER, SPACE
from methods.trainer import Network, Shape, TorchConfig, TorchMethod
from methods.two_tower import Tower
from tasks.errors import InputError


class Side(nn.Module):
    """Two encoders of a side, what tells their outputs apart, and a decoder of both.

    Args:
        shared: Of what the other side knows too.
        unique: Of what it does not.
        width: Of what each encoder gives.
        features: Of the side: of a vector, or of a patch.
    """

    def __init__(self, shared: Tower, unique: Tower, width: int, features: int) -> None:
        super().__init__()
        self.shared, self.unique = shared, unique
        self.discriminator = Discriminator(2 * width, width)
        self.decoder = Perceptron((2 * width, width), features, dropout=0.0)

    def encode(self, x: Tensor) -> Tensor:
        """Shared then unique embedding, [B, 2 width]."""
        return torch.cat([self.shared.summary(x), self.unique.summary(x)], dim=1)


class Disentangled(Network):
    """Shared embeddings agree, unique ones know nothing of them, both together rebuild the side.

    Args:
        wsi: Of slides.
        rna: Of expression.
        temperature: Divides the cosines of shared embeddings.
        disentangling: Weight of what tells shared from unique embeddings.
        reconstruction: Weight of the squared error of what is rebuilt.
    """

    def __init__(
        self,
        wsi: Side,
        rna: Side,
        temperature: float,
        disentangling: float,
        reconstruction: float,
    ) -> None:
        super().__init__()
        self.wsi, self.rna = wsi, rna
        self.temperature = temperature
        self.disentangling, self.reconstruction = disentangling, reconstruction

    def losses(self, wsi: Tensor, rna: Tensor) -> dict[str, Tensor]:
        """`contrast`, `disentangling`, `reconstruction`, and their weighted sum `total`.

        What is rebuilt of a bag is its mean patch. The discriminators' loss is in `total` as it
        is: they learn to tell, and by a gradient turned around the encoders that they cannot.
        """
        sides = ((self.wsi, wsi), (self.rna, rna))
        encoded = [side.encode(x) for side, x in sides]
        shared, unique = zip(*(z.chunk(2, dim=1) for z in encoded), strict=True)
        # Patients of a batch are in random order: the next one is as good as any other.
        apart = [
            side.discriminator(s, u, 1)
            for (side, _), s, u in zip(sides, shared, unique, strict=True)
        ]
        rebuilt = [
            functional.mse_loss(side.decoder(z).float(), x if x.dim() == 2 else x.mean(dim=1))
            for (side, x), z in zip(sides, encoded, strict=True)
        ]
        losses = {
            "contrast": supervised_contrast(torch.stack(shared), self.temperature),
            "disentangling": torch.stack(apart).mean(),
            "reconstruction": torch.stack(rebuilt).mean(),
        }
        total = (
            losses["contrast"]
            + self.disentangling * losses["disentangling"]
            + self.reconstruction * losses["reconstruction"]
        )
        return {"total": total, **losses}

    def encode_wsi(self, wsi: Tensor) -> Tensor:
        """Shared and unique embedding of slides, [B, width]."""
        return self.wsi.encode(wsi)

    def encode_rna(self, rna: Tensor) -> Tensor:
        """Shared and unique embedding of expression, [B, width]."""
        return self.rna.encode(rna)


@dataclass(frozen=True)
class DRIMConfig(TorchConfig, PooledArchitecture):
    """Configuration of `drim`; its `width` is that of a shared and a unique embedding together.

    Attributes:
        temperature: Divides the cosines of shared embeddings.
        disentangling: Weight of what tells shared from unique embeddings.
        reconstruction: Weight of the squared error of what is rebuilt.
    """

    temperature: float = 0.07
    disentangling: float = 1.0
    reconstruction: float = 1.0

    def __post_init__(self) -> None:
        """Refuse a width that has no half.

        Raises:
            InputError: It is odd.
        """
        if self.width % 2:
            raise InputError(f"width: an even number expected, {self.width} found")


class DRIMMethod(TorchMethod):
    """Disentangled representations of bags or slide vectors, and of expression."""

    config: DRIMConfig

    def build(self, shapes: Mapping[str, Shape]) -> Network:
        """Pooled encoders of bags, perceptrons of vectors: two of each side."""
        config, half = self.config, self.config.width // 2
        sizes = PooledArchitecture(half, config.patch_dropout, config.attention_dropout)

        def side(shape: Shape) -> Side:
            bags = shape.tokens is not None
            shared, unique = (sizes.pooled_encoder(shape.width, bags=bags) for _ in range(2))
            return Side(shared, unique, half, shape.width)

        return Disentangled(
            side(shapes["wsi"]),
            side(shapes["rna"]),
            config.temperature,
            config.disentangling,
            config.reconstruction,
        )


SPECS = (
    MethodSpec(
        name="drim",
        summary="What the sides share and what each has alone, disentangled, both rebuilt",
        family="disentangled",
        citation="Robinet et al., MICCAI 2024 (DRIM-U)",
        build=DRIMMethod,
        config=DRIMConfig(),
        budgets={**BUDGETS, Budget.PAPER: {**PAPER, **DECAYED}},
        space={**SPACE, "disentangling": LogUniform(0.1, 10.0)},
        departures=(
            INPUTS,
            "one step for encoders and discriminators, its gradient turned around; published: two",
            "both shared embeddings are handed over; published: their mean",
            "weights of the losses are ours, and pooled attention encodes bags",
            f"{CONSTANT_ADAM}; published: AdamW with a decaying rate",
        ),
    ),
)
