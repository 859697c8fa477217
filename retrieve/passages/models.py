"""A recipe's encoders, dense or sparse, of documents and of queries: loaded when first asked for, compared with the
index's, and shared with whoever else in this process uses the same model.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeVar

from retrieve.errors import EncoderMismatch, RecipeError
from retrieve.fork_safety import ForkSafeLock
from retrieve.passages.record import EncoderRecord
from retrieve.passages.resolve import query_runtime
from retrieve.recipe import UHD, Dense, Encoding, Recipe

if TYPE_CHECKING:
    from retrieve.encoders.dense.encoder import Encoder
    from retrieve.encoders.sparse.encoder import SparseTextEncoder

_log = logging.getLogger("retrieve")

Model = TypeVar("Model", "Encoder", "SparseTextEncoder")


class Models:
    """The encoders of one resolved recipe. Safe in many threads.

    `expected`: the encoder an index was built with; `model`: its folder, if it moved; `queries`: back end and precision
    for queries, if not those of documents; `cache`: keep vectors of documents on this machine; `given`: an encoder to
    use in place of loading one; `device`: where torch computes, None the best there is.
    """

    def __init__(
        self,
        recipe: Recipe,
        expected: EncoderRecord | None,
        *,
        model: str | None,
        queries: tuple[str, str] | None,
        cache: bool,
        given: Encoder | SparseTextEncoder | None,
        device: str | None,
    ) -> None:
        self._recipe = recipe
        self._expected = expected
        self._model = model
        self._queries = None if queries is None else query_runtime(recipe, queries, device, model)
        self._cache = cache
        self._given = given
        self._device = device
        self._lock = ForkSafeLock()
        self._loaded: dict[tuple[str, str], Encoder] = {}
        self._sparse: dict[tuple[str, str], SparseTextEncoder] = {}

    @property
    def exist(self) -> bool:
        """False where no view has an encoder, or its vectors are the caller's own."""
        return self._recipe.encoding is not None and not self._recipe.encoding.own_vectors

    @property
    def section(self) -> Encoding:
        """The section that names the encoder; asking for it without one is an error."""
        if self._recipe.encoding is None:
            raise RecipeError(f"recipe {self._recipe.name!r} has no view with an encoder")
        return self._recipe.encoding

    @property
    def text(self) -> Encoder | SparseTextEncoder:
        """The encoder of documents, whichever kind it is: what cuts passages and has a fingerprint."""
        return self.documents if self._recipe.vectors is not None else self.sparse_documents

    @property
    def documents(self) -> Encoder:
        """The encoder of documents, loaded once; `EncoderMismatch` if it is not the one that built the index."""
        return self._encoder(self.section.backend, self.section.precision)

    @property
    def queries(self) -> Encoder:
        """The same model for queries: run as for documents, unless another way was asked for."""
        return self.documents if self._queries is None else self._encoder(*self._queries)

    @property
    def sparse_documents(self) -> SparseTextEncoder:
        """The encoder of SPLADE weights or token-level codes, loaded once; `EncoderMismatch` as for `documents`."""
        return self._sparse_encoder(self.section.backend, self.section.precision)

    @property
    def sparse_queries(self) -> SparseTextEncoder:
        """The same model for queries: run as for documents, unless another way was asked for."""
        return self.sparse_documents if self._queries is None else self._sparse_encoder(*self._queries)

    @property
    def of_queries(self) -> Encoder | SparseTextEncoder:
        """The encoder of queries, whichever kind it is."""
        return self.queries if self._recipe.vectors is not None else self.sparse_queries

    def check(self) -> None:
        """Raise `EncoderMismatch` if the model at hand is not the index's. Loads no weights."""
        _ = self.of_queries

    @property
    def encodings(self) -> tuple[int, int]:
        """Passages encoded and passages taken from the cache by these models in this process."""
        counts = [model.encodings for model in self._loaded.values()]
        counts += [model.encodings for model in self._sparse.values()]
        return sum(count.encoded for count in counts), sum(count.cached for count in counts)

    def _encoder(self, backend: str, precision: str) -> Encoder:
        with self._lock:
            known = self._loaded.get((backend, precision))
            if known is None:
                known = self._loaded[backend, precision] = self._load(backend, precision)
            return known

    def _sparse_encoder(self, backend: str, precision: str) -> SparseTextEncoder:
        with self._lock:
            known = self._sparse.get((backend, precision))
            if known is None:
                known = self._sparse[backend, precision] = self._load_sparse(backend, precision)
            return known

    def _load(self, backend: str, precision: str) -> Encoder:
        from retrieve.encoders.dense.encoder import Encoder
        from retrieve.encoders.load import load_encoder
        from retrieve.user_folders import cache_root

        section = self.section
        if not isinstance(section, Dense | UHD) or self._recipe.vectors is None:
            raise RecipeError(f"recipe {self._recipe.name!r} has no view of vectors")
        if section.own_vectors:
            raise RecipeError(
                'this index holds vectors of your own (model = "none"): add with vectors=…, search with vector=…'
            )
        cache = cache_root() if self._cache else None
        if isinstance(self._given, Encoder) and self._given.runtime == (backend, precision):
            return self._checked(self._given.own(cache))
        return self._checked(
            load_encoder(
                self._model or section.model,
                pooling=section.pooling,
                query_prompt=section.query_prompt,
                document_prompt=section.document_prompt,
                limit=section.limit,
                normalize=section.normalize,
                backend=backend,
                precision=precision,
                device=self._device,
                cache=cache,
            )
        )

    def _load_sparse(self, backend: str, precision: str) -> SparseTextEncoder:
        from retrieve.encoders.sparse.encoder import SparseTextEncoder, load_sparse_encoder
        from retrieve.passages.uhd_coder import untrained_head
        from retrieve.user_folders import cache_root

        section = self.section
        cache = cache_root() if self._cache else None
        if isinstance(self._given, SparseTextEncoder) and self._given.runtime == (backend, precision):
            return self._checked(self._given.own(cache))
        return self._checked(
            load_sparse_encoder(
                self._model or section.model,
                query_prompt=section.query_prompt,
                document_prompt=section.document_prompt,
                limit=section.limit,
                backend=backend,
                precision=precision,
                device=self._device,
                untrained=untrained_head(section) if isinstance(section, UHD) else None,
                cache=cache,
            )
        )

    def _checked(self, model: Model) -> Model:
        """Refuse another model than the index's; say if its int8 graph is made otherwise than the index's was."""
        expected, section = self._expected, self.section
        prompts = section.query_prompt or "", section.document_prompt or ""
        if (model.query_prompt, model.document_prompt) != prompts:
            raise EncoderMismatch(
                f"the encoder {model.name} has the prompts {(model.query_prompt, model.document_prompt)}, "
                f"this recipe has {prompts}: hand in one with the same, or make the index with this one"
            )
        if expected is None:
            return model
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
        return model
