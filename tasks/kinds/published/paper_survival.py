"""Survival as the published evaluation asks it: a discrete-time probe, and what flatters it."""

from collections.abc import Sequence
from functools import partial
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from tasks.base import Outcome, Split
from tasks.data.cohort import Cohort
from tasks.heads.inputs import Matrix
from tasks.kinds.instances import OfEndpoints
from tasks.kinds.published.departures import Departures, Probes, Reenacted
from tasks.kinds.published.probe import (
    BINS,
    SURVIVAL_RATE,
    DiscreteNLL,
    Trained,
    bin_edges,
    risk,
    train,
)
from tasks.kinds.published.switches import (
    REFITTED,
    Setting,
    Switch,
    measured,
    n_slides,
    scored_epochs,
    scored_rows,
    settings,
)
from tasks.metrics.time_to_event import Outcomes, harrell_c_each
from tasks.scoring import (
    followed,
    labels_with_classes,
    outcomes,
    score,
)


class PaperSurvival(OfEndpoints, Reenacted):
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
    version = 2
    switches: ClassVar[tuple[Switch, ...]] = (
        Switch.BEST_EPOCH,
        Switch.ALL_BINS,
        *REFITTED,
        Switch.SLIDE_LEVEL,
        Switch.DROP_LAST,
    )
    metrics = measured("harrell_c", switches)
    supervises = True

    def gene_label(self, cohort: Cohort) -> str:
        """The first label of the cohort; empty if it has none."""
        return next(iter(labels_with_classes(cohort)), "")

    def reenact(self, departures: Departures, cohort: Cohort, split: Split) -> Outcome:
        """Train on the training patients with honest and with leaky bins; score every setting."""
        both = followed(departures.own.still, cohort.endpoints[self.label], split)
        if (unusable := both.unusable(self.metrics)) is not None:
            return unusable
        train_part, test_part = both.train, both.test
        known, test = both.train_outcomes, both.test_outcomes

        endpoint = cohort.endpoints[self.label]
        everyone = outcomes(endpoint, [*train_part.patients, *test_part.patients])
        edges = {"": bin_edges(known.time, known.event)}
        edges["_all_bins"] = bin_edges(everyone.time, everyone.event)
        losses = [DiscreteNLL(known.time, known.event, own) for own in edges.values()]
        axes = (self.cohort, self.label, split.fold)

        def learn(draws: Sequence[Matrix]) -> tuple[Trained, ...]:
            return train(draws, losses, BINS, SURVIVAL_RATE, *axes)

        patients = train_part.patients, test_part.patients
        probes = Probes(departures, self.gene_label(cohort), *patients, learn)
        slides = n_slides(cohort, test_part.patients)

        def concordance(on: Setting) -> float:
            rows = scored_rows(on, len(test_part.patients), slides)
            risks = risk(probes.logits(on)[Switch.ALL_BINS in on])
            scored = Outcomes(test.time[rows], test.event[rows])
            return float(harrell_c_each(scored, risks[scored_epochs(on)][:, rows]).max())

        measures = (partial(concordance, on) for on in settings(self.switches))
        head: dict[str, NDArray[np.float64]] = {}
        for (suffix, own), probe in zip(edges.items(), probes.trained(frozenset()), strict=True):
            head[f"edges{suffix}"] = own
            head[f"weights{suffix}"] = probe.weights[-1]
            head[f"loss{suffix}"] = np.array([probe.loss])
        return Outcome(
            scores=tuple(map(score, self.metrics, measures)),
            n_patients=len(test_part.patients),
            n_events=both.n_events,
            predictions={
                "patient": test_part.patients,
                "honest_risk": risk(probes.logits(frozenset())[0])[-1].tolist(),
                "time_months": test.time.tolist(),
                "event": test.event.astype(int).tolist(),
            },
            head=head,
        )
