"""Folders as their makers saved them: vectors and rankings of sentence-transformers' own, or a refusal by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import WORDS, tiny_bare_folder, tiny_encoder_folder, tiny_sparse_folder

from retrieve import Document, Index
from retrieve.encoders.load import load_encoder
from retrieve.encoders.sparse.encoder import load_sparse_encoder
from retrieve.errors import EncoderError, EncoderMismatch

TEXTS = [" ".join(WORDS[start : start + 4 + start % 5]) for start in range(0, 60, 3)]
QUERIES = ["law of the court", "heat on a wing", "gene and protein"]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_encoder_folder(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="module")
def sparse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_sparse_folder(tmp_path_factory.mktemp("sparse") / "model")


def saved(peer: Any, folder: Path) -> Path:
    peer.save_pretrained(str(folder), create_model_card=False)
    return folder


def dense_peer(folder: Path, **arguments: Any) -> Any:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu", **arguments)


def change(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


@pytest.mark.parametrize("normalizes", [True, False], ids=["unit", "raw"])
@pytest.mark.parametrize("kept", [1, 8, 32, 100])
def test_a_truncated_folder_gives_its_makers_vectors(
    tiny: Path, tmp_path: Path, kept: int, normalizes: bool
) -> None:
    """Its own, whose norms are below 1, and of unit length: whichever is asked for."""
    peer = dense_peer(tiny, truncate_dim=kept)
    if not normalizes:
        del peer[2]
    folder = saved(peer, tmp_path / "saved")
    peer = dense_peer(folder)
    assert peer.truncate_dim == kept
    for normalize in (False, True):
        encoder = load_encoder(str(folder), normalize=normalize, backend="torch", precision="fp32")
        expected = peer.encode(TEXTS, normalize_embeddings=normalize)
        assert encoder.dimensions == min(kept, 32) == expected.shape[1]
        assert np.allclose(encoder.encode_queries(TEXTS).vectors, expected, atol=1e-5)
        assert encoder.encode_documents(TEXTS).vectors.shape == expected.shape


def test_an_index_over_a_truncated_folder_ranks_as_its_maker(tiny: Path, tmp_path: Path) -> None:
    folder = saved(dense_peer(tiny, truncate_dim=8), tmp_path / "saved")
    peer = dense_peer(folder)
    recipe = {"name": "dense", "dense": {"model": str(folder), "storage": "float32"}}
    with Index.create(tmp_path / "index", recipe, cache=False) as index:
        index.add([Document(f"{number:02}", text) for number, text in enumerate(TEXTS)])
        assert index.vectors(["00"]).vectors.shape == (1, 8)
        kept = peer.encode_document(TEXTS, normalize_embeddings=True).astype(np.float16)  # as an index does
        similar = peer.encode_query(QUERIES, normalize_embeddings=True) @ kept.astype(np.float32).T
        for query, scores in zip(QUERIES, similar, strict=True):
            hits = index.search(query, len(TEXTS))
            assert [hit.doc_id for hit in hits] == [f"{at:02}" for at in np.argsort(-scores, kind="stable")]
            assert np.allclose([hit.score for hit in hits], -np.sort(-scores), atol=1e-3)
    with pytest.raises(EncoderMismatch):  # the same weights whole are another encoder
        Index.open(tmp_path / "index", model=str(tiny)).search("law")


def test_truncation_is_part_of_the_fingerprint_and_only_then(tiny: Path, tmp_path: Path) -> None:
    cut = [saved(dense_peer(tiny, truncate_dim=kept), tmp_path / str(kept)) for kept in (8, 16)]
    whole = saved(dense_peer(tiny), tmp_path / "whole")
    prints = [load_encoder(str(folder), backend="torch").fingerprint for folder in (whole, *cut)]
    assert len(set(prints)) == 3
    change(cut[0] / "config_sentence_transformers.json", truncate_dim=None)
    assert load_encoder(str(cut[0]), backend="torch").fingerprint == prints[0]


@pytest.mark.parametrize("most", [1, 16, 1000])
def test_a_limited_sparse_folder_gives_its_makers_weights(sparse: Path, tmp_path: Path, most: int) -> None:
    from sentence_transformers import SparseEncoder

    peer = SparseEncoder(str(sparse), device="cpu", max_active_dims=most)
    folder = saved(peer, tmp_path / "saved")
    peer = SparseEncoder(str(folder), device="cpu")
    assert peer.max_active_dims == most
    encoder = load_sparse_encoder(str(folder))
    for rows, expected in (
        (
            encoder.encode_documents(TEXTS),
            peer.encode_document(TEXTS, convert_to_sparse_tensor=False).numpy(),
        ),
        (encoder.encode_queries(QUERIES), peer.encode_query(QUERIES, convert_to_sparse_tensor=False).numpy()),
    ):
        ours = np.zeros_like(expected)
        for number in range(len(ours)):
            part = slice(rows.starts[number], rows.starts[number + 1])
            assert part.stop - part.start <= most
            ours[number, rows.dims[part]] = rows.weights[part]
        assert np.allclose(ours, expected, atol=1e-5)
    assert load_sparse_encoder(str(sparse)).fingerprint != encoder.fingerprint


def test_prompts_are_the_makers(tiny: Path, tmp_path: Path) -> None:
    prompts = {"query": "search query: ", "document": "passage: ", "other": "module: "}
    folder = saved(dense_peer(tiny, prompts=prompts, default_prompt_name="other"), tmp_path / "saved")
    peer, encoder = dense_peer(folder), load_encoder(str(folder), backend="torch", precision="fp32")
    assert np.allclose(encoder.encode_queries(QUERIES).vectors, peer.encode_query(QUERIES), atol=1e-5)
    assert np.allclose(encoder.encode_apart(TEXTS), peer.encode_document(TEXTS), atol=1e-5)


def test_a_multi_vector_encoder_is_refused_by_name(tiny: Path, tmp_path: Path) -> None:
    from sentence_transformers import MultiVectorEncoder

    folder = saved(
        MultiVectorEncoder(str(tiny_bare_folder(tmp_path / "bare")), device="cpu"), tmp_path / "saved"
    )
    for load in (load_encoder, load_sparse_encoder):
        with pytest.raises(EncoderError, match=r"is a MultiVectorEncoder, .* for every token"):
            load(str(folder))


@pytest.mark.parametrize(
    ("file", "values", "said"),
    [
        ("config_sentence_transformers.json", {"truncate_dim": 0}, "truncate_dim is 0"),
        ("config_sentence_transformers.json", {"truncate_dim": True}, "truncate_dim is True"),
        ("config_sentence_transformers.json", {"truncate_dim": "8"}, "truncate_dim is '8'"),
        ("2_Normalize/config.json", {"module_input_name": "token_embeddings"}, "module_input_name"),
        ("2_Normalize/config.json", {"module_output_name": "unit"}, "module_output_name"),
        ("sentence_bert_config.json", {"transformer_task": "text-generation"}, "text-generation"),
        (
            "sentence_bert_config.json",
            {"transformer_task": "fill-mask", "modality_config": {"text": {}}},
            "fill-mask",
        ),
        ("sentence_bert_config.json", {"module_output_name": "all"}, "module_output_name is 'all'"),
        (
            "sentence_bert_config.json",
            {"modality_config": {"text": {"method": "get_text_features"}}},
            "method is 'get_text_features'",
        ),
        (
            "sentence_bert_config.json",
            {"modality_config": {"text": {"method_output_name": "pooler_output"}}},
            "method_output_name is 'pooler_output'",
        ),
        (
            "sentence_bert_config.json",
            {"processing_kwargs": {"text": {"max_length": 8}}},
            "processing_kwargs",
        ),
    ],
)
def test_what_would_change_vectors_is_refused_by_name(
    tiny: Path, tmp_path: Path, file: str, values: dict[str, Any], said: str
) -> None:
    folder = saved(dense_peer(tiny), tmp_path / "saved")
    load_encoder(str(folder))
    change(folder / file, **values)
    with pytest.raises(EncoderError, match=said):
        load_encoder(str(folder))


def test_a_limit_on_binary_codes_is_refused(tmp_path: Path) -> None:
    folder = tiny_sparse_folder(tmp_path / "codes", level="token", dimensions=64, winners=4)
    load_sparse_encoder(str(folder))
    change(folder / "config_sentence_transformers.json", max_active_dims=16)
    with pytest.raises(EncoderError, match="max_active_dims = 16 and binary codes"):
        load_sparse_encoder(str(folder))


def test_training_refuses_a_truncated_folder(tiny: Path, tmp_path: Path) -> None:
    from retrieve.encoders.folder import read_encoder_folder
    from retrieve.encoders.torch.trainable import PassageModel

    folder = saved(dense_peer(tiny, truncate_dim=8), tmp_path / "saved")
    with pytest.raises(EncoderError, match=r"truncate_dim.*not offered in training"):
        PassageModel(read_encoder_folder(folder, None), pad=0, normalize=True)
