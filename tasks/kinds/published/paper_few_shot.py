"""Few-shot subtyping as the published evaluation asks it: its probe after ten patients a class."""

from collections.abc import Sequence
from functools import partial
from typing import ClassVar

import numpy as np
from scipy.special import softmax

from tasks.base import Outcome, Split
from tasks.data.cohort import Cohort
from tasks.draws import SHOTS, drawing_orders
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
    MIN_CLASSES,
    classified,
    nothing,
    score,
)
from tasks.seeds import generator

K = SHOTS[0]


class PaperFewShot(OfLabels, Reenacted):
    """MIRROR's 10-shot subtyping on the embeddings, folds and draws of the `few-shot` task.

    The probe of `paper_subtyping` on ten patients of each class; macro AUROC, the mean over the
    draws of `tasks.draws`, where the published code has one. Drawing with replacement leaves
    fewer distinct patients: the first ones of the same draw, as many as distinct ones are drawn.

    The other training patients' embeddings only set the features' scale, as in `few-shot`.
    Everything is skipped if a class has fewer than ten training patients.
    """

    kind = "few-shot"
    version = 2
    switches: ClassVar[tuple[Switch, ...]] = (
        Switch.BEST_EPOCH,
        *REFITTED,
        Switch.SLIDE_LEVEL,
        Switch.DROP_LAST,
        Switch.WITH_REPLACEMENT,
    )
    metrics = measured(f"auroc_macro_k{K}", switches)

    def reenact(self, departures: Departures, cohort: Cohort, split: Split) -> Outcome:
        """Train on every draw, with and without replacement, and score every setting."""
        label = cohort.labels[self.label]
        numbers = {name: number for number, name in enumerate(label.classes)}
        both = classified(departures.own.still, label, split)
        train_part, test_part = both.train, both.test
        y_train, y = both.train_classes, both.test_classes
        counts = np.bincount(y_train, minlength=len(numbers))
        classes = np.union1d(y_train, y)
        reason = ""
        if not test_part.patients:
            reason = "no test patient has both an embedding and a class"
        elif len(classes) < MIN_CLASSES:
            reason = "fewer than two classes among the patients of the fold"
        elif counts[classes].min() < K:
            rarest = classes[counts[classes].argmin()]
            reason = (
                f"{counts[rarest]} training patients of class {label.classes[rarest]}, {K} needed"
            )
        if reason:
            return nothing(self.metrics, reason, test_part)

        axes = (self.cohort, self.label, split.fold)
        rng = generator("few-shot-replacement", *axes)
        distinct, repeated = [], []
        for order in drawing_orders(train_part.patients, *axes):
            members = [order[y_train[order] == c] for c in classes]
            drawn = [len(np.unique(rng.integers(len(each), size=K))) for each in members]
            distinct.append(np.concatenate([each[:K] for each in members]))
            fewer = [each[:n] for each, n in zip(members, drawn, strict=True)]
            repeated.append(np.concatenate(fewer))

        def learn(draws: Sequence[Matrix]) -> list[Trained]:
            trained: list[Trained] = []
            for rows in (*distinct, *repeated):
                loss = SmoothedCrossEntropy(y_train[rows], len(numbers))
                few = [Z[rows] for Z in draws]
                trained += train(few, [loss], len(numbers), SUBTYPING_RATE, *axes)
            return trained

        patients = train_part.patients, test_part.patients
        probes = Probes(departures, self.gene_label(cohort), *patients, learn)
        slides = n_slides(cohort, test_part.patients)

        def area(on: Setting) -> float:
            rows = scored_rows(on, len(test_part.patients), slides)
            epochs = scored_epochs(on)
            found = probes.logits(on)
            first = len(distinct) if Switch.WITH_REPLACEMENT in on else 0
            areas = [
                auroc_macro_each(y[rows], softmax(logits[epochs][:, rows], axis=-1)).max()
                for logits in found[first : first + len(distinct)]
            ]
            return float(np.mean(areas))

        measures = (partial(area, on) for on in settings(self.switches))
        drawn_honestly = probes.logits(frozenset())[: len(distinct)]
        honest = np.mean([softmax(logits[-1], axis=-1) for logits in drawn_honestly], axis=0)
        return Outcome(
            scores=tuple(map(score, self.metrics, measures)),
            n_patients=len(test_part.patients),
            n_events=None,
            predictions={
                "patient": test_part.patients,
                "label": [label.values[patient] for patient in test_part.patients],
                **{f"honest_p_{name}": honest[:, k].tolist() for name, k in numbers.items()},
            },
        )
