"""A view that is not of the package, from this file alone: created, searched, fused, merged, explained and verified."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieve import Document, Index
from retrieve.errors import RecipeError, UsageError
from retrieve.recipe import Section, load_recipe
from retrieve.views.all_scores import ExactScores
from retrieve.views.postings import rows_hold
from retrieve.views.protocol import (
    Array,
    Asked,
    Built,
    IntArray,
    LiveSegment,
    Material,
    Output,
    SegmentFiles,
    VectorMaterial,
    View,
)
from retrieve.views.registry import register_view

LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Initials(Section):
    weight: float = 1.0


class InitialsView(View):
    """score = Σ over letters: how many words of the query begin with it · how many of the passage do."""

    name = "initials"
    takes_terms = True

    def __init__(self, recipe: Any) -> None:
        self._weight = recipe.initials.weight

    def build(self, material: Material, output: Output) -> Built:
        counts = [initials(terms) for terms in material.terms().strings()]
        output.write("counts", np.array(counts, np.float64).reshape(-1, len(LETTERS)))
        return Built()

    def merge(
        self,
        parts: Sequence[Array],
        maps: Sequence[IntArray],
        rows: int,
        material: VectorMaterial,
        output: Output,
    ) -> Built:
        counts = np.empty((rows, len(LETTERS)))
        for part, places in zip(parts, maps, strict=True):
            counts[places[places >= 0]] = part[places >= 0]
        output.write("counts", counts)
        return Built()

    def open(self, files: SegmentFiles) -> Array:
        return files.arrays(self.name)["counts"]

    def scores(self, asked: Asked, segments: Sequence[LiveSegment]) -> ExactScores:
        queries = []
        for text in asked.texts:
            assert isinstance(text, str)
            query = initials(asked.encoder.analyzer.terms(text)) * self._weight
            queries.append([segment.opened @ query for segment in segments] if query.any() else None)
        return ExactScores(queries, floor=0.0)

    def verify(self, opened: Array, passages: int) -> Iterator[str]:
        return rows_hold(len(opened), passages)


def initials(terms: Sequence[str]) -> np.ndarray:
    return np.array([sum(term.startswith(letter) for term in terms) for letter in LETTERS], np.float64)


register_view(InitialsView, Initials)


def recipe(**more: Any) -> dict[str, Any]:
    passages = {"unit": "words", "size": 4, "title": "none"}
    return {"name": "toy", "initials": {"weight": 2.0}, "passages": passages, **more}


DOCUMENTS = [
    Document("a", "cats catch mice"),
    Document("b", "dogs dig deep dark ditches daily"),
    Document("c", "bees buzz"),
    Document("d", ""),
    Document("e", "cold dusk comes down"),
]


def test_a_view_from_elsewhere_goes_all_the_way(tmp_path: Path) -> None:
    with Index.create(tmp_path / "toy.index", recipe(bm25={}, segments={"passages": 2})) as index:
        index.add(DOCUMENTS)
        assert index.info()["segments"] > 1
        assert index.info()["bytes"]["initials"] > 0

        def found(**options: Any) -> list[tuple[str, float]]:
            return [(hit.doc_id, hit.score) for hit in index.search("dog dogma cow", **options)]

        # d: 2, c: 1 in the query; b's best passage has four words with d.
        expected = [("b", 16.0), ("e", 12.0), ("a", 4.0)]
        assert found(using="initials") == expected
        hybrid = index.search("dogs daily", using="hybrid")
        assert hybrid[0].doc_id == "b" and set(hybrid[0].scores) == {"bm25", "initials"}
        assert index.explain("dog dogma cow", "b", using="initials")["views"]["initials"]["score"] == 16.0
        index.delete(["b"])
        assert found(using="initials") == expected[1:]
        index.merge()
        assert index.verify() == []
        assert found(using="initials") == expected[1:]
    with Index.open(tmp_path / "toy.index") as again:
        assert [hit.doc_id for hit in again.search("bee", using="initials")] == ["c"]
        with pytest.raises(UsageError, match="a vector does not search initials"):
            again.rank_passages([{"initials": np.ones(3)}], 2)


@settings(max_examples=20, deadline=None)
@given(
    texts=st.lists(st.text("abc ", max_size=12), min_size=1, max_size=12), query=st.text("abc", min_size=1)
)
def test_its_scores_are_those_of_its_passages(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], query: str
) -> None:
    whole = recipe(passages={"mode": "whole", "unit": "words"})
    with Index.create(tmp_path_factory.mktemp("toy") / "i", whole) as index:
        index.add(Document(str(number), text) for number, text in enumerate(texts))
        terms = index._passage_encoder.analyzer.terms
        wanted = 2 * initials(terms(query))
        scores = {str(number): float(initials(terms(text)) @ wanted) for number, text in enumerate(texts)}
        best = sorted((name for name, score in scores.items() if score > 0), key=lambda n: (-scores[n], n))
        assert [hit.doc_id for hit in index.search(query, k=20)] == best


def test_names_are_taken_once() -> None:
    register_view(InitialsView, Initials)

    class Other(Section):
        pass

    with pytest.raises(RecipeError, match="'initials' already"):
        register_view(InitialsView, Other)

    class Dense(InitialsView):
        name = "dense"

    with pytest.raises(RecipeError, match="'dense' already"):
        register_view(Dense, Initials)


def test_its_section_is_checked_like_any_other() -> None:
    with pytest.raises(RecipeError, match=r"initials\.wieght"):
        load_recipe(recipe(initials={"wieght": 1.0}))
    first, second = (load_recipe(recipe(initials={"weight": weight})).digest for weight in (1.0, 2.0))
    assert first != second


def test_processes_of_a_writer_have_it_too(tmp_path: Path) -> None:
    documents = [Document(f"{number}", f"dog {'cat ' * number}") for number in range(20)]
    found = []
    for workers in (1, 2):
        settings = recipe(segments={"passages": 5, "merge_factor": 0})
        with Index.create(tmp_path / f"{workers}.index", settings) as index:
            with index.writer(workers=workers) as writer:
                writer.add(documents)
            assert index.info()["segments"] > 2
            found.append([(hit.doc_id, hit.score) for hit in index.search("cow dam", k=20)])
    assert found[0] == found[1] and len(found[0]) == 20


def test_recipes_are_pickled_with_it_and_without() -> None:
    for source in (recipe(bm25={}), "bm25"):
        known = load_recipe(source)
        again = pickle.loads(pickle.dumps(known))
        assert again == known and type(again) is type(known) and again.digest == known.digest
        assert again.views == known.views


def test_recipes_without_it_are_what_they_were() -> None:
    plain = load_recipe("bm25")
    assert plain.views == ("bm25",)
    assert "initials" not in plain.model_dump(exclude_none=True)
