"""The retrieval task: who is searched for, in which space, and what it may see."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics.pairwise import cosine_similarity

from methods.base import Budget, Context
from methods.registry import all_methods
from tasks.base import Outcome, Status
from tasks.data.cohort import Cohort, VectorModality
from tasks.data.load import load_cohort
from tasks.data.splits import Split, make_splits
from tasks.embeddings import Embeddings
from tasks.registry import select_tasks
from tests.helpers.planted import planted
from tests.helpers.real import SHARED

N = 150


def cohort_of(n: int = N) -> Cohort:
    """A cohort in which the embeddings below belong to somebody; its features do not matter."""
    patients = tuple(f"P{i:03}" for i in range(n))
    modality = VectorModality(patients, np.zeros((n, 1), np.float32), ("a",))
    return Cohort("X", patients, {"wsi": modality, "rna": modality})


def embedded(
    cohort: Cohort, wsi: np.ndarray | None, rna: np.ndarray | None, width: int = 1
) -> Embeddings:
    joint = np.zeros((len(cohort.patients), width), np.float32)
    sides = (None if side is None else side.astype(np.float32) for side in (wsi, rna))
    return Embeddings(cohort.patients, joint, *sides)


def noisy_sides(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two views of four factors, each with noise and in a basis of its own."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(N, 4))
    return tuple(  # type: ignore[return-value]
        shared @ rng.normal(size=(4, 6)) + 0.3 * rng.normal(size=(N, 6)) + 5 for _ in range(2)
    )


def evaluate(cohort: Cohort, embeddings: Embeddings, split: Split | None = None) -> Outcome:
    (task,) = select_tasks("retrieval", [cohort])
    return task.evaluate(embeddings, cohort, split or make_splits(cohort, 5)[0])


def values(outcome: Outcome) -> dict[str, float]:
    return {s.metric.name: s.value for s in outcome.scores if s.value is not None}


def test_one_instance_where_patients_have_both() -> None:
    cohort = cohort_of()
    (task,) = select_tasks("retrieval", [cohort])
    assert task.name == "retrieval/X/pairs"
    assert not type(task).instances(replace(cohort, modalities={"rna": cohort.modalities["rna"]}))
    apart = {
        "wsi": cohort.modalities["wsi"].subset(cohort.patients[:9]),
        "rna": cohort.modalities["rna"].subset(cohort.patients[9:]),
    }
    assert not type(task).instances(replace(cohort, modalities=apart))


def test_a_shared_space_is_found_by_cosine_and_by_the_map() -> None:
    cohort = cohort_of()
    same = np.random.default_rng(1).normal(size=(N, 8))
    found = values(evaluate(cohort, embedded(cohort, same, same)))
    for space in ("cosine", "mapped"):
        assert found[f"{space}_recall_at_1"] == found[f"{space}_mrr"] == 1.0
        assert found[f"{space}_median_rank"] == 1.0
    assert found["chance_recall_at_10"] == pytest.approx(10 / 30)
    assert found["chance_median_rank"] == 15.5


def test_sides_in_bases_of_their_own_are_found_by_the_map_alone() -> None:
    cohort = cohort_of()
    found = values(evaluate(cohort, embedded(cohort, *noisy_sides())))
    assert next(iter(found)) == "mapped_recall_at_10"  # the primary one
    assert found["mapped_recall_at_10"] > 0.9
    assert found["cosine_recall_at_10"] < 0.6


def test_unrelated_sides_score_about_chance() -> None:
    cohort = cohort_of()
    rng = np.random.default_rng(2)
    wsi, rna = rng.normal(size=(2, N, 16))
    splits = make_splits(cohort, 5)
    found = [values(evaluate(cohort, embedded(cohort, wsi, rna), split)) for split in splits]
    for space in ("mapped", "cosine"):
        mean = np.mean([fold[f"{space}_recall_at_10"] for fold in found])
        assert mean == pytest.approx(1 / 3, abs=0.08)


@pytest.mark.parametrize("width", [3, 200])
def test_collapsed_sides_score_exactly_chance(width: int) -> None:
    cohort = cohort_of()
    same = np.full((N, width), 0.1)
    found = values(evaluate(cohort, embedded(cohort, same, same)))
    for name in ("recall_at_1", "recall_at_5", "recall_at_10", "mrr", "median_rank"):
        chance = found[f"chance_{name}"]
        assert found[f"mapped_{name}"] == pytest.approx(chance)
        assert found[f"cosine_{name}"] == pytest.approx(chance)


def test_predictions_are_the_ranks_by_brute_force() -> None:
    cohort = cohort_of()
    wsi, rna = noisy_sides()
    split = make_splits(cohort, 5)[2]
    outcome = evaluate(cohort, embedded(cohort, wsi, rna), split)
    assert outcome.predictions["patient"] == list(split.test)
    assert outcome.n_patients == len(split.test)
    rows = [cohort.patients.index(patient) for patient in split.test]
    similarity = cosine_similarity(wsi[rows], rna[rows])
    for way, matrix in (("wsi_to_rna", similarity), ("rna_to_wsi", similarity.T)):
        ranks = [1 + sum(row > row[i]) for i, row in enumerate(matrix)]
        assert outcome.predictions[f"rank_cosine_{way}"] == ranks
    both = np.array(
        [outcome.predictions[f"rank_mapped_{way}"] for way in ("wsi_to_rna", "rna_to_wsi")],
        dtype=float,
    )
    assert values(outcome)["mapped_recall_at_10"] == pytest.approx((both <= 10).mean())
    assert values(outcome)["mapped_mrr"] == pytest.approx((1 / both).mean())


def test_test_patients_touch_nothing_that_is_fitted() -> None:
    cohort = cohort_of()
    wsi, rna = noisy_sides()
    split = make_splits(cohort, 5)[0]
    clean = evaluate(cohort, embedded(cohort, wsi, rna), split)
    rows = [cohort.patients.index(patient) for patient in split.test]
    wsi[rows], rna[rows] = 1e6, -1e6
    poisoned = evaluate(cohort, embedded(cohort, wsi, rna), split)
    assert clean.head.keys() == poisoned.head.keys()
    assert clean.head
    for name, fitted in clean.head.items():
        np.testing.assert_array_equal(fitted, poisoned.head[name])


def test_order_of_rows_does_not_matter() -> None:
    cohort = cohort_of()
    embeddings = embedded(cohort, *noisy_sides())
    order = np.random.default_rng(1).permutation(N)
    assert embeddings.wsi is not None
    assert embeddings.rna is not None
    shuffled = Embeddings(
        tuple(embeddings.patients[i] for i in order),
        embeddings.joint[order],
        embeddings.wsi[order],
        embeddings.rna[order],
    )
    one, other = evaluate(cohort, embeddings), evaluate(cohort, shuffled)
    assert one.predictions == other.predictions
    assert one.scores == other.scores


def test_what_cannot_be_searched_is_skipped_with_the_reason() -> None:
    cohort = cohort_of()
    wsi, rna = noisy_sides()
    for sides in ((None, rna), (wsi, None), (None, None)):
        outcome = evaluate(cohort, embedded(cohort, *sides))
        assert {score.status for score in outcome.scores} == {Status.SKIPPED}
        assert "does not embed slides and expression apart" in outcome.scores[0].reason
    narrow = evaluate(cohort, embedded(cohort, wsi, rna[:, :4]))
    by_name = {score.metric.name: score for score in narrow.scores}
    assert by_name["mapped_recall_at_10"].status is Status.OK
    assert by_name["cosine_mrr"].reason == "slides and expression are embedded in widths 6 and 4"
    few = Split(0, cohort.patients[:9], cohort.patients[9:])
    outcome = evaluate(cohort, embedded(cohort, wsi, rna), few)
    assert outcome.scores[0].reason == "9 training patients with a pair, 10 needed"
    wsi[:30] = np.nan
    split = Split(0, cohort.patients[30:], cohort.patients[:30])
    outcome = evaluate(cohort, embedded(cohort, wsi, rna), split)
    assert outcome.scores[0].reason == "no test patient has an embedded pair"


def test_true_shared_factors_find_each_other_and_private_ones_do_not() -> None:
    cohort = planted(bags=False)

    def factors(prefix: str) -> np.ndarray:
        return np.stack([v for name, v in cohort.truth.items() if name.startswith(prefix)], axis=1)

    def recall(wsi: np.ndarray, rna: np.ndarray) -> float:
        split = make_splits(cohort, 5)[0]
        return values(evaluate(cohort, embedded(cohort, wsi, rna), split))["mapped_recall_at_1"]

    shared = factors("shared")
    # a rotation: the map must find it
    assert recall(shared, shared[:, ::-1] * [1, -1, 2]) == 1.0
    assert recall(factors("wsi_private"), factors("rna_private")) < 0.15


@pytest.mark.real
def test_slides_and_expression_of_brca_find_each_other() -> None:
    folder = SHARED / "data" / "tcga" / "TCGA-BRCA"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    cohort = load_cohort(folder)
    split = make_splits(cohort, 5)[0]
    spec = all_methods()["pca"]
    method = spec.build(spec.config_for(Budget.DEFAULT))
    method.fit(cohort.subset(split.train), Context(seed=0))
    (task,) = select_tasks("retrieval", [cohort])
    found = values(task.evaluate(method.embed(cohort), cohort, split))
    assert found["mapped_recall_at_10"] > 3 * found["chance_recall_at_10"]
