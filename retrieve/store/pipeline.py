"""From a recipe to the parts that work it: analyzer, encoder, splitter, and the exact string each passage feeds them.

Parts are made when first asked for, so that a BM25 search never loads torch and opening an index never loads a model.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from retrieve.errors import EncoderMismatch, RecipeError
from retrieve.recipe import BM25, Dense, Recipe
from retrieve.store.manifest import EncoderRecord
from retrieve.text.analyze import Analyzer
from retrieve.text.passages import Splitter, Windows, fed_text
from retrieve.types import Document

if TYPE_CHECKING:
    from retrieve.encoders.encoder import Encoder


class Pipeline:
    """The working parts of one recipe. Safe in many threads."""

    def __init__(
        self, recipe: Recipe, *, expected: EncoderRecord | None = None, model: str | None = None
    ) -> None:
        """`expected`: the encoder an index was built with; `model`: its folder, if it moved."""
        self.recipe = recipe
        self._expected = expected
        self._model = model
        self._lock = threading.Lock()
        self._encoder: Encoder | None = None

    @cached_property
    def analyzer(self) -> Analyzer:
        """The BM25 view's analyzer, or the default one where only words have to be counted."""
        bm25 = self.recipe.bm25 or BM25()
        return Analyzer(bm25.language, stopwords=bm25.stopwords)

    @property
    def dense(self) -> Dense:
        """The dense section; asking for it without one is an error."""
        if self.recipe.dense is None:
            raise RecipeError(f"recipe {self.recipe.name!r} has no dense view")
        return self.recipe.dense

    @property
    def has_encoder(self) -> bool:
        """False where there is no dense view, or its vectors are the caller's own."""
        return self.recipe.dense is not None and self.recipe.dense.model != "none"

    @property
    def encoder(self) -> Encoder:
        """The encoder, loaded once; `EncoderMismatch` if it is not the one that built the index."""
        with self._lock:
            if self._encoder is None:
                self._encoder = self._load_encoder()
            return self._encoder

    def _load_encoder(self) -> Encoder:
        from retrieve.encoders.load import load_encoder

        dense = self.dense
        if dense.model == "none":
            raise RecipeError(
                'this index holds vectors of your own (dense.model = "none"): add with vectors=…, search with vector=…'
            )
        encoder = load_encoder(
            self._model or dense.model,
            pooling=dense.pooling,
            query_prompt=dense.query_prompt,
            document_prompt=dense.document_prompt,
            limit=dense.limit,
            normalize=dense.normalize,
        )
        expected = self._expected
        if expected is not None and encoder.fingerprint != expected.fingerprint:
            raise EncoderMismatch(
                f"the index was built with encoder {expected.name} (fingerprint {expected.fingerprint[:16]}), "
                f"{encoder.name} is another (fingerprint {encoder.fingerprint[:16]}): "
                "search with the encoder it was built with, or build a new index"
            )
        return encoder

    @property
    def fingerprint(self) -> str | None:
        """The encoder's fingerprint, "none" for vectors of the caller's own, None without a dense view."""
        if self.has_encoder:
            return self.encoder.fingerprint
        return None if self.recipe.dense is None else "none"

    def encoder_record(self) -> EncoderRecord | None:
        """What a manifest keeps of the encoder."""
        if self.recipe.dense is None:
            return None
        if not self.has_encoder:
            assert self.recipe.dense.dimensions is not None
            return EncoderRecord(
                name="none",
                fingerprint="none",
                dimensions=self.recipe.dense.dimensions,
                limit=0,
                environment={},
            )
        if self._expected is not None:
            return self._expected
        encoder = self.encoder
        return EncoderRecord(
            name=encoder.name,
            fingerprint=encoder.fingerprint,
            dimensions=encoder.dimensions,
            limit=encoder.limit,
            environment=_environment(),
        )

    @cached_property
    def splitter(self) -> Splitter:
        """The one splitter whose passages all views index."""
        passages = self.recipe.passages
        by_tokens = passages.unit == "tokens" and self.has_encoder
        return Splitter(
            offsets=self.encoder.token_offsets if by_tokens else self._word_offsets,
            limit=self._token_budget() if by_tokens else None,
            size=passages.size,
            overlap=passages.overlap,
            mode=passages.mode,
            title=passages.title,
            boundaries=passages.boundaries,
        )

    def _token_budget(self) -> int:
        encoder = self.encoder
        budget = encoder.limit - encoder.special_tokens - encoder.prompt_tokens()
        if budget < 1:
            raise RecipeError(
                f"the document prompt takes {encoder.prompt_tokens()} tokens of the encoder's {encoder.limit}: "
                "nothing is left for text; shorten the prompt"
            )
        return budget

    def _word_offsets(self, texts: Sequence[str]) -> list[npt.NDArray[np.int64]]:
        return [self.analyzer.word_offsets(text) for text in texts]

    def split(self, documents: Sequence[Document]) -> list[Windows]:
        """Windows of each document."""
        return self.splitter.split(documents)

    def fed(self, document: Document, spans: npt.NDArray[np.int64]) -> list[str]:
        """The exact strings that are analysed and encoded for a document's passages."""
        title = self.recipe.passages.title
        return [
            fed_text(document, (int(start), int(end)), position, title=title)
            for position, (start, end) in enumerate(spans)
        ]


def _environment() -> dict[str, str]:
    import platform
    from importlib.metadata import version

    import torch

    versions: dict[str, Any] = {
        name: version(name) for name in ("torch", "transformers", "sentence-transformers")
    }
    return {
        **versions,
        "processor": torch.backends.cpu.get_cpu_capability(),
        "machine": platform.machine(),
        "threads": str(torch.get_num_threads()),
        "precision": "fp32",
    }
