"""RM3 beside a brute-force one: every passage counted in plain Python, no postings, no blocks, no cut at k."""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from toy_index import toy_recipe

from retrieve import Document, Index, Query
from retrieve.cli import main
from retrieve.errors import RecipeError, UsageError
from retrieve.passages.encoder import PassageEncoder
from retrieve.views.protocol import Feedback
from retrieve.views.rm3 import FoundText, expand_query, relevance_model

WORDS = [f"w{number}" for number in range(400)]
QUERY = "w1 w7 w7 w20 unseen"


def some_documents(seed: int, count: int = 120) -> list[Document]:
    """Some of one passage, some of many; a few words are nearly everywhere, as in a language."""
    draw = random.Random(seed)
    made = []
    for number in range(count):
        words = [WORDS[int(len(WORDS) * draw.random() ** 2)] for _ in range(draw.choice([0, 5, 11, 30, 80]))]
        made.append(Document(str(number), " ".join(words), "", {"even": number % 2 == 0}))
    return made


class Brute:
    """Passages of documents, and what a query of weighted terms scores in each."""

    def __init__(
        self, documents: Sequence[Document], recipe: Mapping[str, Any], k1: float = 0.9, b: float = 0.4
    ) -> None:
        encoder = PassageEncoder(recipe)
        self.analyzer = encoder.analyzer
        self.passages = [
            (document.id, Counter(self.analyzer.terms(text)))
            for document, cut in zip(documents, encoder.split(documents), strict=True)
            for text in encoder.fed(document, cut.spans)
        ]
        self.termed = [counts.total() for _, counts in self.passages if counts]
        self.frequencies = Counter(term for _, counts in self.passages for term in counts)
        self.k1, self.b = k1, b

    def scores(self, query: Mapping[str, float]) -> list[float]:
        """A score for each passage."""
        average = sum(self.termed) / len(self.termed)
        total = [0.0] * len(self.passages)
        for term, weight in query.items():
            df = self.frequencies[term]
            idf = math.log(1 + (len(self.termed) - df + 0.5) / (df + 0.5))
            for number, (_, counts) in enumerate(self.passages):
                norm = self.k1 * (1 - self.b + self.b * counts.total() / average)
                total[number] += weight * idf * counts[term] / (counts[term] + norm)
        return total

    def ranking(self, query: Mapping[str, float]) -> list[tuple[str, float, int]]:
        """Documents by their best passages: id, score, the passage's number."""
        best: dict[str, tuple[float, int]] = {}
        for number, score in enumerate(self.scores(query)):
            name = self.passages[number][0]
            if score > 0 and (name not in best or score > best[name][0]):
                best[name] = score, number
        found = [(name, score, number) for name, (score, number) in best.items()]
        return sorted(found, key=lambda item: (-item[1], item[0]))

    def rm3(self, text: str, documents: int, terms: int, original: float) -> list[tuple[str, float, int]]:
        """The ranking by the expanded query."""
        query = Counter(self.analyzer.terms(text))
        everywhere = max(len(self.termed) / 10, documents)
        model: Counter[str] = Counter()
        for _, score, number in self.ranking(query)[:documents]:
            counts = self.passages[number][1]
            kept = [term for term in counts if self.frequencies[term] <= everywhere]
            kept = sorted(kept, key=lambda term: (-counts[term], term))[:terms]
            for term in kept:
                model[term] += score * counts[term] / sum(counts[each] for each in kept)
        chosen = sorted(model, key=lambda term: (-model[term], term))[:terms]
        assert chosen, "a case that says nothing"
        whole = sum(model[term] for term in chosen)
        expanded = {term: original * count / query.total() for term, count in query.items()}
        for term in chosen:
            expanded[term] = expanded.get(term, 0.0) + (1 - original) * model[term] / whole
        return self.ranking(expanded)


