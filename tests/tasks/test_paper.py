"""Protocol paper: its probe is the published one, and its switches do what they are named for."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from sksurv.metrics import concordance_index_censored

from tasks.base import Outcome, Protocol, Status, Task
from tasks.data.cohort import BagModality, Cohort, Endpoint, Label, Modality, Slide, VectorModality
from tasks.data.controls import permuted
from tasks.data.splits import Split, make_splits
from tasks.embeddings import Embeddings
from tasks.kinds.published.paper_few_shot import PaperFewShot
from tasks.kinds.published.paper_subtyping import PaperSubtyping
from tasks.kinds.published.paper_survival import PaperSurvival
from tasks.kinds.published.probe import (
    BINS,
    EPOCHS,
    SMOOTHING,
    DiscreteNLL,
    Loss,
    SmoothedCrossEntropy,
    Trained,
    at_unit_scale,
    bin_edges,
    risk,
    train,
)
from tasks.kinds.published.switches import (
    ALONE,
    BATCH,
    REFITTED,
    Setting,
    Switch,
    n_slides,
    scored_rows,
    switched,
)
from tasks.kinds.published.switches import settings as every_setting
from tasks.metrics.classification import auroc_macro
from tasks.metrics.time_to_event import Outcomes, harrell_c, harrell_c_each
from tasks.metrics.undefined import Undefined
from tasks.registry import all_tasks, under
from tests.helpers.planted import planted

ONE = np.zeros(1, dtype=np.intp)
KINDS: tuple[type[Task], ...] = (PaperSurvival, PaperSubtyping, PaperFewShot)


def cohort_of(n: int = 210, signal: float = 1.0, seed: int = 0) -> tuple[Cohort, Embeddings]:
    """A cohort whose first axis is the log hazard and the class; a third has two slides."""
    rng = np.random.default_rng(seed)
    patients = tuple(f"P{i:03}" for i in range(n))
    Z = rng.normal(size=(n, 12)).astype(np.float32)
    effect = signal * Z[:, 0]
    death, censoring = rng.exponential(40 * np.exp(-effect)), rng.exponential(40, n)
    os = Endpoint(patients, np.minimum(death, censoring) + 0.1, death <= censoring)
    classes = np.where(effect + rng.normal(size=n) > 0, "A", "B")
    label = Label(dict(zip(patients, classes.tolist(), strict=True)), ("A", "B"))
    slides = {
        p: tuple(slide(f"{p}-{k}") for k in range(1 + (i % 3 == 0))) for i, p in enumerate(patients)
    }
    modalities: dict[str, Modality] = {
        "wsi": BagModality(slides, 12),
        "rna": VectorModality(patients, Z, tuple("abcdefghijkl")),
    }
    return Cohort("X", patients, modalities, {"os": os}, {"kind": label}), Embeddings(patients, Z)


def slide(name: str) -> Slide:
    return Slide(name, 1, name, lambda: np.zeros((1, 12), np.float32))


def only(kind: type[Task], cohort: Cohort) -> Task:
    (task,) = kind.instances(cohort)
    return task


def values(outcome: Outcome) -> dict[str, float]:
    """By suffix; the primary's is empty."""
    first = outcome.scores[0].metric.name
    return {
        s.metric.name.removeprefix(first).removeprefix("_"): s.value
        for s in outcome.scores
        if s.value is not None
    }


# The probe


def test_the_likelihood_is_that_of_the_hand_check() -> None:
    # at hazards of a half, an event in the second bin costs ln 2 in each of two bins
    edges = np.array([1.0, 2.0, 3.0])
    for event, bins in ((True, 2), (False, 2), (True, 4), (False, 1)):
        loss = DiscreteNLL(np.array([bins - 0.5]), np.array([event]), edges)
        assert loss.cost(np.zeros((1, BINS)), ONE)[0] == pytest.approx(bins * np.log(2), abs=1e-12)


def reference_nll(hazard: list[float], t: int, event: bool) -> float:
    """MIRROR.md 1.9, word by word."""
    survived = -sum(np.log(1 - h) for h in hazard[: t if event else t + 1])
    return float(survived - np.log(hazard[t]) if event else survived)


@given(
    st.lists(st.floats(-8, 8), min_size=BINS, max_size=BINS),
    st.integers(0, BINS - 1),
    st.booleans(),
)
def test_the_likelihood_is_the_formula_and_its_slope_the_derivative(
    logits: list[float], t: int, event: bool
) -> None:
    z = np.array([logits])
    loss = DiscreteNLL(np.array([t + 0.5]), np.array([event]), np.array([1.0, 2.0, 3.0]))
    hazard = (1 / (1 + np.exp(-z[0]))).tolist()
    assert loss.cost(z, ONE)[0] == pytest.approx(reference_nll(hazard, t, event), abs=1e-9)
    assert_slope(loss, z)


