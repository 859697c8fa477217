"""RP@K and nDCG@K by hand, beside scikit-learn's nDCG, and their ties."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from retrieve.measures.label_ranking import RankedGains, ranked

NAMES = ("a", "b", "c", "d", "e", "f")


def test_by_hand() -> None:
    """Ranked a b c d: positives at ranks 1 and 4 of three; then one positive, first; then none."""
    scores = np.array([[0.9, 0.8, 0.7, 0.6, 0.1, 0.0]] * 3)
    targets = np.array([[1, 0, 0, 1, 0, 1], [1, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]])
    ranking = RankedGains.of(targets, scores, NAMES, 6)
    np.testing.assert_allclose(ranking.r_precision(4), [2 / 3, 1, np.nan])
    np.testing.assert_allclose(ranking.r_precision(2), [1 / 2, 1, np.nan])
    ideal = 1 + 1 / np.log2(3) + 1 / 2
    np.testing.assert_allclose(
        RankedGains.of(targets, scores, NAMES, 10).ndcg(4), [(1 + 1 / np.log2(5)) / ideal, 1, np.nan]
    )


def test_more_places_than_labels() -> None:
    scores, targets = np.array([[0.1, 0.2]]), np.array([[1, 1]])
    assert RankedGains.of(targets, scores, ("a", "b"), 6).r_precision(10) == 1
    assert RankedGains.of(targets, scores, ("a", "b"), 10).ndcg(10) == pytest.approx(1)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_ndcg_is_scikit_learns_without_ties(k: int) -> None:
    rng = np.random.default_rng(k)
    scores, targets = rng.random((50, 6)), rng.random((50, 6)) < 0.4
    targets[:, 0] |= ~targets.any(1)
    ours = RankedGains.of(targets, scores, NAMES, 10).ndcg(k)
    assert ours.mean() == pytest.approx(ndcg_score(targets, scores, k=k))


def test_equal_scores_are_ordered_by_name_whatever_the_columns() -> None:
    scores = np.full((1, 6), 0.5)
    assert ranked(scores, NAMES, 3).tolist() == [[0, 1, 2]]
    assert ranked(scores, NAMES, 1).tolist() == [[0]]
    backwards = NAMES[::-1]
    assert [backwards[at] for at in ranked(scores, backwards, 3)[0]] == ["a", "b", "c"]
    assert [backwards[at] for at in ranked(scores, backwards, 1)[0]] == ["a"]
    targets = np.array([[1, 0, 0, 0, 0, 0]])
    assert RankedGains.of(targets, scores, NAMES, 1).r_precision(1) == 1
    assert RankedGains.of(targets[:, ::-1], scores, backwards, 6).r_precision(1) == 1
