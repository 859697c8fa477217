"""Tokens that the encoder cut off are counted for the documents that are live, however they came to be so."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_models import tiny_encoder_folder

from retrieve import Document, Index

pytest.importorskip("torch")

CUT = {"a": 0, "b": 8, "c": 38, "d": 18}  # 62 words fit beside the special tokens


def _document(name: str, **metadata: object) -> Document:
    return Document(name, "law " * (62 + CUT[name]), "", metadata)


def test_cut_tokens_follow_updates_deletions_and_merges(tmp_path: Path) -> None:
    model = tiny_encoder_folder(tmp_path / "model")
    recipe = {
        "name": "cut",
        "passages": {"unit": "words", "mode": "whole"},
        "dense": {"model": str(model), "backend": "torch"},
        "segments": {"passages": 3},
    }
    with Index.create(tmp_path / "a.index", recipe) as index:

        def truncated() -> object:
            return index.info()["truncated_tokens"]

        with index.writer() as writer:
            writer.add(_document(name) for name in CUT)
        assert truncated() == 64
        with index.writer() as writer:  # copied from a sealed segment, then from the batch that waits
            writer.add([_document("c", year=1)])
            writer.add([_document("c", year=2)])
        assert truncated() == 64
        with index.writer() as writer:
            writer.add([Document("c", "law", "", {})])
            writer.delete(["b"])
        assert truncated() == 18
        index.merge()
        assert truncated() == 18
        assert index.verify() == []
