"""MIRROR: alignment, retention and style clustering of slides and expression.

Source: Wang et al., "MIRROR: Multi-Modal Pathological Self-Supervised Representation Learning via
Modality Alignment and Retention", IEEE TMI 2025, doi 10.1109/TMI.2025.3632555.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from methods.branches import BagBranch, Branch, VectorBranch
from methods.encoders.architecture import EncoderArchitecture
from methods.encoders.expression import VectorBlock
from methods.mirror import published
from methods.objectives.alignment import Alignment
from methods.objectives.retention import choose_masked, masked_error
from methods.objectives.style import Style, StyleClustering, cluster_loss, prior_loss
from methods.trainer import Network


@dataclass(frozen=True)
class MirrorArchitecture(EncoderArchitecture):
    """What MIRROR is made of; every default is the published template's.

    Attributes:
        wsi_retention_depth: Blocks of the slides' retention decoder.
        rna_retention_depth: Blocks of the expression's retention decoder.
        style_hidden: Hidden width of the style perceptron.
        style_output: Output width of the style perceptron.
        style_latent: Width of the style.
        prototypes: Number of prototypes.
        mask_ratio: Share of places that is hidden, on both sides.
        alignment: Weight of the alignment loss.
        wsi_retention: Weight of the slides' retention loss.
        rna_retention: Weight of the expression's retention loss.
        style: Weight of the style's divergence from its prior.
        cluster: Weight of the disagreement on prototypes.
        detach_targets: Repair: retention targets carry no gradient, so they cannot collapse.
        mask_inputs: Repair: what is hidden and predicted is the input, not the encoder's output.
        cosine: Repair: alignment normalises after the head, so logits are scaled cosines.
    """

    wsi_retention_depth: int = 1
    rna_retention_depth: int = 1
    style_hidden: int = 512
    style_output: int = 256
    style_latent: int = 128
    prototypes: int = 3000
    mask_ratio: float = 0.75
    alignment: float = 0.5
    wsi_retention: float = 0.15
    rna_retention: float = 0.15
    style: float = 0.1
    cluster: float = 0.1
    detach_targets: bool = False
    mask_inputs: bool = False
    cosine: bool = False

    def branch(self, width: int, tokens: int | None, retention_depth: int) -> Branch:
        """The branch of a bag of `tokens` patches, or of a vector where `tokens` is None."""
        if tokens is None:
            return VectorBranch(width, self, retention_depth, mask_inputs=self.mask_inputs)
        return BagBranch(width, tokens, self, retention_depth, mask_inputs=self.mask_inputs)


class MIRROR(Network):
    """The published network and its five losses; an ablation is another architecture.

    Args:
        wsi_width: Features of a patch, or of a slide vector.
        rna_width: Number of genes.
        wsi_tokens: Patches in a training bag; None where slides are vectors.
        architecture: Everything else.
    """

    def __init__(
        self,
        wsi_width: int,
        rna_width: int,
        wsi_tokens: int | None,
        architecture: MirrorArchitecture = MirrorArchitecture(),
    ) -> None:
        super().__init__()
        self.architecture = architecture
        self.wsi = architecture.branch(wsi_width, wsi_tokens, architecture.wsi_retention_depth)
        self.rna = architecture.branch(rna_width, None, architecture.rna_retention_depth)
        self.alignment = Alignment(architecture.width, cosine=architecture.cosine)
        self.style = StyleClustering(
            architecture.width,
            architecture.style_hidden,
            architecture.style_output,
            architecture.style_latent,
            architecture.prototypes,
        )
        initialise(self)

    @classmethod
    def from_published(cls, state: Mapping[str, Tensor], config: Mapping[str, Any]) -> "MIRROR":
        """The network of a published checkpoint.

        Args:
            state: Weights by published name.
            config: The published constructor's arguments, `mask_ratio` and `loss_weights`.

        Raises:
            InputError: An argument or weight is missing, unknown, or of another shape.
        """
        architecture = MirrorArchitecture(**published.architecture(config))
        model = cls(
            config["wsi_embed_dim"],
            config["rna_embed_dim"],
            config["wsi_num_tokens"],
            architecture,
        )
        model.load_state_dict(published.to_ours(state, model.state_dict()))
        return model

    def losses(
        self, wsi: Tensor, rna: Tensor, noise: Mapping[str, Tensor] | None = None
    ) -> dict[str, Tensor]:
        """The five losses and their weighted sum, scalars in at least float32.

        Args:
            wsi: Bags [B, tokens, wsi_width] or vectors [B, wsi_width].
            rna: [B, rna_width]; row i belongs to row i of `wsi`.
            noise: `wsi_mask` and `rna_mask` [B, places], uniform; `wsi_style` and `rna_style`
                [B, latent], standard normal. What is not given is drawn.

        Returns:
            `total`, `alignment`, `wsi_retention`, `rna_retention`, `style`, `cluster`. A loss of
            weight zero is reported, and carries no gradient.
        """
        noise = noise or {}
        hidden_wsi, hidden_rna = self.wsi(wsi), self.rna(rna)
        z_wsi, z_rna = self.wsi.summary(hidden_wsi), self.rna.summary(hidden_rna)
        weights = {
            name: getattr(self.architecture, name)
            for name in ("alignment", "wsi_retention", "rna_retention", "style", "cluster")
        }
        losses = {}
        with _gradient_if(weights["alignment"]):
            losses["alignment"] = self.alignment(z_wsi, z_rna)
        with _gradient_if(weights["wsi_retention"]):
            losses["wsi_retention"] = self._retention(
                self.wsi, wsi, hidden_wsi, noise.get("wsi_mask")
            )
        with _gradient_if(weights["rna_retention"]):
            losses["rna_retention"] = self._retention(
                self.rna, rna, hidden_rna, noise.get("rna_mask")
            )
        with _gradient_if(weights["style"] or weights["cluster"]):
            style_wsi = self._style(z_wsi, noise.get("wsi_style"))
            style_rna = self._style(z_rna, noise.get("rna_style"))
            losses["style"] = (prior_loss(style_wsi) + prior_loss(style_rna)) / 2
            losses["cluster"] = cluster_loss(style_wsi.scores, style_rna.scores)
        terms = [weights[name] * loss for name, loss in losses.items() if weights[name]]
        total = torch.stack(terms).sum() if terms else torch.zeros_like(losses["alignment"])
        return {"total": total, **losses}

    def encode_wsi(self, wsi: Tensor) -> Tensor:
        """Slide embeddings [B, width]: the cls token after the last norm, or the vector.

        The published Nystrom attention scales its pseudo-inverse by one number of the whole batch,
        so bags embedded together differ (by about 0.2 %) from bags embedded one by one. Embed one
        bag at a time where an embedding must depend on its bag alone.
        """
        return self.wsi.embed(wsi)

    def encode_rna(self, rna: Tensor) -> Tensor:
        """Expression embeddings [B, width]."""
        return self.rna.embed(rna)

    def project(self, side: str, z: Tensor) -> Tensor:
        """What the alignment's dot products are taken of, [B, width]."""
        return self.alignment.project(getattr(self.alignment, f"{side}_head"), z)

    def before_step(self) -> None:
        """Renormalise the prototypes, as published before every training step."""
        self.style.renormalise()

    def after_step(self) -> None:
        """Clamp the scale of the alignment, as published after every training step."""
        self.alignment.clamp()

    def _retention(self, branch: Branch, x: Tensor, hidden: Tensor, noise: Tensor | None) -> Tensor:
        if noise is None:
            noise = torch.rand(len(x), branch.maskable(x), device=x.device)
        mask = choose_masked(noise, self.architecture.mask_ratio)
        prediction, target = branch.recover(x, hidden, mask)
        if self.architecture.detach_targets:
            target = target.detach()
        return masked_error(prediction, target, mask)

    def _style(self, embedding: Tensor, noise: Tensor | None) -> Style:
        if noise is None:
            noise = torch.randn(len(embedding), self.style.latent, device=embedding.device)
        style: Style = self.style(embedding, noise)
        return style


def _gradient_if(weight: float) -> torch.autograd.grad_mode.set_grad_enabled:
    return torch.set_grad_enabled(torch.is_grad_enabled() and weight != 0)


@torch.no_grad()
def initialise(model: nn.Module) -> None:
    """Initial values as published (MIRROR.md 1.2, 1.3, 1.5, 1.6), from torch's generator.

    Linear layers Xavier uniform with zero bias, learned tokens and position tables normal (0.02),
    prototypes orthogonal, and the last layers of a vector decoder's blocks divided by
    sqrt(2 * block) (Touvron et al., "Going deeper with image transformers", section 2).
    """
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for name, parameter in model.named_parameters():
        if name.endswith(("cls_token", "mask_token", "position")):
            nn.init.trunc_normal_(parameter, std=0.02)
    for module in model.modules():
        if isinstance(module, VectorBranch):
            blocks = [b for b in module.retention.blocks if isinstance(b, VectorBlock)]
            for number, block in enumerate(blocks, start=1):
                block.attention.output.weight.div_(math.sqrt(2 * number))
                block.fall.weight.div_(math.sqrt(2 * number))
        elif isinstance(module, StyleClustering):
            nn.init.orthogonal_(module.prototypes.weight)
