"""How weights are moved, and when there is nothing more to learn."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import nn

from tasks.metrics.convergence import last_gain


class Optimiser(StrEnum):
    """The rule of a step: Adam (Kingma and Ba, 2015), or with decoupled weight decay (2019)."""

    ADAM = "adam"
    ADAMW = "adamw"


class Schedule(StrEnum):
    """The learning rate after warm-up: as it is, or falling to zero along half a cosine."""

    CONSTANT = "constant"
    COSINE = "cosine"


@dataclass(frozen=True)
class Optimisation:
    """What training by gradient descent can be told.

    Attributes:
        epochs: Passes over the training pairs, at most; no held-out patient chooses the epoch.
        min_gain: Training ends where `last_gain` of its losses is no more; 0 takes all epochs.
        learning_rate: Of a step, after warm-up.
        optimiser: The rule of a step.
        weight_decay: Decoupled for AdamW, a part of the gradient for Adam.
        schedule: Of the learning rate.
        warmup: Epochs in which the learning rate rises to `learning_rate`, by the step.
        clip: Longest gradient of all weights together; 0 takes it as it is.
    """

    epochs: int = 120
    min_gain: float = 0.005
    learning_rate: float = 3e-4
    optimiser: Optimiser = Optimiser.ADAM
    weight_decay: float = 0.0
    schedule: Schedule = Schedule.CONSTANT
    warmup: int = 0
    clip: float = 0.0

    def rate(self, step: int, steps_an_epoch: int) -> float:
        """Factor of the learning rate at a step, counted from zero."""
        warm, total = self.warmup * steps_an_epoch, self.epochs * steps_an_epoch
        if step < warm:
            return (step + 1) / warm
        if self.schedule is Schedule.CONSTANT:
            return 1.0
        return (1 + math.cos(math.pi * (step - warm) / max(1, total - warm))) / 2

    def has_converged(self, losses: Sequence[float]) -> bool:
        """Whether the losses of all epochs so far say that there is little left to gain."""
        gain = last_gain(losses) if self.min_gain else None
        return gain is not None and gain <= self.min_gain


class Stepper:
    """Moves the weights of a network by their gradients.

    Args:
        weights: What is moved.
        how: By which rule.
        steps_an_epoch: Of which the schedule is made.
    """

    def __init__(
        self, weights: Iterable[nn.Parameter], how: Optimisation, steps_an_epoch: int
    ) -> None:
        self._weights = list(weights)
        self._how = how
        rule = torch.optim.AdamW if how.optimiser is Optimiser.ADAMW else torch.optim.Adam
        self._optimiser = rule(
            self._weights, lr=how.learning_rate, weight_decay=how.weight_decay, fused=True
        )
        self._rate = torch.optim.lr_scheduler.LambdaLR(
            self._optimiser, lambda step: how.rate(step, steps_an_epoch)
        )

    def forget(self) -> None:
        """Drop the gradients of the last step."""
        self._optimiser.zero_grad(set_to_none=True)

    def step(self) -> None:
        """Move the weights once."""
        if self._how.clip:
            nn.utils.clip_grad_norm_(self._weights, self._how.clip)
        self._optimiser.step()
        self._rate.step()
