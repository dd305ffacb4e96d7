"""MORPHEUS: hidden groups of genes predicted from the others and from the slide's prototypes.

Source: Robinet et al., arXiv 2508.00969, with expression as the only kind of omics.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from methods.base import Budget, Choice, Context, MethodSpec, State, UnableError
from methods.concatenated import below
from methods.encoders.asking import AskingLayer
from methods.encoders.co_attention import GeneGroups
from methods.encoders.linear_map import Linear
from methods.gene_groups import GROUPED, Groups, any_groups, gene_groups
from methods.objectives.alignment import full_precision
from methods.objectives.retention import choose_masked
from methods.optimisation import Optimiser
from methods.prototypes import MixtureConfig, PrototypeTokens
from methods.sizes import BUDGETS, CONSTANT_ADAM, INPUTS, PAPER, SPACE
from methods.trainer import Network, Shape, TorchConfig, TorchMethod, TrainingError
from tasks.data.cohort import Cohort, VectorModality
from tasks.data.preprocess import VectorScaler
from tasks.embeddings import Embeddings
from tasks.errors import InputError

PROTOTYPES = "prototypes."
MEMBERS, SIZES = "network.genes.members", "network.genes.sizes"


class MaskedGroups(Network):
    """A transformer layer of a slide's tokens and of the groups of genes that are shown.

    What is hidden is not among its tokens at all. A decoder asks, for every group, what the layer
    gave, and predicts the group's genes; the error counts where the group was hidden.

    Args:
        slides: Width of a token of a slide, before it is projected.
        prototypes: Tokens of a slide.
        groups: The genes of each group.
        width: Of every token.
        heads: Of attention; a divisor of `width`.
        dropout: Everywhere.
        mask_ratio: Share of groups that is hidden.
    """

    def __init__(
        self,
        slides: int,
        prototypes: int,
        groups: Groups,
        width: int,
        *,
        heads: int,
        dropout: float,
        mask_ratio: float,
    ) -> None:
        super().__init__()
        self.mask_ratio = mask_ratio
        self.prototypes = prototypes
        self.slides = Linear(slides, width)
        self.genes = GeneGroups(groups, width, dropout)
        self.places = nn.Parameter(0.02 * torch.randn(prototypes + len(groups), width))
        self.layer = nn.TransformerEncoderLayer(
            width, heads, width, dropout, activation="gelu", batch_first=True, norm_first=True
        )
        self.norm = nn.LayerNorm(width)
        self.questions = nn.Parameter(0.02 * torch.randn(len(groups), width))
        self.decoder = AskingLayer(width, heads, dropout, ratio=1)
        self.decoded = nn.LayerNorm(width)
        self.predictors = nn.ModuleList(Linear(width, len(group)) for group in groups)

    def losses(self, wsi: Tensor, rna: Tensor) -> dict[str, Tensor]:
        """`reconstruction`, the mean absolute error of hidden groups; `total` is the same."""
        noise = torch.rand(len(rna), len(self.predictors), device=rna.device)
        hidden = choose_masked(noise, self.mask_ratio)
        genes = self._gene_tokens(rna)
        shown = genes[~hidden].unflatten(0, (len(rna), -1))  # of each patient as many
        errors = self._errors(self._encoded(self._slide_tokens(wsi), shown), rna)
        loss = (errors * hidden).sum() / hidden.sum()
        return {"total": loss, "reconstruction": loss}

    def encode(self, wsi: Tensor, rna: Tensor) -> Tensor:
        """Both sides, each knowing of the other: the mean of either's tokens, [B, 2 width]."""
        encoded = self._encoded(self._slide_tokens(wsi), self._gene_tokens(rna))
        parts = encoded.split([self.prototypes, len(self.predictors)], dim=1)
        return torch.cat([part.mean(dim=1) for part in parts], dim=1)

    def encode_wsi(self, wsi: Tensor) -> Tensor:
        """Slides as if every group of genes were hidden, [B, width]."""
        return self._encoded(self._slide_tokens(wsi)).mean(dim=1)

    def encode_rna(self, rna: Tensor) -> Tensor:
        """Expression without a slide, [B, width]."""
        return self._encoded(self._gene_tokens(rna)).mean(dim=1)

    def _slide_tokens(self, wsi: Tensor) -> Tensor:
        tokens: Tensor = self.slides(wsi.unflatten(1, (self.prototypes, -1)))
        return tokens + self.places[: self.prototypes]

    def _gene_tokens(self, rna: Tensor) -> Tensor:
        tokens: Tensor = self.genes(rna)
        return tokens + self.places[self.prototypes :]

    def _encoded(self, *tokens: Tensor) -> Tensor:
        encoded: Tensor = self.norm(self.layer(torch.cat(tokens, dim=1)))
        return encoded

    def _errors(self, encoded: Tensor, rna: Tensor) -> Tensor:
        """Mean absolute error of each group's genes, [B, groups]."""
        questions = self.questions.expand(len(encoded), -1, -1)
        answers = self.decoded(self.decoder(questions, encoded)).unbind(1)
        wanted = rna[:, self.genes.members].split(self.genes.sizes.tolist(), dim=1)
        errors = [
            (full_precision(predictor(answer)) - genes).abs().mean(dim=1)
            for predictor, answer, genes in zip(self.predictors, answers, wanted, strict=True)
        ]
        return torch.stack(errors, dim=1)