@given(st.lists(st.floats(-8, 8), min_size=3, max_size=3), st.integers(0, 2))
def test_smoothed_cross_entropy_is_torchs(logits: list[float], y: int) -> None:
    z = np.array([logits])
    loss = SmoothedCrossEntropy(np.array([y], dtype=np.intp), 3)
    theirs = torch.nn.functional.cross_entropy(
        torch.tensor(z), torch.tensor([y]), label_smoothing=SMOOTHING
    )
    assert loss.cost(z, ONE)[0] == pytest.approx(theirs.item(), abs=1e-9)
    assert_slope(loss, z)


def assert_slope(loss: Loss, z: np.ndarray) -> None:
    h = 1e-6
    steps = h * np.eye(z.shape[1])[:, None, :]
    numeric = [(loss.cost(z + s, ONE) - loss.cost(z - s, ONE))[0] / (2 * h) for s in steps]
    np.testing.assert_allclose(loss.slope(z, ONE)[0], numeric, atol=1e-6)


def test_bins_are_quartiles_of_event_times_and_an_edge_belongs_to_the_later() -> None:
    time = np.array([9.0, 1.0, 2.0, 3.0, 4.0, 5.0, 0.5])
    event = np.array([False, True, True, True, True, True, False])
    edges = bin_edges(time, event)
    np.testing.assert_array_equal(edges, [2.0, 3.0, 4.0])
    costs = DiscreteNLL(time, event, edges).cost(np.zeros((7, BINS)), np.arange(7)) / np.log(2)
    np.testing.assert_allclose(costs, [4, 1, 2, 3, 4, 4, 1])


def test_risk_is_minus_the_sum_of_survival() -> None:
    z = np.random.default_rng(0).normal(size=(5, BINS))
    survival = np.cumprod(1 - 1 / (1 + np.exp(-z)), axis=1)
    np.testing.assert_allclose(risk(z), -survival.sum(axis=1), atol=1e-12)


