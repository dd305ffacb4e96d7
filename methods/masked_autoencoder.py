"""A masked autoencoder of each side on MIRROR's encoders: inputs are hidden, nothing is aligned.

Source: He et al., "Masked autoencoders are scalable vision learners", CVPR 2022, carried over to
bags of frozen patch features and to expression. The sides meet only in the sum of their losses: a
network each, so what they share for a patient is found by neither.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from methods.base import Budget, Choice, MethodSpec
from methods.branches import BagBranch, Branch, VectorBranch
from methods.encoders.architecture import EncoderArchitecture
from methods.mirror.model import initialise
from methods.objectives.retention import choose_masked, masked_error
from methods.sizes import BUDGETS, CONSTANT_ADAM, DECAYED, INPUTS, PAPER, SPACE
from methods.trainer import Network, Shape, TorchConfig, TorchMethod


class MaskedAutoencoder(Network):
    """Predicts hidden patches from the bag's others, hidden genes from the patient's others.

    Args:
        wsi: Branch of slides; it masks inputs.
        rna: Branch of expression; likewise.
        mask_ratio: Share of places that is hidden, on both sides.
    """

    def __init__(self, wsi: Branch, rna: Branch, mask_ratio: float) -> None:
        super().__init__()
        self.wsi = wsi
        self.rna = rna
        self.mask_ratio = mask_ratio
        initialise(self)

    def losses(self, wsi: Tensor, rna: Tensor) -> dict[str, Tensor]:
        """`wsi_reconstruction` and `rna_reconstruction`; `total` is their sum.

        Each is the mean squared error over what was hidden, of standardised features: 1 is what
        the mean of the training patients would have.
        """
        losses = {
            "wsi_reconstruction": self._reconstruction(self.wsi, wsi),
            "rna_reconstruction": self._reconstruction(self.rna, rna),
        }
        return {"total": torch.stack(list(losses.values())).sum(), **losses}

    def encode_wsi(self, wsi: Tensor) -> Tensor:
        """Slide embeddings [B, width], nothing hidden."""
        return self.wsi.embed(wsi)

    def encode_rna(self, rna: Tensor) -> Tensor:
        """Expression embeddings [B, width], nothing hidden."""
        return self.rna.embed(rna)

    def _reconstruction(self, branch: Branch, x: Tensor) -> Tensor:
        mask = choose_masked(
            torch.rand(len(x), branch.maskable(x), device=x.device), self.mask_ratio
        )
        # What the encoder makes of the whole input is not asked for: the input stands in for it.
        prediction, target = branch.recover(x, x, mask)
        return masked_error(prediction, target, mask)


@dataclass(frozen=True)
class MaskedAutoencoderConfig(TorchConfig, EncoderArchitecture):
    """Configuration of `masked-autoencoder`.

    Attributes:
        mask_ratio: Share of patches and of genes that is hidden.
        decoder_depth: Blocks of each decoder.
    """

    mask_ratio: float = 0.75
    decoder_depth: int = 1


class MaskedAutoencoderMethod(TorchMethod):
    """A masked autoencoder of bags or slide vectors, and one of expression."""

    config: MaskedAutoencoderConfig

    def build(self, shapes: Mapping[str, Shape]) -> Network:
        """MIRROR's branches, inputs masked."""
        config, wsi = self.config, shapes["wsi"]
        slides: Branch = (
            VectorBranch(wsi.width, config, config.decoder_depth, mask_inputs=True)
            if wsi.tokens is None
            else BagBranch(wsi.width, wsi.tokens, config, config.decoder_depth, mask_inputs=True)
        )
        expression = VectorBranch(
            shapes["rna"].width, config, config.decoder_depth, mask_inputs=True
        )
        return MaskedAutoencoder(slides, expression, config.mask_ratio)


SPECS = (
    MethodSpec(
        name="masked-autoencoder",
        summary="Hidden patches and hidden genes predicted, on MIRROR's encoders, no alignment",
        family="masked",
        citation="He et al., CVPR 2022",
        build=MaskedAutoencoderMethod,
        config=MaskedAutoencoderConfig(),
        ordered=True,
        budgets={**BUDGETS, Budget.PAPER: {**PAPER, **DECAYED, "weight_decay": 0.05}},
        space={**SPACE, "mask_ratio": Choice((0.25, 0.5, 0.75))},
        departures=(
            INPUTS,
            "frozen patch features and genes are hidden; published: pixels",
            "the encoder sees mask tokens; published: what is left alone",
            "patches have no positions but those of MIRROR's convolution",
            f"{CONSTANT_ADAM}; published, and under budget paper: AdamW, warm-up, cosine",
        ),
    ),
)
