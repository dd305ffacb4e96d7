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

import numpy as np
from numpy.typing import NDArray

from tasks.base import Metric, Outcome, Score, Split, Task
from tasks.data.cohort import Cohort
from tasks.data.splits import inner_folds
from tasks.embeddings import Embeddings
from tasks.heads.inputs import Matrix, Vector, standardise
from tasks.heads.ridge import Ridge, fit_ridge
from tasks.kinds.pairs import NOT_APART, has_pairs, pairs_of, too_few
from tasks.metrics.ranking import (
    Ranks,
    cosine_similarity,
    mean_reciprocal_rank,
    median_rank,
    recall_at,
)
from tasks.scoring import INNER_FOLDS, score, skipped

_MEASURES: tuple[tuple[str, bool, Callable[[Ranks], float]], ...] = (
    ("recall_at_10", True, partial(recall_at, 10)),
    ("recall_at_5", True, partial(recall_at, 5)),
    ("recall_at_1", True, partial(recall_at, 1)),
    ("mrr", True, mean_reciprocal_rank),
    ("median_rank", False, median_rank),
)


def _metrics(space: str) -> tuple[Metric, ...]:
    return tuple(Metric(f"{space}_{name}", higher) for name, higher, _ in _MEASURES)


MAPPED, COSINE, CHANCE = (_metrics(space) for space in ("mapped", "cosine", "chance"))


class Retrieval(Task):
    """Search for a test patient's other modality among those of all test patients.

    Patients count if they have both modalities and a finite embedding of each. Every metric is
    over the queries of both directions; the ranks of each direction are in the predictions.
    """

    kind = "retrieval"
    version = 1
    metrics = (*MAPPED, *COSINE, *CHANCE)

    @classmethod
    def instances(cls, cohort: Cohort) -> tuple[Task, ...]:
        """One, if any patient has both modalities."""
        return (cls(cohort.name, "pairs", default=True),) if has_pairs(cohort) else ()

    def evaluate(self, embeddings: Embeddings, cohort: Cohort, split: Split) -> Outcome:
        """Fit the maps on the training pairs and rank the test pairs once."""
        train, test = pairs_of(embeddings, cohort, split)
        n = len(test.patients)
        fitted, scored = train.sides(), test.sides()
        if fitted is None or scored is None:
            return Outcome(skipped(self.metrics, NOT_APART), n, None, {"patient": []})
        if reason := too_few(train, test):
            return Outcome(skipped(self.metrics, reason), n, None, {"patient": []})

        folds = inner_folds(train.patients, [0] * len(train.patients), INNER_FOLDS)
        forth, back = _Map.fit(*fitted, folds), _Map.fit(*fitted[::-1], folds)
        wsi, rna = scored
        ranks = {
            "mapped_wsi_to_rna": forth.ranks(wsi, rna),
            "mapped_rna_to_wsi": back.ranks(rna, wsi),
        }
        scores = _scores(MAPPED, ranks["mapped_wsi_to_rna"] + ranks["mapped_rna_to_wsi"])
        if wsi.shape[1] == rna.shape[1]:
            similarity = cosine_similarity(wsi, rna)
            ranks["cosine_wsi_to_rna"] = Ranks.of(similarity)
            ranks["cosine_rna_to_wsi"] = Ranks.of(similarity.T)
            scores += _scores(COSINE, ranks["cosine_wsi_to_rna"] + ranks["cosine_rna_to_wsi"])
        else:
            widths = f"{wsi.shape[1]} and {rna.shape[1]}"
            scores += skipped(COSINE, f"slides and expression are embedded in widths {widths}")
        return Outcome(
            scores=scores + _scores(CHANCE, Ranks.chance(n)),
            n_patients=n,
            n_events=None,
            predictions={
                "patient": test.patients,
                **{f"rank_{name}": found.rank().tolist() for name, found in ranks.items()},
            },
            head=forth.state("wsi_to_rna") | back.state("rna_to_wsi"),
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


def _scores(metrics: tuple[Metric, ...], ranks: Ranks) -> tuple[Score, ...]:
    return tuple(
        score(metric, partial(measure, ranks))
        for metric, (_, _, measure) in zip(metrics, _MEASURES, strict=True)
    )
