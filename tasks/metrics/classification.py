"""Discrimination, agreement and calibration of class probabilities; scikit-learn does the sums.

Everywhere `y` holds class numbers [n] and `probability` is [n, n_classes], rows summing to one.
The predicted class is the most probable one, the first of equals.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    brier_score_loss,
    cohen_kappa_score,
    f1_score,
    recall_score,
    roc_auc_score,
)

from tasks.metrics.undefined import Undefined

Classes = NDArray[np.intp]
Matrix = NDArray[np.float64]

BINS = 10  # of the calibration error


def auroc_macro(y: Classes, probability: Matrix) -> float:
    """Area under the ROC curve, each class against the rest, mean over the classes there are.

    With two classes it is the ordinary area.

    Raises:
        Undefined: Only one class occurs.
    """
    present = _present(y)
    return float(np.mean([roc_auc_score(y == c, probability[:, c]) for c in present]))


def auroc_macro_each(y: Classes, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """`auroc_macro` of each of many predictions for the same patients.

    By rank sums, all at once: one by one, scikit-learn's checks take longer than few-shot's fits.

    Args:
        y: [n].
        probabilities: [n_predictions, n, n_classes].

    Returns:
        [n_predictions].

    Raises:
        Undefined: Only one class occurs.
    """
    present = _present(y)
    inside = y[:, None] == present
    count = inside.sum(axis=0)
    ranks = np.where(inside, rankdata(probabilities[:, :, present], axis=1), 0.0).sum(axis=1)
    areas = (ranks - count * (count + 1) / 2) / (count * (len(y) - count))
    return np.asarray(areas.mean(axis=1))


def auprc_macro(y: Classes, probability: Matrix) -> float:
    """Average precision, each class against the rest, mean over the classes there are.

    Raises:
        Undefined: Only one class occurs.
    """
    present = _present(y)
    return float(np.mean([average_precision_score(y == c, probability[:, c]) for c in present]))


def average_precision(y: Classes, probability: Matrix) -> float:
    """Average precision of the second of two classes.

    Raises:
        Undefined: Only one class occurs.
    """
    _present(y)
    return float(average_precision_score(y == 1, probability[:, 1]))


def accuracy(y: Classes, probability: Matrix) -> float:
    """Fraction of patients whose most probable class is right."""
    return float(accuracy_score(y, probability.argmax(axis=1)))


def balanced_accuracy(y: Classes, probability: Matrix) -> float:
    """Recall, mean over the classes there are."""
    predicted = probability.argmax(axis=1)
    return float(recall_score(y, predicted, labels=np.unique(y), average="macro"))


def f1_macro(y: Classes, probability: Matrix) -> float:
    """F1, mean over the classes that occur or are predicted."""
    return float(f1_score(y, probability.argmax(axis=1), average="macro"))


def kappa(y: Classes, probability: Matrix) -> float:
    """Cohen's kappa: agreement beyond chance.

    Raises:
        Undefined: One class alone occurs and is predicted, so that chance agrees perfectly.
    """
    predicted = probability.argmax(axis=1)
    if len(np.union1d(y, predicted)) < 2:
        raise Undefined("only one class occurs and is predicted")
    return float(cohen_kappa_score(y, predicted))


def brier(y: Classes, probability: Matrix) -> float:
    """Brier score: squared error of the probabilities, summed over classes; lower is better.

    With two classes it is halved, as is usual.
    """
    labels = np.arange(probability.shape[1])
    if len(labels) == 2:
        return float(brier_score_loss(y == 1, probability[:, 1]))
    return float(brier_score_loss(y, probability, labels=labels))


def expected_calibration_error(y: Classes, probability: Matrix) -> float:
    """Gap between confidence in the predicted class and its accuracy; lower is better.

    Mean over `BINS` equally wide bins of confidence, weighted by their patients (Guo et al.,
    ICML 2017, equation 3).
    """
    confidence = probability.max(axis=1)
    gap = (probability.argmax(axis=1) == y) - confidence
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    return float(np.abs(np.bincount(bins, weights=gap)).sum() / len(y))


def _present(y: Classes) -> Classes:
    """The classes that occur, at least two."""
    present = np.unique(y)
    if len(present) < 2:
        raise Undefined("only one class among the test patients")
    return present
