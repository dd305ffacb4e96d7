"""The retrieval task: whether a patient's slides find its expression, and the other way round.

Two spaces are searched, each by cosine, both ways, in the gallery of the test fold:

* `cosine_*`: the two embeddings as they are. It asks for one space in which both modalities live,
  which contrastive methods build and others do not claim to have.
* `mapped_*`: the query is first mapped to the gallery's side by ridge regression, fitted on the
  training pairs. It asks what the two embeddings say of each other, in whatever space each of them
  lives, so it is fair to methods without a shared one. It is the primary one for that reason.

Galleries differ in size from fold to fold and cohort to cohort: what chance would score stands
beside, as `chance_*`, for the same number of pairs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import inf

import numpy as np
from numpy.typing import NDArray

from tasks.base import Metric, Predicted, Task, Unscored
from tasks.data.cohort import Cohort
from tasks.data.splits import Split
from tasks.embeddings import Embeddings
from tasks.heads.inputs import Matrix, Vector, standardise
from tasks.heads.ridge import Ridge, fit_ridge
from tasks.kinds.pairs import NOT_APART, check_pairs, has_pairs, pairs_of, shared_width
from tasks.metrics.ranking import (
    Ranks,
    cosine_similarity,
    mean_reciprocal_rank,
    median_rank,
    recall_at,
)
from tasks.scoring import UNIT, plain_folds


@dataclass(frozen=True)
class Searches:
    """Where the partners of n test patients stand, in either direction.

    Attributes:
        wsi: Embeddings of the slides, [n, width].
        rna: Of the expression, [n, another width].
        mapped: The ranks after the queries were mapped to the gallery's side, by direction.
    """

    wsi: Matrix
    rna: Matrix
    mapped: dict[str, Ranks]

    def cosine(self) -> dict[str, Ranks]:
        """The ranks as the embeddings are, by direction.

        Raises:
            Undefined: The two sides do not share a width.
        """
        shared_width(self.wsi, self.rna)
        similarity = cosine_similarity(self.wsi, self.rna)
        return {"wsi_to_rna": Ranks.of(similarity), "rna_to_wsi": Ranks.of(similarity.T)}


def _both(directions: dict[str, Ranks]) -> Ranks:
    return directions["wsi_to_rna"] + directions["rna_to_wsi"]


def _metrics(space: str, ranks: Callable[[Searches], Ranks]) -> tuple[Metric[Searches], ...]:
    """The metrics of a space; what chance is hangs on the size of the gallery."""

    def metric(
        name: str, higher: bool, bounds: tuple[float, float], measure: Callable[[Ranks], float]
    ) -> Metric[Searches]:
        return Metric(f"{space}_{name}", higher, None, bounds, lambda s: measure(ranks(s)))

    return (
        *(metric(f"recall_at_{k}", True, UNIT, partial(recall_at, k)) for k in (10, 5, 1)),
        metric("mrr", True, UNIT, mean_reciprocal_rank),
        metric("median_rank", False, (1.0, inf), median_rank),
    )


class Retrieval(Task[Searches]):
    """Search for a test patient's other modality among those of all test patients.

    Patients count if they have both modalities and a finite embedding of each. Every metric is
    over the queries of both directions; the ranks of each direction are in the predictions.
    """

    kind = "retrieval"
    version = 1
    metrics = (
        *_metrics("mapped", lambda s: _both(s.mapped)),
        *_metrics("cosine", lambda s: _both(s.cosine())),
        *_metrics("chance", lambda s: Ranks.chance(len(s.wsi))),
    )

    @classmethod
    def instances(cls, cohort: Cohort) -> tuple[Task, ...]:
        """One, if any patient has both modalities."""
        return (cls(cohort.name, "pairs", default=True),) if has_pairs(cohort) else ()

    def predict(self, embeddings: Embeddings, cohort: Cohort, split: Split) -> Predicted[Searches]:
        """Fit the maps on the training pairs and rank the test pairs once."""
        train, test = pairs_of(embeddings, cohort, split)
        fitted, scored = train.sides(), test.sides()
        if fitted is None or scored is None:
            raise Unscored(NOT_APART, len(test.patients))
        check_pairs(train, test)
        folds = plain_folds(train.patients)
        forth, back = _Map.fit(*fitted, folds), _Map.fit(*fitted[::-1], folds)
        wsi, rna = scored
        mapped = {"wsi_to_rna": forth.ranks(wsi, rna), "rna_to_wsi": back.ranks(rna, wsi)}
        searches = Searches(wsi, rna, mapped)
        spaces = {"mapped": mapped}
        if wsi.shape[1] == rna.shape[1]:
            spaces["cosine"] = searches.cosine()
        return Predicted(
            searches,
            {
                "patient": test.patients,
                **{
                    f"rank_{space}_{direction}": ranks.rank().tolist()
                    for space, directions in spaces.items()
                    for direction, ranks in directions.items()
                },
            },
            forth.state("wsi_to_rna") | back.state("rna_to_wsi"),
        )


@dataclass(frozen=True)
class _Map:
    """A linear map from one side to the other, in units of the other's spread over patients."""

    ridge: Ridge
    mean: Vector
    scale: Vector

    @classmethod
    def fit(cls, queries: Matrix, gallery: Matrix, folds: NDArray[np.intp]) -> "_Map":
        """Fit on training pairs; no axis of the gallery counts more for being written larger."""
        targets, mean, scale = standardise(gallery)
        return cls(fit_ridge(queries, targets, folds), mean, scale)

    def ranks(self, queries: Matrix, gallery: Matrix) -> Ranks:
        """Where the partners of mapped queries stand."""
        targets = (gallery - self.mean) / self.scale
        return Ranks.of(cosine_similarity(self.ridge.predict(queries), targets))

    def state(self, prefix: str) -> dict[str, NDArray[np.float64]]:
        """Everything that was fitted, by name."""
        fitted = {**self.ridge.state(), "mean": self.mean, "scale": self.scale}
        return {f"{prefix}.{name}": values for name, values in fitted.items()}
