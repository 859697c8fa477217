"""Late chunking from recipe to search: windows shared by passages, resumed and cached like any other vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import WORDS, tiny_encoder_folder

from retrieve import Document, Index
from retrieve.encoders.dense.late_chunking import Late
from retrieve.encoders.load import load_encoder
from retrieve.errors import RecipeError

TEXT = " ".join(WORDS[number % len(WORDS)] for number in range(150))


@pytest.fixture
def recipe(tmp_path: Path) -> dict[str, Any]:
    model = tiny_encoder_folder(tmp_path / "model")
    return {
        "name": "late",
        "passages": {"size": 12, "boundaries": "none"},
        "dense": {"model": str(model), "backend": "torch", "late_chunking": True},
    }


def test_passages_are_pooled_from_windows_that_fill_the_limit(tmp_path: Path, recipe: dict[str, Any]) -> None:
    with Index.create(tmp_path / "late", recipe) as index:
        with index.writer() as writer:
            writer.add([Document("a", TEXT, "Flow"), Document("b", ""), Document("c", TEXT[:60])])
        segment = index._snapshot.segments[0]
        spans = segment.passages[segment.document_of == 0, 1:].astype(np.int64)
        stored = segment.vectors.take(np.flatnonzero(segment.document_of == 0))
        plain = Index.create(
            tmp_path / "plain", recipe | {"dense": recipe["dense"] | {"late_chunking": False}}
        )
        with plain.writer() as writer:
            writer.add([Document("a", TEXT, "Flow")])
        assert (plain._snapshot.segments[0].passages[:, 1:] == spans).all()
        assert not np.allclose(
            plain._snapshot.segments[0].vectors.take(np.arange(len(spans))), stored, atol=1e-2
        )
        hits = index.search(TEXT[int(spans[3, 0]) : int(spans[3, 1])], k=3, unit="passage")
        assert len(hits) == 3
    encoder = load_encoder(recipe["dense"]["model"])
    room = encoder.limit - encoder.special_tokens - len(encoder.token_offsets(["Flow "])[0])
    offsets = encoder.token_offsets([TEXT])[0]
    fitting = [end for end in range(1, len(spans) + 1) if (offsets[:, 1] <= spans[end - 1, 1]).sum() <= room]
    first = fitting[-1]
    assert first > 2
    window = Late(TEXT[: spans[first - 1, 1]], spans[:first], "Flow ")
    np.testing.assert_allclose(stored[:first], encoder.encode_late([window]).vectors, atol=2e-3)


def test_a_passage_longer_than_the_model_takes_is_an_error(tmp_path: Path, recipe: dict[str, Any]) -> None:
    recipe["passages"]["size"] = 63
    with (
        pytest.raises(RecipeError, match=r"passages.size = 63 tokens, but .* takes 64, of which 62 are left"),
        Index.create(tmp_path / "x", recipe) as index,
        index.writer() as writer,
    ):
        writer.add([Document("a", TEXT)])
