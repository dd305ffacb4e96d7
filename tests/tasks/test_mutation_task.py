"""The mutation task: who is asked, and numbers that predictions give back."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from tasks.base import Status
from tasks.data.cohort import Cohort, Label, LabelKind, VectorModality
from tasks.data.splits import make_splits
from tasks.embeddings import Embeddings
from tasks.kinds.diagnosis import OVER_CLINIC
from tasks.registry import select_tasks

PATIENTS = tuple(f"P{i:03}" for i in range(200))
SEQUENCED = PATIENTS[10:]


def planted() -> tuple[Cohort, Embeddings]:
    """A gene that the first axis tells, one that nothing tells, and a label that is no gene."""
    rng = np.random.default_rng(3)
    Z = rng.normal(size=(len(PATIENTS), 5)).astype(np.float32)
    carriers = Z[:, 0] + rng.normal(size=len(PATIENTS)) > 0.8
    dice = rng.random(len(PATIENTS)) < 0.3

    def gene(mutated: np.ndarray) -> Label:
        words = {p: ("WT", "MUT")[int(m)] for p, m in zip(PATIENTS, mutated, strict=True)}
        return Label({p: words[p] for p in SEQUENCED}, ("WT", "MUT"), kind=LabelKind.MUTATION)

    labels = {
        "TP53": gene(carriers),
        "dice": gene(dice),
        "nobody": gene(np.zeros(len(PATIENTS), dtype=bool)),
        "grade": Label({p: "AB"[i % 2] for i, p in enumerate(PATIENTS)}, ("A", "B")),
    }
    rna = VectorModality(PATIENTS, Z, tuple("abcde"))
    return Cohort("X", PATIENTS, {"rna": rna}, labels=labels), Embeddings(PATIENTS, Z)


def test_genes_are_asked_by_this_kind_alone() -> None:
    cohort, _ = planted()
    assert [t.name for t in select_tasks("mutation", [cohort])] == [
        "mutation/X/TP53",
        "mutation/X/dice",
    ]
    others = select_tasks("subtyping,few-shot", [cohort])
    assert {task.label for task in others} == {"grade"}


def pooled(gene: str) -> tuple[np.ndarray, np.ndarray, list[float]]:
    """Who is mutated and the probability of it, over five folds; and the area of each."""
    cohort, embeddings = planted()
    (task,) = select_tasks(f"mutation/X/{gene}", [cohort])
    outcomes = [task.evaluate(embeddings, cohort, split) for split in make_splits(cohort, 5)]
    tables = [outcome.predictions for outcome in outcomes]
    assert sorted(str(p) for table in tables for p in table["patient"]) == sorted(SEQUENCED)
    truth = np.concatenate([np.array(table["label"]) == "MUT" for table in tables])
    said = np.concatenate([np.array(table["p_MUT"], dtype=float) for table in tables])
    areas = []
    for outcome, table in zip(outcomes, tables, strict=True):
        assert all(score.status is Status.OK for score in outcome.scores[: -len(OVER_CLINIC)])
        y, p = np.array(table["label"]) == "MUT", np.array(table["p_MUT"], dtype=float)
        found = {score.metric.name: score.value for score in outcome.scores}
        areas.append(roc_auc_score(y, p))
        assert found["auroc"] == pytest.approx(areas[-1], abs=1e-12)
        assert found["auprc"] == pytest.approx(average_precision_score(y, p), abs=1e-12)
        assert found["brier"] == pytest.approx(np.mean((y - p) ** 2), abs=1e-12)
    return truth, said, areas


def test_a_gene_that_shows_is_found_and_predictions_give_the_scores_back() -> None:
    truth, said, _ = pooled("TP53")
    assert roc_auc_score(truth, said) > 0.75


def test_a_gene_that_does_not_show_is_not_found() -> None:
    truth, _, areas = pooled("dice")
    noise = np.sqrt((1 / truth.sum() + 1 / (~truth).sum()) / 12)
    assert abs(np.mean(areas) - 0.5) < 4 * noise
