"""The subtyping task: which class of tumour an embedding says it is."""

from collections.abc import Callable

import numpy as np

from tasks.base import Metric, Outcome, Split
from tasks.data.cohort import Cohort
from tasks.data.splits import inner_folds
from tasks.embeddings import Embeddings
from tasks.heads.logistic import fit_ridge_logistic
from tasks.kinds.instances import OfLabels
from tasks.metrics.classification import (
    accuracy,
    auprc_macro,
    auroc_macro,
    balanced_accuracy,
    brier,
    expected_calibration_error,
    f1_macro,
    kappa,
)
from tasks.scoring import (
    INNER_FOLDS,
    MIN_CLASSES,
    classified,
    nothing,
    score,
)


class Subtyping(OfLabels):
    """Ridge logistic regression on frozen embeddings, one label of one cohort.

    Patients count if they have a joint embedding and one of the label's classes. A class with
    fewer training patients than inner folds is not fitted: it gets probability zero, and its test
    patients are scored like everybody else's, as mistakes. With fewer than two classes left
    every score is skipped.
    """

    kind = "subtyping"
    version = 2
    supervises = True
    metrics = (
        Metric("auroc_macro", higher_is_better=True),
        Metric("balanced_accuracy", higher_is_better=True),
        Metric("accuracy", higher_is_better=True),
        Metric("f1_macro", higher_is_better=True),
        Metric("auprc_macro", higher_is_better=True),
        Metric("kappa", higher_is_better=True),
        Metric("brier", higher_is_better=False),
        Metric("ece", higher_is_better=False),
    )

    def evaluate(self, embeddings: Embeddings, cohort: Cohort, split: Split) -> Outcome:
        """Fit the head on the training patients and score the test patients once."""
        label = cohort.labels[self.label]
        numbers = {name: number for number, name in enumerate(label.classes)}
        both = classified(embeddings, label, split)
        train, test, y_train, y = both.train, both.test, both.train_classes, both.test_classes
        counts = np.bincount(y_train, minlength=len(numbers))
        fitted = np.flatnonzero(counts >= INNER_FOLDS)
        reason = ""
        if len(fitted) < MIN_CLASSES:
            reason = f"fewer than two classes with {INNER_FOLDS} training patients"
        elif not test.patients:
            reason = "no test patient has both an embedding and a class"
        if reason:
            return nothing(self.metrics, reason, test)

        rows = np.flatnonzero(np.isin(y_train, fitted))
        X_train, y_train = train.X[rows], y_train[rows]
        folds = inner_folds([train.patients[row] for row in rows], y_train.tolist(), INNER_FOLDS)
        head = fit_ridge_logistic(X_train, y_train, len(numbers), folds)
        probability = head.probability(test.X)
        measures: tuple[Callable[[], float], ...] = (
            lambda: auroc_macro(y, probability),
            lambda: balanced_accuracy(y, probability),
            lambda: accuracy(y, probability),
            lambda: f1_macro(y, probability),
            lambda: auprc_macro(y, probability),
            lambda: kappa(y, probability),
            lambda: brier(y, probability),
            lambda: expected_calibration_error(y, probability),
        )
        return Outcome(
            scores=tuple(map(score, self.metrics, measures)),
            n_patients=len(test.patients),
            n_events=None,
            predictions={
                "patient": test.patients,
                "label": [label.values[patient] for patient in test.patients],
                **{f"p_{name}": probability[:, k].tolist() for name, k in numbers.items()},
            },
            head=head.state(),
        )
