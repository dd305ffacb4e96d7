"""The few-shot survival task: what is drawn, fitted and said where there is too little."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sksurv.linear_model import CoxPHSurvivalAnalysis
from sksurv.metrics import concordance_index_censored
from sksurv.util import Surv

from tasks.base import Outcome
from tasks.data.cohort import Cohort, Endpoint, VectorModality
from tasks.data.splits import Split, make_splits
from tasks.draws import DRAWS, SHOTS, drawing_orders
from tasks.embeddings import Embeddings
from tasks.kinds.few_shot_survival import PENALTY, FewShotSurvival


def planted(n: int = 300) -> tuple[Cohort, Embeddings]:
    """A cohort whose first embedding axis is the log hazard."""
    rng = np.random.default_rng(0)
    patients = tuple(f"P{i:03}" for i in range(n))
    Z = rng.normal(size=(n, 6)).astype(np.float32)
    death, censoring = rng.exponential(40 * np.exp(-1.5 * Z[:, 0])), rng.exponential(40, n)
    os = Endpoint(patients, np.minimum(death, censoring) + 0.1, death <= censoring)
    few = replace(os, event=np.arange(n) < 9)
    rna = VectorModality(patients, Z, tuple("abcdef"))
    cohort = Cohort("X", patients, {"rna": rna}, {"os": os, "dss": few})
    return cohort, Embeddings(patients, Z)


def task_of(cohort: Cohort, label: str = "os") -> FewShotSurvival:
    (task,) = (task for task in FewShotSurvival.instances(cohort) if task.label == label)
    assert isinstance(task, FewShotSurvival)
    return task


def values(outcome: Outcome) -> dict[str, float]:
    return {s.metric.name: s.value for s in outcome.scores if s.value is not None}


@pytest.mark.filterwarnings("ignore:invalid value")  # scikit-survival's, where one patient is left
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_scores_written_out() -> None:
    cohort, embeddings = planted()
    split = make_splits(cohort, 5)[1]
    outcome = task_of(cohort).evaluate(embeddings, cohort, split)
    assert outcome.scores[0].metric.name == "harrell_c_k10"
    train, test = embeddings.rows(split.train), embeddings.rows(split.test)
    X, os = embeddings.joint.astype(float), cohort.endpoints["os"]
    Z = (X - X[train].mean(axis=0)) / X[train].std(axis=0)
    time, event = os.time[train], os.event[train]
    quartiles = np.quantile(time[event], [0.25, 0.5, 0.75], method="inverted_cdf")
    found = values(outcome)
    for k in SHOTS:
        c = []
        for order in drawing_orders(split.train, "X", "os", 1):
            bins = [[r for r in order if (quartiles < time[r]).sum() == b][:k] for b in range(4)]
            rows = [row for members in bins for row in members]
            assert len(rows) == 4 * k
            risk = np.zeros(len(test))
            if event[rows].any():
                alpha = PENALTY * event[rows].sum() * 6
                model = CoxPHSurvivalAnalysis(alpha=alpha, tol=1e-12)
                model.fit(Z[train[rows]], Surv.from_arrays(event[rows], time[rows]))
                risk = Z[test] @ model.coef_
            c.append(concordance_index_censored(os.event[test], os.time[test], risk)[0])
        assert found[f"harrell_c_k{k}"] == pytest.approx(np.mean(c), abs=1e-9)
        assert found[f"harrell_c_k{k}_sd"] == pytest.approx(np.std(c, ddof=1), abs=1e-9)
    assert found["harrell_c_k25"] > found["harrell_c_k1"]
    assert outcome.predictions["patient"] == list(split.test)


def test_test_patients_touch_nothing_that_is_fitted() -> None:
    cohort, embeddings = planted()
    split = make_splits(cohort, 5)[0]
    clean = task_of(cohort).evaluate(embeddings, cohort, split)
    rows = embeddings.rows(split.test)
    joint = embeddings.joint.copy()
    joint[rows] = 1e6
    os = cohort.endpoints["os"]
    time, event = os.time.copy(), os.event.copy()
    time[rows], event[rows] = 1e5, ~event[rows]
    poisoned = replace(cohort, endpoints={"os": replace(os, time=time, event=event)})
    outcome = task_of(poisoned).evaluate(replace(embeddings, joint=joint), poisoned, split)
    assert set(clean.head) == {"edges", *(f"coefficients_k{k}" for k in SHOTS)}
    for name, fitted in clean.head.items():
        assert_array_equal(fitted, outcome.head[name])


def test_constant_embeddings_score_a_half() -> None:
    cohort, embeddings = planted()
    constant = replace(embeddings, joint=np.full_like(embeddings.joint, 0.1))
    split = make_splits(cohort, 5)[0]
    found = values(task_of(cohort).evaluate(constant, cohort, split))
    assert {found[f"harrell_c_k{k}"] for k in SHOTS} == {0.5}


def test_wide_embeddings_and_draws_without_events() -> None:
    cohort, embeddings = planted()
    os = cohort.endpoints["os"]
    rare = np.random.default_rng(1).random(300) < 0.1
    cohort = replace(cohort, endpoints={"os": replace(os, event=os.event & rare)})
    wide = replace(embeddings, joint=np.tile(embeddings.joint, (1, 40)))
    outcome = task_of(cohort).evaluate(wide, cohort, make_splits(cohort, 5)[0])
    slopes = outcome.head["coefficients_k1"]
    assert slopes.shape == (DRAWS, 240)
    assert 0 < slopes.any(axis=1).sum() < DRAWS
    assert np.isfinite(slopes).all()


def test_reasons() -> None:
    cohort, embeddings = planted()
    split = make_splits(cohort, 5)[0]
    few = task_of(cohort, "dss").evaluate(embeddings, cohort, split)
    assert all("events among the training patients, 10 needed" in s.reason for s in few.scores)
    assert few.predictions == {"patient": []}
    os = cohort.endpoints["os"]
    early = replace(os, event=os.event & (os.time < np.quantile(os.time, 0.15)))
    hasty = replace(cohort, endpoints={"os": early})
    outcome = task_of(hasty).evaluate(embeddings, hasty, split)
    skipped = {s.metric.name: s.reason for s in outcome.scores if s.reason}
    assert set(skipped) == {
        "harrell_c_k10",
        "harrell_c_k10_sd",
        "harrell_c_k25",
        "harrell_c_k25_sd",
    }
    assert "training patients in one time bin, 10 needed" in skipped["harrell_c_k10"]
    assert "mean_risk" not in outcome.predictions
    nobody = Split(0, split.train, ())
    outcome = task_of(cohort).evaluate(embeddings, cohort, nobody)
    assert "no test patient has both" in outcome.scores[0].reason
