"""Training of supervised references: a network whose output is the prediction itself.

Every reference is trained alike. A fifth of the training patients is held out; the others fit the
scalers and the weights, and the weights of the epoch that predicts the held-out fifth best are
kept. Papers that train such networks differ on all of this (several report the best epoch of the
test fold), so a reference here is the paper's architecture, not the paper's protocol.

A network knows the patients it was trained on better than others. The task's head, fitted on their
predictions, therefore trusts them too much: ranks are not touched by that, but probabilities
(Brier score, calibration) are those of an overfitted model, as they are in the papers.
"""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from methods.base import Choice, Context, LogUniform, State, UnableError
from methods.objectives.cox import CoxLoss
from methods.sizes import CONSTANT_ADAM, INPUTS
from methods.supervised.target import Target
from methods.trainer import Network, Shape, TorchConfig, TorchMethod, TrainingError
from tasks.data.cohort import Cohort
from tasks.embeddings import Embeddings
from tasks.errors import InputError
from tasks.seeds import generator

FAMILY = "supervised"
DEPARTURES = (
    INPUTS,
    "Cox's loss on batches of patients; published: discrete hazards or classes, a slide at a time",
    "a fifth of the training patients chooses the epoch",
)
"""Of every reference: the paper's architecture, trained as all here are."""

PUBLISHED_ADAM = {"epochs": 20, "learning_rate": 2e-4, "weight_decay": 1e-5, "min_gain": 0.0}
"""How MCAT's and PORPOISE's public code trains the references that it compares."""

PUBLISHED_BAGS = {**PUBLISHED_ADAM, "tokens": 2048, "oversample": True}
"""The same for references that look at patches."""

SPACE: Mapping[str, Choice | LogUniform] = {
    "learning_rate": LogUniform(1e-5, 3e-3),
    "width": Choice((48, 96, 192)),
    "dropout": Choice((0.1, 0.25, 0.5)),
}
"""What a search may change of any of them."""

UNDECAYED = f"{CONSTANT_ADAM}; published, and under budget paper: with weight decay"
"""A departure of those whose papers decay weights."""

DRAWN = "a bag shows as many patches as are drawn; published: all"

HELD_OUT = 0  # the inner fold that chooses the epoch


@dataclass(frozen=True)
class SupervisedConfig(TorchConfig):
    """What every reference trained by gradient descent can be told.

    Attributes:
        batch_size: Patients per step, at most; for Cox's loss they are the risk sets.
        epochs: At most; those held out choose among them.
        dropout: Of the hidden layers.
    """

    batch_size: int = 32
    dropout: float = 0.25


@dataclass(frozen=True)
class AttentionConfig(SupervisedConfig):
    """Of a reference with attention among tokens.

    Attributes:
        heads: Attention heads; a divisor of `width`.
    """

    heads: int = 8

    def __post_init__(self) -> None:
        """Refuse a width that the heads do not divide.

        Raises:
            InputError: It is no multiple of them.
        """
        if self.width % self.heads:
            raise InputError(
                f"width: a multiple of heads {self.heads} expected, {self.width} found"
            )


