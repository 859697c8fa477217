"""From a recipe to the parts that work it: analyzer, encoder, splitter, and the exact string each passage feeds them.

Parts are made when first asked for, so that a BM25 search never loads torch and opening an index never loads a model.
"""

from __future__ import annotations

import logging
import platform
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from retrieve.errors import DimensionMismatch, EncoderMismatch, RecipeError
from retrieve.recipe import BM25, UHD, Dense, Recipe, Splade
from retrieve.store.manifest import EncoderRecord
from retrieve.store.resolve import query_runtime, resolved
from retrieve.text.analyze import Analyzer
from retrieve.text.passages import Splitter, Windows, fed_text, shown_title
from retrieve.types import Document

if TYPE_CHECKING:
    from retrieve.encoders.encoder import Encoded, Encoder
    from retrieve.encoders.late import Late
    from retrieve.encoders.sparse import SparseTextEncoder
    from retrieve.store.coder import Coder, Float32s

IntArray = npt.NDArray[np.int64]

_log = logging.getLogger("retrieve")


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
        self.recipe = resolved(recipe, expected)
        self._expected = expected
        self._model = model
        self._queries = None if queries is None else query_runtime(self.recipe, queries)
        self._cache = cache
        self._lock = threading.Lock()
        self._encoder: Encoder | None = None
        self._query_encoder: Encoder | None = None
        self._sparse_encoder: SparseTextEncoder | None = None
        self._query_sparse_encoder: SparseTextEncoder | None = None

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
    def uhd(self) -> UHD:
        """The section of the UHD view; asking for it without one is an error."""
        if self.recipe.uhd is None:
            raise RecipeError(f"recipe {self.recipe.name!r} has no UHD view")
        return self.recipe.uhd

    @property
    def _vector_encoding(self) -> Dense | UHD:
        section = self.recipe.dense or self.recipe.uhd
        if section is None:
            raise RecipeError(f"recipe {self.recipe.name!r} has no view of vectors")
        return section

    @property
    def encoding(self) -> Dense | UHD | Splade:
        """The section that names the encoder; asking for it without one is an error."""
        if self.recipe.encoding is None:
            raise RecipeError(f"recipe {self.recipe.name!r} has no view with an encoder")
        return self.recipe.encoding

    @property
    def has_encoder(self) -> bool:
        """False where no view has an encoder, or its vectors are the caller's own."""
        return self.recipe.encoding is not None and not self.recipe.encoding.own_vectors

    @property
    def text_model(self) -> Encoder | SparseTextEncoder:
        """The encoder of the recipe, whichever kind it is: what cuts passages and has a fingerprint."""
        return self.encoder if self.recipe.vectors is not None else self.sparse_encoder

    @property
    def encoder(self) -> Encoder:
        """The encoder of documents, loaded once; `EncoderMismatch` if it is not the one that built the index."""
        with self._lock:
            if self._encoder is None:
                self._encoder = self._load_encoder(self.encoding.backend, self.encoding.precision)
            return self._encoder

    @property
    def sparse_encoder(self) -> SparseTextEncoder:
        """The encoder of SPLADE weights or token-level codes, loaded once; `EncoderMismatch` as for `encoder`."""
        with self._lock:
            if self._sparse_encoder is None:
                self._sparse_encoder = self._load_sparse_encoder(self.encoding.precision)
            return self._sparse_encoder

    @property
    def query_sparse_encoder(self) -> SparseTextEncoder:
        """The same model for queries: in another precision if one was asked for."""
        if self._queries is None:
            return self.sparse_encoder
        with self._lock:
            if self._query_sparse_encoder is None:
                self._query_sparse_encoder = self._load_sparse_encoder(self._queries[1])
            return self._query_sparse_encoder

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
        for model in (self._encoder, self._sparse_encoder):
            if model is not None:
                return model.encodings
        return 0, 0

    def _load_encoder(self, backend: str, precision: str) -> Encoder:
        from retrieve.encoders.load import load_encoder
        from retrieve.encoders.vector_cache import cache_root

        section = self._vector_encoding
        if section.own_vectors:
            raise RecipeError(
                'this index holds vectors of your own (model = "none"): add with vectors=…, search with vector=…'
            )
        encoder = load_encoder(
            self._model or section.model,
            pooling=section.pooling,
            query_prompt=section.query_prompt,
            document_prompt=section.document_prompt,
            limit=section.limit,
            normalize=section.normalize,
            backend=backend,
            precision=precision,
            cache=cache_root() if self._cache else None,
        )
        self._compare(encoder)
        return encoder

    def _load_sparse_encoder(self, precision: str) -> SparseTextEncoder:
        from retrieve.encoders.sparse import load_sparse_encoder
        from retrieve.store.coder import untrained_head

        section = self.encoding
        encoder = load_sparse_encoder(
            self._model or section.model,
            query_prompt=section.query_prompt,
            document_prompt=section.document_prompt,
            limit=section.limit,
            precision=precision,
            untrained=untrained_head(section) if isinstance(section, UHD) else None,
        )
        self._compare(encoder)
        return encoder

    def _compare(self, model: Encoder | SparseTextEncoder) -> None:
        """Refuse another model than the index's; say if its int8 graph is made otherwise than the index's was."""
        expected = self._expected
        if expected is None:
            return
        if model.fingerprint != expected.fingerprint:
            raise EncoderMismatch(
                f"the index was built with encoder {expected.name} (fingerprint {expected.fingerprint[:16]}), "
                f"{model.name} is another (fingerprint {model.fingerprint[:16]}): "
                "search with the encoder it was built with, or build a new index"
            )
        if expected.calibration and model.calibration not in ("", expected.calibration):
            _log.warning(
                "the index's vectors are of an int8 graph that this version makes otherwise (calibration %s, now %s): "
                "queries and new passages are near them, not the same; build the index anew to have all of one",
                expected.calibration,
                model.calibration,
            )

    @property
    def impact_scale(self) -> float:
        """What SPLADE weights are multiplied by before they are rounded."""
        assert self.recipe.splade is not None
        return self.recipe.splade.scale

    @property
    def codes_tokens(self) -> bool:
        """Whether the UHD view is of the token level, whose codes need nothing beside the text."""
        return self.recipe.uhd is not None and self.recipe.uhd.level == "token"

    @property
    def learns_mean(self) -> bool:
        """Whether the UHD view has to learn the mean of the corpus: an untrained head has none of its own."""
        uhd = self.recipe.uhd
        return uhd is not None and uhd.level == "text" and not self._trained_head

    @property
    def _trained_head(self) -> bool:
        if self._expected is not None:
            return self._expected.head
        return self.has_encoder and self.encoder.head is not None

    def check_head(self) -> None:
        """Raise `DimensionMismatch` for a trained head that is of other vectors than those that are kept."""
        if self.recipe.uhd is not None and self.recipe.vectors is not None and self._trained_head:
            head = self.encoder.head
            assert head is not None
            if head.hidden != self.kept_dimensions:
                raise DimensionMismatch(
                    f"the head in {self.encoding.model} takes vectors of {head.hidden} dimensions, this recipe keeps "
                    f"{self.kept_dimensions}: leave dense.dimensions out"
                )

    def coder(self, mean: Float32s | None) -> Coder:
        """What makes codes of vectors by a mean that was learned; None where the head has its own."""
        return self._coder if mean is None else self._coder.centred(mean)

    @cached_property
    def _coder(self) -> Coder:
        from retrieve.store.coder import make_coder

        return make_coder(self.uhd, self.kept_dimensions, self.encoder.head if self._trained_head else None)

    @property
    def kept_dimensions(self) -> int:
        """D of the stored vectors: the encoder's, or the first so many of them. Loads the model."""
        form = self.recipe.vectors
        assert form is not None
        if not self.has_encoder:
            assert form.dimensions is not None
            return form.dimensions
        given = self._expected.dimensions if self._expected is not None else self.encoder.dimensions
        if form.dimensions is not None and form.dimensions > given:
            raise RecipeError(
                f"dense.dimensions = {form.dimensions}, but {self.encoder.name} gives {given}: lower it"
            )
        return form.dimensions or given

    @property
    def fingerprint(self) -> str | None:
        """The encoder's fingerprint, "none" for vectors of the caller's own, None where no view is encoded."""
        if self.has_encoder:
            return self.text_model.fingerprint
        return None if self.recipe.encoding is None else "none"

    def encoder_record(self) -> EncoderRecord | None:
        """What a manifest keeps of the encoder."""
        if self.recipe.encoding is None:
            return None
        form = self.recipe.vectors
        if not self.has_encoder:
            return EncoderRecord(
                name="none", fingerprint="none", dimensions=self.kept_dimensions, limit=0, environment={}
            )
        if self._expected is not None:
            return self._expected
        encoder = self.text_model
        if self.recipe.late_chunking:
            self.encoder.check_late()
        return EncoderRecord(
            name=encoder.name,
            fingerprint=encoder.fingerprint,
            dimensions=encoder.dimensions if form is None else self.kept_dimensions,
            limit=encoder.limit,
            backend=encoder.runtime.backend,
            precision=encoder.runtime.precision,
            head=form is not None and self._trained_head,
            calibration=encoder.calibration,
            environment={**_environment(), **encoder.environment},
        )

    @cached_property
    def splitter(self) -> Splitter:
        """The one splitter whose passages all views index."""
        passages = self.recipe.passages
        by_tokens = passages.unit == "tokens" and self.has_encoder
        if by_tokens and passages.size is not None and passages.size > self._token_budget():
            model = self.text_model
            raise RecipeError(
                f"passages.size = {passages.size} tokens, but {model.name} takes {model.limit}, of which "
                f"{self._token_budget()} are left for text: lower passages.size, or take another model"
            )
        return Splitter(
            offsets=self.text_model.token_offsets if by_tokens else self._word_offsets,
            limit=self._token_budget() if by_tokens else None,
            size=passages.size,
            overlap=passages.overlap,
            mode=passages.mode,
            title=passages.title,
            boundaries=passages.boundaries,
        )

    def _token_budget(self) -> int:
        encoder = self.text_model
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
        if not self.recipe.late_chunking:
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


def _environment() -> dict[str, str]:
    """Versions of what turns weights into vectors, and the machine's architecture."""
    names = ("torch", "transformers", "sentence-transformers", "tokenizers")
    return {name: version(name) for name in names} | {"machine": platform.machine()}
