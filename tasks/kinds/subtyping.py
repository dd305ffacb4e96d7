"""The subtyping task: which class of tumour an embedding says it is."""

from tasks.base import Metric
from tasks.kinds.diagnosis import OVER_CLINIC, Diagnosing
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
from tasks.scoring import UNIT, concordance


class Subtyping(Diagnosing):
    """Every label whose classes are kinds of tumour."""

    kind = "subtyping"
    version = 2
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
        *OVER_CLINIC,
    )
