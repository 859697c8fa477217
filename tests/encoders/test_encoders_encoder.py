"""Vectors are those of sentence-transformers, whatever the batch, the thread or the order; nothing odd gets through."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tiny_models import WORDS, tiny_bare_folder, tiny_encoder_folder, write_json

from retrieve.encoders.batches import Padded
from retrieve.encoders.dense import encoder_inputs as feed
from retrieve.encoders.dense.encoder import Encoder
from retrieve.encoders.folder import ModelFolder
from retrieve.encoders.load import load_encoder
from retrieve.encoders.machine import Runtime
from retrieve.encoders.tokens import Tokens, load_tokenizer
from retrieve.errors import BadVectors


def sentences(count: int, longest: int = 40) -> list[str]:
    random = np.random.default_rng(3)
    return [" ".join(random.choice(WORDS, random.integers(1, longest))) for _ in range(count)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_encoder_folder(tmp_path_factory.mktemp("encoder") / "model")


@pytest.fixture(scope="module")
def encoder(folder: Path) -> Encoder:
    return load_encoder(str(folder))


def peer(folder: Path) -> Any:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu", local_files_only=True)


def test_vectors_are_those_of_sentence_transformers(folder: Path, encoder: Encoder) -> None:
    texts = [*sentences(60), "", "law " * 500]
    expected = peer(folder).encode(texts, batch_size=7)
    encoded = encoder.encode_queries(texts)
    assert encoded.vectors.dtype == np.float32
    np.testing.assert_allclose(encoded.vectors, expected, atol=2e-6)
    documents = encoder.encode_documents(texts).vectors
    assert (documents == encoded.vectors.astype(np.float16)).all()
    assert encoder.dimensions == 32


def test_dense_and_other_modules_after_the_pooling_are_applied(tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer import modules
    from torch import nn

    pooling = modules.Pooling(32, ("cls", "max"))
    dense = modules.Dense(64, 24, activation_function=nn.GELU())
    bert = modules.Transformer(str(tiny_bare_folder(tmp_path / "bare")))
    parts = [bert, pooling, modules.Dropout(0.5), dense, modules.LayerNorm(24)]
    model = SentenceTransformer(modules=parts, device="cpu").eval()
    model.save_pretrained(str(tmp_path / "model"))
    ours = load_encoder(str(tmp_path / "model"), normalize=False, limit=128)
    texts = sentences(9)
    np.testing.assert_allclose(ours.encode_queries(texts).vectors, model.encode(texts), atol=2e-6)
    assert ours.dimensions == 24


@pytest.mark.parametrize("pooling", ["cls", "mean", "max", "last"])
def test_a_bare_folder_is_pooled_as_asked(tmp_path: Path, pooling: Any) -> None:
    """The oracle runs each text alone, so that padding cannot matter, and pools in numpy."""
    import torch
    from transformers import BertModel

    model = BertModel.from_pretrained(tiny_bare_folder(tmp_path / "bare")).eval()
    encoder = load_encoder(str(tmp_path / "bare"), pooling=pooling, normalize=False)
    pool = {
        "cls": lambda h: h[0],
        "last": lambda h: h[-1],
        "mean": lambda h: h.mean(0),
        "max": lambda h: h.max(0),
    }
    texts = sentences(6)
    tokens = Tokens(load_tokenizer(tmp_path / "bare", lower_case=False), pad=0)
    for row, vector in zip(tokens.rows(texts, 128), encoder.encode_queries(texts).vectors, strict=True):
        with torch.inference_mode():
            states = model(torch.from_numpy(row.ids.astype(np.int64))[None]).last_hidden_state[0].numpy()
        np.testing.assert_allclose(vector, pool[pooling](states), atol=2e-5)


def test_prompts_stand_in_front_and_count_against_the_limit(folder: Path, encoder: Encoder) -> None:
    prompted = load_encoder(str(folder), query_prompt="search query: ", document_prompt="passage: ")
    assert prompted.prompt_tokens() == 2
    assert encoder.prompt_tokens() == 0
    pairs = [(prompted.encode_queries, "search query: "), (prompted.encode_documents, "passage: ")]
    for encode, prompt in pairs:
        expected = encoder.encode_queries([prompt + "the law"]).vectors
        np.testing.assert_allclose(encode(["the law"]).vectors, expected, atol=1e-3)
    assert prompted.encode_documents(["law " * 60]).cut.tolist() == [0]
    assert prompted.encode_documents(["law " * 61]).cut.tolist() == [1]


def test_what_the_limit_cuts_is_counted(encoder: Encoder) -> None:
    encoded = encoder.encode_documents(["law " * 10, "law " * 62, "law " * 63, "law " * 100])
    assert encoded.tokens == 12 + 3 * 64
    assert encoded.cut.tolist() == [0, 0, 1, 38]


def test_nothing_gives_nothing(encoder: Encoder) -> None:
    encoded = encoder.encode_documents([])
    assert encoded.vectors.shape == (0, 32)
    assert (encoded.tokens, encoded.cut.shape) == (0, (0,))
    assert encoder.token_offsets([]) == []


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), chunk=st.integers(1, 50))
def test_each_text_gets_its_own_vector_in_any_order_and_chunk(
    encoder: Encoder, seed: int, chunk: int
) -> None:
    texts = sentences(40)
    order = np.random.default_rng(seed).permutation(len(texts))
    expected = encoder.encode_queries(texts).vectors
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(feed, "CHUNK", chunk)
        shuffled = encoder.encode_queries([texts[number] for number in order])
    np.testing.assert_allclose(shuffled.vectors, expected[order], atol=2e-6)


def test_the_same_texts_give_the_same_bytes(folder: Path, encoder: Encoder) -> None:
    texts = sentences(50)
    again = load_encoder(str(folder)).encode_documents(texts)
    assert again.vectors.tobytes() == encoder.encode_documents(texts).vectors.tobytes()


def test_eight_threads_agree_with_one(folder: Path) -> None:
    texts = sentences(64)
    expected = [load_encoder(str(folder)).encode_queries([text]).vectors.tobytes() for text in texts[:1]]
    shared = load_encoder(str(folder))  # the first calls race to load the model
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda text: shared.encode_queries([text]).vectors.tobytes(), texts * 4))
        spans = list(pool.map(lambda text: len(shared.token_offsets([text])[0]), texts * 4))
    expected += [shared.encode_queries([text]).vectors.tobytes() for text in texts[1:]]
    assert found == expected * 4
    assert spans == [len(text.split()) for text in texts] * 4


def test_progress_counts_texts_to_the_end(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "CHUNK", 10)
    seen: list[int] = []
    encoder.encode_documents(sentences(35), progress=lambda texts, tokens: seen.append(texts))
    assert seen == sorted(set(seen))
    assert len(seen) >= 4
    assert seen[-1] == 35


class Fake:
    """A back end that gives each text, known by its first token, the vector set for it."""

    dimensions = 2
    batch_tokens = 4096
    fills = False
    environment: Mapping[str, str] = {}

    def __init__(self, vectors: dict[int, Sequence[float]]) -> None:
        self.vectors = vectors

    def run(self, batches: Iterable[Padded]) -> Iterator[NDArray[np.float32]]:
        for batch in batches:
            yield np.array([self.vectors[int(row[1])] for row in batch.ids], dtype=np.float32)


def fake(folder: Path, second: Sequence[float], *, normalize: bool) -> Encoder:
    tokens = Tokens(load_tokenizer(folder, lower_case=False), pad=0)
    law, court = (int(row.ids[1]) for row in tokens.rows(["law", "court"], 8))
    backend = Fake({law: [3.0, 4.0], court: second})
    model = ModelFolder(folder, folder, {})
    return Encoder(
        "fake",
        model,
        tokens,
        lambda encoder: backend,
        query_prompt="",
        document_prompt="",
        limit=8,
        normalize=normalize,
        runtime=Runtime("torch", "fp32"),
        cache=None,
    )


def test_vectors_are_normalised_when_asked(folder: Path) -> None:
    kept = fake(folder, [0, 1], normalize=False).encode_queries(["law", "court"]).vectors
    assert kept.tolist() == [[3, 4], [0, 1]]
    unit = fake(folder, [0, 1], normalize=True).encode_queries(["law", "court"]).vectors
    np.testing.assert_allclose(unit, [[0.6, 0.8], [0, 1]], rtol=1e-6)


@pytest.mark.parametrize(
    ("vector", "normalize", "words"),
    [
        ([0.0, 0.0], True, "zero"),
        ([float("nan"), 1.0], True, "NaN"),
        ([float("inf"), 1.0], False, "NaN or infinite"),
        ([70000.0, 1.0], False, "too large for float16"),
    ],
)
def test_a_bad_vector_is_an_error_that_names_the_text(
    folder: Path, vector: Sequence[float], normalize: bool, words: str
) -> None:
    encoder = fake(folder, vector, normalize=normalize)
    with pytest.raises(BadVectors, match=f"text 2 .of 1 in its batch. is {words}"):
        encoder.encode_documents(["law", "law", "court", "law"])


def test_a_text_without_any_token_is_an_error(tmp_path: Path) -> None:
    """A tokenizer that adds no special tokens makes nothing of an empty text."""
    import json

    folder = tiny_encoder_folder(tmp_path / "plain")
    settings = json.loads((folder / "tokenizer.json").read_text())
    write_json(folder / "tokenizer.json", {**settings, "post_processor": None})
    encoder = load_encoder(str(folder))
    assert encoder.special_tokens == 0
    with pytest.raises(BadVectors, match=r"text 1 .*makes nothing of it"):
        encoder.encode_queries(["law", ""])


def test_cutting_and_the_fingerprint_load_neither_torch_nor_transformers(folder: Path) -> None:
    program = (
        "import sys; from retrieve.encoders.load import load_encoder\n"
        f"encoder = load_encoder({str(folder)!r})\n"
        "encoder.fingerprint, encoder.token_offsets(['the law']), encoder.prompt_tokens(), encoder.limit\n"
        "print([name for name in ('torch', 'transformers', 'sentence_transformers') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_loading_writes_nothing_on_the_terminal(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from transformers.utils import logging

    logging.enable_progress_bar()
    load_encoder(str(folder)).encode_queries(["law"])
    assert logging.is_progress_bar_enabled()
    assert capfd.readouterr() == ("", "")
