"""Subtyping as the published evaluation asks it: a softmax probe, and what flatters it."""

from collections.abc import Sequence
from functools import partial
from typing import ClassVar

import numpy as np
from scipy.special import softmax

from tasks.base import Outcome, Split
from tasks.data.cohort import Cohort
from tasks.heads.inputs import Matrix
from tasks.kinds.instances import OfLabels
from tasks.kinds.published.departures import Departures, Probes, Reenacted
from tasks.kinds.published.probe import SUBTYPING_RATE, SmoothedCrossEntropy, Trained, train
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
from tasks.metrics.classification import auroc_macro_each
from tasks.scoring import (
    INNER_FOLDS,
    MIN_CLASSES,
    classified,
    nothing,
    score,
)


class PaperSubtyping(OfLabels, Reenacted):
    """MIRROR's subtyping probe on the embeddings and folds of the `subtyping` task.

    A linear layer to the logits of the classes, trained by Adam on smoothed labels; macro AUROC.
    The metric without suffix is what the published protocol reports, every switch on, as in
    `paper_survival`. The best epoch is that of the AUROC; the published code takes accuracy.

    Whether a fold is scored is decided as in `subtyping`, but rare classes are trained on too.
    """

    kind = "subtyping"
    version = 2
    switches: ClassVar[tuple[Switch, ...]] = (
        Switch.BEST_EPOCH,
        *REFITTED,
        Switch.SLIDE_LEVEL,
        Switch.DROP_LAST,
    )
    metrics = measured("auroc_macro", switches)
    supervises = True

    def reenact(self, departures: Departures, cohort: Cohort, split: Split) -> Outcome:
        """Train on the training patients and score every setting."""
        label = cohort.labels[self.label]
        numbers = {name: number for number, name in enumerate(label.classes)}
        both = classified(departures.own.still, label, split)
        train_part, test_part = both.train, both.test
        y_train, y = both.train_classes, both.test_classes
        reason = ""
        if (np.bincount(y_train, minlength=1) >= INNER_FOLDS).sum() < MIN_CLASSES:
            reason = f"fewer than two classes with {INNER_FOLDS} training patients"
        elif not test_part.patients:
            reason = "no test patient has both an embedding and a class"
        if reason:
            return nothing(self.metrics, reason, test_part)

        loss = SmoothedCrossEntropy(y_train, len(numbers))
        axes = (self.cohort, self.label, split.fold)

        def learn(draws: Sequence[Matrix]) -> tuple[Trained, ...]:
            return train(draws, [loss], len(numbers), SUBTYPING_RATE, *axes)

        patients = train_part.patients, test_part.patients
        probes = Probes(departures, self.gene_label(cohort), *patients, learn)
        slides = n_slides(cohort, test_part.patients)

        def area(on: Setting) -> float:
            rows = scored_rows(on, len(test_part.patients), slides)
            probability = softmax(probes.logits(on)[0][scored_epochs(on)], axis=-1)
            return float(auroc_macro_each(y[rows], probability[:, rows]).max())

        honest = softmax(probes.logits(frozenset())[0][-1], axis=-1)
        (probe,) = probes.trained(frozenset())
        measures = (partial(area, on) for on in settings(self.switches))
        return Outcome(
            scores=tuple(map(score, self.metrics, measures)),
            n_patients=len(test_part.patients),
            n_events=None,
            predictions={
                "patient": test_part.patients,
                "label": [label.values[patient] for patient in test_part.patients],
                **{f"honest_p_{name}": honest[:, k].tolist() for name, k in numbers.items()},
            },
            head={"weights": probe.weights[-1], "loss": np.array([probe.loss])},
        )
