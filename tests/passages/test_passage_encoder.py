"""Documents to passages and vectors without an index: what it gives is what an index of the same recipe holds."""

from __future__ import annotations

import logging
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import WORDS, tiny_bare_folder, tiny_encoder_folder, tiny_sparse_folder

from retrieve import Index
from retrieve.encoders.load import load_encoder
from retrieve.encoders.sparse.encoder import load_sparse_encoder
from retrieve.errors import EncoderError, EncoderMismatch, RecipeError, UsageError
from retrieve.passages.encoder import PassageEncoder
from retrieve.types import Document

LONG = " ".join(WORDS[number % 80] for number in range(170))
DOCUMENTS = [
    Document("a", LONG, "court of law"),
    Document("b", "blood and protein"),
    Document("c", "", ""),
    Document("d", LONG[::-1], "title"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_encoder_folder(tmp_path_factory.mktemp("passages") / "model", limit=32)


@pytest.fixture
def recipe(folder: Path) -> dict[str, Any]:
    return {"name": "toy", "passages": {"overlap": 4}, "dense": {"model": str(folder)}}


def test_vectors_are_those_of_an_index(recipe: dict[str, Any], tmp_path: Path) -> None:
    found = PassageEncoder(recipe, cache=False).vectors(DOCUMENTS)
    index = Index.create(tmp_path / "x.index", recipe, cache=False)
    with index.writer() as writer:
        writer.add(DOCUMENTS)
    segment = index._snapshot.segments[0]
    assert np.diff(found.firsts).tolist() == np.diff(segment.first_passage).tolist()
    assert found.firsts[3] - found.firsts[2] == 0  # nothing to encode
    np.testing.assert_array_equal(found.spans, segment.passages[:, 1:])
    assert found.vectors.tobytes() == segment.vectors.take().astype(np.float16).tobytes()
    assert found.of(1).shape == (1, 32)
    assert not found.cut.any()


def test_a_second_time_all_vectors_come_from_the_cache(recipe: dict[str, Any], own_cache: Path) -> None:
    first = PassageEncoder(recipe).vectors(DOCUMENTS)
    assert (first.cached, first.encoded) == (0, len(first.vectors))
    again = PassageEncoder(recipe).vectors(DOCUMENTS)
    assert (again.cached, again.encoded) == (len(first.vectors), 0)
    assert again.vectors.tobytes() == first.vectors.tobytes()
    with Index.create(own_cache.parent / "x.index", recipe) as index:
        with index.writer() as writer:
            writer.add(DOCUMENTS)
        assert index.encodings == (0, len(first.vectors))


def test_passages_of_the_callers_own(recipe: dict[str, Any], folder: Path) -> None:
    encoder = PassageEncoder(recipe, cache=False)
    document = Document("a", "the law of the court. blood and protein", "wing")
    found = encoder.vectors([document, document, document], [[[0, 21], [22, 39]], [], [[[0, 7], [32, 39]]]])
    assert found.firsts.tolist() == [0, 2, 2, 3]
    assert found.spans.shape == (3, 2, 2)
    assert found.spans[0].tolist() == [[0, 21], [0, 0]]
    texts = ["wing the law of the court.", "wing blood and protein", "wing the law protein"]
    plain = load_encoder(str(folder)).encode_documents(texts).vectors
    np.testing.assert_allclose(found.vectors.astype(np.float32), plain.astype(np.float32), atol=2e-3)


@pytest.mark.parametrize(
    ("spans", "words"),
    [
        ([[[0, 4]]], "there are 2"),
        ([[[0, 4]], [[0, 400]]], "'b'"),
        ([[[4, 0]], []], "'a'"),
        ([[[-1, 3]], []], "'a'"),
        ([[[0.5, 3]], []], "float64"),
        ([[0, 3], []], r"\(2,\)"),
        ([[[0, 3], [1]], []], "'a' are no array"),
        ([[[[0, 3], [4, 5]], [[0, 3]]], []], "as many parts"),
        ({"a": [[0, 3]], "b": []}, "type dict"),
        (3, "type int"),
    ],
)
def test_spans_that_cannot_be(recipe: dict[str, Any], spans: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        PassageEncoder(recipe, cache=False).vectors(
            [Document("a", "some text"), Document("b", "text")], spans
        )


@pytest.mark.parametrize(
    ("documents", "words"),
    [
        (Document("a", "law"), "one Document"),
        ("law", "one str"),
        ({"_id": "a", "text": "law"}, "one dict"),
        (3, "one int"),
        (["law"], "document 0 is of type str"),
        ([Document("a", None)], "the text of document 'a' is of type NoneType"),  # type: ignore[arg-type]
        ([Document("a", "law", 5)], "the title of document 'a' is of type int"),  # type: ignore[arg-type]
        ([Document("a", "law"), {"_id": "a", "text": "law"}], "document 1 is of type dict"),
    ],
)
def test_what_is_no_list_of_documents(
    recipe: dict[str, Any], own_cache: Path, documents: Any, words: str
) -> None:
    encoder = PassageEncoder(recipe)
    for call in (
        lambda: encoder.vectors(documents),
        lambda: list(encoder.token_states(documents)),
        lambda: encoder.keep_token_states(documents, most_bytes=1 << 30),
    ):
        with pytest.raises(UsageError, match=words):
            call()


def test_documents_and_spans_that_come_one_after_the_other(recipe: dict[str, Any], own_cache: Path) -> None:
    encoder = PassageEncoder(recipe)
    spans = [cut.spans for cut in encoder.split(DOCUMENTS)]
    wanted = encoder.vectors(DOCUMENTS, spans).vectors.tobytes()
    assert encoder.vectors(iter(DOCUMENTS)).vectors.tobytes() == wanted
    assert encoder.vectors(iter(DOCUMENTS), iter(spans)).vectors.tobytes() == wanted
    kept = [
        encoder.keep_token_states(documents, own, most_bytes=1 << 30)
        for documents, own in ((DOCUMENTS, spans), (iter(DOCUMENTS), iter(spans)))
    ]
    assert kept[0].folder == kept[1].folder


def test_what_a_limit_cuts_off_own_passages_is_said(
    recipe: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "retrieve"):
        found = PassageEncoder(recipe, cache=False).vectors([Document("a", LONG)], [[[0, len(LONG)], [0, 3]]])
    assert found.cut[0] > 100
    assert found.cut[1] == 0
    assert f"cut off {found.cut[0]} tokens of 1 passages" in caplog.text


def test_fewer_dimensions_are_kept(recipe: dict[str, Any]) -> None:
    recipe["dense"]["dimensions"] = 8
    found = PassageEncoder(recipe, cache=False).vectors(DOCUMENTS).vectors
    assert found.shape[1] == 8
    np.testing.assert_allclose(np.linalg.norm(found.astype(np.float32), axis=1), 1, atol=2e-3)


def test_late_chunking(recipe: dict[str, Any]) -> None:
    recipe["passages"]["size"] = 10
    recipe["dense"]["late_chunking"] = True
    encoder = PassageEncoder(recipe, cache=False)
    spans = [cut.spans for cut in encoder.split(DOCUMENTS)]
    assert encoder.vectors(DOCUMENTS).vectors.tobytes() == encoder.vectors(DOCUMENTS, spans).vectors.tobytes()
    own = np.array([[40, 60], [0, 70], [10, 20], [0, 9]])  # one inside of another, none in order
    found, turned = (encoder.vectors(DOCUMENTS[:1], [cut]).vectors for cut in (own, own[::-1]))
    assert found.tobytes() == turned[::-1].tobytes()
    with pytest.raises(RecipeError, match="late_chunking"):
        next(encoder.token_states(DOCUMENTS))
    with pytest.raises(RecipeError, match="parts"):
        encoder.vectors(DOCUMENTS[1:2], [[[[0, 3], [4, 6]]]])


def test_a_recipe_without_vectors_cuts_and_does_not_encode() -> None:
    encoder = PassageEncoder("bm25")
    assert [len(cut.spans) for cut in encoder.split(DOCUMENTS)] == [1, 1, 0, 1]
    with pytest.raises(RecipeError, match="no view of vectors"):
        encoder.vectors(DOCUMENTS)


def test_it_pickles_as_its_settings(recipe: dict[str, Any], folder: Path) -> None:
    for encoder in (
        PassageEncoder(recipe, cache=False),
        PassageEncoder("hybrid", ["passages.overlap=4"], encoder=load_encoder(str(folder)), cache=False),
    ):
        found = encoder.vectors(DOCUMENTS).vectors
        data = pickle.dumps(encoder)
        assert len(data) < 10_000
        again = pickle.loads(data)
        assert again.recipe == encoder.recipe
        assert again.vectors(DOCUMENTS).vectors.tobytes() == found.tobytes()


# -- an encoder that is handed in -----------------------------------------------------------------------------


def test_an_encoder_object_stands_for_what_the_recipe_names(folder: Path, tmp_path: Path) -> None:
    encoder = load_encoder(str(folder), query_prompt="query: ", document_prompt="law: ", limit=24)
    with Index.create(
        tmp_path / "x.index", "hybrid", ["passages.overlap=4"], encoder=encoder, cache=False
    ) as index:
        with index.writer() as writer:
            writer.add(DOCUMENTS)
        hits = index.search("court", using="dense")
        section = index.recipe.dense
        assert section is not None
        said = section.model, section.query_prompt, section.document_prompt, section.limit
        assert said == (str(folder), "query: ", "law: ", 24)
        assert index.encodings[0] > 0
        assert encoder.encodings == (0, 0)  # an index counts for itself
    with Index.open(tmp_path / "x.index") as again:  # by the folder, as the manifest says
        assert again.search("court", using="dense") == hits
    with Index.open(tmp_path / "x.index", encoder=encoder) as handed:
        assert handed.search("court", using="dense") == hits
    for asked in ({"backend": "openvino"}, {"precision": "bf16"}, {"backend": "torch", "precision": "bf16"}):
        with pytest.raises(UsageError, match="runs on torch in fp32, asked was"):
            Index.open(tmp_path / "x.index", encoder=encoder, **asked)  # type: ignore[arg-type]
    with Index.open(tmp_path / "x.index", encoder=encoder, backend="torch", precision="auto") as handed:
        assert handed.search("court", using="dense") == hits
    with pytest.raises(EncoderMismatch, match="prompts"):
        Index.open(tmp_path / "x.index", encoder=load_encoder(str(folder), limit=24))


def test_another_encoder_than_the_index_was_built_with_is_refused(folder: Path, tmp_path: Path) -> None:
    recipe = {"name": "toy", "dense": {"model": str(folder)}}
    Index.create(tmp_path / "x.index", recipe).close()
    other = load_encoder(str(tiny_encoder_folder(tmp_path / "other", seed=1, limit=32)))
    with pytest.raises(EncoderMismatch, match="is another"):
        Index.open(tmp_path / "x.index", encoder=other)
    with pytest.raises(EncoderMismatch, match="prompts"):
        Index.open(tmp_path / "x.index", encoder=load_encoder(str(folder), query_prompt="query: "))


def test_an_encoder_of_another_kind_is_refused(folder: Path, tmp_path: Path) -> None:
    sparse = load_sparse_encoder(str(tiny_sparse_folder(tmp_path / "splade")))
    with pytest.raises(RecipeError, match="dense vectors"):
        PassageEncoder("hybrid", encoder=sparse)
    with pytest.raises(RecipeError, match="sparse weights"):
        PassageEncoder("splade", ["splade.model=x"], encoder=load_encoder(str(folder)))
    with pytest.raises(RecipeError, match="no view with an encoder"):
        PassageEncoder("bm25", encoder=sparse)


@pytest.mark.parametrize("wrong", ["some/model", 5, object()])
def test_what_is_no_encoder_is_refused(recipe: dict[str, Any], tmp_path: Path, wrong: Any) -> None:
    Index.create(tmp_path / "x.index", recipe).close()
    for call in (
        lambda: PassageEncoder(recipe, encoder=wrong),
        lambda: Index.create(tmp_path / "y.index", recipe, encoder=wrong),
        lambda: Index.open(tmp_path / "x.index", encoder=wrong),
    ):
        with pytest.raises(UsageError, match=f"given as {type(wrong).__name__}"):
            call()
    assert not (tmp_path / "y.index").exists()


def test_a_sparse_encoder_object(tmp_path: Path) -> None:
    sparse = load_sparse_encoder(str(tiny_sparse_folder(tmp_path / "splade")))
    found = []
    for number, options in enumerate(({"encoder": sparse}, {})):
        recipe = {"name": "s", "splade": {"model": sparse.name}}
        with Index.create(tmp_path / f"{number}.index", recipe, **options) as index:  # type: ignore[arg-type]
            with index.writer() as writer:
                writer.add(DOCUMENTS)
            found.append([(hit.doc_id, hit.score) for hit in index.search("court of law")])
    assert found[0] == found[1]
    assert found[0]


def test_a_device_of_torch(folder: Path, tmp_path: Path) -> None:
    recipe = {"name": "toy", "dense": {"model": str(folder), "backend": "openvino"}}
    with pytest.raises(RecipeError, match="device is 'cuda:1'"):
        PassageEncoder(recipe, device="cuda:1")
    encoder = PassageEncoder({"name": "toy", "dense": {"model": str(folder)}}, device="cpu")
    assert encoder.models.documents.runtime == ("torch", "fp32")
    assert encoder.models.documents.device == "cpu"
    for wrong in (0, "", torch.device("cpu")):
        with pytest.raises(UsageError, match="a name of torch's"):
            load_encoder(str(folder), device=wrong)  # type: ignore[arg-type]
    for name in ("abacus", "cuda:7"):
        with pytest.raises(EncoderError, match=f"device '{name}'"):
            load_encoder(str(folder), device=name).encode_queries(["court"])


def test_a_bare_transformer_needs_a_pooling(tmp_path: Path) -> None:
    bare = tiny_bare_folder(tmp_path / "bare")
    encoder = PassageEncoder({"name": "t", "dense": {"model": str(bare), "pooling": "cls"}}, cache=False)
    assert encoder.vectors(DOCUMENTS[:1]).vectors.shape[1] == 32
