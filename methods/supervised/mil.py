"""Multiple-instance learning on the patches of slides, trained on the outcome: ABMIL, TransMIL."""

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor, nn

from methods.base import Budget, MethodSpec, Role
from methods.encoders.abmil import attended_patches
from methods.encoders.architecture import EncoderArchitecture
from methods.encoders.slide import SlideEncoder
from methods.sizes import CONSTANT_ADAM, SHORT_BAGS, SMOKE
from methods.supervised.training import (
    DEPARTURES,
    DRAWN,
    FAMILY,
    PUBLISHED_BAGS,
    SPACE,
    UNDECAYED,
    AttentionConfig,
    SupervisedConfig,
    SupervisedMethod,
    require_patches,
)
from methods.trainer import Shape


class ABMILMethod(SupervisedMethod):
    """Slides alone, by attention."""

    sides: ClassVar[tuple[str, ...]] = ("wsi",)

    def encoder(self, shapes: Mapping[str, Shape]) -> nn.Module:
        """A hidden layer on each patch, then gated attention of half its width."""
        require_patches(shapes["wsi"], "abmil")
        return attended_patches(shapes["wsi"].width, self.config.width, self.config.dropout)


class SlideToken(nn.Module):
    """What a slide encoder says of the slide as a whole.

    Args:
        slides: Encoder of bags; its class token starts as TransMIL's, normal and not zero.
    """

    def __init__(self, slides: SlideEncoder) -> None:
        super().__init__()
        self.slides = slides
        nn.init.normal_(slides.cls_token)

    def forward(self, wsi: Tensor) -> Tensor:
        """[B, n, patch width] -> [B, width]."""
        return self.slides.summary(wsi)


class TransMILMethod(SupervisedMethod):
    """Slides alone, by attention among patches."""

    config: AttentionConfig
    sides: ClassVar[tuple[str, ...]] = ("wsi",)

    def encoder(self, shapes: Mapping[str, Shape]) -> nn.Module:
        """The slide encoder that MIRROR took from TransMIL."""
        tokens = require_patches(shapes["wsi"], "transmil")
        width, heads = self.config.width, self.config.heads
        architecture = EncoderArchitecture(
            width, slide_heads=heads, vector_heads=heads, slide_dropout=self.config.dropout
        )
        return SlideToken(SlideEncoder(shapes["wsi"].width, architecture.for_bags(tokens)))


SPECS = (
    MethodSpec(
        name="abmil",
        summary="Supervised: gated attention over patches",
        family=FAMILY,
        citation="Ilse et al., ICML 2018",
        build=ABMILMethod,
        config=SupervisedConfig(),
        role=Role.SUPERVISED,
        sides=ABMILMethod.sides,
        budgets={
            Budget.SMOKE: {**SMOKE, "learning_rate": 5e-3},
            Budget.PAPER: {
                "width": 512,
                **PUBLISHED_BAGS,
            },
        },
        space=SPACE,
        departures=(
            *DEPARTURES,
            DRAWN,
            UNDECAYED,
        ),
    ),
    MethodSpec(
        name="transmil",
        summary="Supervised: Nystrom attention among patches, positions by convolution",
        family=FAMILY,
        citation="Shao et al., NeurIPS 2021",
        build=TransMILMethod,
        config=AttentionConfig(dropout=0.1),
        role=Role.SUPERVISED,
        sides=TransMILMethod.sides,
        ordered=True,
        budgets={
            Budget.SMOKE: {**SMOKE, "epochs": 4, "learning_rate": 4e-3},
            Budget.PAPER: {
                "width": 512,
                **PUBLISHED_BAGS,
                "epochs": 200,
            },
        },
        space=SPACE,
        departures=(
            *DEPARTURES,
            DRAWN,
            SHORT_BAGS,
            f"{CONSTANT_ADAM}; published: Lookahead around RAdam, weight decay",
        ),
    ),
)
