"""Subtyping as the published evaluation asks it: a softmax probe, and what flatters it."""

from functools import partial
from typing import ClassVar

import numpy as np
from scipy.special import softmax

from tasks.base import Outcome, Split, Task
from tasks.cohort import Cohort
from tasks.embeddings import Embeddings
from tasks.metrics.classification import auroc_macro_each
from tasks.paper.probe import SUBTYPING_RATE, SmoothedCrossEntropy, at_unit_scale, train
from tasks.paper.switches import (
    Setting,
    Switch,
    measured,
    n_slides,
    scored_epochs,
    scored_rows,
    settings,
)
from tasks.scoring import (
    INNER_FOLDS,
    MIN_CLASSES,
    classified,
    labels_with_classes,
    nothing,
    score,
)


class PaperSubtyping(Task):
    """MIRROR's subtyping probe on the embeddings and folds of the `subtyping` task.

    A linear layer to the logits of the classes, trained by Adam on smoothed labels; macro AUROC.
    The metric without suffix is what the published protocol reports, every switch on, as in
    `tasks.paper.survival`. The best epoch is that of the AUROC; the published code selects it by
    accuracy.

    Whether a fold is scored is decided as in `subtyping`, but rare classes are trained on too.
    """

    kind = "subtyping"
    version = 1
    switches: ClassVar[tuple[Switch, ...]] = (
        Switch.BEST_EPOCH,
        Switch.SLIDE_LEVEL,
        Switch.DROP_LAST,
    )
    metrics = measured("auroc_macro", switches)
    supervises = True

    @classmethod
    def instances(cls, cohort: Cohort) -> tuple[Task, ...]:
        """One for each label of which two classes occur."""
        return tuple(cls(cohort.name, name, default=True) for name in labels_with_classes(cohort))

    def evaluate(self, embeddings: Embeddings, cohort: Cohort, split: Split) -> Outcome:
        """Train on the training patients and score every setting."""
        label = cohort.labels[self.label]
        numbers = {name: number for number, name in enumerate(label.classes)}
        both = classified(embeddings, label, split)
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
        Z, Z_test = at_unit_scale(train_part.X, test_part.X)
        axes = (self.cohort, self.label, split.fold)
        (probe,) = train(Z, [loss], len(numbers), SUBTYPING_RATE, *axes)
        probability = softmax(probe.logits(Z_test), axis=-1)
        slides = n_slides(cohort, test_part.patients)

        def area(on: Setting) -> float:
            rows = scored_rows(on, len(test_part.patients), slides)
            return float(auroc_macro_each(y[rows], probability[scored_epochs(on)][:, rows]).max())

        measures = (partial(area, on) for on in settings(self.switches))
        return Outcome(
            scores=tuple(map(score, self.metrics, measures)),
            n_patients=len(test_part.patients),
            n_events=None,
            predictions={
                "patient": test_part.patients,
                "label": [label.values[patient] for patient in test_part.patients],
                **{
                    f"honest_p_{name}": probability[-1, :, k].tolist()
                    for name, k in numbers.items()
                },
            },
            head={"weights": probe.weights[-1], "loss": np.array([probe.loss])},
        )
