"""The calls beside a plain search: many vectors, runs of passages, looking things up, one commit, what it shows."""

from __future__ import annotations

import gc
import inspect
import tracemalloc
import typing
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_index import DIMENSIONS, Vectors, corpus, make_index, stored, toy_recipe, unit_vectors

import retrieve
from retrieve import Document, Index, Passage, errors
from retrieve.api import RunResult
from retrieve.errors import DimensionMismatch, IndexLocked, InputError, RetrieveError, UsageError
from retrieve.recipe import load_recipe
from retrieve.search.options import SearchOptions, SearchSettings, resolve_options
from retrieve.store.filters import matches, parse_filter
from retrieve.types import Query

COUNT = 50
DOCUMENTS, VECTORS = corpus(COUNT, seed=11)
ASKED = unit_vectors(20, seed=12)
TEXTS = ["wing heat", "court", "act law", "gene blood"] * 5


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    """Three segments, two documents deleted, one without a passage."""
    folder = tmp_path_factory.mktemp("calls") / "i"
    documents = [*DOCUMENTS, Document("empty", "", "", {"number": -1})]
    vectors: list[Vectors] = [*VECTORS, np.empty((0, DIMENSIONS), np.float32)]
    with make_index(folder, documents, vectors, toy_recipe(), commits=3) as index:
        index.delete(["7", "30"])
        yield index


# -- options --------------------------------------------------------------------------------------------------


def test_options_are_those_that_are_resolved_and_stand_in_every_signature() -> None:
    told = typing.get_type_hints(SearchSettings)
    resolved = {field.name for field in fields(SearchOptions)}
    assert {name for name in told if name not in resolved} == {"using"}
    assert resolved - set(told) == {"k", "named", "views"}
    calls = (Index.search, Index.similar, Index.search_many, Index.run, Index.iter_run, Index.explain)
    for call in (*calls, resolve_options):
        kind = typing.get_type_hints(call)[inspect.getfullargspec(call).varkw or ""]
        assert typing.get_args(kind) == (SearchSettings,)


VALUES: dict[str, Any] = {
    "using": "bm25",
    "weights": {"bm25": 2.0},
    "fusion": "rrf",
    "adapt": True,
    "depth": 7,
    "aggregate": "top3",
    "unit": "document",
    "k1": 1.5,
    "b": 0.7,
    "query_terms": 50,
    "rm3": True,
    "fb_docs": 3,
    "fb_terms": 4,
    "original_weight": 0.6,
    "ef_search": 9,
    "nprobe": 3,
    "oversample": 2,
    "query_winners": None,
    "passages": 1,
    "reranker": "",
    "rerank_depth": 4,
}


def test_every_option_is_taken_and_none_is_the_recipes_own() -> None:
    assert VALUES.keys() == typing.get_type_hints(SearchSettings).keys()
    recipe = load_recipe(toy_recipe())
    resolved = resolve_options(recipe, **VALUES)
    for name, value in VALUES.items():
        if name not in ("using", "weights", "query_winners"):
            assert getattr(resolved, name) == value
    assert (resolved.views, resolved.weights) == (("bm25",), (2.0,))
    assert resolve_options(recipe, **dict.fromkeys(VALUES)) == resolve_options(recipe)


@pytest.mark.parametrize("call", ["search", "similar", "search_many", "run", "iter_run", "explain"])
def test_an_option_that_does_not_exist_is_refused_by_every_call(toy: Index, call: str) -> None:
    first: dict[str, list[Any]] = {
        "search": ["wing"],
        "similar": ["0"],
        "search_many": [["wing"]],
        "explain": ["wing", "0"],
    }
    arguments = first.get(call, [[Query("q", "wing")]])
    with pytest.raises(
        UsageError, match=r"unknown search options \['colour'\]: there are adapt, aggregate, b, "
    ):
        getattr(toy, call)(*arguments, colour="red")


# -- many vectors ---------------------------------------------------------------------------------------------


