"""Documents as queries: which terms BM25 keeps, how windows add up, and what is like a document that is there."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import WORDS as MODEL_WORDS
from tiny_models import tiny_encoder_folder

from retrieve import Document, Index, Query
from retrieve.encoders.dense.encoder import Encoder
from retrieve.errors import UsageError
from retrieve.measures.fuse import convex, z

BM25 = {
    "name": "t",
    "passages": {"unit": "words", "size": 12, "boundaries": "none"},
    "bm25": {"language": "none", "stopwords": False},
}
COMMON = [f"c{number}" for number in range(12)]
RARE = [f"r{number}" for number in range(60)]


def texts(count: int, seed: int) -> list[str]:
    """Some words are in most texts, others in few."""
    chance = random.Random(seed)
    return [" ".join(chance.choices(COMMON, k=20) + chance.choices(RARE, k=12)) for _ in range(count)]


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Index:
    index = Index.create(tmp_path_factory.mktemp("words") / "i", BM25)
    for start in (0, 20):
        index.add(
            [Document(f"d{at}", text) for at, text in enumerate(texts(40, 0)[start : start + 20], start)]
        )
    return index


def kept_terms(index: Index, query: str, most: int) -> Counter[str]:
    """In plain Python: the terms of largest tf·idf that occur at all, in order of first appearance."""
    passages = [set(passage.text.split()) for doc_id in index.ids() for passage in index.passages(doc_id)]

    def worth(term: str) -> float:
        df = sum(term in passage for passage in passages)
        return counts[term] * math.log(1 + (len(passages) - df + 0.5) / (df + 0.5)) if df else -1.0

    counts = Counter(query.split())
    order = list(counts)
    best = sorted(order, key=lambda term: (-worth(term), order.index(term)))[:most]
    return Counter({term: counts[term] for term in order if term in best})


@pytest.mark.parametrize("most", [1, 5, 17])
def test_a_query_keeps_the_terms_of_largest_weight(words: Index, most: int) -> None:
    for query in texts(6, 1):
        long = f"unheard {query} never {query[:40]}"
        kept = kept_terms(words, long, most)
        short = " ".join(kept.elements())
        found = words.search(long, 40, query_terms=most)
        assert found == words.search(short, 40, query_terms=1_000)
        told = words.explain(long, found[0].doc_id, query_terms=most)["views"]["bm25"]
        assert [term["term"] for term in told["terms"]] == list(kept)
        assert told["terms_left_out"] == len(Counter(long.split())) - len(kept) > 0


def test_terms_of_equal_weight_are_kept_as_they_appear(tmp_path: Path) -> None:
    with Index.create(tmp_path / "i", BM25) as index:
        index.add([Document(word, word) for word in "abcdef"])
        for query, kept in (("f a c b", {"f", "a"}), ("a b c d", {"a", "b"}), ("d c c a", {"c", "d"})):
            assert {hit.doc_id for hit in index.search(query, query_terms=2)} == kept


def test_a_query_of_as_many_terms_is_untouched(words: Index) -> None:
    query = texts(1, 2)[0]
    terms = len(set(query.split()))
    whole = words.search(query, 40, query_terms=10_000)
    assert words.search(query, 40, query_terms=terms) == whole
    assert words.search(query, 40) == whole, "by default no query of fewer than a hundred terms is touched"
    assert words.search(query, 40, query_terms=terms - 1) != whole


def test_how_many_terms_are_kept_is_the_recipes_and_is_checked(tmp_path: Path) -> None:
    recipe: dict[str, Any] = BM25 | {"search": {"bm25": {"query_terms": 2}}}
    with Index.create(tmp_path / "i", recipe) as index:
        index.add([Document(word, word) for word in "abcdef"])
        assert [hit.doc_id for hit in index.search("c b a")] == ["b", "c"]
        assert len(index.search("c b a", query_terms=3)) == 3
        ranked = index.rank_passages(["c b a"], 6)
        assert (ranked.keys >= 0).sum() == 2
        assert (index.score_passages(["c b a"], ranked, query_terms=1)["bm25"] > 0).sum() == 1
        with pytest.raises(UsageError, match="query_terms is 0"):
            index.search("a", query_terms=0)


# -- windows of vectors ---------------------------------------------------------------------------------------


def prose(words: int, seed: int) -> str:
    chance = random.Random(seed)
    return ". ".join(" ".join(chance.choices(MODEL_WORDS, k=9)) for _ in range(words // 9)) + "."


@pytest.fixture(scope="module")
def encoded(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """All views that take vectors, by an encoder that reads 64 tokens; several segments."""
    folder = tmp_path_factory.mktemp("encoded")
    dense = {"model": str(tiny_encoder_folder(folder / "model")), "backend": "torch"}
    uhd = {"level": "text", "dimensions": 256, "winners": 16, "query_winners": 8}
    recipe = {
        "name": "t",
        "passages": {"size": 40, "overlap": 8},
        "bm25": {},
        "dense": dense,
        "uhd": uhd,
        "segments": {"passages": 30},
    }
    index = Index.create(folder / "i", recipe)
    documents = [
        Document(f"d{at:02}", prose(20 + 13 * (at % 9), at), MODEL_WORDS[at % 7], {"n": at})
        for at in range(40)
    ]
    index.add([*documents, Document("twin", documents[3].text, documents[3].title), Document("empty", "")])
    return index


def test_a_long_query_is_cut_into_windows_that_the_encoder_reads(encoded: Index) -> None:
    encoder = encoded._passage_encoder
    reads = encoder.models.queries.limit - encoder.models.queries.special_tokens
    fits = " ".join(["wing"] * reads)
    long, longer = fits + " wing", prose(500, 5)
    assert encoder.query_windows(["wing flow", fits]) == [["wing flow"], [fits]]
    both = encoder.query_windows([long, longer])
    assert [len(windows) > 1 for windows in both] == [True, True]
    end = 0
    for window in both[1]:  # each begins no later than the one before it ends: nothing is lost
        assert len(encoder.models.queries.token_offsets([window])[0]) <= 40
        begin = longer.index(window)
        assert begin <= end
        end = begin + len(window)
    assert end == len(longer)


def test_the_scores_of_windows_are_added_up(encoded: Index) -> None:
    query = prose(300, 6)
    (windows,) = encoded._passage_encoder.query_windows([query])
    assert len(windows) > 4
    for using in ("dense", "uhd"):
        ranking = encoded.rank_passages([query], 1_000, using=using)
        keys = np.repeat(ranking.keys, len(windows), axis=0)
        each = encoded.score_passages(windows, keys, layout=ranking.layout, using=using)[using]
        found = ranking.keys[0] >= 0
        assert found.sum() > 90
        assert ranking.scores[0][found] == pytest.approx(each.sum(axis=0)[found], abs=1e-4)
        again = encoded.score_passages([query], ranking, using=using)[using]
        assert again == pytest.approx(ranking.scores, abs=1e-4)
        hits = encoded.search(query, 50, using=using)
        best: dict[str, float] = {}
        for passage, score in zip(encoded.passages_at(ranking), ranking.scores[0].tolist(), strict=True):
            if passage is not None:
                best.setdefault(passage.doc_id, score)
        assert {hit.doc_id: hit.score for hit in hits} == pytest.approx(best, abs=1e-4)
        assert encoded.search(query, 7, using=using) == hits[:7]
        assert not encoded.run([Query("q", query)], using=using).truncated


def test_ordinary_queries_are_encoded_as_they_are_and_every_window_once(
    encoded: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    encode = Encoder.encode_queries

    def recorded(self: Encoder, texts: Sequence[str]) -> Any:
        seen.append(list(texts))
        return encode(self, texts)

    monkeypatch.setattr(Encoder, "encode_queries", recorded)
    encoded.search_many(["wing flow", "heat"])
    long = prose(200, 7)
    encoded.search_many(["wing", long, long])
    (windows,) = encoded._passage_encoder.query_windows([long])
    assert seen == [["wing flow", "heat"], ["wing", *windows]]


# -- what is like a document ----------------------------------------------------------------------------------


def brute_force(index: Index, using: str, doc_id: str) -> dict[str, float]:
    """Each other document's best passage, by the sum over the passages of this one."""
    best: dict[str, float] = {}
    everything = np.arange(index.info()["passages"])
    windows = list(index.vectors([doc_id]).vectors)
    keys = np.repeat(everything[None], len(windows), axis=0)
    scores = index.score_passages(windows, keys, layout=index.layout, using=using)[using].sum(axis=0)
    for passage, score in zip(index.passages_at(everything, layout=index.layout), scores, strict=True):
        if passage is not None and passage.doc_id != doc_id and (using == "dense" or score > 0):
            best[passage.doc_id] = max(best.get(passage.doc_id, -math.inf), float(score))
    return best


