"""Few-shot subtyping as the published evaluation asks it: its probe after ten patients a class."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
from scipy.special import softmax

from tasks.base import Predicted
from tasks.data.cohort import Cohort
from tasks.data.splits import Split
from tasks.draws import DRAWS, SHOTS, drawing_orders
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
from tasks.scoring import Classified, parts
from tasks.seeds import generator

K = SHOTS[0]


@dataclass(frozen=True)
class ProbedDraws:
    """Probes of `DRAWS` draws without replacement and as many with it, and the test classes [n]."""

    probes: Probes
    y: Classes


def _auroc(on: Setting, probed: ProbedDraws) -> float:
    rows, logits = probed.probes.scored(on)
    first = DRAWS if Switch.WITH_REPLACEMENT in on else 0
    areas = [
        auroc_macro(probed.y[rows], softmax(drawn, axis=-1))
        for drawn in logits[first : first + DRAWS]
    ]
    return float(np.mean(areas))


class PaperFewShot(OfLabels[ProbedDraws], Published[ProbedDraws]):
    """MIRROR's 10-shot subtyping on the embeddings, folds and draws of the `few-shot` task.

    The probe of `paper_subtyping` on ten patients of each class; macro AUROC, the mean over the
    draws of `tasks.draws`, where the published code has one. Drawing with replacement leaves
    fewer distinct patients: the first ones of the same draw, as many as distinct ones are drawn.

    The other training patients' embeddings only set the features' scale, as in `few-shot`.
    Everything is skipped if a class has fewer than ten training patients.
    """

    kind = "few-shot"
    version = 3
    switches: ClassVar[tuple[Switch, ...]] = (
        Switch.BEST_EPOCH,
        *REFITTED,
        Switch.SLIDE_LEVEL,
        Switch.DROP_LAST,
        Switch.WITH_REPLACEMENT,
    )
    metrics = switched(f"auroc_macro_k{K}", switches, _auroc)

    def predict_all(
        self, departures: Departures, cohort: Cohort, split: Split
    ) -> Predicted[ProbedDraws]:
        """Train on every draw, with and without replacement, and ask of the test patients."""
        label = cohort.labels[self.label]
        both = Classified.of(*parts(departures.own.still, split, label.values), label)
        both.check_shots(K)
        y_train, n_classes = both.train_classes, both.n_classes

        axes = (self.cohort, self.label, split.fold)
        rng = generator("few-shot-replacement", *axes)
        distinct, repeated = [], []
        for order in drawing_orders(both.train.patients, *axes):
            members = [order[y_train[order] == c] for c in both.classes]
            drawn = [len(np.unique(rng.integers(len(each), size=K))) for each in members]
            distinct.append(np.concatenate([each[:K] for each in members]))
            fewer = [each[:n] for each, n in zip(members, drawn, strict=True)]
            repeated.append(np.concatenate(fewer))

        def learn(draws: Sequence[Matrix], _rows: Rows) -> list[Trained]:
            trained: list[Trained] = []
            for rows in (*distinct, *repeated):
                loss = SmoothedCrossEntropy(y_train[rows], n_classes)
                few = [Z[rows] for Z in draws]
                trained += train(few, [loss], n_classes, SUBTYPING_RATE, *axes)
            return trained

        patients = both.train.patients, both.test.patients
        judge = partial(accuracies, np.append(y_train, both.test_classes))
        probes = Probes(departures, cohort, self.gene_label(cohort), *patients, learn, judge)
        fitted = [probe.weights[-1] for probe in probes.trained(frozenset())]
        drawn_honestly = probes.logits(frozenset())[:DRAWS]
        honest = np.mean([softmax(logits[-1], axis=-1) for logits in drawn_honestly], axis=0)
        return Predicted(
            ProbedDraws(probes, both.test_classes),
            both.columns("honest_p_", honest),
            {"weights": np.stack(fitted)},
        )