def test_many_vectors_are_searched_as_one_by_one(toy: Index) -> None:
    alone = [toy.search(vector=vector, k=7) for vector in ASKED]
    assert toy.search_many(vectors=ASKED, k=7) == alone
    assert toy.search_many(vectors=ASKED.tolist(), k=7, using="dense") == alone
    both = [toy.search(text, vector=vector) for text, vector in zip(TEXTS, ASKED, strict=True)]
    assert toy.search_many(TEXTS, vectors=ASKED) == both
    scores = {name: stored(own) @ ASKED[0] for name, own in zip(map(str, range(COUNT)), VECTORS, strict=True)}
    wanted = sorted((name for name in scores if name not in ("7", "30")), key=lambda n: (-scores[n].max(), n))
    assert [hit.doc_id for hit in alone[0]] == wanted[:7]
    assert toy.search_many(vectors=np.empty((0, DIMENSIONS))) == toy.search_many([]) == []


def test_vectors_that_do_not_go_with_the_queries_are_refused(toy: Index) -> None:
    refused: list[tuple[type[RetrieveError], str, dict[str, Any]]] = [
        (UsageError, "texts, vectors, or both", {}),
        (UsageError, "2 queries and 3 vectors", {"queries": ["a b", "c d"], "vectors": ASKED[:3]}),
        (UsageError, "does not search", {"vectors": ASKED, "using": "hybrid"}),
        (UsageError, "not searched", {"queries": TEXTS, "vectors": ASKED, "using": "bm25"}),
        (UsageError, "reads the query", {"vectors": ASKED, "reranker": "model"}),
        (DimensionMismatch, "one for each query", {"vectors": ASKED[0]}),
        (DimensionMismatch, "shape", {"vectors": ASKED[:, 1:]}),
        (errors.BadVectors, "no array of numbers", {"vectors": [[1.0], [1.0, 2.0]]}),
        (errors.BadVectors, "NaN", {"vectors": ASKED * np.nan}),
    ]
    for error, says, call in refused:
        with pytest.raises(error, match=says):
            toy.search_many(**call)


# -- runs -----------------------------------------------------------------------------------------------------

QUERIES = [Query(f"q{number}", text) for number, text in enumerate([*TEXTS, "the of", "unheard"])]


def test_a_run_of_passages_names_them_by_document_and_position(toy: Index) -> None:
    run = toy.run(QUERIES, 12, using="bm25", unit="passage", parents=True)
    assert run.views["bm25"] == run.rankings
    for query, (query_id, ranking) in zip(QUERIES, run.rankings, strict=True):
        hits = toy.search(query.text, 12, using="bm25", unit="passage")
        assert query_id == query.id
        assert ranking == [(f"{hit.doc_id}#{hit.passages[0].position}", hit.score) for hit in hits]
        places = [(-score, *name.rsplit("#", 1)) for name, score in ranking]
        assert places == sorted(places)
    assert run.silent == {"bm25": ["q20", "q21"]}


def test_a_run_comes_query_by_query_and_is_the_run_as_a_whole(toy: Index) -> None:
    answers = list(toy.iter_run(QUERIES, 9, using="bm25", parents=True))
    assert RunResult.of(answers, ["bm25"]) == toy.run(QUERIES, 9, using="bm25", parents=True)
    assert [answer.silent for answer in answers[-2:]] == [("bm25",), ("bm25",)]
    started = toy.iter_run(QUERIES, 9, using="bm25")
    assert inspect.isgenerator(started)
    assert next(started).query_id == "q0"
    with pytest.raises(UsageError, match="query text"):  # said when it is called, not at its turn
        toy.iter_run([*QUERIES, Query("bad", " ")], using="bm25")


