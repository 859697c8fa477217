"""Stratified splits: exact by class, within one document by label where that is possible, counted of all documents."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieve.corpora.labelled.split import SLACK, grouped_split, stratified_split
from retrieve.errors import UsageError


def skewed(n: int = 800, labels: int = 20, seed: int = 0) -> np.ndarray:
    """Labels in 1 of 200 to 1 of 3 documents; some documents without any."""
    return np.random.default_rng(seed).random((n, labels)) < np.geomspace(1 / 200, 1 / 3, labels)


@given(st.lists(st.integers(0, 4), min_size=2, max_size=60), st.floats(0.05, 0.95), st.integers(0, 99))
def test_classes_are_divided_exactly(classes: list[int], share: float, seed: int) -> None:
    size = round(share * len(classes))
    if not 0 < size < len(classes):
        return
    targets = np.eye(5)[classes]
    rest, part = stratified_split(targets, share, seed=seed)
    assert sorted([*rest, *part]) == list(range(len(classes)))
    assert len(part) == size
    number = targets.sum(0)
    assert (np.abs(targets[part].sum(0) - number * size / len(classes)) < 1).all()


@given(st.integers(0, 2**32), st.floats(0.05, 0.95))
def test_every_document_is_on_one_side_and_neither_is_empty(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    targets = rng.random((rng.integers(4, 40), rng.integers(1, 8))) < rng.random()
    size = round(share * len(targets))
    if not 0 < size < len(targets):
        return
    rest, part = stratified_split(targets, share, seed=0)
    assert sorted([*rest, *part]) == list(range(len(targets)))
    assert len(rest) and len(part)
    assert (np.diff(rest) > 0).all() and (np.diff(part) > 0).all()
    assert abs(len(part) - size) <= 1 + SLACK * size


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5])
def test_labels_keep_their_share_within_a_document(share: float) -> None:
    """A random part of the same size is off by more than one for most labels."""
    targets = skewed()
    _, part = stratified_split(targets, share, seed=0)
    off = np.abs(targets[part].sum(0) - share * targets.sum(0))
    assert np.sort(off)[:-1].max() <= 1
    assert off.max() < 2  # the last label takes what the others leave
    chance = np.random.default_rng(0).permutation(800)[: len(part)]
    assert (np.abs(targets[chance].sum(0) - share * targets.sum(0)) > 1).sum() > 8


def test_labels_of_their_own_are_exact() -> None:
    """Where no two labels meet, and some documents have none, each label is within half a document."""
    targets = np.zeros((300, 4), dtype=bool)
    for label, (start, end) in enumerate([(0, 10), (10, 45), (45, 150), (150, 270)]):
        targets[start:end, label] = True
    _, part = stratified_split(targets, 0.2, seed=1)
    assert targets[part].sum(0).tolist() == [2, 7, 21, 24]
    assert len(part) == 60


def test_shares_count_of_all_documents() -> None:
    """.2 of 1,000 are 200 and 1/8 of the other 800 are 100: no ratio of two shares, which would give 667 and 333."""
    targets = skewed(1000)
    rest, test = stratified_split(targets, 0.2, seed=0)
    train, validation = stratified_split(targets[rest], 0.125, seed=0)
    assert abs(len(test) - 200) <= 4
    assert abs(len(validation) - 100) <= 2
    assert len(train) + len(validation) + len(test) == 1000


def test_the_seed_decides() -> None:
    targets = skewed(200)
    first, again, other = (stratified_split(targets, 0.3, seed=seed)[1] for seed in (1, 1, 2))
    assert first.tolist() == again.tolist()
    assert first.tolist() != other.tolist()


@pytest.mark.parametrize("share", [0, 1, -0.1, 0.1])
def test_a_side_cannot_be_empty(share: float) -> None:
    with pytest.raises(UsageError, match="on either side"):
        stratified_split(np.eye(3), share, seed=0)


def test_targets_are_zero_or_one() -> None:
    with pytest.raises(UsageError, match="0 or 1"):
        stratified_split(np.array([[2.0], [0.0]]), 0.5, seed=0)


@given(
    st.lists(st.one_of(st.none(), st.sampled_from("abcdefgh")), min_size=4, max_size=40),
    st.floats(0.1, 0.9),
    st.integers(0, 99),
)
def test_a_group_is_never_parted(groups: list[str | None], share: float, seed: int) -> None:
    targets = np.random.default_rng(seed).random((len(groups), 3)) < 0.4
    units = len({*groups} - {None}) + groups.count(None)
    if not 0 < round(share * units) < units:
        with pytest.raises(UsageError):
            grouped_split(targets, groups, share, seed=seed)
        return
    rest, part = grouped_split(targets, groups, share, seed=seed)
    assert sorted([*rest, *part]) == list(range(len(groups)))
    assert len(rest) and len(part)
    assert not {groups[row] for row in rest} & {groups[row] for row in part} - {None}


def test_groups_of_one_document_are_the_split_of_documents() -> None:
    targets = skewed()
    names = [str(row) for row in range(len(targets))]
    for groups in ([None] * len(targets), names):
        for ours, plain in zip(
            grouped_split(targets, groups, 0.2, seed=3), stratified_split(targets, 0.2, seed=3), strict=True
        ):
            np.testing.assert_array_equal(ours, plain)
