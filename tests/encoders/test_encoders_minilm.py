"""The bundled default model: found without a network, never cut at its file's 128, equal to sentence-transformers."""

from __future__ import annotations

import gzip
import importlib.util
import json
import os
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from tiny_models import WORDS

from retrieve.encoders.encoder import Encoder
from retrieve.encoders.load import DEFAULT_MODEL, DEFAULT_PACKAGE, load_encoder

pytestmark = [
    pytest.mark.model,
    pytest.mark.skipif(
        importlib.util.find_spec(DEFAULT_PACKAGE) is None, reason="no bundled MiniLM: extra `offline`"
    ),
]


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load_encoder(DEFAULT_MODEL)


def test_the_default_model_has_its_published_shape(encoder: Encoder) -> None:
    assert (encoder.limit, encoder.special_tokens, encoder.dimensions) == (256, 2, 384)


def test_a_thousand_words_are_cut_nowhere(encoder: Encoder) -> None:
    text = " ".join(WORDS[number % len(WORDS)] for number in range(1000))
    (spans,) = encoder.token_offsets([text])
    assert sum(text[start:end] != "" for start, end in spans) >= 1000
    covered = {at for start, end in spans.tolist() for at in range(start, end)}
    assert covered == {at for at, character in enumerate(text) if character != " "}
    encoded = encoder.encode_documents([text])
    assert (encoded.tokens, encoded.cut.tolist()) == (256, [len(spans) + 2 - 256])


def test_closer_meanings_are_closer(encoder: Encoder) -> None:
    query = encoder.encode_queries(["How do aeroplanes stay in the air?"]).vectors
    documents = encoder.encode_documents(
        ["Lift is produced by the wing.", "The court dismissed the appeal."]
    ).vectors
    near, far = (documents.astype(np.float32) @ query[0]).tolist()
    assert near > far + 0.2


@pytest.mark.data
def test_real_text_gets_the_vectors_of_sentence_transformers(encoder: Encoder) -> None:
    from sentence_transformers import SentenceTransformer

    if "RETRIEVE_DATA" not in os.environ:
        pytest.skip("SciFact vectors against sentence-transformers: $RETRIEVE_DATA is not set")
    corpus = Path(os.environ["RETRIEVE_DATA"]) / "scifact" / "corpus.jsonl.gz"
    with gzip.open(corpus, "rt", encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in islice(lines, 12)]
    expected = SentenceTransformer(str(encoder.folder), device="cpu", local_files_only=True).encode(texts)
    ours = encoder.encode_documents(texts).vectors.astype(np.float32)
    cosines = (ours * expected).sum(axis=1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(expected, axis=1)
    assert cosines.min() > 0.9999
