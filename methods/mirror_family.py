"""MIRROR as a registered method; its ablations and repairs are deltas of its configuration."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from methods.base import Budget, MethodSpec
from methods.mirror import MIRROR, MirrorArchitecture
from methods.trainer import Shape, TorchConfig, TorchMethod
from tasks.cohort import Kind

# The published sizes (configs/pretrain/mirror.template.yaml), and sizes for a quick look.
PAPER = {
    "width": 768,
    "epochs": 100,
    "batch_size": 16,
    "learning_rate": 2e-5,
    "tokens": 2048,
    "genes": 0,
}
SMOKE = {"width": 24, "epochs": 5, "tokens": 36}


@dataclass(frozen=True)
class MirrorConfig(TorchConfig, MirrorArchitecture):
    """How MIRROR is trained and what it is made of; sizes are ours, loss weights the template's."""


class MirrorMethod(TorchMethod):
    """MIRROR on bags or slide vectors, and expression."""

    config: MirrorConfig

    def build(self, shapes: Mapping[str, Shape]) -> nn.Module:
        """The published network at the configured size."""
        return MIRROR(
            shapes["wsi"].width,
            shapes["rna"].width,
            bag_tokens(shapes["wsi"], self.config),
            self.config,
        )


def bag_tokens(wsi: Shape, config: TorchConfig) -> int | None:
    """Patches in a training bag; None where slides are vectors."""
    return config.tokens if wsi.kind is Kind.BAG else None


SPEC = MethodSpec(
    name="mirror",
    summary="MIRROR: alignment, retention and style clustering on dedicated encoders",
    family="mirror",
    citation="Wang et al., IEEE TMI 2025, doi 10.1109/TMI.2025.3632555",
    build=MirrorMethod,
    config=MirrorConfig(),
    budgets={Budget.SMOKE: SMOKE, Budget.PAPER: PAPER},
)

SPECS = (
    SPEC,
    SPEC.derive(
        "random-init", "MIRROR's encoders as they are before training", "control", epochs=0
    ),
)
