"""The class `Index` as an application uses it: looking things up, refreshing, threads, and every refused call."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import tiny_encoder_folder
from toy_index import DIMENSIONS, WORDS, corpus, make_index, toy_recipe, unit_vectors

from retrieve import Document, Index
from retrieve.api import Added
from retrieve.errors import (
    BadVectors,
    DimensionMismatch,
    IndexNotFound,
    InputError,
    RecipeError,
    RetrieveError,
    UsageError,
)
from retrieve.types import Query

LEXICAL = toy_recipe(views=("bm25",))
QUERIES = [f"{one} {other}" for one in WORDS[:5] for other in WORDS[5:9]]


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[Index]:
    documents, vectors = corpus(60, seed=1)
    with make_index(tmp_path / "i", documents, vectors, toy_recipe(), commits=2) as index:
        yield index


@pytest.fixture(scope="module")
def hybrid(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """BM25 and a tiny encoder over the same windows."""
    folder = tmp_path_factory.mktemp("hybrid")
    model = tiny_encoder_folder(folder / "model")
    recipe = toy_recipe() | {"dense": {"model": str(model), "backend": "torch"}}
    documents, _ = corpus(60, seed=2)
    return make_index(folder / "i", documents, None, recipe, commits=3)


# -- looking --------------------------------------------------------------------------------------------------


def test_documents_come_back_as_they_were_added(tmp_path: Path) -> None:
    documents = [
        Document("b", "second\r\ntext", "Title", {"year": 2020, "tags": ["x", None], "deep": {"a": 1.5}}),
        Document("a/ö \u2028", "", "", {}),
    ]
    with Index.create(tmp_path / "i", LEXICAL) as index:
        with index.writer() as writer:
            assert writer.add(documents) == Added(added=2)
        assert [index.get(document.id) for document in documents] == documents
        assert index.get("c") is None
        assert list(index.ids()) == ["a/ö \u2028", "b"]
        assert ("b" in index, "c" in index, 7 in index) == (True, False, False)
        assert len(index) == 2
        with index.writer() as writer:
            assert writer.delete(["b", "nobody"]) == 1
        assert ("b" in index, len(index), list(index.ids()), index.get("b")) == (
            False,
            1,
            ["a/ö \u2028"],
            None,
        )


def test_a_hit_carries_what_an_answer_cites(toy: Index) -> None:
    hit = toy.search("wing", using="bm25", k=1)[0]
    document = toy.get(hit.doc_id)
    assert document is not None
    assert (hit.title, hit.metadata, hit.rank) == (document.title, document.metadata, 1)
    passage = hit.passages[0]
    assert "wing" in passage.text == document.text[passage.start : passage.end]
    assert hit.scores == {"bm25": hit.score}


def test_another_reader_sees_a_commit_when_it_asks(toy: Index) -> None:
    with Index.open(toy.path) as reader:
        with toy.writer() as writer:
            writer.add([{"id": "new", "text": "zebra"}], [unit_vectors(1, seed=3)[0]])
        assert [hit.doc_id for hit in toy.search("zebra", using="bm25")] == ["new"]
        assert reader.search("zebra", using="bm25") == []
        assert reader.refresh()
        assert reader.search("zebra", using="bm25") == toy.search("zebra", using="bm25")
        assert not reader.refresh()
        assert reader.generation == toy.generation


def test_an_exception_in_a_writer_changes_nothing(toy: Index) -> None:
    before, generation = toy.search("wing", using="bm25"), toy.generation
    with pytest.raises(InputError), toy.writer() as writer:
        writer.delete(where={"nothing": {"exists": False}})
        writer.add([{"id": "", "text": "wing"}], [unit_vectors(1, seed=3)[0]])
    assert (toy.search("wing", using="bm25"), toy.generation) == (before, generation)


def test_an_empty_index_answers_with_nothing(tmp_path: Path) -> None:
    with Index.create(tmp_path / "i", toy_recipe()) as index:
        assert index.search("wing", using="bm25") == []
        assert index.search("wing", vector=[1.0] * DIMENSIONS) == []
        assert index.run([Query("1", "wing")], using="bm25").silent == {"bm25": ["1"]}
        assert (len(index), list(index.ids()), index.search_many([])) == (0, [], [])


# -- runs -----------------------------------------------------------------------------------------------------


def test_a_run_is_the_searches_without_their_texts(hybrid: Index) -> None:
    queries = [Query(str(number), text) for number, text in enumerate(QUERIES * 2)]
    steps: list[tuple[str, int, int | None]] = []
    result = hybrid.run(queries, k=7, parents=True, progress=lambda *step: steps.append(step))
    assert steps == [("queries", 32, 40), ("queries", 40, 40)]
    for query, (query_id, ranking) in zip(queries, result.rankings, strict=True):
        assert query_id == query.id
        assert ranking == [(hit.doc_id, hit.score) for hit in hybrid.search(query.text, k=7)]
    for view in ("bm25", "dense"):
        assert result.views[view] == hybrid.run(queries, k=7, using=view).rankings


def test_a_query_may_leave_itself_out(toy: Index) -> None:
    names = [doc_id for doc_id, _ in toy.run([Query("q", "wing")], k=6, using="bm25").rankings[0][1]]
    own = toy.run([Query(names[2], "wing")], k=5, using="bm25", drop_self=True, parents=True)
    expected = [name for name in names if name != names[2]]
    assert [doc_id for doc_id, _ in own.rankings[0][1]] == expected
    assert [doc_id for doc_id, _ in own.views["bm25"][0][1]] == expected
    kept = toy.run([Query(names[2], "wing")], k=5, using="bm25")
    assert [doc_id for doc_id, _ in kept.rankings[0][1]] == names[:5]


# -- threads --------------------------------------------------------------------------------------------------


def in_threads(work: Callable[[int], Any], count: int = 8) -> list[Any]:
    """The work in so many threads that start together."""
    barrier = threading.Barrier(count)

    def task(number: int) -> Any:
        barrier.wait()
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(task, range(count)))


def test_eight_threads_agree_with_one(hybrid: Index) -> None:
    expected = [hybrid.search(text, where={"kind": "a"}) for text in QUERIES]
    with Index.open(hybrid.path) as fresh:  # nothing is loaded or mapped yet: the threads do it together
        answers = in_threads(lambda _: [fresh.search(text, where={"kind": "a"}) for text in QUERIES])
        assert answers == [expected] * 8
        assert in_threads(lambda _: fresh.search_many(QUERIES, where={"kind": "a"})) == [expected] * 8


def test_every_thread_sees_whole_generations_while_one_writes(tmp_path: Path) -> None:
    """Each commit adds one document and takes one away: an answer that mixes generations shows."""
    index = Index.create(tmp_path / "i", LEXICAL)
    with index.writer() as writer:
        writer.add({"id": str(number), "text": "wing " * (number + 1)} for number in range(5))
    expected = {1: tuple(hit.doc_id for hit in index.search("wing"))}
    done = threading.Event()

    def write() -> None:
        try:
            with Index.open(index.path) as own:
                for number in range(5, 13):
                    with own.writer() as writer:
                        writer.add([{"id": str(number), "text": "wing " * (number + 1)}])
                        writer.delete([str(number - 5)])
                    expected[own.generation] = tuple(hit.doc_id for hit in own.search("wing"))
        finally:
            done.set()

    def read(number: int) -> list[tuple[str, ...]]:
        if number == 0:
            write()
            return []
        seen = []
        while not done.is_set():
            if number == 1:
                index.refresh()
            seen.append(tuple(hit.doc_id for hit in index.search("wing")))
        return seen

    answers = in_threads(read)
    place = {answer: generation for generation, answer in expected.items()}
    assert len(place) == 9
    for seen in answers[1:]:
        assert seen
        generations = [place[answer] for answer in seen]
        assert generations == sorted(generations)
    index.refresh()
    assert tuple(hit.doc_id for hit in index.search("wing")) == expected[9]


# -- what is refused ------------------------------------------------------------------------------------------

VECTOR = [1.0] * DIMENSIONS

REFUSED: list[tuple[type[RetrieveError], str, dict[str, Any]]] = [
    (UsageError, "k is 0", {"query": "wing", "using": "bm25", "k": 0}),
    (UsageError, "k is -3", {"query": "wing", "using": "bm25", "k": -3}),
    (UsageError, "k is True", {"query": "wing", "using": "bm25", "k": True}),
    (UsageError, "k is 2.5", {"query": "wing", "using": "bm25", "k": 2.5}),
    (UsageError, "query text is ''", {"query": "", "using": "bm25"}),
    (UsageError, "query text", {"query": " \n", "using": "bm25"}),
    (UsageError, "query text", {"query": 7, "using": "bm25"}),
    (UsageError, "text, a vector, or both", {}),
    (UsageError, r"views \['bm25', 'dense'\]", {"query": "wing", "using": "splade"}),
    (UsageError, "using=", {"query": "wing", "using": []}),
    (UsageError, "using=", {"query": "wing", "using": ["bm25", "bm25"]}),
    (UsageError, "weights name", {"query": "wing", "weights": {"uhd": 1}}),
    (UsageError, "none below 0", {"query": "wing", "weights": {"bm25": -1}}),
    (UsageError, "none below 0", {"query": "wing", "weights": {"bm25": 0, "dense": 0}}),
    (UsageError, "none below 0", {"query": "wing", "weights": {"bm25": float("nan")}}),
    (UsageError, "fusion is 'sum'", {"query": "wing", "fusion": "sum"}),
    (UsageError, "aggregate is 'median'", {"query": "wing", "aggregate": "median"}),
    (UsageError, "unit is 'word'", {"query": "wing", "unit": "word"}),
    (UsageError, "unit='passage'", {"query": "wing", "aggregate": "sum", "unit": "passage"}),
    (UsageError, "depth is 0", {"query": "wing", "depth": 0}),
    (UsageError, "passages is -1", {"query": "wing", "passages": -1}),
    (UsageError, "k1 is -1", {"query": "wing", "k1": -1.0}),
    (UsageError, "b is 2", {"query": "wing", "b": 2.0}),
    (UsageError, "nprobe is 0", {"query": "wing", "nprobe": 0}),
    (UsageError, "unknown search option", {"query": "wing", "colour": "red"}),
    (UsageError, "where", {"query": "wing", "using": "bm25", "where": {"year": {"near": 3}}}),
    (UsageError, "not searched", {"query": "wing", "using": "bm25", "vector": VECTOR}),
    (UsageError, "add the text", {"vector": VECTOR, "using": "hybrid"}),
    (UsageError, "reads the query", {"vector": VECTOR, "reranker": "model"}),
    (RecipeError, "vectors of your own", {"query": "wing"}),
    (BadVectors, "NaN", {"vector": [float("nan"), *VECTOR[1:]]}),
    (BadVectors, "NaN or infinite", {"vector": [float("inf"), *VECTOR[1:]]}),
    (BadVectors, "zero", {"vector": [0.0] * DIMENSIONS}),
    (BadVectors, "no array of numbers", {"vector": ["wing"] * DIMENSIONS}),
    (DimensionMismatch, "shape", {"vector": VECTOR[1:]}),
    (DimensionMismatch, "one vector", {"vector": [VECTOR, VECTOR]}),
    (DimensionMismatch, "one vector", {"vector": [[VECTOR]]}),
]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Index:
    documents, vectors = corpus(10, seed=1)
    return make_index(tmp_path_factory.mktemp("shared") / "i", documents, vectors, toy_recipe())


@pytest.mark.parametrize(("error", "says", "call"), REFUSED, ids=lambda value: str(value)[:40])
def test_a_search_that_cannot_work_is_refused(
    shared: Index, error: type[RetrieveError], says: str, call: dict[str, Any]
) -> None:
    with pytest.raises(error, match=says):
        shared.search(**call)


@pytest.mark.parametrize("drop_self", [False, True])
def test_a_run_that_cannot_work_is_refused(shared: Index, drop_self: bool) -> None:
    queries = [Query("1", "wing")]
    for k in (0, -1):
        with pytest.raises(UsageError, match=f"k is {k}"):
            shared.run(queries, k=k, using="bm25", drop_self=drop_self)
    with pytest.raises(UsageError, match="query text"):
        shared.run([Query("1", "")], using="bm25", drop_self=drop_self)
    if drop_self:
        with pytest.raises(UsageError, match="leaves out a document"):
            shared.run(queries, using="bm25", unit="passage", drop_self=True)


def test_one_view_cannot_be_fused(tmp_path: Path) -> None:
    with Index.create(tmp_path / "i", LEXICAL) as index:
        with pytest.raises(UsageError, match="needs two views"):
            index.search("wing", using="hybrid")
        with pytest.raises(UsageError, match=r"\['bm25'\]"):
            index.search("wing", using="dense")
        with pytest.raises(UsageError, match=r"\['bm25'\]"):
            index.search(vector=VECTOR)


def test_ids_to_delete_are_a_list_not_one_string(toy: Index) -> None:
    with pytest.raises(UsageError, match=r"write \['12'\]"), toy.writer() as writer:
        writer.delete("12")
    assert len(toy) == 60


def test_one_document_is_not_a_list(toy: Index) -> None:
    record = {"id": "one", "text": "wing"}
    for document in (record, Document("one", "wing")):
        with pytest.raises(UsageError, match="add wants documents, got one"), toy.writer() as writer:
            writer.add(document)  # type: ignore[arg-type]
    for path in ("notes", Path("notes")):
        with pytest.raises(UsageError, match=r"what files hold is open_corpus\('notes'\)"):
            toy.add(path)  # type: ignore[arg-type]
    assert len(toy) == 60


def test_deleting_nothing_in_particular_is_refused(toy: Index) -> None:
    with pytest.raises(UsageError, match="nothing to delete"), toy.writer() as writer:
        writer.delete()
    for everything in ({}, "{}", {"and": []}):
        with pytest.raises(UsageError, match="selects everything"), toy.writer() as writer:
            writer.delete(where=everything)
    with toy.writer() as writer:
        assert writer.delete([]) == 0
    assert len(toy) == 60
    assert toy.search("wing", using="bm25", where={}) == toy.search("wing", using="bm25")


def test_a_closed_index_says_that_it_is_closed(tmp_path: Path) -> None:
    with Index.create(tmp_path / "i", LEXICAL) as index:
        pass
    index.close()
    uses: list[Callable[[], object]] = [
        lambda: index.search("wing"),
        lambda: index.get("a"),
        lambda: len(index),
        index.refresh,
        index.merge,
        lambda: index.writer().__enter__(),
    ]
    for use in uses:
        with pytest.raises(UsageError, match="this index is closed"):
            use()


def test_no_index_there(tmp_path: Path) -> None:
    with pytest.raises(IndexNotFound):
        Index.open(tmp_path / "nothing")


# -- what is not imported -------------------------------------------------------------------------------------


def test_a_bm25_search_loads_neither_torch_nor_faiss(tmp_path: Path) -> None:
    program = """
