"""The mutation task: whether an embedding says that a gene of the tumour is mutated."""

from tasks.base import Metric
from tasks.data.cohort import LabelKind
from tasks.kinds.diagnosis import OVER_CLINIC, Diagnosing
from tasks.metrics.classification import (
    auroc_macro,
    average_precision,
    balanced_accuracy,
    brier,
    expected_calibration_error,
)
from tasks.scoring import UNIT, concordance


class Mutation(Diagnosing):
    """Every label that says whether a gene is mutated; patients not sequenced for it have none.

    Average precision is that of the mutated, who are mostly the fewer: a predictor that knows
    nothing scores their fraction.
    """

    kind = "mutation"
    version = 1
    asks = LabelKind.MUTATION
    metrics = (
        concordance("auroc", lambda d: auroc_macro(d.y, d.probability)),
        Metric("auprc", True, None, UNIT, lambda d: average_precision(d.y, d.probability)),
        Metric(
            "balanced_accuracy", True, None, UNIT, lambda d: balanced_accuracy(d.y, d.probability)
        ),
        Metric("brier", False, None, UNIT, lambda d: brier(d.y, d.probability)),
        Metric("ece", False, None, UNIT, lambda d: expected_calibration_error(d.y, d.probability)),
        *OVER_CLINIC,
    )
