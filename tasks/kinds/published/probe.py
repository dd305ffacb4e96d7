"""The published linear probe: one linear layer on frozen embeddings, trained by Adam.

In numpy, slopes written out: the 4,300 steps of a fold are so small that an automatic
differentiation would spend its time on bookkeeping, and so many that it shows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_softmax, softmax

from tasks.heads.inputs import Matrix, Vector, standardise
from tasks.kinds.published.switches import BATCH
from tasks.seeds import generator

Rows = NDArray[np.intp]

EPOCHS = 100
BINS = 4
SMOOTHING = 0.1  # of the labels, in subtyping
SURVIVAL_RATE, SUBTYPING_RATE = 3e-3, 2e-3  # Adam's, constant
INITIAL_SCALE = 0.01  # standard deviation of the initial weights; biases start at zero
MOMENTS, EPSILON = (0.9, 0.999), 1e-8  # Adam's defaults


class Loss(Protocol):
    """What is descended, for some rows [b] of the training patients and their logits [b, K]."""

    def cost(self, logits: Matrix, rows: Rows) -> Vector:
        """The loss of each, [b]."""

    def slope(self, logits: Matrix, rows: Rows) -> Matrix:
        """Its derivative by the logits, [b, K]."""


class DiscreteNLL:
    """Negative log-likelihood of discrete hazards, the published one with alpha 0.

    With hazards h, an event in bin t costs -(sum_{j<t} log(1 - h_j) + log h_t), a patient censored
    in it -sum_{j<=t} log(1 - h_j). A time on an edge belongs to the later bin.

    Args:
        time: Months, [n].
        event: [n].
        edges: From `bin_edges`.
    """

    def __init__(self, time: Vector, event: NDArray[np.bool_], edges: Vector) -> None:
        bins, t = np.arange(BINS), np.searchsorted(edges, time, side="right")[:, None]
        self._at_risk = (bins <= t).astype(np.float64)
        self._died = ((bins == t) & event[:, None]).astype(np.float64)

    def cost(self, logits: Matrix, rows: Rows) -> Vector:
        """-log(1 - h) is log(1 + e^z) of the logit z, and -log h is that less z."""
        costs = self._at_risk[rows] * np.logaddexp(0.0, logits) - self._died[rows] * logits
        return np.asarray(costs.sum(axis=1))

    def slope(self, logits: Matrix, rows: Rows) -> Matrix:
        """Hazard less event in the bins that a patient reached."""
        return np.asarray(self._at_risk[rows] * expit(logits) - self._died[rows])


class SmoothedCrossEntropy:
    """Cross-entropy to targets of which `SMOOTHING` is spread evenly over the classes.

    Args:
        y: Class number of each training patient, [n].
        n_classes: Number of classes.
    """

    def __init__(self, y: Rows, n_classes: int) -> None:
        self._target = (1.0 - SMOOTHING) * np.eye(n_classes)[y] + SMOOTHING / n_classes

    def cost(self, logits: Matrix, rows: Rows) -> Vector:
        """In nats."""
        return -np.asarray((self._target[rows] * log_softmax(logits, axis=1)).sum(axis=1))

    def slope(self, logits: Matrix, rows: Rows) -> Matrix:
        """Probability less target."""
        return np.asarray(softmax(logits, axis=1) - self._target[rows])


@dataclass(frozen=True)
class Trained:
    """The probe after each epoch.

    Attributes:
        weights: After each epoch, the last row the bias, [epochs, p + 1, K].
        loss: Mean over the training patients after the last epoch.
    """

    weights: NDArray[np.float64]
    loss: float

    def logits(self, *Z: Matrix) -> NDArray[np.float64]:
        """Of patients [n, p] after each epoch, [epochs, n, K]; epochs take turns in several draws.

        Args:
            Z: Features of the same patients, one matrix for each draw.
        """
        turn = np.arange(len(self.weights)) % len(Z)
        out = np.empty((len(self.weights), len(Z[0]), self.weights.shape[2]))
        for i, draw in enumerate(Z):
            out[turn == i] = _with_ones(draw) @ self.weights[turn == i]
        return out


def at_unit_scale(train: Matrix, test: Matrix) -> tuple[Matrix, Matrix]:
    """Both parts [n, p] standardised by the training part.

    The published encoders end in a layer norm; other methods' embeddings are brought to its scale,
    for which the probe's learning rates were made.
    """
    Z, mean, scale = standardise(train)
    return Z, (test - mean) / scale


def train(
    draws: Sequence[Matrix], losses: Sequence[Loss], outputs: int, rate: float, *axes: str | int
) -> tuple[Trained, ...]:
    """Train a probe for each loss, all from the same initial weights and on the same batches.

    Batches are shuffled every epoch and the last partial one is left out, as published.

    Args:
        draws: Training features [n, p], from `at_unit_scale`; epochs take turns if there are
            several of the same n patients.
        losses: Of the same n patients.
        outputs: K, the same for all.
        rate: Adam's.
        axes: What the initial weights and the batches are drawn by.

    Returns:
        In the order of the losses.
    """
    features = [_with_ones(draw) for draw in draws]
    Z = features[0]
    n = len(Z)
    size = BATCH if n > BATCH else 1 << (n.bit_length() - 1)
    rng = generator("paper-probe", *axes)
    start = np.zeros((Z.shape[1], outputs))
    start[:-1] = INITIAL_SCALE * rng.normal(size=(Z.shape[1] - 1, outputs))
    # Side by side in one matrix: Adam moves each weight by its own slope alone.
    weights = np.tile(start, len(losses))
    own = [slice(i * outputs, (i + 1) * outputs) for i in range(len(losses))]
    first, second, slope = np.zeros_like(weights), np.zeros_like(weights), np.empty_like(weights)
    kept = np.empty((EPOCHS, *weights.shape))
    step = 0
    for epoch in range(EPOCHS):
        order, Z = rng.permutation(n), features[epoch % len(features)]
        for begin in range(0, n - size + 1, size):
            rows = order[begin : begin + size]
            batch = Z[rows]
            logits = batch @ weights
            for loss, part in zip(losses, own, strict=True):
                slope[:, part] = batch.T @ loss.slope(logits[:, part], rows) / size
            step += 1
            first += (1.0 - MOMENTS[0]) * (slope - first)
            second += (1.0 - MOMENTS[1]) * (slope**2 - second)
            unbiased = first / (1.0 - MOMENTS[0] ** step), second / (1.0 - MOMENTS[1] ** step)
            weights -= rate * unbiased[0] / (np.sqrt(unbiased[1]) + EPSILON)
        kept[epoch] = weights
    everyone = np.arange(n)
    return tuple(
        Trained(kept[:, :, part], float(loss.cost(Z @ weights[:, part], everyone).mean()))
        for loss, part in zip(losses, own, strict=True)
    )


def bin_edges(time: Vector, event: NDArray[np.bool_]) -> Vector:
    """The three inner edges of the time bins: quartiles of the event times, in months."""
    return np.asarray(np.quantile(time[event], np.arange(1, BINS) / BINS))


def risk(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Minus the sum over bins of the survival up to each: of logits [..., K], one number each."""
    return np.asarray(-np.exp(-np.cumsum(np.logaddexp(0.0, logits), axis=-1)).sum(axis=-1))


def accuracies(y: Rows, rows: Rows, logits: NDArray[np.float64]) -> Vector:
    """Share of rows that each epoch's logits [epochs, n, K] give to their class of `y`."""
    return np.asarray((logits.argmax(axis=-1) == y[rows]).mean(axis=-1))


def _with_ones(Z: Matrix) -> Matrix:
    return np.hstack([Z, np.ones((len(Z), 1))])