def test_a_long_run_needs_no_more_memory_than_a_short_one(
    toy: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retrieve.views.parallel.cores", lambda: 1)  # two threads' peaks meet by chance

    def peak(count: int) -> int:
        queries = [Query(str(number), TEXTS[number % 4]) for number in range(count)]
        gc.collect()
        tracemalloc.start()
        hits = sum(len(answer.ranking) for answer in toy.iter_run(queries, using="bm25"))
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert hits > count
        return most

    peak(64)
    short, long = peak(256), peak(1024)
    assert long < short + 1024 * 100  # the texts of the queries themselves


# -- looking --------------------------------------------------------------------------------------------------


def test_many_documents_in_the_order_of_their_ids(toy: Index) -> None:
    ids = ["40", "nobody", "3", "7", "40", "empty"]
    found = toy.get_many(ids)
    assert found == [toy.get(doc_id) for doc_id in ids]
    assert [None if item is None else item.id for item in found] == ["40", None, "3", None, "40", "empty"]
    assert toy.get_many(iter(ids[:1])) == [DOCUMENTS[40]]
    assert toy.get_many([]) == []


@settings(max_examples=60)
@given(
    st.recursive(
        st.sampled_from(
            [{"number": {"lt": 20}}, {"kind": "a"}, {"kind": {"in": ["b", "c"]}}, {"none": {"exists": True}}]
        ),
        lambda part: st.builds(lambda one, two: {"or": [one, {"not": two}]}, part, part),
        max_leaves=4,
    )
)
def test_ids_that_a_filter_selects(toy: Index, where: dict[str, Any]) -> None:
    parsed = parse_filter(where)
    live = [toy.get(doc_id) for doc_id in toy.ids()]
    wanted = [item.id for item in live if item is not None and matches(parsed, item.metadata)]
    assert list(toy.ids(where)) == wanted
    assert len(live) == len(toy) == COUNT + 1 - 2


def test_a_documents_passages(toy: Index) -> None:
    for document, own in zip(DOCUMENTS, VECTORS, strict=True):
        if document.id in ("7", "30"):
            continue
        passages = toy.passages(document.id)
        assert [passage.position for passage in passages] == list(range(len(own)))
        for passage in passages:
            assert passage.doc_id == document.id
            assert passage.text == document.text[passage.start : passage.end]
        assert " ".join(passage.text for passage in passages).split() == document.text.split()
    assert toy.passages("empty") == []
    hit = toy.search("wing", 1, using="bm25")[0]
    shown = hit.passages[0]
    own_passage = Passage(hit.doc_id, shown.start, shown.end, shown.position, shown.text)
    assert own_passage in toy.passages(hit.doc_id)


@pytest.mark.parametrize("storage", ["float16", "float32", "int8", "binary"])
def test_vectors_come_back_as_they_were_kept(tmp_path: Path, storage: str) -> None:
    recipe = toy_recipe(storage=storage)
    with make_index(tmp_path / "i", DOCUMENTS, VECTORS, recipe, commits=3) as index:
        ids = ["40", "0", "40", "17"]
        found = index.vectors(ids)
        assert (found.vectors.dtype, found.firsts.dtype) == (np.float32, np.int64)
        for number, doc_id in enumerate(ids):
            step = float(np.abs(VECTORS[int(doc_id)]).max()) / 127 if storage in ("int8", "binary") else 1e-3
            assert found.of(number) == pytest.approx(VECTORS[int(doc_id)], abs=step)
        assert index.vectors([]).vectors.shape == (0, DIMENSIONS)
        assert index.vectors([]).firsts.tolist() == [0]


def test_what_is_not_there_cannot_be_looked_at(toy: Index, tmp_path: Path) -> None:
    with Index.create(tmp_path / "lexical", toy_recipe(views=("bm25",))) as lexical:
        lexical.add([Document("a", "wing")])
        documents, vectors = corpus(500, seed=3)
        dropped = toy_recipe(factory="IVF4,SQ8", keep_vectors=False)
        with make_index(tmp_path / "dropped", documents, vectors, dropped) as index:
            calls: list[tuple[str, Callable[[], object]]] = [
                ("no document 'nobody'", lambda: toy.passages("nobody")),
                ("no document '7'", lambda: toy.vectors(["0", "7"])),
                ("no view made of vectors", lambda: lexical.vectors(["a"])),
                ("were not kept", lambda: index.vectors(["0"])),
                (r"got the string '12': write \['12'\]", lambda: toy.get_many("12")),
                ("the id 7 is no string", lambda: toy.vectors([7])),  # type: ignore[list-item]
                ("where", lambda: toy.ids({"number": {"near": 3}})),
            ]
            for says, call in calls:
                with pytest.raises(UsageError, match=says):
                    call()


# -- one commit -----------------------------------------------------------------------------------------------


def test_adding_and_deleting_are_a_commit_each(tmp_path: Path) -> None:
    with Index.create(tmp_path / "i", toy_recipe()) as index, Index.open(index.path) as other:
        assert index.add(DOCUMENTS[:5], VECTORS[:5]) == (5, 0, 0)
        assert (index.generation, len(index)) == (1, 5)
        assert index.add(iter(DOCUMENTS[4:6]), VECTORS[4:6]) == (1, 0, 1)
        assert index.delete(["0", "nobody"]) == 1
        assert index.delete(where={"kind": "b"}) == 2
        assert (index.generation, sorted(index.ids())) == (4, ["2", "3", "5"])
        steps: list[str] = []
        index.add(DOCUMENTS[:1], VECTORS[:1], progress=lambda stage, *_: steps.append(stage))
        assert "documents" in steps
        before = index.generation
        with pytest.raises(InputError):
            index.add([{"id": "fine", "text": "wing"}, {"id": "", "text": "wing"}], VECTORS[:2])
        with pytest.raises(UsageError, match="nothing to delete"):
            index.delete()
        assert (index.generation, "fine" in index) == (before, False)
        with index.writer(), pytest.raises(IndexLocked):
            other.add(DOCUMENTS[:1], VECTORS[:1])


# -- how it shows itself --------------------------------------------------------------------------------------


def test_an_index_says_what_it_is(toy: Index, tmp_path: Path) -> None:
    text = repr(toy)
    totals = toy.info()
    for part in (str(toy.path), f"{totals['documents']} documents", f"{totals['passages']} passages"):
        assert part in text
    assert "views bm25, dense" in text and f"generation {toy.generation}" in text
    with Index.create(tmp_path / "i", toy_recipe()) as index:
        assert "0 documents" in repr(index)
    assert repr(index) == f"Index({str(tmp_path / 'i')!r}, closed)"


def test_every_error_can_be_imported_from_the_package() -> None:
    classes = {
        name: value
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, RetrieveError)
    }
    assert len(classes) > 10
    for name, value in classes.items():
        assert getattr(retrieve, name) is value
        assert name in retrieve.__all__ and name in dir(retrieve)