@dataclass(frozen=True)
class MorpheusConfig(TorchConfig, MixtureConfig):
    """Configuration of `morpheus`; a bag is read once, all of it, for its prototypes.

    Attributes:
        groups: Groups of genes where the cohort declares no gene sets; the paper has fifty.
        heads: Of attention; a divisor of `width`.
        dropout: Of everything that is trained.
        mask_ratio: Share of groups that is hidden.
    """

    groups: int = 50
    heads: int = 8
    dropout: float = 0.35
    mask_ratio: float = 0.75

    def __post_init__(self) -> None:
        """Refuse heads that do not divide the width.

        Raises:
            InputError: They do not.
        """
        if self.width % self.heads:
            raise InputError(
                f"width: a multiple of heads {self.heads} expected, {self.width} found"
            )


class MorpheusMethod(TorchMethod):
    """Slides as prototypes' tokens, expression as tokens of gene groups.

    A cohort that declares gene sets has those groups; without, they are modules of genes that rise
    and fall together in the training patients.
    """

    config: MorpheusConfig

    def __init__(self, config: MorpheusConfig) -> None:
        super().__init__(config)
        self._slides = PrototypeTokens(config)
        self._groups: Groups | None = None

    def fit(self, train: Cohort, context: Context) -> None:
        """Fit the prototypes, then the network on the tokens that they make of the bags.

        Raises:
            UnableError: Slides are vectors, there are too few patches, or no gene of any gene set.
            TrainingError: If a loss is not finite, or there are not two patients to train on.
        """
        self._slides.fit(train, context)
        super().fit(self._tokenised(train), context)

    def _tokenised(self, cohort: Cohort) -> Cohort:
        """The cohort with a slide's tokens, side by side, in place of its patches."""
        found = self._slides.embed(cohort)
        slides = cohort.modalities["wsi"].patients
        names = tuple(f"token_{i}" for i in range(self._slides.width))
        tokens = VectorModality(slides, found.joint[found.rows(slides)], names)
        return replace(cohort, modalities={**cohort.modalities, "wsi": tokens})

    def _fit_scalers(self, train: Cohort) -> None:
        """Tokens of slides are standardised patches'; the genes' scaler, and their groups."""
        rna = train.modalities["rna"]
        if not isinstance(rna, VectorModality):
            raise UnableError("expression is needed, one vector a patient")
        scaler = VectorScaler.fit(rna.values, self.config.genes or None)
        self._scalers = {"wsi": VectorScaler.identity(self._slides.width), "rna": scaler}
        self._groups = gene_groups(rna, scaler, self.config.groups)

    def build(self, shapes: Mapping[str, Shape]) -> Network:
        """The network of tokens."""
        config, wsi, genes = self.config, shapes["wsi"], shapes["rna"].width
        bags = wsi.tokens is not None  # asked for its size before it is fitted
        return MaskedGroups(
            1 + wsi.width if bags else wsi.width // config.prototypes,
            config.prototypes,
            any_groups(genes, config.groups) if self._groups is None else self._groups,
            config.width,
            heads=config.heads,
            dropout=config.dropout,
            mask_ratio=config.mask_ratio,
        )

    @torch.inference_mode()
    def embed(self, cohort: Cohort) -> Embeddings:
        """Each side without the other, and both together; NaN where a side is missing."""
        if not isinstance(self._network, MaskedGroups):
            raise TrainingError("embed was called before fit")
        tokenised = self._tokenised(cohort)
        sides = super().embed(tokenised)
        joint = self._together(tokenised, self._network.encode, 2 * self.config.width)
        return replace(sides, joint=joint)

    def state(self) -> State:
        """The network's, and the prototypes' as `prototypes.NAME`."""
        prototypes = {PROTOTYPES + name: values for name, values in self._slides.state().items()}
        return {**super().state(), **prototypes}

    def restore(self, state: State) -> None:
        """Rebuild the prototypes and the groups, then the network on them."""
        self._slides.restore(below(PROTOTYPES, state))
        self._groups = np.split(state[MEMBERS], np.cumsum(state[SIZES])[:-1])
        super().restore(state)


SPECS = (
    MethodSpec(
        name="morpheus",
        summary="Hidden groups of genes predicted from the others and from prototypes of patches",
        family="masked",
        citation="Robinet et al., arXiv 2508.00969 (MORPHEUS)",
        build=MorpheusMethod,
        config=MorpheusConfig(),
        budgets={
            **BUDGETS,
            Budget.SMOKE: {**BUDGETS[Budget.SMOKE], "prototypes": 8, "groups": 12},
            Budget.PAPER: {
                **PAPER,
                "width": 256,
                "epochs": 200,
                "batch_size": 32,
                "learning_rate": 5e-5,
                "optimiser": Optimiser.ADAMW,
                "weight_decay": 1e-2,
            },
        },
        space={
            **SPACE,
            "mask_ratio": Choice((0.5, 0.75, 0.9)),
            "prototypes": Choice((8, 16, 32)),
            "dropout": Choice((0.1, 0.35)),
        },
        departures=(
            INPUTS,
            "expression is the only omics; published: methylation and copy numbers too",
            f"{GROUPED}; published: by hallmark sets",
            "a slide's tokens are the weights and means of PANTHER's mixture",
            "one layer of cross-attention decodes every group; an embedding is the mean of tokens",
            f"{CONSTANT_ADAM}; published, and under budget paper: AdamW with weight decay",
        ),
    ),
)