def test_like_a_document_is_what_its_stored_vectors_are_near(
    encoded: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Encoder, "encode_queries", None)
    for doc_id in ("d03", "d17", "d00"):
        for using in ("dense", "uhd"):
            hits = encoded.similar(doc_id, 100, using=using)
            assert {hit.doc_id: hit.score for hit in hits} == pytest.approx(
                brute_force(encoded, using, doc_id),
                abs=1e-3,  # given vectors are scaled to length 1 again
            )
            assert encoded.similar(doc_id, 5, using=using) == hits[:5]
    assert encoded.similar("d03", 1)[0].doc_id == "twin"
    few = encoded.similar("d03", where={"n": {"lt": 6}})
    assert {hit.doc_id for hit in few} == {"d00", "d01", "d02", "d04", "d05"}
    for hit in encoded.similar("d08", 30, unit="passage", using="dense"):
        assert hit.doc_id != "d08"


def test_like_a_document_by_words_is_a_search_for_its_text_without_it(encoded: Index) -> None:
    document = encoded.get("d11")
    assert document is not None
    asked = f"{document.title}\n{document.text}"
    found = encoded.search(asked, 100, using="bm25")
    liked = encoded.similar("d11", 100, using="bm25")
    assert [(hit.doc_id, hit.score) for hit in liked] == [
        (hit.doc_id, hit.score) for hit in found if hit.doc_id != "d11"
    ]
    assert len(found) == len(liked) + 1
    assert encoded.similar(text=asked, k=9, using="bm25") == found[:9]


