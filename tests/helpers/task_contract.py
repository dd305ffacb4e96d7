"""The contract of a task: checks, each a function of a task, and what they ask it about."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import sem
from scipy.stats import t as student

from tasks.base import Metric, Outcome, Protocol, Status, Task
from tasks.data.cohort import Cohort, Endpoint, Label, LabelKind, Modality, VectorModality
from tasks.data.controls import permuted
from tasks.data.splits import Split, make_splits
from tasks.embeddings import Embeddings
from tasks.kinds.published.departures import Published
from tasks.kinds.published.switches import HONEST, Switch
from tasks.registry import all_tasks, under
from tests.helpers.planted import planted

COHORT = planted(bags=False)
SPLITS = make_splits(COHORT, 3)[:2]
FLOATING = 1e-9
"""How far rounding may carry a number past the end of its scale."""

DEALS = 10
RARELY = 1e-3
"""How rarely an honest metric may lie outside its interval: about forty are looked at."""

BY_THE_MEAN = 4 * (1 / 67 + 1 / 133)
"""What a constant may lose of an R2 or a skill because the mean of a fold is not that of the rest.

A quarter of it on average, of the variance, with 67 of 200 patients in a fold.
"""


def instances() -> Iterator[Task]:
    """Of every class one instance for each kind of thing that it is asked: endpoint, label, else.

    The same question under both protocols is asked by two classes.
    """
    seen: set[tuple[type[Task], str]] = set()
    for protocol in Protocol:
        for task in under(protocol, all_tasks([COHORT])):
            what = [*COHORT.endpoints] if task.label in COHORT.endpoints else [task.label]
            if (key := (type(task), what[0])) not in seen:
                seen.add(key)
                yield task


TASKS = tuple(instances())


# What an embedding may say


def all_of(
    joint: NDArray[np.float64], wsi: NDArray[np.float64], rna: NDArray[np.float64]
) -> Embeddings:
    sides = (side.astype(np.float32) for side in (joint, wsi, rna))
    return Embeddings(COHORT.patients, *sides)


@cache
def perfect() -> Embeddings:
    """The truth: factors, outcomes and classes; the sides say the same and make up the joint."""
    rows = {patient: row for row, patient in enumerate(COHORT.patients)}
    columns = [*COHORT.truth.values()]
    for name in {task.label for task in TASKS} & COHORT.endpoints.keys():
        endpoint = COHORT.endpoints[name]
        risk = np.zeros(len(rows))
        risk[[rows[patient] for patient in endpoint.patients]] = -np.log1p(endpoint.time)
        columns.append((risk - risk.mean()) / risk.std())
    for label in COHORT.labels.values():
        columns += [
            np.array([label.values.get(patient) == name for patient in COHORT.patients], float)
            for name in label.classes
        ]
    truth = np.stack(columns, axis=1)
    return all_of(np.hstack([truth, truth]), truth, truth)


@cache
def noise() -> Embeddings:
    """Sides that know neither the patients nor each other; few columns are fitted quickly."""
    wsi, rna = np.random.default_rng(1).normal(size=(2, len(COHORT.patients), 2))
    return all_of(np.hstack([wsi, rna]), wsi, rna)


@cache
def constant() -> Embeddings:
    """The same of everybody."""
    ones = np.ones((len(COHORT.patients), 3))
    return all_of(np.hstack([ones, ones]), ones, ones)


def dealt(embeddings: Embeddings, seed: int) -> Embeddings:
    """Every side dealt anew among the patients, without the other."""
    rng = np.random.default_rng(seed)
    sides = (embeddings.joint, embeddings.wsi, embeddings.rna)
    joint, wsi, rna = (None if x is None else rng.permutation(x) for x in sides)
    assert joint is not None
    return Embeddings(embeddings.patients, joint, wsi, rna)


# What is scored


def check_outcome(task: Task, outcome: Outcome, n_test: int | None = None) -> None:
    """Every declared metric has a value within its bounds, or a reason."""
    assert [score.metric for score in outcome.scores] == list(task.metrics)
    for score in outcome.scores:
        if score.status is Status.OK:
            assert isinstance(score.value, float), score
            assert np.isfinite(score.value), score
            low, high = score.metric.bounds
            assert low - FLOATING <= score.value <= high + FLOATING, score
            assert not score.reason
        else:
            assert score.status is Status.SKIPPED
            assert score.value is None
            assert score.reason.strip(), score
            assert "\n" not in score.reason
    columns = {name: len(values) for name, values in outcome.predictions.items()}
    assert "patient" in columns
    if any(score.status is Status.OK for score in outcome.scores):
        assert set(columns.values()) == {outcome.n_patients}
    if n_test is not None:
        assert outcome.n_patients <= n_test


def evaluated(task: Task, embeddings: Embeddings, split: Split, cohort: Cohort = COHORT) -> Outcome:
    outcome = task.evaluate(embeddings, cohort, split)
    check_outcome(task, outcome, len(split.test))
    return outcome


@cache
def of_truth(task: Task) -> Outcome:
    """Of the first fold, once for all tests."""
    return evaluated(task, perfect(), SPLITS[0])


# Chance


def values(task: Task, outcomes: list[Outcome]) -> dict[Metric, list[float]]:
    """Of the metrics whose chance is known, what they are in each of some outcomes.

    Of a published task the honest setting alone: what its switches add to chance is what they are
    there to show.
    """
    by_metric: dict[Metric, list[float]] = {}
    for outcome in outcomes:
        for score in outcome.scores:
            honest = not isinstance(task, Published) or score.metric.name.endswith(HONEST)
            if honest and score.metric.chance is not None and score.value is not None:
                by_metric.setdefault(score.metric, []).append(score.value)
    return by_metric


def check_constant(task: Task) -> None:
    """What says the same of everybody is at chance: exactly, where the scale ends on both sides."""
    for metric, found in values(task, [evaluated(task, constant(), s) for s in SPLITS]).items():
        assert metric.chance is not None
        room = FLOATING if np.isfinite(metric.bounds).all() else BY_THE_MEAN
        assert found == pytest.approx([metric.chance] * len(found), abs=room), metric


def check_permuted(task: Task) -> None:
    """Where outcomes are dealt anew, or without any the embeddings, nothing is found.

    The interval is Student's over `DEALS` deals, each asked of one fold. A scale without a lower
    end punishes noise: there the mean may be lower than chance.
    """
    of_cohort = task.label in COHORT.endpoints or task.label in COHORT.labels
    deals: dict[Metric, list[float]] = {}
    for seed in range(DEALS):
        cohort = permuted(COHORT, seed) if of_cohort else COHORT
        embeddings = noise() if of_cohort else dealt(noise(), seed)
        outcome = evaluated(task, embeddings, SPLITS[seed % len(SPLITS)], cohort)
        for metric, found in values(task, [outcome]).items():
            deals.setdefault(metric, []).extend(found)
    for metric, found in deals.items():
        assert metric.chance is not None
        if len(found) > DEALS / 2:
            room = student.ppf(1 - RARELY / 2, len(found) - 1) * sem(found) + FLOATING
            above = float(np.mean(found)) - metric.chance
            assert above <= room, (metric, found)
            assert above >= -room or not np.isfinite(metric.bounds[0]), (metric, found)


def check_perfect(task: Task) -> None:
    """On every fold the primary metric of the truth is better than that of noise."""
    sign = 1 if task.metrics[0].higher_is_better else -1
    for split in SPLITS:
        best, worst = (evaluated(task, e, split).scores[0].value for e in (perfect(), noise()))
        assert best is not None
        assert worst is not None
        assert sign * (best - worst) > 0.05, (best, worst)


# Who is where, and who is tested


def reordered(cohort: Cohort) -> Cohort:
    """The same patients in tables whose rows are in another order."""
    rng = np.random.default_rng(2)

    def table(modality: Modality) -> Modality:
        assert isinstance(modality, VectorModality)
        order = rng.permutation(len(modality.patients))
        patients = tuple(modality.patients[row] for row in order)
        return replace(modality, patients=patients, values=modality.values[order])

    endpoints, labels = {}, {}
    for name, endpoint in cohort.endpoints.items():
        order = rng.permutation(len(endpoint.patients))
        patients = tuple(endpoint.patients[row] for row in order)
        endpoints[name] = Endpoint(patients, endpoint.time[order], endpoint.event[order])
    for name, label in cohort.labels.items():
        order = rng.permutation(len(label.values))
        items = list(label.values.items())
        labels[name] = replace(label, values=dict(items[row] for row in order))
    modalities = {name: table(modality) for name, modality in cohort.modalities.items()}
    return replace(cohort, modalities=modalities, endpoints=endpoints, labels=labels)


def check_order(task: Task) -> None:
    """Scores, predictions and what is fitted are the same to the bit in whatever order rows are."""
    there = of_truth(task)
    rows = np.random.default_rng(3).permutation(len(COHORT.patients))
    sides = (perfect().joint, perfect().wsi, perfect().rna)
    joint, wsi, rna = (None if side is None else side[rows] for side in sides)
    assert joint is not None
    turned = Embeddings(tuple(COHORT.patients[row] for row in rows), joint, wsi, rna)
    here = evaluated(task, turned, SPLITS[0], reordered(COHORT))
    assert here.scores == there.scores
    assert here.predictions == there.predictions
    assert_heads_equal(here.head, there.head)


def assert_heads_equal(
    one: Mapping[str, NDArray[np.float64]], other: Mapping[str, NDArray[np.float64]]
) -> None:
    assert one.keys() == other.keys()
    for name, fitted in one.items():
        np.testing.assert_array_equal(fitted, other[name], err_msg=name)


def poisoned(cohort: Cohort, patients: set[str]) -> Cohort:
    """The cohort with outcomes, factors and features of some patients made others."""
    endpoints, labels, modalities = {}, {}, {}
    for name, endpoint in cohort.endpoints.items():
        there = np.array([patient in patients for patient in endpoint.patients])
        time = np.where(there, endpoint.time[::-1] * 3 + 7, endpoint.time)
        endpoints[name] = replace(endpoint, time=time, event=endpoint.event ^ there)
    for name, label in cohort.labels.items():
        following = dict(zip(label.classes, (*label.classes[1:], label.classes[0]), strict=True))
        values = {p: following[c] if p in patients else c for p, c in label.values.items()}
        labels[name] = replace(label, values=values)
    here = np.array([patient in patients for patient in cohort.patients])
    truth = {name: np.where(here, 1e3, factor) for name, factor in cohort.truth.items()}
    for name, modality in cohort.modalities.items():
        assert isinstance(modality, VectorModality)
        there = np.array([patient in patients for patient in modality.patients])
        array = np.where(there[:, None], np.float32(1e3), modality.values)
        modalities[name] = replace(modality, values=array)
    return replace(cohort, endpoints=endpoints, labels=labels, truth=truth, modalities=modalities)


def check_poisoned(task: Task) -> None:
    """What is fitted is the same to the bit whatever is true of the test patients.

    But for the bins of a published task over all patients, which are a leak that it measures.
    """
    poison = poisoned(COHORT, set(SPLITS[0].test))
    heads = [
        {
            name: fitted
            for name, fitted in outcome.head.items()
            if not (isinstance(task, Published) and name.endswith(Switch.ALL_BINS))
        }
        for outcome in (of_truth(task), evaluated(task, perfect(), SPLITS[0], poison))
    ]
    assert heads[0]
    assert_heads_equal(*heads)


# Where there is little to learn from, or to score


@dataclass(frozen=True)
class Setting:
    """Whom a task is asked about."""

    cohort: Cohort = COHORT
    embeddings: Embeddings = field(default_factory=perfect)
    split: Split = SPLITS[0]


TRAIN, TEST = (set(SPLITS[0].train), set(SPLITS[0].test))


def outcomes_of(
    change: Callable[[Endpoint], tuple[NDArray[np.float64], NDArray[np.bool_]]],
) -> Setting:
    endpoints = {n: Endpoint(e.patients, *change(e)) for n, e in COHORT.endpoints.items()}
    return Setting(replace(COHORT, endpoints=endpoints))


def first_event_alone(endpoint: Endpoint, among: set[str]) -> NDArray[np.bool_]:
    """One event among these patients, and the events of the others."""
    inside = np.array([patient in among for patient in endpoint.patients])
    first = np.flatnonzero(endpoint.event & inside)[0]
    return np.asarray((endpoint.event & ~inside) | (np.arange(len(inside)) == first))


def classes_of(change: Callable[[str, str, str], str], *more: str) -> Setting:
    """Another class for each patient, class and first class; and classes that nobody need have.

    A mutation has two classes and never more.
    """

    def changed(label: Label) -> Label:
        if more and label.kind is LabelKind.MUTATION:
            return label
        values = {p: change(p, c, label.classes[0]) for p, c in label.values.items()}
        return replace(label, values=values, classes=(*label.classes, *more))

    labels = {name: changed(label) for name, label in COHORT.labels.items()}
    return Setting(replace(COHORT, labels=labels))


def embedded(change: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> Setting:
    joint, wsi, rna = perfect().joint, perfect().wsi, perfect().rna
    assert wsi is not None
    assert rna is not None
    return Setting(embeddings=Embeddings(COHORT.patients, *map(change, (joint, wsi, rna))))


def of_split(n_train: int | None = None, n_test: int | None = None) -> Setting:
    split = SPLITS[0]
    return Setting(split=replace(split, train=split.train[:n_train], test=split.test[:n_test]))


def unknown(rows: slice) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    def change(side: NDArray[np.float32]) -> NDArray[np.float32]:
        side = side.copy()
        side[rows] = np.nan
        return side

    return change


OF_LABELS: Mapping[str, Callable[[], Setting]] = {
    "two classes that nobody has": lambda: classes_of(lambda _, c, __: c, "none", "nobody"),
    "two classes missing in training": lambda: classes_of(
        lambda p, c, one: ("none", "nobody")[len(p + c) % 2] if p in TEST and c == one else c,
        *("none", "nobody"),
    ),
    "one class in training": lambda: classes_of(lambda p, c, one: one if p in TRAIN else c),
    "one class in test": lambda: classes_of(lambda p, c, one: one if p in TEST else c),
    "one class": lambda: classes_of(lambda _, __, one: one),
}
OF_ENDPOINTS: Mapping[str, Callable[[], Setting]] = {
    "one event": lambda: outcomes_of(lambda e: (e.time, first_event_alone(e, TRAIN | TEST))),
    "one event in training": lambda: outcomes_of(lambda e: (e.time, first_event_alone(e, TRAIN))),
    "one event in test": lambda: outcomes_of(lambda e: (e.time, first_event_alone(e, TEST))),
    "all censored": lambda: outcomes_of(lambda e: (e.time, np.zeros_like(e.event))),
    "nobody censored": lambda: outcomes_of(lambda e: (e.time, np.ones_like(e.event))),
    "times in whole years": lambda: outcomes_of(lambda e: (np.ceil(e.time / 12) * 12, e.event)),
    "one time": lambda: outcomes_of(lambda e: (np.full_like(e.time, 24.0), e.event)),
    "times of zero": lambda: outcomes_of(lambda e: (np.zeros_like(e.time), e.event)),
}
OF_EMBEDDINGS: Mapping[str, Callable[[], Setting]] = {
    "tied risks": lambda: embedded(np.sign),
    "constant": lambda: Setting(embeddings=constant()),
    "zeros": lambda: embedded(np.zeros_like),
    "huge": lambda: embedded(lambda side: side * np.float32(1e12)),
    "one column": lambda: embedded(lambda side: side[:, :1]),
    "nobody embedded": lambda: embedded(unknown(slice(None))),
    "half of them embedded": lambda: embedded(unknown(slice(None, None, 2))),
    "no sides": lambda: Setting(embeddings=Embeddings(COHORT.patients, perfect().joint)),
    "one side": lambda: Setting(embeddings=replace(perfect(), rna=None)),
    "one test patient": lambda: of_split(n_test=1),
    "two test patients": lambda: of_split(n_test=2),
    "no test patient": lambda: of_split(n_test=0),
    "twelve training patients": lambda: of_split(n_train=12),
    "one training patient": lambda: of_split(n_train=1),
    "no training patient": lambda: of_split(n_train=0),
}


def check_degenerate(task: Task, build: Callable[[], Setting]) -> None:
    """Never an exception: a value within bounds, or a reason."""
    setting = build()
    evaluated(task, setting.embeddings, setting.split, setting.cohort)


def degenerate() -> Iterator[tuple[Task, str, Callable[[], Setting]]]:
    """What of it concerns a task."""
    for task in TASKS:
        settings = dict(OF_EMBEDDINGS)
        if task.label in COHORT.labels:
            settings |= OF_LABELS
        if task.label in COHORT.endpoints:
            settings |= OF_ENDPOINTS
        for name, build in settings.items():
            yield task, name, build
