"""The subtyping task: which class of tumour an embedding says it is."""

from dataclasses import dataclass

from tasks.base import Metric, Predicted
from tasks.data.cohort import Cohort
from tasks.data.splits import Split
from tasks.embeddings import Embeddings
from tasks.heads.inputs import Matrix
from tasks.kinds.instances import OfLabels
from tasks.metrics.classification import (
    Classes,
    accuracy,
    auprc_macro,
    auroc_macro,
    balanced_accuracy,
    brier,
    expected_calibration_error,
    f1_macro,
    kappa,
)
from tasks.scoring import UNIT, Classified, concordance, parts


@dataclass(frozen=True)
class Diagnosis:
    """The class numbers of the test patients [n], and how probable each was said to be [n, K]."""

    y: Classes
    probability: Matrix


class Subtyping(OfLabels[Diagnosis]):
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
        concordance("auroc_macro", lambda d: auroc_macro(d.y, d.probability)),
        Metric(
            "balanced_accuracy", True, None, UNIT, lambda d: balanced_accuracy(d.y, d.probability)
        ),
        Metric("accuracy", True, None, UNIT, lambda d: accuracy(d.y, d.probability)),
        Metric("f1_macro", True, None, UNIT, lambda d: f1_macro(d.y, d.probability)),
        Metric("auprc_macro", True, None, UNIT, lambda d: auprc_macro(d.y, d.probability)),
        Metric("kappa", True, 0.0, (-1.0, 1.0), lambda d: kappa(d.y, d.probability)),
        Metric("brier", False, None, (0.0, 2.0), lambda d: brier(d.y, d.probability)),
        Metric("ece", False, None, UNIT, lambda d: expected_calibration_error(d.y, d.probability)),
    )

    def predict(self, embeddings: Embeddings, cohort: Cohort, split: Split) -> Predicted[Diagnosis]:
        """Fit the head on the training patients and ask it of the test patients."""
        label = cohort.labels[self.label]
        both = Classified.of(*parts(embeddings, split, label.values), label)
        both.check()
        head = both.fit(both.train.X)
        probability = head.probability(both.test.X)
        evidence = Diagnosis(both.test_classes, probability)
        return Predicted(evidence, both.columns("p_", probability), head.state())
