"""The survival task: leaks nothing, scores everybody, says why where it cannot."""

from dataclasses import replace

import numpy as np
import pytest
from sksurv.metrics import concordance_index_censored, cumulative_dynamic_auc
from sksurv.util import Surv

from tasks.base import Outcome, Status
from tasks.data.cohort import Cohort, Endpoint, Label, VectorModality
from tasks.data.splits import make_splits
from tasks.embeddings import Embeddings
from tasks.errors import InputError
from tasks.kinds.survival import MONTHS, Survival, SurvivalDiscrete, TimeToEvent
from tasks.registry import select_tasks
from tests.helpers.real import pca, real_cohort

KINDS = (Survival, SurvivalDiscrete)
METRICS = [
    *("harrell_c", "uno_c", "ibs", "ibs_skill"),
    *("auc_12m", "auc_36m", "auc_60m", "auc_mean", "slope_error", "ici_12m", "ici_36m", "ici_60m"),
]
OVER_CLINIC: dict[type[TimeToEvent], list[str]] = {
    Survival: ["with_clinical_c", "added_c", "added_skill"],
    SurvivalDiscrete: [],
}
"""Skipped here: these patients have neither age nor sex nor stage."""


def planted(n: int = 150, seed: int = 0) -> tuple[Cohort, Embeddings]:
    """A cohort whose first embedding axis is the log hazard."""
    rng = np.random.default_rng(seed)
    patients = tuple(f"P{i:03}" for i in range(n))
    Z = rng.normal(size=(n, 6)).astype(np.float32)
    death, censoring = rng.exponential(40 * np.exp(-Z[:, 0])), rng.exponential(40, n)
    os = Endpoint(patients, np.minimum(death, censoring) + 0.1, death <= censoring)
    none = Endpoint(patients[:9], np.ones(9), np.zeros(9, bool))
    few = Endpoint(patients, os.time, np.arange(n) < 9)
    rna = VectorModality(patients, Z, tuple("abcdef"))
    label = Label({p: "AB"[i % 2] for i, p in enumerate(patients)}, ("A", "B"))
    cohort = Cohort(
        "X", patients, {"rna": rna}, {"dfi": none, "dss": few, "os": os}, {"kind": label}
    )
    return cohort, Embeddings(patients, Z)


def task_of(cohort: Cohort, label: str = "os", kind: type[TimeToEvent] = Survival) -> TimeToEvent:
    (task,) = (task for task in kind.instances(cohort) if task.label == label)
    assert isinstance(task, kind)
    return task


def values(outcome: Outcome) -> dict[str, float | None]:
    return {score.metric.name: score.value for score in outcome.scores}


