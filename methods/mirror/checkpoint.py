"""MIRROR with published weights: embeds, and learns nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from methods.base import Context, MethodSpec, Role, UnableError
from methods.mirror.model import MIRROR
from methods.mirror.published import read_checkpoint, require_inputs
from methods.trainer import Network, Shape, TorchConfig, TorchMethod
from tasks.data.cohort import BagModality, Cohort
from tasks.data.preprocess import InstanceScaler, VectorScaler


@dataclass(frozen=True)
class CheckpointConfig(TorchConfig):
    """Where the weights are; how they were trained is theirs.

    Attributes:
        checkpoint: A file of the published training code.
    """

    epochs: int = 0
    checkpoint: Path | None = None


class CheckpointMethod(TorchMethod):
    """A published checkpoint, on the features as they are: all genes, nothing scaled."""

    config: CheckpointConfig

    def build(self, shapes: Mapping[str, Shape]) -> Network:
        """The network of the checkpoint.

        Raises:
            InputError: The file is no such checkpoint, or is one for inputs of other widths.
        """
        if self.config.checkpoint is None:
            raise UnableError("no checkpoint was given")
        checkpoint = read_checkpoint(self.config.checkpoint)
        require_inputs(checkpoint, shapes["wsi"].width, shapes["rna"].width)
        return MIRROR.from_published(checkpoint.state, checkpoint.config)

    def parameters_on(self, wsi_width: int, rna_width: int) -> None:
        """As many as the file has."""

    def fit(self, train: Cohort, context: Context) -> None:
        """Read the weights; of the training patients only the widths of their features count.

        Raises:
            UnableError: Slides are vectors: the published network takes bags.
            InputError: The checkpoint does not fit the cohort.
        """
        wsi, rna = (train.modalities[side] for side in self.sides)
        if not isinstance(wsi, BagModality):
            raise UnableError("published weights need patches, and these slides are vectors")
        self._device = torch.device(context.device)
        self._scalers = {
            "wsi": InstanceScaler.identity(wsi.width),
            "rna": VectorScaler.identity(rna.width),
        }
        self._network = self.build(self._shapes()).to(self._device)


SPECS = (
    MethodSpec(
        name="mirror-checkpoint",
        summary="MIRROR with published weights, which may have seen the test patients",
        family="mirror",
        citation="Wang et al., IEEE TMI 2025, doi 10.1109/TMI.2025.3632555",
        build=CheckpointMethod,
        config=CheckpointConfig(),
        # Nobody can say which patients the weights have seen: not to be ranked.
        role=Role.CONTROL,
        ordered=True,
        needs="checkpoint",
        departures=("the weights are somebody else's, and whom they saw is not known",),
    ),
)