@pytest.mark.parametrize("fusion", ["convex", "z"])
def test_the_document_itself_is_in_no_pool(encoded: Index, fusion: Any) -> None:
    """Or what it scores, more than any other, would push all others together."""
    liked = {hit.doc_id: hit.score for hit in encoded.similar("d20", 100, fusion=fusion)}
    pools = [
        {hit.doc_id: hit.score for hit in encoded.similar("d20", 100, using=view)}
        for view in encoded.recipe.views
    ]
    assert liked == pytest.approx({"convex": convex, "z": z}[fusion](pools))


def test_without_stored_vectors_the_text_is_encoded(tmp_path: Path) -> None:
    model = str(tiny_encoder_folder(tmp_path / "model"))
    uhd = {"model": model, "backend": "torch", "level": "text", "dimensions": 256, "winners": 16}
    with Index.create(tmp_path / "i", {"name": "t", "uhd": uhd | {"keep_vectors": False}}) as index:
        index.add([Document(f"d{at}", prose(40, at)) for at in range(9)])
        document = index.get("d4")
        assert document is not None
        found = index.search(document.text, 9)
        assert [hit.doc_id for hit in index.similar("d4", 9)] == [
            hit.doc_id for hit in found if hit.doc_id != "d4"
        ]


def test_what_nothing_can_be_like(encoded: Index) -> None:
    with pytest.raises(UsageError, match="no document 'd99'"):
        encoded.similar("d99")
    with pytest.raises(UsageError, match="'empty' has no text"):
        encoded.similar("empty")
    with pytest.raises(UsageError, match="one of the two"):
        encoded.similar()
    with pytest.raises(UsageError, match="one of the two"):
        encoded.similar("d00", text="wing")
    with pytest.raises(UsageError, match="at least one word"):
        encoded.similar(text=" ")
