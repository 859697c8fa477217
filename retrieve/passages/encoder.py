"""From a recipe to the parts that work it: analyzer, splitter, encoder, and the exact string each passage feeds them.

Search, classification and training cut and encode documents by this class alone. Parts are made when first asked for,
so that a BM25 search never loads torch and opening an index never loads a model.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from retrieve.errors import DimensionMismatch, EncoderMismatch, RecipeError, UsageError
from retrieve.passages.given_spans import checked_documents, checked_spans, grouped, joined_spans, span_text
from retrieve.passages.late import late_windows
from retrieve.passages.models import Models
from retrieve.passages.query_windows import QueryWindows
from retrieve.passages.ragged import DocumentStates, PassageVectors, tell_cut
from retrieve.passages.record import EncoderRecord, library_versions
from retrieve.passages.resolve import check_encoder, resolved
from retrieve.passages.vectors import truncated_vectors
from retrieve.recipe import UHD, Recipe, load_recipe
from retrieve.text.analyze import Analyzer, analyzer_of
from retrieve.text.splitter import Splitter, Windows, shown_title, with_title
from retrieve.types import Document

if TYPE_CHECKING:
    from retrieve.encoders.dense.encoder import Encoded, Encoder
    from retrieve.encoders.sparse.encoder import SparseTextEncoder
    from retrieve.passages.states import KeptStates
    from retrieve.passages.uhd_coder import Coder, Float32s

IntArray = npt.NDArray[np.int64]


class PassageEncoder:
    """The working parts of one recipe. Safe in many threads; pickles as its settings, and loads its model anew.

    `recipe` is the resolved one: what it left to the machine or to the model's folder is said. `models` are its
    encoders.
    """

    def __init__(
        self,
        recipe: str | Path | Mapping[str, Any] | Recipe = "hybrid",
        overrides: Sequence[str] = (),
        *,
        expected: EncoderRecord | None = None,
        model: str | None = None,
        queries: tuple[str, str] | None = None,
        cache: bool = True,
        encoder: Encoder | SparseTextEncoder | None = None,
        device: str | None = None,
    ) -> None:
        """`recipe`: a shipped name, a TOML file, a mapping or a `Recipe`, with `key=value` overrides.

        `expected`: the encoder an index was built with; `model`: its folder, if it moved. `queries`: back end and
        precision for queries, if not those the index was built with. `cache`: keep passage vectors for later, and use
        those kept. `encoder`: one of `load_encoder` or `load_sparse_encoder` in place of the one that the recipe names.
        `device`: where torch computes, "cpu" or "cuda:1"; None takes a GPU if there is one. Raises `RecipeError` for a
        recipe that cannot be, `EncoderError` for its model, `EncoderMismatch` for another than `expected`.
        """
        given = recipe if isinstance(recipe, Recipe) and not overrides else load_recipe(recipe, overrides)
        if encoder is not None:
            check_encoder(encoder)
        self.recipe = resolved(given, expected, encoder, device)
        self._expected = expected
        if encoder is not None and expected is not None and queries is None:
            # What was built in other numbers is added to in those; this encoder takes the queries then.
            queries = encoder.runtime
        self._settings: dict[str, Any] = {
            "model": model,
            "queries": queries,
            "cache": cache,
            "given": encoder,
            "device": device,
        }
        self.models = Models(self.recipe, expected, **self._settings)

    def __getstate__(self) -> dict[str, Any]:
        return {"recipe": self.recipe, "_expected": self._expected, "_settings": self._settings}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.models = Models(self.recipe, self._expected, **self._settings)

    def expecting(self, record: EncoderRecord | None) -> PassageEncoder:
        """The same parts for an index that was made with them: what a copy loads later is held against `record`."""
        other = copy.copy(self)
        other.__dict__.update(self.__dict__)
        other._expected = record
        return other

    def check_expected(self, record: EncoderRecord | None) -> None:
        """Raise `EncoderMismatch` if these are the parts of an index made by another encoder than `record`."""
        if self._expected is not None and self._expected != record:
            raise EncoderMismatch(
                f"the index was opened with encoder {self._expected.name} and has been encoded anew since: "
                "refresh() it, then do this again"
            )

    @cached_property
    def analyzer(self) -> Analyzer:
        """The BM25 view's analyzer, or the default one where only words have to be counted."""
        return analyzer_of(self.recipe.analysis)

    @property
    def uhd(self) -> UHD:
        """The section of the UHD view; asking for it without one is an error."""
        if self.recipe.uhd is None:
            raise RecipeError(f"recipe {self.recipe.name!r} has no UHD view")
        return self.recipe.uhd

    @property
    def encodings(self) -> tuple[int, int]:
        """Passages encoded and passages taken from the cache by this process."""
        return self.models.encodings

    # -- who the encoder is -----------------------------------------------------------------------------------

    @property
    def fingerprint(self) -> str | None:
        """The encoder's fingerprint, "none" for vectors of the caller's own, None where no view is encoded."""
        if self.models.exist:
            return self.models.text.fingerprint
        return None if self.recipe.encoding is None else "none"

    def encoder_record(self) -> EncoderRecord | None:
        """What a manifest keeps of the encoder."""
        if self.recipe.encoding is None:
            return None
        form = self.recipe.vectors
        if not self.models.exist:
            return EncoderRecord(
                name="none", fingerprint="none", dimensions=self.kept_dimensions, limit=0, environment={}
            )
        if self._expected is not None:
            return self._expected
        encoder = self.models.text
        if self.recipe.late_chunking:
            self.models.documents.check_late()
        return EncoderRecord(
            name=encoder.name,
            fingerprint=encoder.fingerprint,
            dimensions=encoder.dimensions if form is None else self.kept_dimensions,
            limit=encoder.limit,
            backend=encoder.runtime.backend,
            precision=encoder.runtime.precision,
            head=form is not None and self._trained_head,
            calibration=encoder.calibration,
            environment={**library_versions(), **encoder.environment},
        )

    @property
    def kept_dimensions(self) -> int:
        """D of the stored vectors: the encoder's, or the first so many of them. Loads the model."""
        form = self.recipe.vectors
        assert form is not None
        if not self.models.exist:
            assert form.dimensions is not None
            return form.dimensions
        given = self._expected.dimensions if self._expected is not None else self.models.documents.dimensions
        if form.dimensions is not None and form.dimensions > given:
            raise RecipeError(
                f"dense.dimensions = {form.dimensions}, but {self.models.documents.name} gives {given}: lower it"
            )
        return form.dimensions or given

    # -- codes of UHD -----------------------------------------------------------------------------------------

    @property
    def learns_mean(self) -> bool:
        """Whether the UHD view has to learn the mean of the corpus: an untrained head has none of its own."""
        uhd = self.recipe.uhd
        return uhd is not None and uhd.level == "text" and not self._trained_head

    @property
    def _trained_head(self) -> bool:
        if self._expected is not None:
            return self._expected.head
        return self.models.exist and self.models.documents.head is not None

    def check_head(self) -> None:
        """Raise `DimensionMismatch` for a trained head that is of other vectors than those that are kept."""
        if self.recipe.uhd is not None and self.recipe.vectors is not None and self._trained_head:
            head = self.models.documents.head
            assert head is not None
            if head.hidden != self.kept_dimensions:
                raise DimensionMismatch(
                    f"the head in {self.uhd.model} takes vectors of {head.hidden} dimensions, this recipe keeps "
                    f"{self.kept_dimensions}: leave dense.dimensions out"
                )

    def coder(self, mean: Float32s | None) -> Coder:
        """What makes codes of vectors by a mean that was learned; None where the head has its own."""
        return self._coder if mean is None else self._coder.centred(mean)

    @cached_property
    def _coder(self) -> Coder:
        from retrieve.passages.uhd_coder import make_coder

        head = self.models.documents.head if self._trained_head else None
        return make_coder(self.uhd, self.kept_dimensions, head)

    # -- cutting ----------------------------------------------------------------------------------------------

    @cached_property
    def splitter(self) -> Splitter:
        """The one splitter whose passages all views index."""
        passages = self.recipe.passages
        by_tokens = passages.unit == "tokens" and self.models.exist
        if by_tokens and passages.size is not None and passages.size > self.token_budget:
            model = self.models.text
            raise RecipeError(
                f"passages.size = {passages.size} tokens, but {model.name} takes {model.limit}, of which "
                f"{self.token_budget} are left for text: lower passages.size, or take another model"
            )
        return Splitter(
            offsets=self.models.text.token_offsets if by_tokens else self._word_offsets,
            counts=None if by_tokens else self._word_counts,
            limit=self.token_budget if by_tokens else None,
            size=passages.size,
            overlap=passages.overlap,
            mode=passages.mode,
            title=passages.title,
            boundaries=passages.boundaries,
        )

    @property
    def token_budget(self) -> int:
        """Tokens of text that the encoder takes beside special tokens and prompt. Loads the model's tokenizer."""
        encoder = self.models.text
        budget = encoder.limit - encoder.special_tokens - encoder.prompt_tokens()
        if budget < 1:
            raise RecipeError(
                f"the document prompt takes {encoder.prompt_tokens()} tokens of the encoder's {encoder.limit}: "
                "nothing is left for text; shorten the prompt"
            )
        return budget

    def _word_offsets(self, texts: Sequence[str]) -> list[IntArray]:
        return [self.analyzer.word_offsets(text) for text in texts]

    def _word_counts(self, texts: Sequence[str]) -> list[int]:
        return [self.analyzer.count_words(text) for text in texts]

    def split(self, documents: Sequence[Document]) -> list[Windows]:
        """Windows of each document."""
        return self.splitter.split(documents)

    def fed(self, document: Document, spans: IntArray) -> list[str]:
        """The exact strings that are encoded for a document's passages, (S,2) or (S,K,2) of K parts, and analysed."""
        title = self.recipe.passages.title
        return [
            with_title(document, span_text(document.text, span), position, title=title)
            for position, span in enumerate(spans)
        ]

    def analysed(self, document: Document, spans: IntArray) -> list[str]:
        """The texts whose terms those are, for who analyses them himself; a title has no weight there."""
        more = f"\n{document.expansion}" if document.expansion else ""
        return [text + more for text in self.fed(document, spans)]

    def term_texts(self, document: Document, spans: IntArray) -> Iterator[list[str]]:
        """The texts whose terms a view of terms counts of each passage.

        What is fed, a shown title as often again as its weight says, and the document's expansion in every passage: it
        says of which document a passage is, as a title does, and which passage is best does not depend on it.
        """
        weighs_more = self.recipe.analysis.title_weight - 1
        title = self.recipe.passages.title
        for position, text in enumerate(self.fed(document, spans)):
            again = [shown_title(document, position, title=title)] * weighs_more
            yield [text, document.expansion, *again]

    def query_windows(self, queries: Sequence[str]) -> list[list[str]]:
        """What is encoded of each query: itself, or the windows of one that is longer than the encoder reads."""
        return self._query_windows.of(queries)

    @cached_property
    def _query_windows(self) -> QueryWindows:
        return QueryWindows(self.models.queries, self.recipe.passages)

    # -- encoding ---------------------------------------------------------------------------------------------

    def encode(
        self,
        rows: Iterable[tuple[Document, IntArray]],
        progress: Callable[[int, int], None] | None = None,
    ) -> Encoded:
        """Vectors of the passages (spans (S,2)) of documents, in order; `progress` gets passages and tokens done."""
        encoder = self.models.documents
        if not self.recipe.late_chunking:
            texts = [text for document, spans in rows for text in self.fed(document, spans)]
            return encoder.encode_documents(texts, progress=progress)
        title, budget = self.recipe.passages.title, self.token_budget
        windows = [
            window
            for document, spans in rows
            for window in late_windows(document, spans, encoder.token_offsets, budget, title=title)
        ]
        return encoder.encode_late(windows, progress=progress)

    def vectors(
        self,
        documents: Iterable[Document],
        spans: Iterable[npt.ArrayLike] | None = None,
        *,
        progress: Callable[[int, int], None] | None = None,
    ) -> PassageVectors:
        """Vectors of documents' passages, through the cache: the dimensions that the recipe keeps.

        `spans`: for each document its passages, cut beforehand, as characters of its text: (S,2), or (S,K,2) for
        passages of several parts (head and tail), joined by a space. A passage that exceeds the encoder's limit is cut
        and counted, and that is said. `progress` gets passages and tokens done. Raises `UsageError` for spans outside
        of a text, `RecipeError` for a recipe without vectors, `BadVectors` for a vector that cannot be.
        """
        documents = list(checked_documents(documents))
        cut_at = self._spans(documents, spans)
        form = self.recipe.vectors
        if form is None:
            raise RecipeError(f"recipe {self.recipe.name!r} has no view of vectors")
        encoded = self.encode(zip(documents, cut_at, strict=True), progress)
        tell_cut(encoded.cut)
        firsts = np.cumsum([0, *map(len, cut_at)], dtype=np.int64)
        return PassageVectors(
            truncated_vectors(encoded.vectors, form.dimensions, normalize=form.normalize),
            joined_spans(cut_at),
            firsts,
            encoded.cut,
            len(encoded.vectors) - encoded.cached,
            encoded.cached,
        )

    def token_states(
        self,
        documents: Iterable[Document],
        spans: Iterable[npt.ArrayLike] | None = None,
        dtype: npt.DTypeLike = np.float16,
    ) -> Iterator[DocumentStates]:
        """The hidden states of every token of each document's passages, one document after the other.

        They come from the graph that gives the passages' vectors, some ten thousand tokens at a time, and are kept
        nowhere: `keep_token_states` does that. `dtype` is float16 or float32. Arguments and errors are otherwise those
        of `vectors`.
        """
        from retrieve.passages.states import states_of

        given = iter(spans) if spans is not None else None
        for group in grouped(checked_documents(documents)):
            own = None if given is None else list(islice(given, len(group)))
            yield from states_of(self, group, self._spans(group, own), dtype)
        if given is not None and any(True for _ in given):
            raise UsageError("there are more spans than documents: give one array for each document")

    def keep_token_states(
        self,
        documents: Iterable[Document],
        spans: Iterable[npt.ArrayLike] | None = None,
        *,
        most_bytes: int,
        progress: Callable[[int, int], None] | None = None,
    ) -> KeptStates:
        """`token_states` of a collection in float16, memory-mapped from the cache; made now if they are not there.

        The size, 2 · H bytes a token, is said before any is made. `progress` gets documents done and their number.
        Raises `UsageError` if they would take more than `most_bytes`, or where nothing is kept on this machine; else as
        `vectors`.
        """
        from retrieve.passages.states import keep_states

        documents = list(checked_documents(documents))
        return keep_states(
            self, documents, self._spans(documents, spans), most_bytes=most_bytes, progress=progress
        )

    def _spans(self, documents: Sequence[Document], given: Iterable[npt.ArrayLike] | None) -> list[IntArray]:
        if given is None:
            return [cut.spans for cut in self.split(documents)]
        spans = checked_spans(documents, given)
        if self.recipe.late_chunking and any(cut.ndim == 3 for cut in spans):
            raise RecipeError("dense.late_chunking wants passages of one part: leave it out, or the parts")
        return spans
