"""CoMM: two views of a patient are fused and agree; what either side says agrees with both.

Source: Dufumier et al., "What to align in multimodal contrastive learning?", ICLR 2025. Where a
view of both sides is to be like another view of both, what only one side knows, and what only both
together say, is worth keeping beside what they share.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from methods.base import Budget, Choice, LogUniform, MethodSpec
from methods.encoders.asking import AskingLayer
from methods.encoders.linear_map import Linear
from methods.encoders.mlp import Perceptron
from methods.objectives.alignment import info_nce
from methods.sizes import BUDGETS, CONSTANT_ADAM, DECAYED, INPUTS, PAPER, SPACE
from methods.trainer import Network, Shape, TorchConfig, TorchMethod, TrainingError
from methods.views import partial_view, require_visible
from tasks.data.cohort import Cohort
from tasks.embeddings import Embeddings
from tasks.errors import InputError


class VectorTokens(nn.Module):
    """A vector -> some tokens, by a perceptron and a linear map to each.

    Args:
        features: Of the vector.
        width: Of a token.
        tokens: How many.
        dropout: Of the perceptron.
    """

    def __init__(self, features: int, width: int, tokens: int, dropout: float) -> None:
        super().__init__()
        self.perceptron = Perceptron((features, width, width), tokens * width, dropout=dropout)
        self.tokens = tokens

    def forward(self, x: Tensor) -> Tensor:
        """[B, features] -> [B, tokens, width]."""
        tokens: Tensor = self.perceptron(x).unflatten(1, (self.tokens, -1))
        return tokens


class Fusion(nn.Module):
    """A transformer layer of tokens, read at the class token.

    Of one layer nothing but its class token is of use, so that nothing else is computed.

    Args:
        width: Of a token and of the result.
        heads: Of attention; a divisor of `width`.
        dropout: Of attention and of the perceptron.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.token = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.layer = AskingLayer(width, heads, dropout)
        self.norm = nn.LayerNorm(width)

    def forward(self, sides: Sequence[Tensor]) -> Tensor:
        """Tokens [B, n, width] of any sides, fused, [B, width]."""
        return self._fused(sides, None)[:, 0]

    def parts(self, sides: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """All sides fused, and each of them alone, [B, width]: `forward` of them, at one cost."""
        side = [torch.full(x.shape[1:2], i, device=x.device) for i, x in enumerate(sides)]
        # Every one of these class tokens sees itself, and the first one everything.
        hidden = torch.stack([torch.cat(side) != i for i in range(len(sides))])
        hidden = nn.functional.pad(nn.functional.pad(hidden, (0, 0, 1, 0)), (1, 0))
        return self._fused(sides, hidden).unbind(1)

    def _fused(self, sides: Sequence[Tensor], hidden: Tensor | None) -> Tensor:
        """Class tokens [B, k, width], each without what is hidden of it, [k, 1 + tokens]."""
        token = self.token.expand(len(sides[0]), -1, -1)
        asking = token if hidden is None else token.expand(-1, len(hidden), -1)
        fused: Tensor = self.norm(self.layer(asking, torch.cat([token, *sides], dim=1), hidden))
        return fused


class Communicating(Network):
    """Tokens of each side, one fusion for whatever sides there are, and its loss.

    Args:
        wsi: Bags or slide vectors -> tokens [B, n, width].
        rna: Expression -> tokens [B, m, width].
        fusion: Of tokens.
        head: Through which the objective sees what is fused.
        mask_ratio: Share that a view hides, see `partial_view`.
        temperature: Divides the cosines.
    """

    def __init__(
        self,
        wsi: nn.Module,
        rna: nn.Module,
        fusion: Fusion,
        head: nn.Module,
        *,
        mask_ratio: float,
        temperature: float,
    ) -> None:
        super().__init__()
        self.wsi, self.rna, self.fusion, self.head = wsi, rna, fusion, head
        self.mask_ratio, self.temperature = mask_ratio, temperature

    def losses(self, wsi: Tensor, rna: Tensor) -> dict[str, Tensor]:
        """`fused`, `wsi` and `rna`, and `total`, which is their sum (equation 7 of the paper).

        `fused` is the InfoNCE of two views of both sides; the others are the mean InfoNCE of that
        side alone of one view with both sides of the other view.
        """
        first, second = (
            [
                self.head(fused)
                for fused in self.fusion.parts(
                    [
                        self.wsi(partial_view(wsi, self.mask_ratio)),
                        self.rna(partial_view(rna, self.mask_ratio)),
                    ]
                )
            ]
            for _ in range(2)
        )

        def alike(one: Tensor, other: Tensor) -> Tensor:
            return info_nce(one, other, self.temperature)

        losses = {"fused": alike(first[0], second[0])}
        for number, side in enumerate(("wsi", "rna"), start=1):
            pairs = alike(first[number], second[0]) + alike(second[number], first[0])
            losses[side] = pairs / 2
        return {"total": torch.stack(list(losses.values())).sum(), **losses}

    def encode(self, wsi: Tensor, rna: Tensor) -> Tensor:
        """Both sides fused, [B, width], nothing hidden."""
        fused: Tensor = self.fusion([self.wsi(wsi), self.rna(rna)])
        return fused

    def encode_wsi(self, wsi: Tensor) -> Tensor:
        """Slides alone, [B, width]."""
        fused: Tensor = self.fusion([self.wsi(wsi)])
        return fused

    def encode_rna(self, rna: Tensor) -> Tensor:
        """Expression alone, [B, width]."""
        fused: Tensor = self.fusion([self.rna(rna)])
        return fused


@dataclass(frozen=True)
class CoMMConfig(TorchConfig):
    """Configuration of `comm`.

    Attributes:
        heads: Of the fusion's attention; a divisor of `width`.
        latents: Tokens of a vector; a bag has one for each patch.
        mask_ratio: Share of patches and of genes that a view hides.
        dropout: Of encoders and fusion.
        temperature: Divides the cosines.
    """

    heads: int = 8
    latents: int = 4
    mask_ratio: float = 0.5
    dropout: float = 0.1
    temperature: float = 0.1

    def __post_init__(self) -> None:
        """Refuse heads that do not divide the width, and views of no patch.

        Raises:
            InputError: They are so.
        """
        if self.width % self.heads:
            raise InputError(
                f"width: a multiple of heads {self.heads} expected, {self.width} found"
            )
        require_visible(self, self.mask_ratio)


class CoMMMethod(TorchMethod):
    """One network for slides, expression or both; the joint embedding is both, fused."""

    config: CoMMConfig

    def build(self, shapes: Mapping[str, Shape]) -> Network:
        """A perceptron of each patch, tokens of vectors, a layer of fusion."""
        config, wsi = self.config, shapes["wsi"]
        width, dropout = config.width, config.dropout

        def vectors(features: int) -> nn.Module:
            return VectorTokens(features, width, config.latents, dropout)

        return Communicating(
            vectors(wsi.width)
            if wsi.tokens is None
            else Perceptron((wsi.width, width), dropout=dropout),
            vectors(shapes["rna"].width),
            Fusion(width, config.heads, dropout),
            nn.Sequential(Linear(width, 2 * width), nn.GELU(), Linear(2 * width, width)),
            mask_ratio=config.mask_ratio,
            temperature=config.temperature,
        )

    @torch.inference_mode()
    def embed(self, cohort: Cohort) -> Embeddings:
        """Each side on its own, and both fused; NaN where a side is missing."""
        sides = super().embed(cohort)
        if not isinstance(self._network, Communicating):
            raise TrainingError("embed was called before fit")
        joint = self._together(cohort, self._network.encode, self.config.width)
        with self._autocast():
            head = self._network.head(torch.from_numpy(joint).to(self._device)).float()
        return replace(sides, joint=joint, head=head.cpu().numpy())


SPECS = (
    MethodSpec(
        name="comm",
        summary="Two views of both sides fused agree, and each side with them: shared and unique",
        family="disentangled",
        citation="Dufumier et al., ICLR 2025 (CoMM)",
        build=CoMMMethod,
        config=CoMMConfig(),
        budgets={
            **BUDGETS,
            Budget.PAPER: {
                **PAPER,
                **DECAYED,
                "width": 512,
                "learning_rate": 1e-3,
                "weight_decay": 1e-2,
            },
        },
        space={
            **SPACE,
            "mask_ratio": Choice((0.25, 0.5, 0.75)),
            "temperature": LogUniform(0.01, 0.5),
        },
        departures=(
            INPUTS,
            "views hide patches and genes; published: augmentations of images, texts, series",
            "a side alone is taken of a view, against both sides of the other view",
            "perceptrons encode patches and expression; published: an encoder of each modality",
            "InfoNCE both ways of a pair, with no negatives within a view",
            f"{CONSTANT_ADAM}; published, and under budget paper: AdamW with weight decay",
        ),
    ),
)
