"""MIRROR as a registered method; its ablations and repairs are deltas of its configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from methods.base import Choice, Context, MethodSpec, Role, UnableError
from methods.mirror.model import MIRROR, MirrorArchitecture
from methods.sizes import BUDGETS, INPUTS, SHORT_BAGS, SPACE
from methods.trainer import Network, Shape, TorchConfig, TorchMethod, bag_tokens
from tasks.data.cohort import BagModality, Cohort


@dataclass(frozen=True)
class MirrorConfig(TorchConfig, MirrorArchitecture):
    """How MIRROR is trained and what it is made of; sizes are ours, loss weights the template's."""


class MirrorMethod(TorchMethod):
    """MIRROR on bags or slide vectors, and expression."""

    config: MirrorConfig

    def fit(self, train: Cohort, context: Context) -> None:
        """Fit as every network.

        Raises:
            UnableError: As `build`; or attention is asked for that is taken unasked.
        """
        config, slides = self.config, train.modalities["wsi"]
        if isinstance(slides, BagModality) and config.exact_attention is not None:
            tokens = bag_tokens(slides, config)
            unasked = replace(config, exact_attention=None).for_bags(tokens)
            if unasked.exact_attention == config.exact_attention:
                raise UnableError(f"attention among {tokens} patches is this one unasked")
        super().fit(train, context)

    def build(self, shapes: Mapping[str, Shape]) -> Network:
        """The published network at the configured size.

        Raises:
            UnableError: What is varied is how patches are treated, and slides are vectors.
        """
        if shapes["wsi"].tokens is None:
            asked = {
                "exact_attention": self.config.exact_attention is not None,
                "spatial_order": self.config.spatial_order,
            }
            for field in filter(asked.get, asked):
                raise UnableError(f"{field} is about patches, and these slides are vectors")
        return MIRROR(
            shapes["wsi"].width,
            shapes["rna"].width,
            shapes["wsi"].tokens,
            self.config,
        )


SPEC = MethodSpec(
    name="mirror",
    summary="MIRROR: alignment, retention and style clustering on dedicated encoders",
    family="mirror",
    citation="Wang et al., IEEE TMI 2025, doi 10.1109/TMI.2025.3632555",
    build=MirrorMethod,
    config=MirrorConfig(),
    ordered=True,
    budgets=BUDGETS,
    space={**SPACE, "mask_ratio": Choice((0.5, 0.75, 0.9))},
    departures=(
        INPUTS,
        "the last epoch is kept; published: the epoch of least loss on the fold that is tested",
        SHORT_BAGS,
        "float32; published: float16 where autocast allows it",
        "slides that are vectors go through the encoder of vectors; published: bags alone",
    ),
)

# What each of MIRROR's parts is worth: the part is taken away, nothing else changes.
ABLATIONS = (
    SPEC.derive("mirror-no-alignment", "MIRROR without alignment", alignment=0.0),
    SPEC.derive(
        "mirror-no-retention",
        "MIRROR without retention on either side",
        wsi_retention=0.0,
        rna_retention=0.0,
    ),
    SPEC.derive("mirror-no-wsi-retention", "MIRROR without slide retention", wsi_retention=0.0),
    SPEC.derive(
        "mirror-no-rna-retention", "MIRROR without expression retention", rna_retention=0.0
    ),
    SPEC.derive(
        "mirror-no-style",
        "MIRROR without style clustering: alignment and retention only",
        style=0.0,
        cluster=0.0,
    ),
    SPEC.derive(
        "mirror-no-prior", "MIRROR without the style's divergence from its prior", style=0.0
    ),
    SPEC.derive("mirror-no-cluster", "MIRROR without agreement on prototypes", cluster=0.0),
    SPEC.derive(
        "mirror-retention-only",
        "MIRROR's retention alone: no alignment, no style clustering",
        alignment=0.0,
        style=0.0,
        cluster=0.0,
    ),
)

# What MIRROR.md 1.12 finds wanting in the published arithmetic, mended one thing at a time.
REPAIRS = (
    SPEC.derive(
        "mirror-detached", "MIRROR, retention targets without gradient", detach_targets=True
    ),
    SPEC.derive("mirror-masked-inputs", "MIRROR as a true masked autoencoder", mask_inputs=True),
    SPEC.derive("mirror-cosine", "MIRROR, alignment of normalised heads", cosine=True),
    SPEC.derive(
        "mirror-spatial", "MIRROR, patches in the order of the slide's rows", spatial_order=True
    ),
)

SPECS = (
    SPEC,
    *ABLATIONS,
    *REPAIRS,
    # What the published arithmetic has and our settings leave out.
    SPEC.derive(
        "mirror-nystrom",
        "MIRROR, attention through landmarks as published, however few the patches",
        exact_attention=False,
    ),
    SPEC.derive(
        "random-init",
        "MIRROR's encoders as they are before training",
        role=Role.CONTROL,
        epochs=0,
    ),
)
