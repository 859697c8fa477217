"""The weight of a title, held against BM25F by hand; 1 leaves an index as it was, and no title refuses a weight."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from retrieve import Document, Index
from retrieve.errors import RecipeError
from retrieve.recipe import load_recipe

DOCUMENTS = [
    Document("a", "court wing", "wing"),
    Document("b", "wing wing court"),
    Document("c", "law", "flow"),
]


def build(place: Path, *overrides: str) -> Index:
    index = Index.create(place, "bm25", overrides)
    with index.writer() as writer:
        writer.add(DOCUMENTS)
    return index


@pytest.mark.parametrize("weight", [1, 2, 5])
def test_a_title_counts_as_often_as_it_weighs(tmp_path: Path, weight: int) -> None:
    with build(tmp_path / "i", f"bm25.title_weight={weight}") as index:
        hits = {hit.doc_id: hit.score for hit in index.search("wing", k1=0.9, b=0.4)}
    # Lengths: a 2 + w, b 3, c 1 + w. Frequencies of "wing": a 1 + w, b 2. It is in two of three passages.
    average = (2 + weight + 3 + 1 + weight) / 3
    idf = math.log(1 + (3 - 2 + 0.5) / (2 + 0.5))
    expected = {
        name: idf * tf / (tf + 0.9 * (0.6 + 0.4 * length / average))
        for name, tf, length in (("a", 1 + weight, 2 + weight), ("b", 2, 3))
    }
    assert hits == pytest.approx(expected, rel=1e-12)


def test_only_passages_that_show_the_title_weigh_it(tmp_path: Path) -> None:
    window = ("passages.mode=window", "passages.size=4", "passages.title=first", "passages.boundaries=none")
    lengths = {}
    for weight in (1, 3):
        with Index.create(tmp_path / str(weight), "bm25", (*window, f"bm25.title_weight={weight}")) as index:
            with index.writer() as writer:
                writer.add([Document("a", "one two three four five six seven", "wing")])
            explained = index.explain("seven", "a")
            lengths[weight] = (
                index.explain("wing", "a")["views"]["bm25"]["length"],
                explained["views"]["bm25"]["length"],
            )
    assert lengths[3] == (lengths[1][0] + 2, lengths[1][1])


def test_weight_one_is_no_weight(tmp_path: Path) -> None:
    assert load_recipe("bm25", ["bm25.title_weight=1"]).digest == load_recipe("bm25").digest
    assert load_recipe("bm25", ["bm25.title_weight=2"]).digest != load_recipe("bm25").digest
    segments = []
    for name, overrides in (("plain", ()), ("one", ("bm25.title_weight=1",))):
        with build(tmp_path / name, *overrides):
            (folder,) = (tmp_path / name / "segments").iterdir()
            segments.append((folder / "arrays").read_bytes())
    assert segments[0] == segments[1]


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["bm25.title_weight=2", "passages.title=none"], 'passages.title = "none" leaves out'),
        (["bm25.title_weight=0"], "bm25.title_weight"),
        (["bm25.title_weight=1.5"], "bm25.title_weight"),
    ],
)
def test_weights_refused(overrides: list[str], said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        load_recipe("bm25", overrides)
