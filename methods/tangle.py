"""TANGLE: expression guides a slide encoder that pools patches by gated attention.

Source: Jaume et al., "Transcriptomics-guided slide representation learning in computational
pathology", CVPR 2024. The published fit keeps the epoch of the highest smooth rank; here, as for
every method, the last one is kept.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from methods.base import Budget, LogUniform, MethodSpec
from methods.encoders.mlp import Perceptron
from methods.encoders.pooled import PooledArchitecture
from methods.objectives.alignment import full_precision
from methods.objectives.pairs import InfoNCE
from methods.sizes import BUDGETS, CONSTANT_ADAM, DECAYED, INPUTS, PAPER, SPACE
from methods.trainer import Network, Shape, TorchConfig, TorchMethod
from methods.two_tower import Tower, TwoTower


@dataclass(frozen=True)
class TangleConfig(TorchConfig, PooledArchitecture):
    """Configuration of `tangle`.

    Attributes:
        rna_hidden: Width of both hidden layers of the expression encoder; 0 is the number of genes,
            as published.
        rna_dropout: Dropout of the expression encoder.
        temperature: Divides the cosines; fixed.
    """

    rna_hidden: int = 192
    rna_dropout: float = 0.2
    temperature: float = 0.01


class TangleMethod(TorchMethod):
    """InfoNCE between the embeddings themselves, without heads."""

    config: TangleConfig

    def build(self, shapes: Mapping[str, Shape]) -> Network:
        """The pooling slide encoder and a perceptron of expression."""
        config, (wsi, rna) = self.config, (shapes["wsi"], shapes["rna"])
        hidden = config.rna_hidden or rna.width
        return TwoTower(
            config.pooled_encoder(wsi.width, bags=wsi.tokens is not None),
            Perceptron(
                (rna.width, hidden, hidden),
                config.width,
                activation=nn.ReLU,
                dropout=config.rna_dropout,
            ),
            InfoNCE(config.temperature),
        )


class Reconstruction(Network):
    """A slide encoder whose embedding predicts the patient's expression.

    Args:
        wsi: Encoder of slides.
        predictor: From its embedding to the genes' values.
    """

    def __init__(self, wsi: Tower, predictor: Perceptron) -> None:
        super().__init__()
        self.wsi = wsi
        self.predictor = predictor

    def losses(self, wsi: Tensor, rna: Tensor) -> dict[str, Tensor]:
        """`reconstruction`, the mean squared error over genes; `total` is the same."""
        predicted = full_precision(self.predictor(self.encode_wsi(wsi)))
        loss = functional.mse_loss(predicted, rna)
        return {"total": loss, "reconstruction": loss}

    def encode_wsi(self, wsi: Tensor) -> Tensor:
        """Slide embeddings [B, width]."""
        return self.wsi.summary(wsi)


@dataclass(frozen=True)
class TangleRecConfig(TorchConfig, PooledArchitecture):
    """Configuration of `tangle-rec`.

    Attributes:
        rna_dropout: Dropout of the predictor's two hidden layers, as wide as the embedding.
    """

    rna_dropout: float = 0.2


class TangleRecMethod(TorchMethod):
    """Learns from both sides, embeds slides.

    Expression is what is predicted, never what is looked at: there is no embedding of expression,
    and a patient without it is embedded like any other.
    """

    config: TangleRecConfig
    embeds = ("wsi",)

    def build(self, shapes: Mapping[str, Shape]) -> Network:
        """The pooling slide encoder and the predictor of expression."""
        config, wsi = self.config, shapes["wsi"]
        predictor = Perceptron(
            (config.width,) * 3,
            shapes["rna"].width,
            activation=nn.ReLU,
            dropout=config.rna_dropout,
        )
        return Reconstruction(
            config.pooled_encoder(wsi.width, bags=wsi.tokens is not None), predictor
        )


# The public code parses a weight decay and leaves AdamW at its own.
PAPER_SIZES = {**PAPER, **DECAYED, "weight_decay": 1e-2, "batch_size": 64, "learning_rate": 1e-4}
CITATION = "Jaume et al., CVPR 2024"
DEPARTURES = (
    INPUTS,
    f"{CONSTANT_ADAM}; published, and under budget paper: AdamW, warm-up, cosine",
    "patches are drawn without replacement where a bag has enough; published: with",
    "slides that are vectors go through the perceptron of a patch; published: bags alone",
)

SPECS = (
    MethodSpec(
        name="tangle",
        summary="Gated attention pooling of patches and a perceptron of genes, InfoNCE",
        family="tangle",
        citation=CITATION,
        build=TangleMethod,
        config=TangleConfig(),
        budgets={**BUDGETS, Budget.PAPER: {**PAPER_SIZES, "rna_hidden": 0}},
        space={**SPACE, "temperature": LogUniform(0.005, 0.2)},
        departures=(
            *DEPARTURES,
            "the last epoch is kept; published: that of the highest smooth rank of the embeddings",
        ),
    ),
    MethodSpec(
        name="tangle-rec",
        summary="Gated attention pooling of patches, trained to predict expression; slides alone",
        family="tangle",
        citation=CITATION,
        build=TangleRecMethod,
        config=TangleRecConfig(),
        # What an embedding needs; `TangleRecMethod.sides` says what training needs.
        sides=("wsi",),
        budgets={**BUDGETS, Budget.PAPER: PAPER_SIZES},
        space=SPACE,
        departures=DEPARTURES,
    ),
)