class Predictor(Network):
    """An encoder, a linear output, and the loss of that output.

    Args:
        encoder: Takes the sides of a batch, each [B, ...], in the method's order; gives [B, width].
        width: Of what the encoder gives.
        outputs: Width of the prediction.
        objective: Takes predictions and the outcomes of the batch; gives a scalar.
    """

    def __init__(self, encoder: nn.Module, width: int, outputs: int, objective: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(width, outputs)
        self.objective = objective

    def forward(self, *sides: Tensor) -> Tensor:
        """Log risks [B, 1], or logits [B, classes]."""
        output: Tensor = self.head(self.encoder(*sides))
        return output

    def losses(self, outcome: Tensor, **sides: Tensor) -> dict[str, Tensor]:
        """`total`, of a batch."""
        return {"total": self.objective(self(*sides.values()), outcome)}


class SupervisedMethod(TorchMethod):
    """A network trained on an outcome; the joint embedding is its prediction.

    That is one column of log risk for an endpoint, or one logit a class for a label. The task's
    head then calibrates it on the training patients, as it does any embedding.
    """

    config: SupervisedConfig

    def __init__(self, config: SupervisedConfig) -> None:
        super().__init__(config)
        self._n_outputs = 1
        self._objective: nn.Module = CoxLoss()

    @abstractmethod
    def encoder(self, shapes: Mapping[str, Shape]) -> nn.Module:
        """The untrained encoder of inputs of these shapes, by side; see `Predictor`.

        Raises:
            UnableError: It is not made for them.
        """

    def build(self, shapes: Mapping[str, Shape]) -> Network:
        """The encoder with an output for what it is trained on; one log risk before that."""
        return Predictor(self.encoder(shapes), self.config.width, self._n_outputs, self._objective)

    def fit(self, train: Cohort, context: Context) -> None:
        """Fit on four fifths of the training patients whose outcome is known.

        The other fifth sees to the epoch, by its loss, and to nothing else.

        Raises:
            UnableError: There is nothing to be trained on, or the network is not made for it.
            TrainingError: If a loss is not finite.
        """
        self._target = Target.of(context.target, train.complete(self.sides))
        held_out = self._target.folds == HELD_OUT
        learnt, judged = self._target.take(~held_out), self._target.take(held_out)
        self._n_outputs, self._objective = learnt.n_outputs, learnt.objective()
        self._validation = train.subset(judged.patients)
        super().fit(train.subset(learnt.patients), context)

    def _train(
        self, network: Network, train: Cohort, patients: tuple[str, ...], context: Context
    ) -> None:
        """Train, and keep the weights of the best epoch."""
        outcome = self._targets_of(self._validation.patients)
        best = _Best()

        def after_epoch(epoch: int, losses: Mapping[str, float]) -> None:
            network.eval()
            with torch.no_grad(), self._autocast():
                predicted = [network(*batch.values()) for batch in self._validation_batches()]
                loss = float(self._objective(torch.cat(predicted), outcome))
            network.train()
            if not np.isfinite(loss):
                raise TrainingError(f"loss of those held out is not finite at epoch {epoch}")
            best.offer(loss, network)
            context.log(epoch, {**losses, "validation": loss})

        super()._train(network, train, patients, replace(context, log=after_epoch))
        best.restore(network)

    def _watched(self, train: Cohort, patients: tuple[str, ...]) -> dict[str, Tensor]:
        """Nobody: a prediction has no geometry."""
        return {}

    def _validation_batches(self) -> Iterator[dict[str, Tensor]]:
        """Those held out, as the network is trained on them: so many patches of a bag, no more.

        The draws are the same each time, so that epochs differ by their weights alone.
        """
        everyone, size = list(self._validation.patients), self.config.batch_size
        draws = generator("validation", self._validation.name)
        for start in range(0, len(everyone), size):
            yield super()._inputs(self._validation, everyone[start : start + size], draws)

    def _inputs(
        self, train: Cohort, batch: list[str], draws: np.random.Generator
    ) -> dict[str, Tensor]:
        """The sides of a batch in their order, and its outcomes."""
        return {**super()._inputs(train, batch, draws), "outcome": self._targets_of(batch)}

    def _targets_of(self, patients: Sequence[str]) -> Tensor:
        rows = np.searchsorted(self._target.patients, patients)
        return torch.from_numpy(self._target.values[rows]).to(self._device)

    @property
    def _fitted(self) -> Predictor:
        if not isinstance(self._network, Predictor):
            raise TrainingError("nothing was fitted yet")
        return self._network

    @torch.inference_mode()
    def embed(self, cohort: Cohort) -> Embeddings:
        """The prediction for each patient who has every side that is needed, else NaN."""
        self._fitted.train(self._dropout_on)
        return Embeddings(cohort.patients, self._together(cohort, self._fitted, self._n_outputs))

    def restore(self, state: State) -> None:
        """Rebuild the scalers and the network; the loss says how many outputs it has."""
        weights = state.get("network.objective.weight")
        if weights is None:
            self._n_outputs, self._objective = 1, CoxLoss()
        else:
            self._n_outputs = len(weights)
            self._objective = nn.CrossEntropyLoss(torch.ones(self._n_outputs))
        super().restore(state)


class _Best:
    """The weights with the lowest loss so far; of equals, the first."""

    def __init__(self) -> None:
        self.loss = np.inf
        self.weights: dict[str, Tensor] | None = None

    def offer(self, loss: float, network: nn.Module) -> None:
        """Keep the weights if none were better."""
        if loss < self.loss:
            self.loss = loss
            self.weights = {k: w.detach().clone() for k, w in network.state_dict().items()}

    def restore(self, network: nn.Module) -> None:
        """Give them back; without an epoch there are none, and the network stays as it is."""
        if self.weights is not None:
            network.load_state_dict(self.weights)


def require_patches(shape: Shape, what: str) -> int:
    """Patches in a training bag.

    On slide vectors a network of patches would be one of another name.

    Raises:
        UnableError: The slides are vectors.
    """
    if shape.tokens is None:
        raise UnableError(f"{what} needs patches, and these slides are vectors")
    return shape.tokens