@pytest.mark.parametrize("kind", KINDS)
def test_signal_is_found_and_predictions_give_the_scores_back(kind: type[TimeToEvent]) -> None:
    cohort, embeddings = planted(400)
    os = cohort.endpoints["os"]
    for split in make_splits(cohort, 5):
        outcome = task_of(cohort, kind=kind).evaluate(embeddings, cohort, split)
        assert list(values(outcome)) == METRICS + OVER_CLINIC[kind]
        found = {name: value for name, value in values(outcome).items() if value is not None}
        # a tenth of these patients is followed for 46 months and more
        skipped = {s.metric.name: s.reason for s in outcome.scores if s.status is Status.SKIPPED}
        assert list(skipped) == ["auc_60m", "ici_60m", *OVER_CLINIC[kind]]
        assert "60 months are not before the training horizon" in skipped["auc_60m"]
        assert min(found["harrell_c"], found["auc_mean"]) > 0.6
        assert found["slope_error"] < 1.2
        assert max(found["ici_12m"], found["ici_36m"]) < 0.2
        table = outcome.predictions
        assert table["patient"] == list(split.test)
        assert outcome.n_patients == len(split.test)
        assert outcome.n_events == sum(table["event"])  # type: ignore[arg-type]
        event = np.array(table["event"], dtype=bool)
        again = concordance_index_censored(event, table["time_months"], table["risk"])[0]
        assert again == pytest.approx(found["harrell_c"], abs=1e-12)
        years = np.array([table[f"surv_{m}m"] for m in MONTHS], dtype=float)
        assert (np.diff(years, axis=0) <= 0).all()
        assert 0 <= years.min() <= years.max() <= 1
        train = embeddings.rows(split.train)
        y_train = Surv.from_arrays(os.event[train], os.time[train])
        months = np.array(table["time_months"], dtype=float)
        # scikit-survival wants weights for later deaths too, beyond the end of training
        y_test = Surv.from_arrays(event & (months < 40), np.minimum(months, 40))
        areas, mean = cumulative_dynamic_auc(y_train, y_test, 1 - years[:2].T, MONTHS[:2])
        ours = [found["auc_12m"], found["auc_36m"], found["auc_mean"]]
        assert ours == pytest.approx([*areas, mean], abs=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_test_patients_touch_nothing_that_is_fitted(kind: type[TimeToEvent]) -> None:
    cohort, embeddings = planted()
    split = make_splits(cohort, 5)[0]
    clean = task_of(cohort, kind=kind).evaluate(embeddings, cohort, split)
    poisoned_rows = embeddings.rows(split.test)
    joint = embeddings.joint.copy()
    joint[poisoned_rows] = 1e6
    os = cohort.endpoints["os"]
    time, event = os.time.copy(), os.event.copy()
    time[poisoned_rows], event[poisoned_rows] = 1e5, ~event[poisoned_rows]
    poisoned = replace(cohort, endpoints={"os": replace(os, time=time, event=event)})
    outcome = task_of(poisoned, kind=kind).evaluate(
        replace(embeddings, joint=joint), poisoned, split
    )
    assert clean.head.keys() == outcome.head.keys()
    for name, fitted in clean.head.items():
        np.testing.assert_array_equal(fitted, outcome.head[name])


def test_order_of_rows_does_not_matter() -> None:
    cohort, embeddings = planted()
    split = make_splits(cohort, 5)[0]
    order = np.random.default_rng(1).permutation(len(embeddings.patients))
    shuffled = Embeddings(tuple(embeddings.patients[i] for i in order), embeddings.joint[order])
    one, other = (task_of(cohort).evaluate(e, cohort, split) for e in (embeddings, shuffled))
    assert one.predictions == other.predictions
    assert values(one) == values(other)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("width", [4, 300])
def test_constant_embeddings_score_a_half(kind: type[TimeToEvent], width: int) -> None:
    cohort, embeddings = planted()
    joint = np.full((len(embeddings.patients), width), 0.1, dtype=np.float32)
    outcome = task_of(cohort, kind=kind).evaluate(
        Embeddings(embeddings.patients, joint), cohort, make_splits(cohort, 5)[0]
    )
    assert values(outcome)["harrell_c"] == 0.5
    assert values(outcome)["uno_c"] == 0.5
    assert len(set(outcome.predictions["risk"])) == 1
    assert values(outcome)["auc_mean"] == 0.5
    assert values(outcome)["ibs_skill"] == pytest.approx(0, abs=0.05)
    reasons = {score.metric.name: score.reason for score in outcome.scores}
    assert reasons["slope_error"] == "the same is predicted of every test patient"
    assert reasons["ici_12m"] == "the same is predicted of every test patient"


def test_patients_without_embedding_or_outcome_are_left_out() -> None:
    cohort, embeddings = planted()
    split = make_splits(cohort, 5)[0]
    joint = embeddings.joint.copy()
    joint[embeddings.rows(split.test[:3])] = np.nan
    os = cohort.endpoints["os"]
    known = [i for i, patient in enumerate(os.patients) if patient != split.test[5]]
    shorter = Endpoint(tuple(os.patients[i] for i in known), os.time[known], os.event[known])
    fewer = replace(cohort, endpoints={"os": shorter})
    outcome = task_of(fewer).evaluate(replace(embeddings, joint=joint), fewer, split)
    assert outcome.predictions["patient"] == [*split.test[3:5], *split.test[6:]]


@pytest.mark.parametrize("kind", KINDS)
def test_too_few_events_are_skipped_with_a_reason(kind: type[TimeToEvent]) -> None:
    cohort, embeddings = planted()
    outcome = task_of(cohort, "dss", kind).evaluate(embeddings, cohort, make_splits(cohort, 5)[0])
    for score in outcome.scores:
        assert score.status is Status.SKIPPED
        assert score.value is None
        assert "events among the training patients, 10 needed" in score.reason
    assert not outcome.head


def test_a_test_fold_without_events_skips_what_needs_them() -> None:
    cohort, embeddings = planted()
    os = cohort.endpoints["os"]
    split = make_splits(cohort, 5)[0]
    event = os.event.copy()
    event[embeddings.rows(split.test)] = False
    calm = replace(cohort, endpoints={"os": replace(os, event=event)})
    outcome = task_of(calm).evaluate(embeddings, calm, split)
    assert outcome.n_events == 0
    assert set(values(outcome).values()) == {None}
    assert outcome.scores[0].reason == "0 events among the test patients, 5 needed"
    for score in outcome.scores[2:4]:
        assert "no event among the test patients" in score.reason
    assert outcome.predictions["patient"] == list(split.test)


def test_the_pairs_of_one_to_four_deaths_are_no_concordance() -> None:
    cohort, embeddings = planted()
    split, os = make_splits(cohort, 5)[0], cohort.endpoints["os"]
    tested = embeddings.rows(split.test)
    for n_events in (4, 5):
        event = os.event.copy()
        event[tested[np.flatnonzero(event[tested])[n_events:]]] = False
        rare = replace(cohort, endpoints={"os": replace(os, event=event)})
        outcome = task_of(rare).evaluate(embeddings, rare, split)
        ranked = {s.metric.name: s.reason for s in outcome.scores if s.metric.chance == 0.5}
        assert outcome.n_events == n_events
        few = {reason for reason in ranked.values() if "events among the test patients" in reason}
        assert few == ({"4 events among the test patients, 5 needed"} if n_events < 5 else set())
        assert values(outcome)["ibs"] is not None
        assert (values(outcome)["harrell_c"] is None) == (n_events < 5)


def test_selection() -> None:
    cohort, _ = planted()
    twin = replace(cohort, name="Y")

    def names(patterns: str) -> list[str]:
        return [task.name for task in select_tasks(patterns, [cohort, twin])]

    both = ["survival/X/os", "survival/Y/os"]
    discrete = ["survival-discrete/X/os", "survival-discrete/Y/os"]
    assert names("survival") == names("survival,survival/X/os") == both
    assert names("surv*") == [*both, *discrete]
    assert {*both, *discrete, "subtyping/X/kind", "subtyping/Y/kind"} <= set(names("all"))
    assert "survival/X/dss" in names("all")  # every endpoint, of this kind alone
    assert "survival-discrete/X/dss" not in names("all")
    assert names("survival/X/*") == ["survival/X/dss", "survival/X/os"]  # dfi has no event
    assert names("subtyping/Y/kind, survival/*/dss") == [
        "survival/X/dss",
        "survival/Y/dss",
        "subtyping/Y/kind",
    ]
    for pattern, hint in {
        "survivl": "did you mean survival",
        "survival/X/oss": "did you mean survival/X/os",
        "zzz": "expected one of all, transfer, survival, .*subtyping",
        "": "expected one of all",
    }.items():
        with pytest.raises(InputError, match=hint) as error:
            names(pattern)
        assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="no cohort here has"):
        select_tasks("subtyping", [replace(cohort, labels={})])


@pytest.mark.real
def test_pca_on_brca() -> None:
    cohort = real_cohort("TCGA-BRCA")
    (task,) = select_tasks("survival", [cohort])
    found = []
    for split in make_splits(cohort, 5):
        outcome = task.evaluate(pca(cohort, split.train), cohort, split)
        found.append(values(outcome)["harrell_c"])
    assert np.mean(found) >= 0.58  # type: ignore[arg-type]


@pytest.mark.real
@pytest.mark.parametrize("name", ["TCGA-BRCA", "TCGA-LUAD", "TCGA-STAD"])
def test_every_endpoint_has_scores_or_reasons(name: str) -> None:
    cohort = real_cohort(name)
    split = make_splits(cohort, 5)[0]
    embeddings = pca(cohort, split.train)
    for kind in KINDS:
        for task in kind.instances(cohort):
            outcome = task.evaluate(embeddings, cohort, split)
            for score in outcome.scores:
                assert (score.value is None) == bool(score.reason), task.name
            assert outcome.scores[0].value is not None, task.name