# -- arguments of other forms ---------------------------------------------------------------------------------


def test_queries_that_come_one_after_the_other_are_all_answered(toy: Index) -> None:
    queries = [Query(str(number), text) for number, text in enumerate(TEXTS)]
    wanted = toy.run(queries, 5, using="bm25")
    assert len(wanted.rankings) == len(TEXTS)
    assert toy.run(iter(queries), 5, using="bm25") == wanted
    assert len(list(toy.iter_run(iter(queries), 5, using="bm25"))) == len(TEXTS)
    hits = toy.search_many(TEXTS, 5, using="bm25")
    assert toy.search_many(iter(TEXTS), 5, using="bm25") == hits
    both = toy.search_many(TEXTS, 5, vectors=ASKED)
    assert toy.search_many(iter(TEXTS), 5, vectors=ASKED) == both


def of_other_forms(index: Index) -> list[tuple[str, Callable[[Any], object], Any]]:
    return [
        ("got one Query", index.run, Query("1", "wing")),
        ("got one dict", index.run, {"1": "wing"}),
        ("got one int", index.run, 3),
        ("query 0 is of type str", index.run, ["wing"]),
        ("query 1 is of type tuple", index.run, [Query("1", "wing"), ("2", "wing")]),
        ("got one str", index.iter_run, "wing"),
        ("got a mapping", index.search_many, {"1": "wing"}),
        ("query text is None", index.search_many, [None]),
        ("got one str", index.add, "wing"),
        ("got one bytes", index.add, b"wing"),
        ("got one NoneType", index.add, None),
        ("the string '1'", index.delete, "1"),
        ("given as where=", index.delete, {"kind": "a"}),
        ("the id 1 is no string", index.delete, ["2", 1]),
        ("the id None is no string", index.delete, [None]),
        ("the id 1 is no string", index.passages, 1),
        ("the id 1 is no string", lambda doc_id: index.explain("wing", doc_id, using="bm25"), 1),
        ("given as where=", index.get_many, {"kind": "a"}),
        ("got 3", index.vectors, 3),
    ]


def test_arguments_of_other_forms_are_refused(toy: Index) -> None:
    generation, count = toy.generation, len(toy)
    for words, call, argument in of_other_forms(toy):
        with pytest.raises(UsageError, match=words):
            call(argument)
    for documents, words in ((["wing"], "a document is a string"), ([("1", "wing")], "of type tuple")):
        with pytest.raises(InputError, match=words):
            toy.add(documents)  # type: ignore[arg-type]
    assert (toy.generation, len(toy)) == (generation, count)
