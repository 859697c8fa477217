"""The bundled default model: found without a network, never cut at its file's 128, equal to sentence-transformers."""

from __future__ import annotations

import gzip
import importlib.util
import json
import os
import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from tiny_models import WORDS

from retrieve.encoders.dense.encoder import Encoder
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


SCRIPT = """
import sys
import numpy as np
from sentence_transformers import SparseEncoder
model = SparseEncoder(sys.argv[1], trust_remote_code=True, device="cpu")
np.save(sys.argv[2], model.encode_document(sys.argv[3:]).to_dense().numpy())
"""


@pytest.mark.long
def test_with_a_head_it_gives_the_same_codes_anywhere(encoder: Encoder, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer, SparseEncoder

    from retrieve.encoders.winners import WinnerTakeAll

    texts = ["Lift is produced by the wing.", "The court dismissed the appeal.", "cells " * 300]
    head = WinnerTakeAll(384, dimensions=2048, winners=128)
    head.set_mean(encoder.encode_documents(texts).vectors.astype(np.float32).mean(axis=0))
    modules = [*SentenceTransformer(str(encoder.folder), device="cpu"), head]
    model = SparseEncoder(modules=modules, device="cpu")
    model.save_pretrained(str(tmp_path / "model"))
    codes = model.encode_document(texts).to_dense().numpy()
    arguments = [str(tmp_path / "model"), str(tmp_path / "codes.npy"), *texts]
    subprocess.run([sys.executable, "-c", SCRIPT, *arguments], check=True)
    assert np.array_equal(np.load(tmp_path / "codes.npy"), codes)

    ours = load_encoder(str(tmp_path / "model"))
    assert ours.head is not None
    assert ours.vector_fingerprint != ours.fingerprint
    z = (ours.encode_queries(texts).vectors - ours.head.mean) @ ours.head.weight.T
    found = z >= np.sort(z, axis=1)[:, -128:-127]
    # Sums in another order: a winner or two at the threshold may change places.
    assert (found.sum(axis=1) == 128).all()
    assert ((found & (codes > 0)).sum(axis=1) >= 126).all()
