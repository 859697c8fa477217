"""Commits that merge neighbours of about one size: how few segments stay, how often a document is written anew."""

from __future__ import annotations

import random
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_crash import contents, die_at, in_child
from store_index import documents, lexical_recipe, make, own_recipe, vectors

from retrieve import Index
from retrieve.errors import RecipeError
from retrieve.recipe import Segments, load_recipe
from retrieve.store.manifest import read_manifest
from retrieve.store.tiers import Size, plan


def _sizes(numbers: list[int]) -> list[Size]:
    return [Size(number, number, number) for number in numbers]


def _merged(numbers: list[int], limits: Segments) -> list[int]:
    """Sizes after a commit's merges."""
    for run in reversed(plan(_sizes(numbers), limits)):
        numbers[run] = [sum(numbers[run])]
    return numbers


@settings(deadline=None)
@given(
    commits=st.lists(st.integers(1, 300), max_size=150),
    factor=st.integers(2, 12),
    limit=st.sampled_from([50, 1_000, 1 << 20]),
)
def test_segments_stay_few_and_nothing_is_lost(commits: list[int], factor: int, limit: int) -> None:
    limits = Segments(passages=limit, merge_factor=factor)
    sizes: list[int] = []
    for number, commit in enumerate(commits, start=1):
        sizes = _merged([*sizes, commit], limits)
        assert sum(sizes) == sum(commits[:number])
        assert all(size <= limit or size in commits for size in sizes)
        assert plan(_sizes(sizes), limits) == []
        # Below the largest that can be, a tier has less than `factor` segments; tiers are powers of the factor.
        tiers, most = 1, factor
        while most < min(sum(commits), limit):
            tiers, most = tiers + 1, most * factor
        full = sum(commits) / max(1, limit // factor)
        assert len(sizes) <= tiers * factor + factor * full


def test_a_document_is_written_once_for_each_tier() -> None:
    limits = Segments(merge_factor=10)
    sizes: list[int] = []
    written = 0
    for _ in range(2_000):
        sizes.append(10)
        written += 10 + sum(sum(sizes[run]) for run in plan(_sizes(sizes), limits))
        sizes = _merged(sizes, limits)
    assert sizes == [10_000, 10_000]
    assert written / 20_000 == pytest.approx(
        1 + 3, abs=0.5
    )  # once as a commit, then as 100, 1,000 and 10,000


def test_neighbours_of_different_kinds_and_what_is_switched_off() -> None:
    sizes = _sizes([10] * 30)
    assert plan(sizes, Segments(merge_factor=10)) == [slice(0, 10), slice(10, 20), slice(20, 30)]
    assert plan(sizes, Segments(merge_factor=0)) == []
    mixed = [size._replace(kind="ab"[at % 2]) for at, size in enumerate(sizes)]
    assert plan(mixed, Segments(merge_factor=2)) == []
    assert plan(_sizes([1_000] * 9 + [100] * 9 + [10] * 9), Segments(merge_factor=10)) == []
    assert plan(_sizes([1_000, 10] * 10), Segments(merge_factor=10)) == [slice(0, 10)]
    assert plan(_sizes([100] * 10), Segments(passages=500, merge_factor=10)) == [slice(0, 5)]
    with pytest.raises(RecipeError, match="merge_factor is 1: wanted 2 or more, or 0"):
        load_recipe("bm25", ["segments.merge_factor=1"])


def test_the_digest_of_a_recipe_is_what_it_was() -> None:
    """As of the version before there was a merge factor."""
    assert {load_recipe("bm25", [f"segments.merge_factor={factor}"]).digest for factor in (0, 3, 10)} == {
        load_recipe("bm25").digest
    }
    assert (
        load_recipe("bm25", ["bm25.rules=2"]).digest
        == "f9413e32e5fdac67577188ee42ea0cec66c2f54f64b64441af4bacf330f61716"
    )


def _recipe(factor: int, *, own: bool = False, **dense: Any) -> dict[str, Any]:
    recipe = own_recipe(1 << 20, **dense) if own else lexical_recipe(1 << 20)
    return recipe | {"segments": {"merge_factor": factor}}


def _many_commits(folder: Path, recipe: dict[str, Any], commits: int, *, seed: int = 0) -> Index:
    """Upserts, deletions and new documents, a commit each; the same whatever the recipe merges."""
    chance = random.Random(seed)
    index = Index.create(folder, recipe)
    own = "dense" in recipe
    for number in range(commits):
        rows = documents(3, first=3 * number) + documents(
            1, first=chance.randrange(3 * number + 1), word="wing"
        )
        rows = list({row.id: row for row in rows}.values())
        with index.writer() as writer:
            writer.add(rows, vectors(len(rows), seed=number) if own else None)
            writer.delete([f"d{chance.randrange(3 * number + 1):04}"])
    return index


@pytest.mark.parametrize("own", [False, True])
def test_answers_are_those_of_an_index_that_merges_nothing(tmp_path: Path, own: bool) -> None:
    merging = _many_commits(tmp_path / "a.index", _recipe(3, own=own), 40)
    resting = _many_commits(tmp_path / "b.index", _recipe(0, own=own), 40)
    assert len(read_manifest(resting.path).segments) > 30
    assert len(read_manifest(merging.path).segments) < 10
    assert merging.verify() == resting.verify() == []
    vector = vectors(1, seed=7)[0] if own else None
    for query in ("wing of law", "court number n17", "law"):
        found, expected = (index.search(query, k=200, vector=vector) for index in (merging, resting))
        assert [(hit.doc_id, hit.score) for hit in found] == [(hit.doc_id, hit.score) for hit in expected]
    assert sorted(merging.ids()) == sorted(resting.ids())
    assert merging.get("d0008") == resting.get("d0008")
    assert merging.generation == resting.generation
    again = _many_commits(tmp_path / "c.index", _recipe(3, own=own), 40)
    assert contents(again.path) == contents(merging.path)


def test_a_commit_of_nothing_merges_nothing(tmp_path: Path) -> None:
    with _many_commits(tmp_path / "a.index", _recipe(0), 12) as index:
        before = contents(index.path)
    manifest = read_manifest(tmp_path / "a.index")
    changed = manifest.model_copy(update={"recipe": manifest.recipe | {"segments": {"merge_factor": 2}}})
    (tmp_path / "a.index" / "manifest.json").write_bytes(changed.encode())
    with Index.open(tmp_path / "a.index") as index:
        with index.writer():
            pass
        assert contents(index.path).keys() == before.keys()
        with index.writer() as writer:
            writer.delete(["d0000", "d0001"])
        assert len(read_manifest(index.path).segments) < 6
        assert index.verify() == []


def test_vectors_that_only_a_trained_index_has_stay_where_they_are(tmp_path: Path) -> None:
    pytest.importorskip("faiss")
    recipe = _recipe(2, own=True, factory="SQ8", keep_vectors=False)
    with Index.create(tmp_path / "a.index", recipe) as index:
        for first in (0, 1_000, 1_100, 1_200):
            with index.writer() as writer:
                writer.add(
                    documents(1_000 if not first else 100, first=first), vectors(1_000 if not first else 100)
                )
        assert len(read_manifest(index.path).segments) == 4
        assert len(index) == 1_300


def test_what_was_learned_serves_merged_segments(tmp_path: Path) -> None:
    pytest.importorskip("faiss")
    with Index.create(tmp_path / "a.index", _recipe(3, own=True, factory="IVF4,Flat")) as index:
        for first in range(0, 1_800, 200):  # enough to learn from with the fifth commit
            with index.writer() as writer:
                writer.add(documents(200, first=first), vectors(200, seed=first))
        (entry,) = read_manifest(index.path).segments
        assert "dense/index.faiss" in entry.files
        assert index.verify() == []
        own = vectors(200, seed=600)
        assert index.search(vector=own[7], using="dense", k=1)[0].doc_id == "d0607"


def _tenth(folder: Path) -> None:
    with Index.open(folder) as index, index.writer() as writer:
        writer.add(documents(3, first=900))


@pytest.mark.parametrize("step", [1, 4, 9, 15, 22, 30, 40, 52, 66, 82, 100])
def test_a_kill_while_a_commit_merges(tmp_path: Path, step: int) -> None:
    folder = tmp_path / "a.index"
    for place in (folder, tmp_path / "whole.index"):
        with Index.create(place, _recipe(4)) as index:
            for number in range(3):
                with index.writer() as writer:
                    writer.add(documents(3, first=3 * number))
    _tenth(tmp_path / "whole.index")
    assert len(read_manifest(tmp_path / "whole.index").segments) == 1
    killed = in_child(
        partial(_tenth, folder), prepare=partial(die_at, folder, step, lambda event, path: True)
    )
    with Index.open(folder) as index:
        assert index.verify() == []
        assert len(index) in (9, 12)
    _tenth(folder)
    assert contents(folder) == contents(tmp_path / "whole.index")
    assert killed or step > 50


def test_a_build_of_one_commit_is_as_without(tmp_path: Path) -> None:
    """Its segments are full, so that no two of them go into one."""
    for factor in (0, 2):
        recipe = lexical_recipe(5)
        recipe["segments"]["merge_factor"] = factor
        make(tmp_path / f"{factor}.index", recipe, documents(33)).close()
    one, other = (contents(tmp_path / f"{factor}.index") for factor in (0, 2))
    assert {name for name in one if one[name] != other[name]} == {"manifest.json", "manifest.0.json"}
