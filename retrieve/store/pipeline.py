"""From a recipe to the parts that work it: analyzer, encoder, splitter, and the exact string each passage feeds them.

Parts are made when first asked for, so that a BM25 search never loads torch and opening an index never loads a model.
"""

from __future__ import annotations

import platform
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from retrieve.errors import EncoderMismatch, RecipeError
from retrieve.recipe import BM25, Dense, Recipe
from retrieve.store.manifest import EncoderRecord
from retrieve.text.analyze import Analyzer
from retrieve.text.passages import Splitter, Windows, fed_text, shown_title
from retrieve.types import Document

if TYPE_CHECKING:
    from retrieve.encoders.encoder import Encoded, Encoder
    from retrieve.encoders.late import Late

IntArray = npt.NDArray[np.int64]


class Pipeline:
    """The working parts of one recipe. Safe in many threads."""

    def __init__(
        self,
        recipe: Recipe,
        *,
        expected: EncoderRecord | None = None,
        model: str | None = None,
        queries: tuple[str, str] | None = None,
        cache: bool = True,
    ) -> None:
        """`expected`: the encoder an index was built with; `model`: its folder, if it moved.

        `queries`: back end and precision for queries, if not those the index was built with. `cache`: keep passage
        vectors for later builds, and use those kept.
        """
        self.recipe = _with_runtime(recipe, expected)
        self._expected = expected
        self._model = model
        self._queries = queries
        self._cache = cache
        self._lock = threading.Lock()
        self._encoder: Encoder | None = None
        self._query_encoder: Encoder | None = None

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
        """The encoder of documents, loaded once; `EncoderMismatch` if it is not the one that built the index."""
        with self._lock:
            if self._encoder is None:
                self._encoder = self._load_encoder(self.dense.backend, self.dense.precision)
            return self._encoder

    @property
    def query_encoder(self) -> Encoder:
        """The same model for queries: run as for documents, unless another way was asked for."""
        if self._queries is None:
            return self.encoder
        with self._lock:
            if self._query_encoder is None:
                self._query_encoder = self._load_encoder(*self._queries)
            return self._query_encoder

    @property
    def encodings(self) -> tuple[int, int]:
        """Passages encoded and passages taken from the cache by this process."""
        return (0, 0) if self._encoder is None else self._encoder.encodings

    def _load_encoder(self, backend: str, precision: str) -> Encoder:
        from retrieve.encoders.load import load_encoder
        from retrieve.encoders.vector_cache import cache_root

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
            backend=backend,
            precision=precision,
            cache=cache_root() if self._cache else None,
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
    def kept_dimensions(self) -> int:
        """D of the stored vectors: the encoder's, or the first so many of them. Loads the model."""
        dense = self.dense
        if dense.model == "none":
            assert dense.dimensions is not None
            return dense.dimensions
        given = self.encoder.dimensions
        if dense.dimensions is not None and dense.dimensions > given:
            raise RecipeError(
                f"dense.dimensions = {dense.dimensions}, but {self.encoder.name} gives {given}: lower it"
            )
        return dense.dimensions or given

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
        if self.recipe.dense.late_chunking:
            encoder.check_late()
        return EncoderRecord(
            name=encoder.name,
            fingerprint=encoder.fingerprint,
            dimensions=self.kept_dimensions,
            limit=encoder.limit,
            backend=encoder.runtime.backend,
            precision=encoder.runtime.precision,
            calibration=encoder.calibration,
            environment={**_environment(), **encoder.environment},
        )

    @cached_property
    def splitter(self) -> Splitter:
        """The one splitter whose passages all views index."""
        passages = self.recipe.passages
        by_tokens = passages.unit == "tokens" and self.has_encoder
        if by_tokens and passages.size is not None and passages.size > self._token_budget():
            raise RecipeError(
                f"passages.size = {passages.size} tokens, but {self.encoder.name} takes {self.encoder.limit}, of which "
                f"{self._token_budget()} are left for text: lower passages.size, or take another model"
            )
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

    def _word_offsets(self, texts: Sequence[str]) -> list[IntArray]:
        return [self.analyzer.word_offsets(text) for text in texts]

    def split(self, documents: Sequence[Document]) -> list[Windows]:
        """Windows of each document."""
        return self.splitter.split(documents)

    def encode(
        self, rows: Sequence[tuple[Document, IntArray]], progress: Callable[[int, int], None]
    ) -> Encoded:
        """Vectors of the passages (spans (S,2)) of documents, in order; `progress` gets passages and tokens done."""
        if not self.dense.late_chunking:
            texts = [text for document, spans in rows for text in self.fed(document, spans)]
            return self.encoder.encode_documents(texts, progress=progress)
        windows = [window for document, spans in rows for window in self._late_windows(document, spans)]
        return self.encoder.encode_late(windows, progress=progress)

    def _late_windows(self, document: Document, spans: IntArray) -> Iterator[Late]:
        from retrieve.encoders.late import Late, share_windows

        # A window has the title in front as a passage has; what begins with it is the same string either way.
        lead = fed_text(document, (0, 0), 0, title=self.recipe.passages.title)
        text_offsets, lead_offsets = self.encoder.token_offsets([document.text, lead])
        for first, end in share_windows(text_offsets, spans, self._token_budget() - len(lead_offsets)):
            start = int(spans[first, 0])
            text = document.text[start : int(spans[end - 1, 1])]
            titled = first == 0 or self.recipe.passages.title == "every"
            yield Late(text, spans[first:end] - start, lead if titled else "")

    def fed(self, document: Document, spans: IntArray) -> list[str]:
        """The exact strings that are analysed and encoded for a document's passages."""
        title = self.recipe.passages.title
        return [
            fed_text(document, (int(start), int(end)), position, title=title)
            for position, (start, end) in enumerate(spans)
        ]

    def terms(self, document: Document, spans: IntArray) -> Iterator[list[str]]:
        """What BM25 counts of each passage: terms of the string that is fed, a shown title's as often as it weighs."""
        section = self.recipe.bm25
        assert section is not None
        weighs_more = section.title_weight - 1
        title = self.recipe.passages.title
        for position, text in enumerate(self.fed(document, spans)):
            terms = self.analyzer.terms(text)
            if weighs_more:
                terms += weighs_more * self.analyzer.terms(shown_title(document, position, title=title))
            yield terms


def _with_runtime(recipe: Recipe, expected: EncoderRecord | None) -> Recipe:
    """The recipe with the back end and precision that "auto" means on this machine, or meant to an index's builder."""
    dense = recipe.dense
    if dense is None or dense.model == "none" or "auto" not in (dense.backend, dense.precision):
        return recipe
    if expected is not None:
        runtime = expected.backend or "torch", expected.precision or "fp32"
    else:
        from retrieve.encoders.load import runtime_of

        runtime = runtime_of(dense.model, dense.pooling, dense.backend, dense.precision)
    found = dense.model_copy(update=dict(zip(("backend", "precision"), runtime, strict=True)))
    return recipe.model_copy(update={"dense": found})


def _environment() -> dict[str, str]:
    """Versions of what turns weights into vectors, and the machine's architecture."""
    names = ("torch", "transformers", "sentence-transformers", "tokenizers")
    return {name: version(name) for name in names} | {"machine": platform.machine()}
