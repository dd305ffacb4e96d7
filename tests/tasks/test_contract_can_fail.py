"""The checks of the contract of a task can fail: toys that break it are found."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tasks.base import Metric, Predicted, Task, Unscored
from tasks.data.cohort import Cohort
from tasks.data.splits import Split
from tasks.embeddings import Embeddings
from tasks.metrics.classification import auroc_macro
from tasks.metrics.undefined import Undefined
from tasks.scoring import concordance
from tests.helpers.task_contract import (
    COHORT,
    OF_LABELS,
    check_constant,
    check_degenerate,
    check_order,
    check_perfect,
    check_permuted,
    check_poisoned,
    of_truth,
)
from tests.test_architecture import ROOT


@dataclass(frozen=True)
class Told:
    """Class numbers of the test patients [n], and the probability of each class, [n, K]."""

    y: NDArray[np.intp]
    probability: NDArray[np.float64]


def auroc(told: Told) -> float:
    return auroc_macro(told.y, told.probability)


class _Honest(Task[Told]):
    """The nearest of the classes' means: what keeps to the contract."""

    kind = "toy"
    version = 1
    metrics: tuple[Metric[Told], ...] = (concordance("auroc_macro", auroc),)

    @classmethod
    def instances(cls, cohort: Cohort) -> tuple[Task, ...]:
        return tuple(cls(cohort.name, label, default=True) for label in cohort.labels)

    def predict(self, embeddings: Embeddings, cohort: Cohort, split: Split) -> Predicted[Told]:
        label = cohort.labels[self.label]
        train, test = self.sides(split)
        train = [p for p in embeddings.known() if p in train and p in label.values]
        test = [p for p in embeddings.known() if p in test and p in label.values]
        train.sort(), test.sort()
        X, X_test = (embeddings.joint[embeddings.rows(part)] for part in (train, test))
        X, X_test = X.astype(np.float64), X_test.astype(np.float64)
        y, y_test = (
            np.array([label.classes.index(label.values[p]) for p in part], dtype=np.intp)
            for part in (train, test)
        )
        if not set(range(len(label.classes))) <= set(y.tolist()):
            self.lacking(test)
        centres = np.stack([X[y == k].mean(axis=0) for k in range(len(label.classes))])
        distance = ((X_test[:, None] - centres) ** 2).sum(axis=2)
        probability = self.said(distance, y_test, embeddings, test)
        columns = {"patient": test, "near": distance.min(axis=1).tolist()}
        return Predicted(Told(y_test, probability), columns, {"centres": centres})

    def sides(self, split: Split) -> tuple[list[str], list[str]]:
        return list(split.train), list(split.test)

    def lacking(self, test: list[str]) -> None:
        raise Unscored("a class has no training patient", len(test))

    def said(
        self, distance: NDArray[np.float64], y: NDArray[np.intp], _: Embeddings, __: list[str]
    ) -> NDArray[np.float64]:
        return -distance


class _PastItsBounds(_Honest):
    metrics = (concordance("auroc_macro", lambda told: 1.0 + auroc(told)),)


class _NotANumber(_Honest):
    metrics = (concordance("auroc_macro", lambda _: np.nan),)


def no_reason(_: Told) -> float:
    raise Undefined("")


class _WithoutReason(_Honest):
    metrics = (concordance("auroc_macro", no_reason),)


class _FewerColumns(_Honest):
    def predict(self, embeddings: Embeddings, cohort: Cohort, split: Split) -> Predicted[Told]:
        whole = super().predict(embeddings, cohort, split)
        return replace(whole, columns=whole.columns | {"near": [0.0]})


class _Peeking(_Honest):
    """What it says is a little of the answer."""

    def said(
        self, distance: NDArray[np.float64], y: NDArray[np.intp], _: Embeddings, __: list[str]
    ) -> NDArray[np.float64]:
        return np.asarray(0.3 * np.eye(distance.shape[1])[y] - distance / (1 + distance.max()))


class _FittedOnEverybody(_Honest):
    def sides(self, split: Split) -> tuple[list[str], list[str]]:
        return [*split.train, *split.test], list(split.test)


class _ByRow(_Honest):
    """The place in the table counts."""

    def said(
        self,
        distance: NDArray[np.float64],
        y: NDArray[np.intp],
        embeddings: Embeddings,
        test: list[str],
    ) -> NDArray[np.float64]:
        return -distance - embeddings.rows(test)[:, None] * np.arange(distance.shape[1])


class _Deaf(_Honest):
    """Whatever the embedding is."""

    def said(
        self, distance: NDArray[np.float64], y: NDArray[np.intp], _: Embeddings, __: list[str]
    ) -> NDArray[np.float64]:
        return np.random.default_rng(0).normal(size=distance.shape)


class _Brittle(_Honest):
    def lacking(self, test: list[str]) -> None:
        raise ValueError("a class has no training patient")


def check_values(task: Task) -> None:
    of_truth(task)


def check_one_class(task: Task) -> None:
    check_degenerate(task, OF_LABELS["one class in training"])


CHECKS = (
    check_values,
    check_constant,
    check_permuted,
    check_perfect,
    check_order,
    check_poisoned,
    check_one_class,
)


def toy(kind: type[_Honest]) -> Task:
    return kind.instances(COHORT)[0]


@pytest.mark.parametrize("check", CHECKS)
def test_an_honest_toy_keeps_to_the_contract(check: Callable[[Task], None]) -> None:
    check(toy(_Honest))


@pytest.mark.parametrize("check", CHECKS)
def test_the_example_of_the_docs_keeps_to_the_contract(
    check: Callable[[Task], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (ROOT / "docs" / "add-a-task.md").read_text(encoding="utf-8")
    _, _, after = page.partition("```python\n")
    program, _, _ = after.partition("```")
    (tmp_path / "nearest_mean_of_the_docs.py").write_text(program)
    monkeypatch.syspath_prepend(tmp_path)
    kind: type[Task] = import_module("nearest_mean_of_the_docs").NearestMean
    check(kind.instances(COHORT)[0])


@pytest.mark.parametrize(
    ("kind", "check"),
    [
        (_PastItsBounds, check_values),
        (_NotANumber, check_values),
        (_WithoutReason, check_values),
        (_FewerColumns, check_values),
        (_Peeking, check_constant),
        (_Peeking, check_permuted),
        (_FittedOnEverybody, check_poisoned),
        (_ByRow, check_order),
        (_Deaf, check_constant),
        (_Deaf, check_perfect),
        (_Brittle, check_one_class),
    ],
)
def test_a_toy_that_breaks_the_contract_is_found(
    kind: type[_Honest], check: Callable[[Task], None]
) -> None:
    with pytest.raises((AssertionError, ValueError)):
        check(toy(kind))