def build(place: Path, documents: Sequence[Document], recipe: dict[str, Any], commits: int = 1) -> Index:
    """The documents in an index, in so many commits."""
    index = Index.create(place, recipe)
    for number in range(commits):
        index.add(documents[number::commits])
    return index


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("mode", ["whole", "window"])
def test_it_is_the_brute_force_one_however_the_index_is_cut(tmp_path: Path, seed: int, mode: str) -> None:
    documents = some_documents(seed)
    size = {"size": 12, "overlap": 4} if mode == "window" else {}
    recipe = {"name": "toy", "passages": {"unit": "words", "mode": mode, **size}, "bm25": {}}
    how = {"fb_docs": 1 + 3 * seed, "fb_terms": 2 + 4 * seed, "original_weight": [0.5, 0.2, 0.0][seed % 3]}
    expected = Brute(documents, recipe).rm3(QUERY, how["fb_docs"], how["fb_terms"], how["original_weight"])
    with build(tmp_path / "one", documents, recipe) as index:
        found = index.run([Query("q", QUERY)], rm3=True, **how).rankings[0][1]
        plain = index.run([Query("q", QUERY)]).rankings[0][1]
    assert dict(found) == pytest.approx({name: score for name, score, _ in expected})
    assert [name for name, _ in found] != [name for name, _ in plain]
    with build(tmp_path / "three", documents, recipe, commits=3) as index:
        assert index.run([Query("q", QUERY)], rm3=True, **how).rankings[0][1] == found, "to the bit"


def test_a_word_that_is_everywhere_is_no_feedback(tmp_path: Path) -> None:
    documents = [Document(str(n), f"common common common rare{n % 40} word{n % 50}") for n in range(200)]
    with build(tmp_path / "i", documents, toy_recipe(views=("bm25",), size=100)) as index:
        terms = index.explain("rare3", "3", rm3=True, fb_docs=2)["views"]["bm25"]["terms"]
    assert {term["term"] for term in terms} == {"rare3", "word13", "word23"}, "of documents 123 and 163"


def test_few_documents_give_feedback_too(tmp_path: Path) -> None:
    documents = [Document("a", "court law"), Document("b", "law statute"), Document("c", "statute")]
    with build(tmp_path / "i", documents, toy_recipe(views=("bm25",))) as index:
        assert [hit.doc_id for hit in index.search("court")] == ["a"]
        assert [hit.doc_id for hit in index.search("court", rm3=True)] == ["a", "b"]


def test_only_what_is_live_and_selected_gives_terms(tmp_path: Path) -> None:
    documents = [Document(str(n), f"seed word{n}", "", {"even": n % 2 == 0}) for n in range(6)]

    def terms(**how: Any) -> set[str]:
        view = index.explain("seed", "4", rm3=True, **how)["views"]["bm25"]
        return {term["term"] for term in view["terms"]}

    with build(tmp_path / "i", documents, toy_recipe(views=("bm25",)), commits=2) as index:
        assert terms() == {"seed", *(f"word{n}" for n in range(6))}
        assert terms(where={"even": True}) == {"seed", "word0", "word2", "word4"}
        index.delete(["0", "1"])
        assert terms() == {"seed", "word2", "word3", "word4", "word5"}


def test_passages_are_expanded_by_passages(tmp_path: Path) -> None:
    documents = some_documents(4)
    recipe = toy_recipe(views=("bm25",))
    brute = Brute(documents, recipe)
    with build(tmp_path / "i", documents, recipe) as index:
        hits = index.search(QUERY, k=5, unit="passage", rm3=True, fb_docs=1)
        best = index.search(QUERY, k=5, rm3=True, fb_docs=1)
    assert hits[0].score == best[0].score == pytest.approx(brute.rm3(QUERY, 1, 10, 0.5)[0][1])


def test_what_is_explained_is_the_expanded_query(tmp_path: Path) -> None:
    with build(tmp_path / "i", some_documents(5), toy_recipe(views=("bm25",))) as index:
        for hit in index.search(QUERY, k=5, rm3=True):
            view = index.explain(QUERY, hit.doc_id, rm3=True)["views"]["bm25"]
            assert sum(term["contribution"] for term in view["terms"]) == pytest.approx(hit.score)
            assert len(view["terms"]) > 4


