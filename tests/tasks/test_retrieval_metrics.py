"""Metrics of retrieval against brute force, scikit-learn and what a hand can count."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import label_ranking_average_precision_score, top_k_accuracy_score
from sklearn.metrics.pairwise import cosine_similarity as sklearn_cosine

from tasks.metrics.ranking import (
    Ranks,
    cosine_similarity,
    mean_reciprocal_rank,
    median_rank,
    recall_at,
)
from tasks.metrics.undefined import Undefined


def test_by_hand() -> None:
    similarity = np.array(
        [
            [0.9, 0.1, 0.2, 0.3],  # first
            [0.5, 0.4, 0.3, 0.2],  # second
            [0.9, 0.8, 0.1, 0.7],  # last
            [0.5, 0.1, 0.1, 0.5],  # shares the first two places
        ]
    )
    ranks = Ranks.of(similarity)
    assert ranks.rank().tolist() == [1, 2, 4, 1.5]
    assert recall_at(1, ranks) == pytest.approx((1 + 0 + 0 + 0.5) / 4)
    assert recall_at(2, ranks) == pytest.approx(3 / 4)
    assert median_rank(ranks) == pytest.approx(1.75)
    assert mean_reciprocal_rank(ranks) == pytest.approx((1 + 1 / 2 + 1 / 4 + (1 + 1 / 2) / 2) / 4)


@settings(deadline=None, max_examples=50)
@given(st.integers(3, 40), st.integers(0, 10_000))
def test_without_ties_it_is_what_scikit_learn_says(n: int, seed: int) -> None:
    similarity = np.random.default_rng(seed).permutation(n * n).reshape(n, n) / (n * n)
    ranks = Ranks.of(similarity)
    own = np.eye(n, dtype=int)
    expected = label_ranking_average_precision_score(own, similarity)
    assert mean_reciprocal_rank(ranks) == pytest.approx(expected, abs=1e-12)
    for k in {1, 2, n - 1}:
        expected = top_k_accuracy_score(np.arange(n), similarity, k=k, labels=np.arange(n))
        assert recall_at(k, ranks) == pytest.approx(expected, abs=1e-12)
    places = [sorted(row, reverse=True).index(row[i]) + 1 for i, row in enumerate(similarity)]
    assert median_rank(ranks) == np.median(places)


@settings(deadline=None, max_examples=50)
@given(arrays(np.float64, (4, 4), elements=st.sampled_from([0.0, 0.5, 1.0])))
def test_ties_count_as_the_mean_over_all_ways_to_break_them(similarity: np.ndarray) -> None:
    ranks = Ranks.of(similarity)
    recalls, reciprocals = np.zeros(4), 0.0
    for order in permutations(range(4)):
        for query in range(4):
            listed = sorted(order, key=lambda j, query=query: -similarity[query, j])  # type: ignore[misc]
            place = listed.index(query) + 1
            recalls += place <= np.arange(1, 5)
            reciprocals += 1 / place
    trials = 24 * 4
    for k in range(1, 5):
        assert recall_at(k, ranks) == pytest.approx(recalls[k - 1] / trials, abs=1e-12)
    assert mean_reciprocal_rank(ranks) == pytest.approx(reciprocals / trials, abs=1e-12)


@given(st.integers(1, 60), st.integers(1, 10))
def test_an_embedding_that_says_the_same_of_everybody_scores_chance(n: int, k: int) -> None:
    same = np.full((n, 3), 0.1)
    ranks = Ranks.of(cosine_similarity(same, same))
    chance = Ranks.chance(n)
    assert recall_at(k, ranks) == recall_at(k, chance) == pytest.approx(min(1, k / n))
    assert median_rank(ranks) == median_rank(chance) == (n + 1) / 2
    expected = np.mean([1 / place for place in range(1, n + 1)])
    assert mean_reciprocal_rank(ranks) == pytest.approx(expected)
    assert mean_reciprocal_rank(ranks) == mean_reciprocal_rank(chance)


def test_random_embeddings_score_about_chance() -> None:
    rng = np.random.default_rng(0)
    ranks = Ranks.of(rng.normal(size=(400, 400)))
    assert recall_at(10, ranks) == pytest.approx(10 / 400, abs=0.02)
    assert median_rank(ranks) == pytest.approx(200, abs=25)


def test_both_ways_are_the_queries_of_both() -> None:
    rng = np.random.default_rng(1)
    similarity = rng.normal(size=(9, 9))
    one, other = Ranks.of(similarity), Ranks.of(similarity.T)
    expected = (mean_reciprocal_rank(one) + mean_reciprocal_rank(other)) / 2
    assert mean_reciprocal_rank(one + other) == pytest.approx(expected)
    assert median_rank(one + other) == np.median([*one.rank(), *other.rank()])


def test_cosine_is_scikit_learns_and_zero_with_nothing() -> None:
    rng = np.random.default_rng(2)
    X, Y = rng.normal(size=(5, 3)), rng.normal(size=(7, 3))
    X[2] = 0
    np.testing.assert_allclose(cosine_similarity(X, Y), sklearn_cosine(X, Y), atol=1e-12)
    assert not cosine_similarity(X, Y)[2].any()


@pytest.mark.parametrize(
    "metric", [median_rank, mean_reciprocal_rank, lambda ranks: recall_at(1, ranks)]
)
def test_nobody_has_no_score(metric) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(Undefined, match="no pair"):
        metric(Ranks.of(np.empty((0, 0))))
