"""Subtyping as the published evaluation asks it: a softmax probe, and what flatters it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
from scipy.special import softmax

from tasks.base import Predicted
from tasks.data.cohort import Cohort
from tasks.data.splits import Split, inner_folds
from tasks.heads.inputs import Matrix
from tasks.kinds.instances import OfLabels
from tasks.kinds.published.departures import Departures, Probes, Published
from tasks.kinds.published.probe import (
    SUBTYPING_RATE,
    Rows,
    SmoothedCrossEntropy,
    Trained,
    accuracies,
    train,
)
from tasks.kinds.published.switches import REFITTED, Setting, Switch, switched
from tasks.metrics.classification import Classes, auroc_macro
from tasks.scoring import INNER_FOLDS, Classified, parts


@dataclass(frozen=True)
class ProbedClasses:
    """Probes of the classes, and the class numbers of the test patients, [n]."""

    probes: Probes
    y: Classes


def _auroc(on: Setting, probed: ProbedClasses) -> float:
    rows, (logits,) = probed.probes.scored(on)
    return auroc_macro(probed.y[rows], softmax(logits, axis=-1))


class PaperSubtyping(OfLabels[ProbedClasses], Published[ProbedClasses]):
    """MIRROR's subtyping probe on the embeddings and folds of the `subtyping` task.

    A linear layer to the logits of the classes, trained by Adam on smoothed labels; macro AUROC.
    The metric without suffix is what the published protocol reports, every switch on, as in
    `paper_survival`. The best epoch is that of the accuracy, as published.

    Whether a fold is scored is decided as in `subtyping`, but rare classes are trained on too.
    """

    kind = "subtyping"
    version = 3
    switches: ClassVar[tuple[Switch, ...]] = (
        Switch.BEST_EPOCH,
        Switch.INNER_EPOCH,
        *REFITTED,
        Switch.SLIDE_LEVEL,
        Switch.DROP_LAST,
        Switch.SHARED_PATIENTS,
    )
    metrics = switched("auroc_macro", switches, _auroc)
    supervises = True

    def predict_all(
        self, departures: Departures, cohort: Cohort, split: Split
    ) -> Predicted[ProbedClasses]:
        """Train on the training patients and ask of the test patients."""
        label = cohort.labels[self.label]
        both = Classified.of(*parts(departures.own.still, split, label.values), label)
        both.check()
        n_classes = both.n_classes
        everyone = np.append(both.train_classes, both.test_classes)
        axes = (self.cohort, self.label, split.fold)

        def learn(draws: Sequence[Matrix], rows: Rows) -> tuple[Trained, ...]:
            loss = SmoothedCrossEntropy(everyone[rows], n_classes)
            return train(draws, [loss], n_classes, SUBTYPING_RATE, *axes)

        patients = both.train.patients, both.test.patients
        folds = inner_folds(patients[0], both.train_classes.tolist(), INNER_FOLDS)
        judge = partial(accuracies, everyone)
        probes = Probes(departures, cohort, self.gene_label(cohort), *patients, learn, judge, folds)
        honest = softmax(probes.logits(frozenset())[0][-1], axis=-1)
        (probe,) = probes.trained(frozenset())
        return Predicted(
            ProbedClasses(probes, both.test_classes),
            both.columns("honest_p_", honest),
            {"weights": probe.weights[-1], "loss": np.array([probe.loss])},
        )
