"""Self-supervision within one modality: what slides, or expression, teach without the other."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from methods.base import Budget, Choice, MethodSpec
from methods.encoders.mlp import Perceptron
from methods.encoders.pooled import PooledArchitecture
from methods.objectives.pairs import InfoNCE, PairObjective
from methods.objectives.retention import choose_masked, masked_error
from methods.sizes import BUDGETS, CONSTANT_ADAM, DECAYED, INPUTS, PAPER, SPACE
from methods.trainer import Network, Shape, TorchConfig, TorchMethod
from methods.two_tower import Tower
from methods.views import partial_view, require_visible


class TwoViews(Network):
    """Two views of a slide, each with parts really hidden, and an objective of the pair.

    The objective has to be one that forbids collapse: a view is always like its twin where all
    embeddings are alike.

    Args:
        wsi: Encoder of slides.
        width: Of its embedding, and of the linear head that the objective sees it through.
        mask_ratio: Share that a view hides, see `partial_view`.
        objective: Of the two views of a batch.
    """

    def __init__(self, wsi: Tower, width: int, mask_ratio: float, objective: PairObjective) -> None:
        super().__init__()
        self.wsi = wsi
        self.head = nn.Linear(width, width)
        self.mask_ratio = mask_ratio
        self.objective = objective

    def losses(self, wsi: Tensor) -> dict[str, Tensor]:
        """The objective's losses by name, of two views drawn afresh."""
        first, second = (
            self.head(self.encode_wsi(partial_view(wsi, self.mask_ratio))) for _ in range(2)
        )
        losses: dict[str, Tensor] = self.objective(first, second)
        return losses

    def encode_wsi(self, wsi: Tensor) -> Tensor:
        """Slide embeddings [B, width], nothing hidden."""
        return self.wsi.summary(wsi)

    def after_step(self) -> None:
        """Whatever the objective keeps within bounds."""
        self.objective.after_step()


@dataclass(frozen=True)
class IntraConfig(TorchConfig, PooledArchitecture):
    """Configuration of `intra`.

    Attributes:
        mask_ratio: Share of patches, or of a slide vector's features, that a view hides.
        temperature: Divides the cosines; fixed.
    """

    mask_ratio: float = 0.5
    temperature: float = 0.1

    def __post_init__(self) -> None:
        """Refuse views of no patch.

        Raises:
            InputError: `mask_ratio` hides every patch.
        """
        require_visible(self, self.mask_ratio)


class IntraMethod(TorchMethod):
    """Two views of a slide, on the encoder of TANGLE; other slides as negatives.

    The published one-modality ablation of TANGLE has neither: its mask scales the bag instead of
    hiding patches, and its squared error alone has the collapsed embedding for an optimum.
    """

    config: IntraConfig
    sides: ClassVar[tuple[str, ...]] = ("wsi",)

    def build(self, shapes: Mapping[str, Shape]) -> Network:
        """The pooling slide encoder with a linear head."""
        config, wsi = self.config, shapes["wsi"]
        return TwoViews(
            config.pooled_encoder(wsi.width, bags=wsi.tokens is not None),
            config.width,
            config.mask_ratio,
            InfoNCE(config.temperature),
        )


class MaskedGenes(Network):
    """An embedding of the genes that are shown predicts those that are hidden.

    Args:
        genes: Number of genes.
        hidden: Width of the encoder's two hidden layers and of the decoder's one.
        width: Of the embedding.
        mask_ratio: Share of genes that is hidden, set to the mean of the training patients.
        dropout: Of encoder and decoder.
    """

    def __init__(
        self, genes: int, hidden: int, width: int, mask_ratio: float, dropout: float
    ) -> None:
        super().__init__()
        self.rna = Perceptron((genes, hidden, hidden), width, dropout=dropout)
        self.decoder = Perceptron((width, hidden), genes, dropout=dropout)
        self.mask_ratio = mask_ratio

    def losses(self, rna: Tensor) -> dict[str, Tensor]:
        """`reconstruction`, the mean squared error over hidden genes; `total` is the same."""
        mask = choose_masked(torch.rand_like(rna), self.mask_ratio)
        loss = masked_error(self.decoder(self.encode_rna(rna.masked_fill(mask, 0))), rna, mask)
        return {"total": loss, "reconstruction": loss}

    def encode_rna(self, rna: Tensor) -> Tensor:
        """Expression embeddings [B, width]."""
        return self.rna.summary(rna)


@dataclass(frozen=True)
class GeneAutoencoderConfig(TorchConfig):
    """Configuration of `gene-autoencoder`.

    Attributes:
        hidden: Width of the hidden layers.
        mask_ratio: Share of genes that is hidden.
        dropout: Of encoder and decoder.
    """

    hidden: int = 192
    mask_ratio: float = 0.75
    dropout: float = 0.1


class GeneAutoencoderMethod(TorchMethod):
    """A masked autoencoder of expression."""

    config: GeneAutoencoderConfig
    sides: ClassVar[tuple[str, ...]] = ("rna",)

    def build(self, shapes: Mapping[str, Shape]) -> Network:
        """Encoder and decoder of the genes."""
        config = self.config
        return MaskedGenes(
            shapes["rna"].width, config.hidden, config.width, config.mask_ratio, config.dropout
        )


MASKED_SPACE = {**SPACE, "mask_ratio": Choice((0.25, 0.5, 0.75))}

SPECS = (
    MethodSpec(
        name="intra",
        summary="Two masked views of a slide, InfoNCE; slides alone",
        family="one modality",
        citation="Chen et al., ICML 2020, on the views of Jaume et al., CVPR 2024",
        build=IntraMethod,
        config=IntraConfig(),
        sides=("wsi",),
        budgets={
            **BUDGETS,
            Budget.PAPER: {**PAPER, **DECAYED, "batch_size": 64, "learning_rate": 1e-4},
        },
        space=MASKED_SPACE,
        departures=(
            INPUTS,
            "a mask hides patches; TANGLE's public code scales the whole bag in its place",
            "InfoNCE of two views; TANGLE's has a squared error, whose optimum is collapse",
            f"{CONSTANT_ADAM}; published, and under budget paper: AdamW, warm-up, cosine",
        ),
    ),
    MethodSpec(
        name="gene-autoencoder",
        summary="Hidden genes predicted from the others; expression alone",
        family="one modality",
        citation="Vincent et al., JMLR 2010; He et al., CVPR 2022",
        build=GeneAutoencoderMethod,
        config=GeneAutoencoderConfig(),
        sides=("rna",),
        budgets={**BUDGETS, Budget.PAPER: {**PAPER, "hidden": 1536}},
        space=MASKED_SPACE,
        departures=(
            INPUTS,
            "hidden genes are set to their mean; published: to zero, or left out",
            "a perceptron; published: of images",
        ),
    ),
)
