"""Floors and controls: what a representation must beat before it says anything."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from methods.base import Config, Context, Method, MethodSpec, Role, State, UnableError, rows_for
from methods.concatenated import ConcatenatedMethod, pooled
from tasks.data.cohort import Cohort
from tasks.data.preprocess import VectorScaler
from tasks.embeddings import Embeddings


@dataclass(frozen=True)
class RawConfig(Config):
    """Configuration of the raw features.

    Attributes:
        genes: Features of highest training variance that are kept of each side; 0 keeps all.
    """

    genes: int = 4096


class MeanConcat(ConcatenatedMethod):
    """Mean-pooled slides and expression as they are, standardised and concatenated."""

    side_map = VectorScaler
    config: RawConfig

    def fit(self, train: Cohort, context: Context) -> None:
        """Fit the scaler of each side on its training patients."""
        for side in self.sides:
            raw = pooled(train.modalities[side])
            self.fitted[side] = VectorScaler.fit(raw, self.config.genes or None)


class WSIOnly(MeanConcat):
    """Mean-pooled slides alone."""

    sides = ("wsi",)


class RNAOnly(MeanConcat):
    """Expression alone."""

    sides = ("rna",)


class Constant(Method):
    """The same number for everybody: a head on it knows the outcome's base rate and no more."""

    def fit(self, train: Cohort, context: Context) -> None:
        """Nothing is learned."""

    def embed(self, cohort: Cohort) -> Embeddings:
        """One column of ones."""
        return Embeddings(cohort.patients, np.ones((len(cohort.patients), 1), dtype=np.float32))

    def state(self) -> State:
        """Nothing."""
        return {}

    def restore(self, state: State) -> None:
        """Nothing."""


class Clinical(Method):
    """Age, sex and stage, as a clinician knows them before any slide is read.

    Each covariate is a column, and so is whether it is missing; a missing one becomes the training
    median, which for sex is the commoner one. Columns without variance are dropped, and so is what
    fewer than 1 % of the training patients differ in: men with breast cancer, say.
    """

    _scaler: VectorScaler

    def fit(self, train: Cohort, context: Context) -> None:
        """Fit medians and scales on the training patients.

        Raises:
            UnableError: Neither age, sex nor stage is known, or none of them varies.
        """
        self._scaler = VectorScaler.fit(_covariates(train))
        if not self._scaler.width:
            raise UnableError("age, sex and stage are the same for all training patients")

    def embed(self, cohort: Cohort) -> Embeddings:
        """The standardised covariates of everybody."""
        return Embeddings(cohort.patients, self._scaler.transform(_covariates(cohort)))

    def state(self) -> State:
        """The scaler's arrays."""
        return self._scaler.state()

    def restore(self, state: State) -> None:
        """The inverse of `state`."""
        self._scaler = VectorScaler.from_state(state)


def _covariates(cohort: Cohort) -> NDArray[np.float32]:
    """Covariates of every patient, NaN where unknown, then whether each is: [n, 2 * width]."""
    if cohort.clinical is None:
        raise UnableError("age, sex and stage are not in the cohort's clinical file")
    values = rows_for(cohort.patients, cohort.clinical.patients, cohort.clinical.values)
    return np.hstack([values, np.isnan(values).astype(np.float32)])


def _floor(
    name: str, summary: str, build: Callable[[Any], Method], config: Config, sides: tuple[str, ...]
) -> MethodSpec:
    return MethodSpec(
        name=name,
        summary=summary,
        family="floors",
        citation="none: nothing is learned but scales",
        build=build,
        config=config,
        role=Role.CONTROL,
        sides=sides,
    )


SPECS = (
    _floor(
        "mean-concat",
        "standardised means of the patches, and standardised expression",
        MeanConcat,
        RawConfig(),
        MeanConcat.sides,
    ),
    _floor("wsi-only", "standardised means of the patches", WSIOnly, RawConfig(), WSIOnly.sides),
    _floor("rna-only", "standardised expression", RNAOnly, RawConfig(), RNAOnly.sides),
    _floor("clinical", "age, sex and stage", Clinical, Config(), ()),
    _floor("constant", "the same number for everybody: chance", Constant, Config(), ()),
)
