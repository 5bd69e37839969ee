"""Recall, reciprocal rank and nDCG against scikit-learn and hand-worked cases; intervals against closed forms."""

import numpy as np
import pytest
from sklearn.metrics import label_ranking_average_precision_score, ndcg_score, recall_score

from playground.labs.retrieval import metrics


def test_ndcg_equals_scikit_learns_for_graded_rankings():
    """Scores that fall with the rank make scikit-learn see the same order; items that were not found come last."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        n = int(rng.integers(12, 30))
        grades = rng.integers(0, 4, n).astype(float)
        if not grades.any():
            continue
        order = rng.permutation(n)
        gains = grades[order].tolist()
        scores = np.empty(n)
        scores[order] = np.arange(n, 0, -1)
        k = int(rng.integers(1, 12))
        ideal = grades[grades > 0].tolist()
        assert metrics.ndcg(gains, ideal, k) == pytest.approx(ndcg_score([grades], [scores], k=k), abs=1e-12)


def test_recall_equals_scikit_learns():
    """The first k are what is predicted to be relevant, out of all items."""
    rng = np.random.default_rng(1)
    for _ in range(100):
        relevant = rng.integers(0, 2, 20)
        relevant[0] = 1
        order, k = rng.permutation(20), int(rng.integers(1, 15))
        predicted = np.isin(np.arange(20), order[:k]).astype(int)
        ideal = [1.0] * int(relevant.sum())
        assert metrics.recall(relevant[order].tolist(), ideal, k) == pytest.approx(recall_score(relevant, predicted))


def test_reciprocal_rank_of_one_relevant_item_equals_scikit_learns_average_precision():
    """With a single relevant item, label ranking average precision is the reciprocal rank."""
    for rank in range(1, 11):
        truth, scores = np.zeros((1, 10)), np.arange(10, 0, -1)[None]
        truth[0, rank - 1] = 1
        gains = truth[0].tolist()
        expected = label_ranking_average_precision_score(truth, scores)
        assert metrics.reciprocal_rank(gains, 10) == pytest.approx(expected)


def test_a_hand_worked_ranking():
    gains, ideal = [0, 1, 0, 1], [1, 1, 1]
    assert metrics.recall(gains, ideal, 1) == 0
    assert metrics.recall(gains, ideal, 2) == pytest.approx(1 / 3)
    assert metrics.recall(gains, ideal, 10) == pytest.approx(2 / 3)
    assert metrics.reciprocal_rank(gains) == 0.5
    assert metrics.reciprocal_rank(gains, 1) == 0
    best = 1 + 1 / np.log2(3) + 1 / np.log2(4)
    assert metrics.ndcg(gains, ideal) == pytest.approx((1 / np.log2(3) + 1 / np.log2(5)) / best)


def test_the_interval_of_rights_and_wrongs_is_wilsons():
    found = metrics.estimate([1.0] * 48 + [0.0] * 2)
    assert found.mean == pytest.approx(0.96)
    assert (found.low, found.high) == pytest.approx((0.8654, 0.9890), abs=1e-4)  # statsmodels' proportion_confint


def test_the_interval_of_other_values_is_near_the_normal_one_for_many_questions():
    values = np.random.default_rng(1).beta(2, 2, 2_000)
    found = metrics.estimate(values)
    half = 1.959964 * values.std() / np.sqrt(len(values))
    assert found.low == pytest.approx(values.mean() - half, abs=half * 0.15)
    assert found.high == pytest.approx(values.mean() + half, abs=half * 0.15)


def test_without_questions_the_interval_says_nothing():
    assert metrics.estimate([]) == metrics.Estimate(0.0, 0.0, 1.0, 0)
    assert metrics.ratio([0, 0], [0, 0]).n == 0


def test_a_difference_is_paired():
    """Two settings that differ by the same on every question differ for certain, however much questions vary."""
    base = np.random.default_rng(2).random(40) * 0.5
    found = metrics.difference(base + 0.1, base)
    assert (found.mean, found.low, found.high) == pytest.approx((0.1, 0.1, 0.1))


def test_a_ratio_draws_questions_and_not_citations():
    """Ten questions with ten citations each, right together or wrong together, are ten draws, not a hundred."""
    parts, wholes = [10] * 5 + [0] * 5, [10] * 10
    together = metrics.ratio(parts, wholes)
    alone = metrics.estimate([1.0] * 50 + [0.0] * 50)
    assert together.mean == 0.5 and together.n == 100
    assert together.high - together.low > 2 * (alone.high - alone.low)
