"""The contract of a method: one frozen declaration and two verbs."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.data.cohort import SIDES, Cohort, Endpoint, Label
from tasks.embeddings import Embeddings

State = dict[str, NDArray[Any]]


class Budget(StrEnum):
    """How much computation a run may spend; sizes and epochs, never which methods."""

    SMOKE = "smoke"
    DEFAULT = "default"
    PAPER = "paper"


class Role(StrEnum):
    """What a method is in a comparison; only the self-supervised are ranked."""

    SELF_SUPERVISED = "self-supervised"
    ABLATION = "ablation"
    CONTROL = "control"
    SUPERVISED = "supervised"
    PRECOMPUTED = "precomputed"


class UnableError(Exception):
    """What a method cannot do, by design: raised by `fit`, and recorded as skipped with it."""


@dataclass(frozen=True)
class Config:
    """What a method can be told; subclasses add fields, every one with a default."""


@dataclass(frozen=True)
class Choice:
    """A hyper-parameter that is one of some values."""

    values: tuple[Any, ...]


@dataclass(frozen=True)
class LogUniform:
    """A positive hyper-parameter searched evenly on a logarithmic scale, ends included."""

    low: float
    high: float


@dataclass(frozen=True)
class Context:
    """What a fit is given besides the data.

    Attributes:
        seed: The only source of randomness of the fit.
        device: A torch device, `cpu` or `cuda`.
        target: For a supervised reference alone: the outcome that the task judges, of the training
            patients for whom it is known.
        log: Called once an epoch with the epoch and its mean losses by name.
        watch: Called before training and after each epoch, of what is trained without outcomes,
            with how embeddings of some training patients lie (`tasks.metrics.geometry`).
    """

    seed: int
    device: str = "cpu"
    target: Endpoint | Label | None = None
    log: Callable[[int, Mapping[str, float]], None] = lambda epoch, losses: None  # noqa: ARG005
    watch: Callable[[Mapping[str, float]], None] = lambda geometry: None  # noqa: ARG005


class Method(ABC):
    """Learns representations of patients from their modalities.

    A method is constructed from its configuration alone, then fitted once.
    """

    def __init__(self, config: Config) -> None:
        self.config = config

    @abstractmethod
    def fit(self, train: Cohort, context: Context) -> None:
        """Learn from the training patients; `train` carries neither outcome nor label.

        Raises:
            UnableError: The cohort lacks what the method is made for, for example patches.
        """

    @abstractmethod
    def embed(self, cohort: Cohort) -> Embeddings:
        """Embed every patient of `cohort`, deterministically and in evaluation mode.

        The embedding of a patient depends on that patient and on what was fitted, on nobody else.
        A patient without a modality that is needed gets a row of NaN.
        """

    def embed_with_dropout(self, cohort: Cohort, seed: int) -> Embeddings:
        """Embed with dropout left on, as protocol `paper` does and nothing else.

        Raises:
            UnableError: There is no dropout in the method.
        """
        raise UnableError("the method has no dropout")

    @property
    def n_parameters(self) -> int | None:
        """Trainable parameters, or None where the word has no meaning."""
        return None

    def parameters_on(self, wsi_width: int, rna_width: int) -> int | None:
        """Trainable parameters on bags of patches and expression of these widths; None likewise."""
        return None

    @property
    def step_flops(self) -> int | None:
        """Floating-point operations of one training step, None where there is no such thing."""
        return None

    @abstractmethod
    def state(self) -> State:
        """Everything that was fitted, flat, by dotted name: scalers, selected genes, weights."""

    @abstractmethod
    def restore(self, state: State) -> None:
        """The inverse of `state`, on a method of the same configuration that was not fitted."""


@dataclass(frozen=True)
class MethodSpec:
    """The declaration of a method: what the registry, the tables and the sweep know of it.

    Attributes:
        name: As on the command line, for example `mirror`.
        summary: One line.
        family: The group it stands with in tables, for example `contrastive`.
        citation: Paper or package it is written from.
        build: Makes the method from a configuration.
        config: Default configuration.
        role: What it is in a comparison.
        sides: The modalities that an embedding needs.
        ordered: Whether an embedding depends on the order of a bag's patches.
        budgets: What a budget changes of the default configuration, field by field.
        space: The hyper-parameters that a search may change, by field.
        gpus: Share of a GPU that a fit takes where it runs on one: at 0.25, four at a time.
        needs: A field of the configuration that has to be given; `all` leaves the method out.
        parent: The method that this one is a variant of; `delta` is what it changes.
        delta: Fields of the parent's configuration that differ: the diff is the ablation.
        departures: What differs from the paper or its public code, a phrase each; sizes, which
            budget `paper` has, are not repeated. Empty where nothing is known to differ.
    """

    name: str
    summary: str
    family: str
    citation: str
    build: Callable[[Any], Method]
    config: Config
    role: Role = Role.SELF_SUPERVISED
    sides: tuple[str, ...] = SIDES
    ordered: bool = False
    budgets: Mapping[Budget, Mapping[str, Any]] = field(default_factory=dict)
    space: Mapping[str, Choice | LogUniform] = field(default_factory=dict)
    gpus: float = 0.25
    needs: str | None = None
    parent: str | None = None
    delta: Mapping[str, Any] = field(default_factory=dict)
    departures: tuple[str, ...] = ()

    def config_for(self, budget: Budget) -> Config:
        """The configuration that is run under a budget."""
        return replace(self.config, **{**self.budgets.get(budget, {}), **self.delta})

    def derive(
        self, name: str, summary: str, *, role: Role = Role.ABLATION, **delta: Any
    ) -> "MethodSpec":
        """A variant: this method with `delta` applied to its configuration."""
        return replace(self, name=name, summary=summary, role=role, parent=self.name, delta=delta)


def rows_for(
    patients: Sequence[str], known: Sequence[str], values: NDArray[np.floating]
) -> NDArray[np.float32]:
    """Rows of `values`, one for each of `known`, as rows for `patients`: NaN for the others."""
    row = {patient: i for i, patient in enumerate(patients)}
    rows = np.full((len(row), values.shape[1]), np.nan, dtype=np.float32)
    rows[np.array([row[patient] for patient in known], dtype=np.intp)] = values
    return rows
