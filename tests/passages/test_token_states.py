"""Token states against transformers itself, each passage alone; kept ones against those that are made."""

from __future__ import annotations

import errno
import logging
import os
import pickle
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
from retrieve.passages.given_spans import checked_spans, in_document, joined_spans, span_text
from retrieve.passages.ragged import DocumentStates
from retrieve.types import Document
from retrieve.vector_cache.states import remove_left_states, states_folders
from retrieve.vector_cache.upkeep import prune_cache, states_info, verify_cache

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
    assert set(states_folders(own_cache)) == {kept.folder, fewer.folder}


def test_too_large_states_are_not_begun(folder: Path, own_cache: Path) -> None:
    encoder = PassageEncoder(recipe_of(folder))
    with pytest.raises(UsageError, match="GB, wanted at most"):
        encoder.keep_token_states(DOCUMENTS, most_bytes=1000)
    assert not states_folders(own_cache)
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
    (held,) = states_folders(own_cache)
    path = held / "states.npy"
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    again = encoder.keep_token_states(DOCUMENTS, most_bytes=1 << 30)
    assert "damaged" in caplog.text
    assert all(same(*pair) for pair in zip(wanted, again, strict=True))


def test_kept_states_are_listed_checked_and_pruned_like_vectors(folder: Path, own_cache: Path) -> None:
    encoder = PassageEncoder(recipe_of(folder))
    encoder.vectors(DOCUMENTS)
    kept = [
        encoder.keep_token_states(documents, most_bytes=1 << 30) for documents in (DOCUMENTS, DOCUMENTS[:1])
    ]
    fingerprint = encoder.models.documents.fingerprint
    assert [one["fingerprint"] for one in states_info(own_cache)] == [fingerprint] * 2
    assert not verify_cache(own_cache)
    path = kept[0].folder / "offsets.npy"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert ["checksum" in problem for problem in verify_cache(own_cache)] == [True]
    pruned = prune_cache(own_cache, damaged=True)
    assert (pruned["shards"], pruned["shards_left"]) == (1, 2)
    assert states_folders(own_cache) == [kept[1].folder]
    assert prune_cache(own_cache, fingerprint="0" * 64)["shards"] == 0
    assert prune_cache(own_cache, max_bytes=0)["shards_left"] == 0
    assert not states_folders(own_cache)
    encoder.keep_token_states(DOCUMENTS, most_bytes=1 << 30)
    assert prune_cache(own_cache, fingerprint=fingerprint[:8])["shards"] == 1


def test_a_builder_that_fails_leaves_nothing(folder: Path, own_cache: Path) -> None:
    encoder = PassageEncoder(recipe_of(folder))

    def stop(done: int, total: int) -> None:
        assert not remove_left_states(own_cache)  # it is at work
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encoder.keep_token_states(DOCUMENTS, most_bytes=1 << 30, progress=stop)
    assert not list((own_cache / "states").iterdir())


def test_a_disk_without_room_is_an_error_before_anything_is_made(
    folder: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = PassageEncoder(recipe_of(folder))
    room: list[bool] = []

    def look(done: int, total: int) -> None:
        (path,) = (own_cache / "states").glob(".*/states.npy")
        room.append(
            path.stat().st_blocks * 512 >= path.stat().st_size
        )  # no holes that a full disk cannot fill

    many = [Document(str(number), DOCUMENTS[0].text) for number in range(20)]
    encoder.keep_token_states(many, most_bytes=1 << 30, progress=look)
    assert room == [True] * 20

    def full(descriptor: int, start: int, length: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(UsageError, match=r"No space left on device, wanted \d+ bytes.*; set .RETRIEVE_CACHE"):
        encoder.keep_token_states(DOCUMENTS, most_bytes=1 << 30, progress=look)
    assert len(room) == 20
    assert len(list((own_cache / "states").iterdir())) == 1


@pytest.mark.parametrize("damaged", [False, True])
def test_a_cache_that_cannot_be_written(
    folder: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch, damaged: bool
) -> None:
    encoder = PassageEncoder(recipe_of(folder))
    if damaged:
        held = encoder.keep_token_states(DOCUMENTS, most_bytes=1 << 30).folder / "cut.npy"
        held.write_bytes(held.read_bytes()[:-1])

    def refused(*_: Any, **__: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "rename", refused)
    if not damaged:
        monkeypatch.setattr(Path, "mkdir", refused)
    with pytest.raises(UsageError, match=r"Read-only file system; set .RETRIEVE_CACHE"):
        encoder.keep_token_states(DOCUMENTS, most_bytes=1 << 30)


def test_kept_states_pickle_as_their_folder(folder: Path, own_cache: Path) -> None:
    many = [Document(str(number), DOCUMENTS[0].text) for number in range(50)]
    kept = PassageEncoder(recipe_of(folder)).keep_token_states(many, most_bytes=1 << 30)
    data = pickle.dumps(kept)
    assert len(data) < 1000
    again = pickle.loads(data)
    assert all(same(*pair) for pair in zip(kept, again, strict=True))
    prune_cache(own_cache, max_bytes=0)
    assert same(kept[3], again[3])  # as long as they are held
    with pytest.raises(UsageError, match="keep them again"):
        pickle.loads(data)


@pytest.mark.parametrize("dtype", [np.int8, np.float64, "bfloat16", None, bool])
def test_states_of_other_types_are_refused(folder: Path, dtype: Any) -> None:
    encoder = PassageEncoder(recipe_of(folder), cache=False)
    with pytest.raises(UsageError, match="float16 or float32"):
        list(encoder.token_states(DOCUMENTS, dtype=dtype))


def test_states_of_types_by_name(folder: Path) -> None:
    encoder = PassageEncoder(recipe_of(folder), cache=False)
    for dtype in ("float32", np.dtype(np.float32)):
        assert next(encoder.token_states(DOCUMENTS, dtype=dtype)).states.dtype == np.float32


def test_what_a_killed_builder_left_makes_room_for_the_next(folder: Path, own_cache: Path) -> None:
    left, young = (own_cache / "states" / name for name in (".left", ".young"))
    for path in (left, young):
        path.mkdir(parents=True)
        (path / "states.npy").write_bytes(bytes(100))
    os.utime(left, (1, 1))
    kept = PassageEncoder(recipe_of(folder)).keep_token_states(DOCUMENTS, most_bytes=1 << 30)
    assert set((own_cache / "states").iterdir()) == {kept.folder, young}


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
