"""Token states against transformers itself, each passage alone; kept ones against those that are made."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import WORDS, tiny_encoder_folder
from transformers import AutoModel, AutoTokenizer

from retrieve.errors import BadVectors, UsageError
from retrieve.passages.encoder import PassageEncoder
from retrieve.passages.ragged import DocumentStates
from retrieve.passages.spans import checked_spans, in_document, joined_spans, span_text
from retrieve.types import Document
from retrieve.vector_cache.states import held_states, remove_left_states

DOCUMENTS = [
    Document("a", " ".join(WORDS[number % 80] for number in range(75)), "court of law"),
    Document("b", "blood and protein"),
    Document("c", "", ""),
    Document("d", "Ünïcode wörds and the law", "title"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_encoder_folder(tmp_path_factory.mktemp("states") / "model", limit=32)


def recipe_of(folder: Path, **dense: Any) -> dict[str, Any]:
    return {"name": "toy", "dense": {"model": str(folder), "document_prompt": "law: ", **dense}}


def by_transformers(folder: Path, texts: list[str]) -> list[np.ndarray[Any, Any]]:
    tokenizer, model = (
        AutoTokenizer.from_pretrained(str(folder)),
        AutoModel.from_pretrained(str(folder)).eval(),
    )
    found = []
    for text in texts:
        inputs = tokenizer(text, return_tensors="pt", truncation=True, max_length=32, padding=False)
        with torch.inference_mode():
            found.append(model(**inputs).last_hidden_state[0].numpy())
    return found


def same(one: DocumentStates, other: DocumentStates) -> bool:
    return all(np.array_equal(mine, theirs) for mine, theirs in zip(one, other, strict=True))


@pytest.mark.usefixtures("real_machine")
@pytest.mark.parametrize("backend", ["torch", "openvino"])
def test_states_are_those_of_each_passage_alone(folder: Path, backend: str) -> None:
    encoder = PassageEncoder(recipe_of(folder, backend=backend, precision="fp32"), cache=False)
    found = list(encoder.token_states(DOCUMENTS, dtype=np.float32))
    assert len(found) == len(DOCUMENTS)
    for document, states in zip(DOCUMENTS, found, strict=True):
        fed = ["law: " + text for text in encoder.fed(document, states.spans)]
        wanted = by_transformers(folder, fed)
        assert np.diff(states.firsts).tolist() == [len(one) for one in wanted]
        assert states.states.dtype == np.float32
        if wanted:
            np.testing.assert_allclose(states.states, np.concatenate(wanted), atol=1e-4)
        spans = np.repeat(states.spans, np.diff(states.firsts), axis=0)
        for (start, end), (first, last) in zip(states.offsets, spans, strict=True):
            assert (start, end) == (-1, -1) or first <= start < end <= last
        if document.text:  # all words are there: each character but spaces stands in some token
            covered = set().union(*(range(start, end) for start, end in states.offsets))
            assert covered >= {at for at, letter in enumerate(document.text) if not letter.isspace()}


def test_states_do_not_depend_on_the_company(folder: Path) -> None:
    encoder = PassageEncoder(recipe_of(folder), cache=False)
    together = list(encoder.token_states(DOCUMENTS * 3, dtype=np.float32))
    for number, document in enumerate(DOCUMENTS):
        alone = next(encoder.token_states([document], dtype=np.float32))
        np.testing.assert_allclose(together[number].states, alone.states, atol=1e-5)


def test_a_mean_of_states_is_the_vector(folder: Path) -> None:
    encoder = PassageEncoder(recipe_of(folder), cache=False)
    vectors = encoder.vectors(DOCUMENTS)
    for number, states in enumerate(encoder.token_states(DOCUMENTS, dtype=np.float32)):
        for at, vector in enumerate(vectors.of(number)):
            mean = states.states[states.firsts[at] : states.firsts[at + 1]].mean(axis=0)
            np.testing.assert_allclose(mean / np.linalg.norm(mean), vector, atol=1e-3)


def test_own_spans_of_several_parts(folder: Path) -> None:
    encoder = PassageEncoder(recipe_of(folder), cache=False)
    text = DOCUMENTS[0].text
    (found,) = encoder.token_states(
        [DOCUMENTS[0]], [[[[0, 6], [len(text) - 9, len(text)]]]], dtype=np.float32
    )
    read = [text[start:end] for start, end in found.offsets if start >= 0]
    assert "".join(read) == (text[:6] + text[-9:]).replace(" ", "")
    wanted = by_transformers(folder, [f"law: court of law {text[:6]} {text[-9:]}"])[0]
    np.testing.assert_allclose(found.states, wanted, atol=1e-4)


def test_spans_for_another_number_of_documents(folder: Path) -> None:
    encoder = PassageEncoder(recipe_of(folder), cache=False)
    for spans in ([[[0, 3]]], [[[0, 3]]] * 5):
        with pytest.raises(UsageError, match="spans"):
            list(encoder.token_states(iter(DOCUMENTS), iter(spans)))


def test_kept_states_are_those_made_and_are_made_once(
    folder: Path, own_cache: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = list(PassageEncoder(recipe_of(folder)).token_states(DOCUMENTS))
    tokens = sum(len(states.states) for states in made)
    size = 2 * 32 * tokens
    with caplog.at_level(logging.INFO, "retrieve"):
        kept = PassageEncoder(recipe_of(folder)).keep_token_states(DOCUMENTS, most_bytes=size)
    assert f"{tokens} tokens" in caplog.text
    assert kept.tokens == tokens
    assert not kept[0].states.flags.owndata  # mapped
    assert all(same(one, other) for one, other in zip(made, kept, strict=True))
    assert same(kept[-1], made[-1])
    assert [same(*pair) for pair in zip(kept[1:3], made[1:3], strict=True)] == [True, True]

    again = PassageEncoder(recipe_of(folder))
    monkeypatch.setattr(type(again.models.documents), "token_states", None)  # not to be called
    assert all(
        same(*pair) for pair in zip(made, again.keep_token_states(DOCUMENTS, most_bytes=size), strict=True)
    )
    monkeypatch.undo()
    monkeypatch.setenv("RETRIEVE_CACHE", str(own_cache))
    fewer = PassageEncoder(recipe_of(folder)).keep_token_states(DOCUMENTS[1:], most_bytes=size)
    assert fewer.folder != kept.folder
    assert {held.path for held in held_states(own_cache)} == {kept.folder, fewer.folder}


def test_too_large_states_are_not_begun(folder: Path, own_cache: Path) -> None:
    encoder = PassageEncoder(recipe_of(folder))
    with pytest.raises(UsageError, match="GB, wanted at most"):
        encoder.keep_token_states(DOCUMENTS, most_bytes=1000)
    assert not held_states(own_cache)
    with pytest.raises(UsageError, match="cache=False"):
        PassageEncoder(recipe_of(folder), cache=False).keep_token_states(DOCUMENTS, most_bytes=1 << 30)


def test_nothing_and_documents_without_text(folder: Path, own_cache: Path) -> None:
    encoder = PassageEncoder(recipe_of(folder))
    assert len(encoder.keep_token_states([], most_bytes=0)) == 0
    (empty,) = encoder.keep_token_states([Document("c", "")], most_bytes=0)
    assert empty.states.shape == (0, 32)
    assert encoder.vectors([]).vectors.shape == (0, 32)


def test_damaged_states_are_made_anew(
    folder: Path, own_cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    encoder = PassageEncoder(recipe_of(folder))
    encoder.keep_token_states(DOCUMENTS, most_bytes=1 << 30)
    wanted = list(encoder.token_states(DOCUMENTS))
    (held,) = held_states(own_cache)
    path = held.path / "states.npy"
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    again = encoder.keep_token_states(DOCUMENTS, most_bytes=1 << 30)
    assert "damaged" in caplog.text
    assert all(same(*pair) for pair in zip(wanted, again, strict=True))


def test_a_builder_that_fails_leaves_nothing(folder: Path, own_cache: Path) -> None:
    encoder = PassageEncoder(recipe_of(folder))

    def stop(done: int, total: int) -> None:
        assert not remove_left_states(own_cache)  # it is at work
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encoder.keep_token_states(DOCUMENTS, most_bytes=1 << 30, progress=stop)
    assert not list((own_cache / "states").iterdir())


def test_states_that_are_no_numbers(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = PassageEncoder(recipe_of(folder), cache=False)
    backend = encoder.models.documents._ready()
    states = type(backend).states
    for value, dtype in ((np.nan, np.float32), (1e6, np.float16)):

        def spoiled(self: Any, batches: Any, value: float = value) -> Any:
            for batch in states(self, batches):
                copied = batch.copy()
                copied[0, 1] = value
                yield copied

        monkeypatch.setattr(type(backend), "states", spoiled)
        with pytest.raises(BadVectors, match="too large"):
            list(encoder.token_states(DOCUMENTS, dtype=dtype))


@given(
    st.text("ab ", max_size=30),
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=4),
    st.data(),
)
def test_places_of_characters_in_passages_of_parts(
    text: str, parts: list[tuple[int, int]], data: st.DataObject
) -> None:
    """Every single character of the joined string, as a token of its own, is found where it came from."""
    cut = [sorted((min(one, len(text)), min(other, len(text)))) for one, other in parts] or [[0, 0]]
    (spans,) = checked_spans([Document("x", text)], [[cut]])
    joined = span_text(text, spans[0])
    prefix = data.draw(st.text("xy", max_size=3))
    offsets = np.array([[at, at + 1] for at in range(len(prefix + joined))], dtype=np.int64).reshape(-1, 2)
    found = in_document(offsets, spans[0], len(prefix))
    wanted = [place for start, end in cut if start < end for place in (*range(start, end), -1)][:-1]
    assert found[:, 0].tolist() == [-1] * len(prefix) + wanted
    assert joined_spans([spans]).shape == (1, len(cut), 2)
