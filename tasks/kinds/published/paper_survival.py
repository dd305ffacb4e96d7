"""Survival as the published evaluation asks it: a discrete-time probe, and what flatters it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from tasks.base import Predicted
from tasks.data.cohort import Cohort
from tasks.data.splits import Split
from tasks.heads.inputs import Matrix, Vector
from tasks.kinds.instances import OfEndpoints
from tasks.kinds.published.departures import Departures, Probes, Published
from tasks.kinds.published.probe import (
    BINS,
    SURVIVAL_RATE,
    DiscreteNLL,
    Rows,
    Trained,
    bin_edges,
    risk,
    train,
)
from tasks.kinds.published.switches import REFITTED, Setting, Switch, switched
from tasks.metrics.time_to_event import Outcomes, enough, harrell_c, harrell_c_each
from tasks.scoring import Followed, labels_with_classes, outcomes, parts


@dataclass(frozen=True)
class ProbedHazards:
    """Probes of the hazards in honest and in leaky bins, and the outcomes of the test patients."""

    probes: Probes
    test: Outcomes


def _harrell_c(on: Setting, probed: ProbedHazards) -> float:
    rows, logits = probed.probes.scored(on)
    risks = risk(logits[Switch.ALL_BINS in on])
    return harrell_c(enough(probed.test).subset(rows), risks)


class PaperSurvival(OfEndpoints[ProbedHazards], Published[ProbedHazards]):
    """MIRROR's survival probe on the embeddings and folds of the `survival` task.

    A linear layer to the hazards of four time bins, trained by Adam; Harrell's C of its risks. The
    metric without suffix is what the published protocol reports, every switch on; see
    `tasks.kinds.published.switches`. Where the slides of patients are not known, it goes without
    `slide_level`, and the score of that switch is skipped; likewise where a method has no dropout,
    a cohort no patches or no label. Genes are selected by the cohort's first label, as the
    published ones were by subtype for survival too.

    The probe's randomness is the fold's: methods and repeats share initial weights and batches.
    With fewer than `MIN_EVENTS` training events everything is skipped, as in `survival`.
    Predictions, and the count of patients, are those of the honest setting.
    """

    kind = "survival"
    version = 3
    switches: ClassVar[tuple[Switch, ...]] = (
        Switch.BEST_EPOCH,
        Switch.INNER_EPOCH,
        Switch.ALL_BINS,
        *REFITTED,
        Switch.SLIDE_LEVEL,
        Switch.DROP_LAST,
        Switch.SHARED_PATIENTS,
    )
    metrics = switched("harrell_c", switches, _harrell_c)
    supervises = True

    def gene_label(self, cohort: Cohort) -> str:
        """The first label of the cohort; empty if it has none."""
        return next(iter(labels_with_classes(cohort)), "")

    def predict_all(
        self, departures: Departures, cohort: Cohort, split: Split
    ) -> Predicted[ProbedHazards]:
        """Train on the training patients with honest and with leaky bins."""
        endpoint = cohort.endpoints[self.label]
        both = Followed.of(*parts(departures.own.still, split, endpoint.patients), endpoint)
        both.check()
        known, test = both.train_outcomes, both.test_outcomes
        patients = both.train.patients, both.test.patients
        everyone = outcomes(endpoint, [*patients[0], *patients[1]])
        edges = {"": bin_edges(known.time, known.event)}
        edges["_all_bins"] = bin_edges(everyone.time, everyone.event)
        axes = (self.cohort, self.label, split.fold)

        def learn(draws: Sequence[Matrix], rows: Rows) -> tuple[Trained, ...]:
            of = everyone.subset(rows)
            losses = [DiscreteNLL(of.time, of.event, own) for own in edges.values()]
            return train(draws, losses, BINS, SURVIVAL_RATE, *axes)

        def judge(rows: Rows, logits: NDArray[np.float64]) -> Vector:
            return harrell_c_each(everyone.subset(rows), risk(logits))

        probes = Probes(
            departures, cohort, self.gene_label(cohort), *patients, learn, judge, both.folds
        )
        head: dict[str, NDArray[np.float64]] = {}
        for (suffix, own), probe in zip(edges.items(), probes.trained(frozenset()), strict=True):
            head[f"edges{suffix}"] = own
            head[f"weights{suffix}"] = probe.weights[-1]
            head[f"loss{suffix}"] = np.array([probe.loss])
        return Predicted(
            ProbedHazards(probes, test),
            {
                "patient": both.test.patients,
                "honest_risk": risk(probes.logits(frozenset())[0])[-1].tolist(),
                **both.outcome_columns(),
            },
            head,
            both.n_events,
        )
