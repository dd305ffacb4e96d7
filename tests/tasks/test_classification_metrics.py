"""Classification metrics: by hand where conventions differ, and defined or refused."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    confusion_matrix,
    roc_auc_score,
)

from tasks.metrics.classification import (
    accuracy,
    auprc_macro,
    auroc_macro,
    auroc_macro_each,
    balanced_accuracy,
    brier,
    expected_calibration_error,
    f1_macro,
    kappa,
)
from tasks.metrics.undefined import Undefined

METRICS: tuple[tuple[Callable[..., float], float, float], ...] = (
    (accuracy, 0, 1),
    (auprc_macro, 0, 1),
    (auroc_macro, 0, 1),
    (balanced_accuracy, 0, 1),
    (brier, 0, 2),
    (expected_calibration_error, 0, 1),
    (f1_macro, 0, 1),
    (kappa, -1, 1),
)

Y = np.array([0, 0, 1, 2])
P = np.array([[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.2, 0.75, 0.05], [0.4, 0.35, 0.25]])


def test_by_hand() -> None:
    # predicted 0, 1, 1, 0
    assert accuracy(Y, P) == 0.5
    assert balanced_accuracy(Y, P) == pytest.approx((0.5 + 1 + 0) / 3)
    assert f1_macro(Y, P) == pytest.approx((0.5 + 2 / 3 + 0) / 3)
    assert auroc_macro(Y, P) == pytest.approx((3 / 4 + 1 + 1) / 3)
    assert auprc_macro(Y, P) == pytest.approx(((1 + 2 / 3) / 2 + 1 + 1) / 3)
    assert kappa(Y, P) == pytest.approx((0.5 - 6 / 16) / (1 - 6 / 16))
    squares = [0.06, 0.49 + 0.36 + 0.01, 0.04 + 0.0625 + 0.0025, 0.16 + 0.1225 + 0.5625]
    assert brier(Y, P) == pytest.approx(np.mean(squares))
    # confidence .8 right; .6 wrong; .75 right; .4 wrong: four bins
    assert expected_calibration_error(Y, P) == pytest.approx((0.2 + 0.6 + 0.25 + 0.4) / 4)


def test_two_classes_follow_the_usual_conventions() -> None:
    rng = np.random.default_rng(0)
    y, p = rng.integers(0, 2, 50), rng.random(50)
    probability = np.column_stack([1 - p, p])
    assert auroc_macro(y, probability) == pytest.approx(roc_auc_score(y, p), abs=1e-12)
    assert brier(y, probability) == pytest.approx(np.mean((p - y) ** 2), abs=1e-12)


def test_many_classes_equal_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    y, probability = np.arange(60) % 4, rng.dirichlet(np.ones(4), 60)
    predicted = probability.argmax(axis=1)
    assert balanced_accuracy(y, probability) == balanced_accuracy_score(y, predicted)
    theirs = roc_auc_score(y, probability, multi_class="ovr", average="macro")
    assert auroc_macro(y, probability) == pytest.approx(theirs, abs=1e-12)


@settings(max_examples=60)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=15), st.integers(0, 99), st.booleans())
def test_a_value_in_range_or_a_reason(classes: list[int], seed: int, hard: bool) -> None:
    rng = np.random.default_rng(seed)
    probability = rng.dirichlet(np.full(4, 0.01 if hard else 1.0), len(classes))
    for metric, low, high in METRICS:
        try:
            value = metric(np.array(classes), probability)
        except Undefined:
            assert metric in {auroc_macro, auprc_macro, kappa}
        else:
            assert low - 1e-12 <= value <= high + 1e-12


@st.composite
def predictions(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Random, tied, tiny and lopsided: two classes at least, of two to four."""
    n_classes = draw(st.integers(2, 4))
    y = draw(st.lists(st.integers(0, n_classes - 1), min_size=2, max_size=40))
    y[0], y[1] = 0, 1
    # a coarse grid of parts makes ties between patients and between classes
    rows = draw(
        st.lists(
            st.tuples(*[st.sampled_from([0, 1, 1, 2, 5])] * n_classes).filter(any),
            min_size=len(y),
            max_size=len(y),
        )
    )
    parts = np.array(rows, dtype=np.float64)
    return np.array(y), parts / parts.sum(axis=1, keepdims=True)


@settings(max_examples=50, deadline=None)
@given(predictions())
def test_every_metric_equals_another_computation(case: tuple[np.ndarray, np.ndarray]) -> None:
    y, probability = case
    n, n_classes = probability.shape
    predicted = probability.argmax(axis=1)
    present = np.unique(y)
    one_hot = np.eye(n_classes)[y]
    table = confusion_matrix(y, predicted, labels=np.arange(n_classes))

    def area(c: int) -> float:  # a Mann-Whitney statistic, by scipy
        inside, outside = probability[y == c, c], probability[y != c, c]
        return float(mannwhitneyu(inside, outside).statistic / (len(inside) * len(outside)))

    assert auroc_macro(y, probability) == pytest.approx(
        np.mean([area(c) for c in present]), abs=1e-9
    )
    flipped = np.stack([probability, 1 - probability])
    found = auroc_macro_each(y, flipped)
    assert found == pytest.approx([auroc_macro(y, p) for p in flipped], abs=1e-12)
    precision = average_precision_score(one_hot[:, present], probability[:, present])
    assert auprc_macro(y, probability) == pytest.approx(precision, abs=1e-9)
    right, true, guessed = np.diag(table), table.sum(axis=1), table.sum(axis=0)
    assert accuracy(y, probability) == pytest.approx(right.sum() / n, abs=1e-9)
    recall = right[present] / true[present]
    assert balanced_accuracy(y, probability) == pytest.approx(recall.mean(), abs=1e-9)
    seen = true + guessed > 0
    f1 = 2 * right[seen] / (true + guessed)[seen]
    assert f1_macro(y, probability) == pytest.approx(f1.mean(), abs=1e-9)
    chance = true @ guessed / n**2
    expected = (right.sum() / n - chance) / (1 - chance)
    assert kappa(y, probability) == pytest.approx(expected, abs=1e-9)
    squares = ((one_hot - probability) ** 2).sum(axis=1).mean()
    halved = squares / 2 if n_classes == 2 else squares
    assert brier(y, probability) == pytest.approx(halved, abs=1e-9)
    gaps: dict[int, list[float]] = {}
    for row, c in enumerate(y):
        confidence = probability[row].max()
        gaps.setdefault(min(int(confidence * 10), 9), []).append((predicted[row] == c) - confidence)
    calibration = sum(abs(np.mean(gap)) * len(gap) for gap in gaps.values()) / n
    assert expected_calibration_error(y, probability) == pytest.approx(calibration, abs=1e-9)


def test_reasons() -> None:
    for metric in (auroc_macro, auprc_macro):
        with pytest.raises(Undefined, match="only one class"):
            metric(np.zeros(4, int), P)
    with pytest.raises(Undefined, match="only one class"):
        auroc_macro_each(np.zeros(4, int), P[None])
    with pytest.raises(Undefined, match="predicted"):
        kappa(np.zeros(2, int), P[[0, 3]])