def test_one_by_one_or_together(tmp_path: Path) -> None:
    texts = [QUERY, "unseen", "w3", "the", "w40 w41"]
    with build(tmp_path / "i", some_documents(6), toy_recipe(views=("bm25",)), commits=2) as index:
        together = index.search_many(texts, rm3=True)
        assert together == [index.search(text, rm3=True) for text in texts]
        assert together[1] == together[3] == []
    with Index.create(tmp_path / "empty", toy_recipe(views=("bm25",))) as index:
        assert index.search("w1", rm3=True) == []


def test_from_the_command_line(tmp_path: Path) -> None:
    with build(tmp_path / "i", some_documents(8), toy_recipe(views=("bm25",))) as index:
        wanted = index.search(QUERY, k=4, rm3=True, fb_docs=3, fb_terms=5, original_weight=0.4)
    asked = ["search", str(tmp_path / "i"), QUERY, "-k", "4", "--json", "--rm3"]
    more = ["--fb-docs", "3", "--fb-terms", "5", "--original-weight", "0.4"]
    answer = CliRunner().invoke(main, [*asked, *more], catch_exceptions=False)
    hits = [(hit["doc_id"], hit["score"]) for hit in json.loads(answer.stdout)["hits"]]
    assert hits == [(hit.doc_id, pytest.approx(hit.score)) for hit in wanted]


def test_the_relevance_model_in_closed_form() -> None:
    found = [FoundText({"a": 3, "b": 1}, 2.0), FoundText({"b": 1}, 1.0), FoundText({}, 5.0)]
    assert relevance_model(found, 10) == pytest.approx({"a": 1.5 / 3, "b": 1.5 / 3})
    assert list(relevance_model(found, 1)) == ["a"], "ties by term"
    mixed = expand_query({"b": 1, "c": 3}, found, Feedback(3, 10, 0.6))
    assert mixed == pytest.approx({"b": 0.15 + 0.2, "c": 0.45, "a": 0.2})
    assert expand_query({"b": 1, "c": 3}, found, Feedback(3, 10, 0.0)) == pytest.approx({"b": 0.5, "a": 0.5})
    assert expand_query({"b": 1, "c": 3}, [FoundText({}, 1.0)], Feedback(3, 10, 0.0)) == {
        "b": 0.25,
        "c": 0.75,
    }


def test_what_cannot_be_expanded_is_refused(tmp_path: Path) -> None:
    documents = some_documents(7, 20)
    with build(tmp_path / "i", documents, toy_recipe(views=("bm25",))) as index:
        with pytest.raises(UsageError, match=r"original_weight is 1\.5"):
            index.search("w1", rm3=True, original_weight=1.5)
        with pytest.raises(UsageError, match="fb_docs is 0"):
            index.search("w1", rm3=True, fb_docs=0)
        with pytest.raises(UsageError, match="unknown search options"):
            index.rank_passages(["w1"], rm3=True)  # type: ignore[call-arg]
    dense = Index.create(tmp_path / "dense", toy_recipe(views=("dense",)))
    with dense, pytest.raises(UsageError, match="expands queries of BM25"):
        dense.search(vector=[1.0] * 8, rm3=True)
    both = toy_recipe() | {"search": {"bm25": {"rm3": True}}}
    with Index.create(tmp_path / "both", both) as index:
        assert index.search(vector=[1.0] * 8) == [], "a default says nothing of other views"
        with pytest.raises(UsageError, match="expands queries of BM25"):
            index.search("w1", using="dense", rm3=True)
    with pytest.raises(RecipeError, match=r"search\.bm25\.rm3"):
        Index.create(tmp_path / "no", toy_recipe(views=("dense",)) | {"search": {"bm25": {"rm3": True}}})
    other = toy_recipe(views=("bm25",)) | {"bm25": {"backend": "rank-bm25"}}
    with build(tmp_path / "package", documents, other) as index, pytest.raises(UsageError, match="rank-bm25"):
        index.search("w1", rm3=True)
