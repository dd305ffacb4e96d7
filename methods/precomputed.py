"""Embeddings that somebody made elsewhere: nothing is learned but scales; a row of the board each.

`titan` is the embeddings of that name, standardised by the training patients; `titan+rna` has the
principal components of expression, of the training patients, beside them (`bulkrnabert+wsi`: those
of mean-pooled slides).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from methods.base import Context, MethodSpec, Role, State, UnableError, rows_for
from methods.concatenated import ConcatenatedMethod, below, pooled
from methods.linear import LinearConfig, Projection
from tasks.data.cohort import SIDES, Cohort, Precomputed
from tasks.data.precomputed import made_elsewhere
from tasks.data.preprocess import VectorScaler
from tasks.embeddings import Embeddings
from tasks.names import covered_name

FAMILY = "precomputed"
BESIDE = "+"
"""Between the name of embeddings and the side that is laid beside them."""


@dataclass(frozen=True)
class PrecomputedConfig(LinearConfig):
    """Which embeddings, and what stands beside them.

    Attributes:
        embeddings: Their name.
        side: What they are of.
        beside: The other side, where it is asked for; else empty.
        content: Fingerprint of the embeddings of the cohort that is asked, set by the plan: other
            embeddings under the same name are another method.
    """

    embeddings: str = ""
    side: str = SIDES[0]
    beside: str = ""
    content: str = ""


class PrecomputedMethod(ConcatenatedMethod):
    """Standardised embeddings, alone or beside the principal components of the other side."""

    config: PrecomputedConfig

    def fit(self, train: Cohort, context: Context) -> None:
        """Fit the scales, and the components of the other side, on the training patients.

        Raises:
            UnableError: The cohort has no such embeddings, or not those of all patients.
        """
        made = self._made(train)
        self.fitted[self.config.side] = VectorScaler.fit(made.vectors.values)
        if self.config.beside:
            raw = pooled(train.modalities[self.config.beside])
            self.fitted[self.config.beside], _ = Projection.principal(
                raw, self.config.components, self.config.genes or None
            )

    def embed(self, cohort: Cohort) -> Embeddings:
        """The scaled rows of each patient, and its components; NaN where one is missing."""
        made = self._made(cohort).vectors
        values = self.fitted[self.config.side].transform(made.values)
        parts = {self.config.side: rows_for(cohort.patients, made.patients, values)}
        if beside := self.config.beside:
            modality = cohort.modalities[beside]
            values = self.fitted[beside].transform(pooled(modality))
            parts[beside] = rows_for(cohort.patients, modality.patients, values)
        return Embeddings(cohort.patients, np.concatenate(list(parts.values()), axis=1), **parts)

    def restore(self, state: State) -> None:
        """The inverse of `state`."""
        self.fitted = {
            self.config.side: VectorScaler.from_state(below(f"{self.config.side}.", state))
        }
        if beside := self.config.beside:
            self.fitted[beside] = Projection.from_state(below(f"{beside}.", state))

    def _made(self, cohort: Cohort) -> Precomputed:
        name = self.config.embeddings
        if name not in cohort.embeddings:
            raise UnableError(f"this cohort has no embeddings {name}")
        made = cohort.embeddings[name]
        if made.covered < made.pairs:
            raise UnableError(
                f"embeddings {name} are there of {made.covered} of {made.pairs} patients with both "
                f"sides; --cohorts {covered_name(cohort.name, name)} asks every method of these"
            )
        return made


def precomputed_spec(name: str, side: str, pretrained_on: tuple[str, ...]) -> MethodSpec:
    """The method of `NAME` or `NAME+SIDE`.

    Args:
        name: As on the command line.
        side: What the embeddings are of.
        pretrained_on: What the model that made them has seen.
    """
    embeddings, _, beside = name.partition(BESIDE)
    what = {"wsi": "slide", "rna": "expression"}[side]
    summary = f"{what} embeddings {made_elsewhere(pretrained_on)}"
    if beside:
        summary += f"; beside principal components of {beside}"
    return MethodSpec(
        name=name,
        summary=summary,
        family=FAMILY,
        citation="none: the embeddings are the user's",
        build=PrecomputedMethod,
        config=PrecomputedConfig(embeddings=embeddings, side=side, beside=beside),
        # Nobody can say here which patients the model has seen, and how: not to be ranked.
        role=Role.PRECOMPUTED,
        sides=tuple(one for one in SIDES if one in (side, beside)),
    )


def precomputed_specs(declared: Mapping[str, tuple[str, tuple[str, ...]]]) -> list[MethodSpec]:
    """Two methods of each of some embeddings: alone, and beside the other side.

    Args:
        declared: Name -> what they are of, and what the model that made them has seen.
    """
    return [
        precomputed_spec(method, side, seen)
        for name, (side, seen) in declared.items()
        for method in (name, f"{name}{BESIDE}{next(one for one in SIDES if one != side)}")
    ]
