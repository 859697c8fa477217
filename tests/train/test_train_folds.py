"""Folds against a brute-force closure of the query–document graph, and their balance."""

from __future__ import annotations

import os
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieve.errors import InputError, UsageError
from retrieve.train.folds import components, make_folds

QRELS = st.dictionaries(
    st.integers(0, 40).map(lambda n: f"q{n}"),
    st.dictionaries(st.integers(0, 30).map(lambda n: f"d{n}"), st.integers(0, 2), max_size=3),
    min_size=1,
    max_size=25,
)


def closure(qrels: dict[str, dict[str, int]]) -> set[frozenset[str]]:
    """Components by merging sets until none share a document."""
    groups = [({query}, set(grades)) for query, grades in qrels.items()]
    merged = True
    while merged:
        merged = False
        for first, second in combinations(range(len(groups)), 2):
            if groups[first][1] & groups[second][1]:
                queries, documents = groups.pop(second)
                groups[first][0].update(queries)
                groups[first][1].update(documents)
                merged = True
                break
    return {frozenset(queries) for queries, _ in groups}


@given(QRELS)
def test_components_are_the_closure(qrels: dict[str, dict[str, int]]) -> None:
    found = components(qrels)
    assert {frozenset(group) for group in found} == closure(qrels)
    assert [len(group) for group in found] == sorted((len(group) for group in found), reverse=True)


@given(QRELS, st.integers(2, 5), st.integers(0, 5))
def test_folds_split_no_component_and_share_no_document(
    qrels: dict[str, dict[str, int]], count: int, seed: int
) -> None:
    groups = closure(qrels)
    if len(groups) < count:
        with pytest.raises(InputError, match=f"{count} folds"):
            make_folds(qrels, count, seed=seed)
        return
    folds = make_folds(qrels, count, seed=seed)
    assert len(folds) == count
    assert sorted(query for fold in folds for query in fold.queries) == sorted(qrels)
    for group in groups:
        assert sum(group <= set(fold.queries) for fold in folds) == 1
    for fold, other in combinations(folds, 2):
        assert not fold.documents & other.documents
    for fold in folds:
        assert fold.documents == {document for query in fold.queries for document in qrels[query]}
    # Greedy dealing: no two folds differ by more than the largest component.
    sizes = [len(fold.queries) for fold in folds]
    assert max(sizes) - min(sizes) <= max(len(group) for group in groups)
    assert folds == make_folds(dict(reversed(qrels.items())), count, seed=seed)


def test_the_seed_deals_components_of_one_size_otherwise() -> None:
    qrels = {f"q{n:03}": {f"d{n}": 1} for n in range(40)}
    assert make_folds(qrels, 5, seed=0) != make_folds(qrels, 5, seed=1)
    assert [len(fold.queries) for fold in make_folds(qrels, 5, seed=0)] == [8] * 5


def test_one_fold_is_refused() -> None:
    with pytest.raises(UsageError, match="at least 2"):
        make_folds({"q": {"d": 1}}, 1, seed=0)


@pytest.mark.data
def test_scifact_has_five_folds_of_equal_size() -> None:
    folder = os.environ.get("RETRIEVE_DATA")
    if folder is None:
        pytest.skip("RETRIEVE_DATA is not set")
    from retrieve.trec import read_qrels

    qrels: dict[str, dict[str, int]] = {}
    for path in (Path(folder) / "scifact" / "qrels").glob("*.tsv"):
        qrels.update(read_qrels(path))
    sizes = [len(fold.queries) for fold in make_folds(qrels, 5, seed=0)]
    assert sum(sizes) == 1109
    assert max(sizes) - min(sizes) <= 1