class Recorded:
    """A loss that remembers which rows each batch had."""

    def __init__(self, loss: Loss) -> None:
        self.loss, self.batches = loss, list[np.ndarray]()

    def cost(self, logits: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """As the loss."""
        return self.loss.cost(logits, rows)

    def slope(self, logits: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """As the loss."""
        self.batches.append(rows)
        return self.loss.slope(logits, rows)


def some_training(n: int = 50) -> tuple[np.ndarray, list[Loss]]:
    cohort, embeddings = cohort_of(n)
    os = cohort.endpoints["os"]
    edges = bin_edges(os.time, os.event)
    losses: list[Loss] = [DiscreteNLL(os.time, os.event, e) for e in (edges, 1.3 * edges)]
    return embeddings.joint.astype(np.float64), losses


def test_training_is_torchs_adam_on_the_same_batches() -> None:
    Z, (loss, _) = some_training()
    recorded = Recorded(loss)
    (ours,) = train([Z], [recorded], BINS, 3e-3, "a")
    fresh = train([Z], [loss], BINS, 1e-300, "a")[0].weights[0]  # a rate that moves nothing
    layer = torch.nn.Linear(Z.shape[1], BINS).double()
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(fresh[:-1].T))
        layer.bias.zero_()
    adam = torch.optim.Adam(layer.parameters(), lr=3e-3)
    X = torch.tensor(Z)
    for rows in recorded.batches:
        adam.zero_grad()
        logits = layer(X[rows])
        logits.backward(torch.tensor(loss.slope(logits.detach().numpy(), rows)) / len(rows))
        adam.step()
    trained = np.vstack([layer.weight.detach().numpy().T, layer.bias.detach().numpy()])
    np.testing.assert_allclose(ours.weights[-1], trained, atol=1e-9)
    assert ours.loss < ours_loss_at(fresh, Z, loss)


def ours_loss_at(weights: np.ndarray, Z: np.ndarray, loss: Loss) -> float:
    logits = Trained(weights[None], 0.0).logits(Z)[0]
    return float(loss.cost(logits, np.arange(len(Z))).mean())


def test_batches_are_full_and_each_epoch_shuffles() -> None:
    Z, (loss, _) = some_training(50)
    recorded = Recorded(loss)
    train([Z], [recorded], BINS, 3e-3, "a")
    assert len(recorded.batches) == EPOCHS * (50 // BATCH)
    assert {len(rows) for rows in recorded.batches} == {BATCH}
    epochs = np.reshape(recorded.batches, (EPOCHS, -1))
    assert all(len(set(epoch)) == 48 for epoch in epochs.tolist())
    assert len({tuple(epoch) for epoch in epochs.tolist()}) == EPOCHS


@pytest.mark.parametrize(("n", "size"), [(16, 16), (15, 8), (8, 8), (1, 1)])
def test_few_patients_make_a_smaller_batch(n: int, size: int) -> None:
    recorded = Recorded(SmoothedCrossEntropy(np.zeros(n, dtype=np.intp), 2))
    train([np.ones((n, 2))], [recorded], 2, 2e-3, "a")
    assert {len(rows) for rows in recorded.batches} == {size}


def test_probes_side_by_side_are_each_as_alone_and_the_same_twice() -> None:
    Z, losses = some_training()
    together = train([Z], losses, BINS, 3e-3, "a")
    for loss, found in zip(losses, together, strict=True):
        (alone,) = train([Z], [loss], BINS, 3e-3, "a")
        np.testing.assert_allclose(found.weights, alone.weights, atol=1e-12)
        assert found.loss == pytest.approx(alone.loss)
    again = train([Z], losses, BINS, 3e-3, "a")
    np.testing.assert_array_equal(together[0].weights, again[0].weights)
    other = train([Z], losses, BINS, 3e-3, "b")
    assert not np.array_equal(together[0].weights, other[0].weights)


def test_scale_comes_from_training_patients() -> None:
    rng = np.random.default_rng(0)
    X, other = rng.normal(3, 5, (40, 4)), rng.normal(size=(9, 4))
    Z, far = at_unit_scale(X, 1e6 * other)
    np.testing.assert_allclose(Z.std(axis=0), 1)
    np.testing.assert_allclose(far, (1e6 * other - X.mean(axis=0)) / X.std(axis=0))


# Harrell's C of many


@given(st.data())
@settings(deadline=None)
def test_many_concordances_are_scikit_survivals(data: st.DataObject) -> None:
    n = data.draw(st.integers(2, 25))
    time = np.array(data.draw(st.lists(st.integers(1, 6), min_size=n, max_size=n)), dtype=float)
    event = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    one = st.lists(st.sampled_from([0.0, 1.0, 1.0 + 1e-9, 2.0]), min_size=n, max_size=n)
    risks = np.array(data.draw(st.lists(one, min_size=1, max_size=3)))
    test = Outcomes(time, event)
    try:
        expected = [harrell_c(test, r) for r in risks]
    except Undefined:
        with pytest.raises(Undefined):
            harrell_c_each(test, risks)
        return
    np.testing.assert_allclose(harrell_c_each(test, risks), expected, atol=1e-12)


# The switches


@given(st.integers(BATCH, 200), st.data())
def test_the_last_partial_batch_is_dropped_and_nothing_else(n: int, data: st.DataObject) -> None:
    slides = np.array(data.draw(st.lists(st.integers(1, 4), min_size=n, max_size=n)))
    drop, level = frozenset({Switch.DROP_LAST}), frozenset({Switch.SLIDE_LEVEL})
    np.testing.assert_array_equal(scored_rows(frozenset(), n, slides), np.arange(n))
    np.testing.assert_array_equal(scored_rows(drop, n, slides), np.arange(n - n % 16))
    counted = scored_rows(level, n, slides)
    np.testing.assert_array_equal(np.bincount(counted), slides)
    both = scored_rows(drop | level, n, slides)
    np.testing.assert_array_equal(both, counted[: len(counted) - len(counted) % 16])


def test_what_a_setting_cannot_score_has_its_reason() -> None:
    with pytest.raises(Undefined, match="fewer than 16 test patients"):
        scored_rows(frozenset({Switch.DROP_LAST}), 15, None)
    with pytest.raises(Undefined, match="its slides are not known"):
        scored_rows(frozenset({Switch.SLIDE_LEVEL}), 40, None)
    assert len(scored_rows(frozenset({Switch.SLIDE_LEVEL, Switch.DROP_LAST}), 40, None)) == 32


def test_a_patient_without_a_slide_is_not_among_the_slides() -> None:
    cohort = planted(bags=True)
    bags = cohort.modalities["wsi"]
    assert isinstance(bags, BagModality)
    without = next(patient for patient in cohort.patients if patient not in bags.slides)
    slides = n_slides(cohort, [bags.patients[0], without])
    assert slides is not None
    assert slides.tolist() == [len(bags.slides[bags.patients[0]]), 0]
    rows = scored_rows(frozenset({Switch.SLIDE_LEVEL}), 2, slides)
    assert set(rows.tolist()) == {0}


def test_metrics_and_settings_go_together() -> None:
    switches = PaperSurvival.switches

    def share(on: Setting, total: int) -> float:
        return len(on) / total

    metrics = switched("c", switches, share)
    names = [metric.name for metric in metrics]
    assert names[:5] == ["c", "c_honest", "c_best_epoch", "c_inner_epoch", "c_all_bins"]
    others = (*REFITTED, "slide_level", "drop_last", "shared_patients")
    assert names[5:] == [f"c_{name}" for name in others]
    every, nothing, *alone = every_setting(switches).values()
    assert every == set(switches) - ALONE
    assert not nothing
    assert alone == [{switch} for switch in switches]
    n = len(switches)
    assert [metric.function(n) for metric in metrics] == [(n - 3) / n, 0, *[1 / n] * n]


# The tasks


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_the_best_epoch_is_no_worse_than_the_last(kind: type[Task], seed: int) -> None:
    cohort, embeddings = cohort_of(signal=2.0, seed=seed)
    for split in make_splits(cohort, 5)[:2]:
        found = values(only(kind, cohort).evaluate(embeddings, cohort, split))
        assert min(found["honest"], found["best_epoch"]) > 0.55
        if kind is PaperSurvival:  # others report the AUROC of the epoch of the best accuracy
            assert found["best_epoch"] >= max(found["honest"], found["inner_epoch"])


@pytest.mark.parametrize("kind", KINDS[:2])
def test_inner_folds_choose_an_epoch_that_no_test_patient_moves(kind: type[Task]) -> None:
    cohort, embeddings = cohort_of(signal=0.7)
    split = make_splits(cohort, 5)[0]
    task = only(kind, cohort)
    asked, few = (
        task.predict(embeddings, cohort, part).evidence
        for part in (split, replace(split, test=split.test[: len(split.test) // 2]))
    )
    epoch = asked.probes._inner_epoch
    assert epoch == few.probes._inner_epoch
    logits = asked.probes.logits(frozenset())[0][epoch]
    expected = (
        harrell_c(asked.test, risk(logits))
        if kind is PaperSurvival
        else auroc_macro(asked.y, softmax(logits, axis=1))
    )
    assert values(task.evaluate(embeddings, cohort, split))["inner_epoch"] == expected


@cache
def of_permuted(kind: type[Task], seed: int) -> list[dict[str, float]]:
    """What is found in each of three folds of a cohort whose outcomes were dealt anew."""
    cohort, embeddings = cohort_of(seed=seed)
    broken = permuted(cohort, seed)
    splits = make_splits(cohort, 5)[:3]
    return [values(only(kind, broken).evaluate(embeddings, broken, s)) for s in splits]


@pytest.mark.parametrize("kind", KINDS[:2])
def test_patients_on_both_sides_are_told_their_outcome(kind: type[Task]) -> None:
    """Random labels cannot be learned, but those of the patients who are trained on can."""
    of_four = [found for seed in range(4) for found in of_permuted(kind, seed)]
    gained = [found["shared_patients"] - found["honest"] for found in of_four]
    assert np.mean(gained) > 2 * np.std(gained) / np.sqrt(len(gained))


def test_honest_survival_can_be_recomputed_from_its_predictions() -> None:
    cohort, embeddings = cohort_of()
    outcome = only(PaperSurvival, cohort).evaluate(embeddings, cohort, make_splits(cohort, 5)[0])
    table = outcome.predictions
    event, time = np.array(table["event"], dtype=bool), np.array(table["time_months"])
    again = concordance_index_censored(event, time, np.array(table["honest_risk"]))[0]
    assert values(outcome)["honest"] == pytest.approx(again, abs=1e-12)
    slides = [len(cohort.modalities["wsi"].slides[str(p)]) for p in table["patient"]]  # type: ignore[union-attr]
    repeated = [np.repeat(x, slides) for x in (event, time, np.array(table["honest_risk"]))]
    by_slide = concordance_index_censored(*repeated)[0]
    assert values(outcome)["slide_level"] == pytest.approx(by_slide, abs=1e-12)
    assert by_slide != again
    whole = len(event) - len(event) % BATCH
    dropped = concordance_index_censored(
        event[:whole], time[:whole], np.array(table["honest_risk"])[:whole]
    )[0]
    assert values(outcome)["drop_last"] == pytest.approx(dropped, abs=1e-12)


def poisoned(cohort: Cohort, embeddings: Embeddings, split: Split) -> tuple[Cohort, Embeddings]:
    """The same with other outcomes and embeddings of the test patients."""
    rows = embeddings.rows(split.test)
    joint = embeddings.joint.copy()
    joint[rows] = 1e6
    os = cohort.endpoints["os"]
    time, event = os.time.copy(), os.event.copy()
    time[rows], event[rows] = 1e5, True
    label = cohort.labels["kind"]
    flipped = {p: "AB"[c == "A"] if p in set(split.test) else c for p, c in label.values.items()}
    return (
        replace(
            cohort,
            endpoints={"os": replace(os, time=time, event=event)},
            labels={"kind": replace(label, values=flipped)},
        ),
        replace(embeddings, joint=joint),
    )


@pytest.mark.parametrize("kind", [PaperSurvival, PaperSubtyping])
def test_test_patients_touch_nothing_that_the_honest_setting_fits(kind: type[Task]) -> None:
    cohort, embeddings = cohort_of()
    split = make_splits(cohort, 5)[0]
    clean = only(kind, cohort).evaluate(embeddings, cohort, split).head
    other, far = poisoned(cohort, embeddings, split)
    found = only(kind, other).evaluate(far, other, split).head
    honest = [name for name in clean if not name.endswith("_all_bins")]
    assert "weights" in honest
    for name in honest:
        np.testing.assert_array_equal(clean[name], found[name])
    # and the switch that is named for it does leak
    leaky = [name for name in clean if name.endswith("_all_bins")]
    assert all(not np.array_equal(clean[name], found[name]) for name in leaky)
    assert len(leaky) == (3 if kind is PaperSurvival else 0)


@pytest.mark.parametrize("kind", KINDS)
def test_permuted_outcomes_are_found_by_the_switches_alone(kind: type[Task]) -> None:
    n_cohorts = 3 if kind is PaperFewShot else 8
    every = [found for seed in range(n_cohorts) for found in of_permuted(kind, seed)]
    honest, paper = ([found[name] for found in every] for name in ("honest", ""))
    error = float(np.std(honest) / np.sqrt(len(honest)))
    assert abs(np.mean(honest) - 0.5) < 3 * error
    gap = np.array(paper) - honest
    assert gap.mean() > 0.02
    assert gap.mean() > 1.8 * gap.std() / np.sqrt(len(gap))
    if kind is PaperSurvival:  # the epoch of the best accuracy need not have the best AUROC
        assert np.mean(paper) > 0.51


@pytest.mark.parametrize("kind", KINDS)
def test_twice_is_the_same(kind: type[Task]) -> None:
    cohort, embeddings = cohort_of()
    split = make_splits(cohort, 5)[1]
    first, second = (only(kind, cohort).evaluate(embeddings, cohort, split) for _ in range(2))
    assert first.scores == second.scores
    assert first.predictions == second.predictions


def test_where_slides_are_not_known_the_others_are_still_scored() -> None:
    cohort, embeddings = cohort_of()
    vectors = replace(cohort, modalities={**cohort.modalities, "wsi": cohort.modalities["rna"]})
    split = make_splits(cohort, 5)[0]
    outcome = only(PaperSurvival, vectors).evaluate(embeddings, vectors, split)
    lost = {s.metric.name: s.reason for s in outcome.scores if s.status is Status.SKIPPED}
    assert list(lost) == [f"harrell_c_{name}" for name in (*REFITTED, "slide_level")]
    assert "not known" in lost["harrell_c_slide_level"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_fold_with_too_little_is_skipped(kind: type[Task]) -> None:
    cohort, embeddings = cohort_of(40)
    os, label = cohort.endpoints["os"], cohort.labels["kind"]
    few = replace(
        cohort,
        endpoints={"os": replace(os, event=np.arange(40) < 3)},
        labels={
            "kind": replace(label, values={p: "AB"[i < 3] for i, p in enumerate(cohort.patients)})
        },
    )
    outcome = only(kind, few).evaluate(embeddings, few, make_splits(few, 2)[0])
    assert {s.status for s in outcome.scores} == {Status.SKIPPED}
    assert outcome.predictions == {"patient": []}


def test_paper_asks_the_strict_questions_by_their_names() -> None:
    cohort, _ = cohort_of()
    strict = all_tasks((cohort,))
    assert under(Protocol.STRICT, strict) == strict
    asked = under(Protocol.PAPER, strict)
    assert [task.name for task in asked] == ["survival/X/os", "subtyping/X/kind", "few-shot/X/kind"]
    primary = {task.name: task.metrics[0] for task in strict}
    assert all(task.metrics[0] == primary[task.name] for task in asked)
    assert [task.supervises for task in asked] == [
        task.supervises for task in strict if task.name in {t.name for t in asked}
    ]