import json, sys
import retrieve
light = sorted(sys.modules)
with retrieve.Index.create(sys.argv[1], "bm25") as index:
    with index.writer() as writer:
        writer.add([{"id": "a", "text": "liability of carriers"}])
    assert index.search("carrier")[0].doc_id == "a"
with retrieve.Index.open(sys.argv[1]) as index:
    assert index.search_many(["liability"], where={"year": {"exists": False}})[0][0].passages
print(json.dumps([light, sorted(sys.modules)]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "i")], capture_output=True, text=True, check=True
    )
    light, after = json.loads(done.stdout)
    heavy = {"torch", "faiss", "transformers", "sentence_transformers", "tokenizers", "ir_measures", "numba"}
    assert not heavy & set(after)
    assert not {"pydantic", "numpy"} & set(light)


def test_a_vector_search_loads_no_torch(tmp_path: Path, toy: Index) -> None:
    program = """
import sys
import retrieve
index = retrieve.Index.open(sys.argv[1])
assert index.search(vector=[1.0] * 8)
assert "torch" not in sys.modules and "faiss" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program, str(toy.path)], check=True)


def test_vectors_given_as_lists_and_as_float64(toy: Index) -> None:
    vector = unit_vectors(1, seed=5)[0]
    assert toy.search(vector=vector.tolist()) == toy.search(vector=vector.astype(np.float64))
    assert toy.search(vector=vector[None]) == toy.search(vector=vector)


def test_an_index_made_anew_by_force_is_a_newer_one(tmp_path: Path) -> None:
    for text in ("old wing", "new flow"):
        made = Index.create(tmp_path / "i", "bm25", force=True)
        with made.writer() as writer:
            writer.add([{"id": text.split()[0], "text": text}])
        if text == "old wing":
            reader = Index.open(tmp_path / "i")
            assert list(reader.ids()) == ["old"]
    assert reader.refresh()
    assert list(reader.ids()) == ["new"]


def test_documents_are_taken_as_they_were_when_they_were_added(tmp_path: Path) -> None:
    def reused() -> Iterator[Document]:
        metadata: dict[str, int] = {}
        for number in range(3):
            metadata["n"] = number
            yield Document(str(number), "wing", metadata=metadata)

    with Index.create(tmp_path / "i", "bm25") as index:
        with index.writer() as writer:
            writer.add(reused())
        found = [index.get(str(number)) for number in range(3)]
    assert [document.metadata["n"] for document in found if document is not None] == [0, 1, 2]


def test_many_queries_are_a_list(tmp_path: Path) -> None:
    with Index.create(tmp_path / "i", "bm25") as index:
        with pytest.raises(UsageError, match="list of queries"):
            index.search_many("law")
        with pytest.raises(UsageError, match="unknown search options"):
            index.search("law", usnig="bm25")
        with pytest.raises(UsageError, match="wrong type"):
            index.search("law", k1="a")
