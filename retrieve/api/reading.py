"""What an open index answers: searches, rankings of passages in arrays, and what it holds.

Each call reads one generation: the one that the `Index` holds when it is called.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import numpy.typing as npt

from retrieve.api import passages
from retrieve.api.open_state import Held, Settings
from retrieve.api.runs import QueryRanking, RunResult, RunSettings, start_run
from retrieve.api.searching import explain_one, filter_of, search_all, search_like, weights_of
from retrieve.errors import UsageError
from retrieve.fork_safety import ForkSafeLock
from retrieve.passages.encoder import PassageEncoder
from retrieve.recipe import Recipe
from retrieve.search import lookup
from retrieve.search.options import SearchSettings
from retrieve.search.passage_rankings import (
    PassageFusion,
    PassageRanking,
    PassageSettings,
    ScoreSettings,
)
from retrieve.search.query_parts import PassageQuery
from retrieve.search.rerank import PairScorer
from retrieve.search.searcher import check_query
from retrieve.store.filters import Where
from retrieve.store.snapshot import Snapshot
from retrieve.store.vectors import query_vector, query_vectors
from retrieve.types import Document, Hits, Passage, Progress, Query

Vectors = npt.NDArray[np.float32]


class Reading:
    """The half of `Index` that changes nothing."""

    def __init__(self, folder: Path, held: Held, settings: Settings) -> None:
        self.path = folder
        self._held: Held | None = held
        self._settings = settings
        self._loading = ForkSafeLock()
        self._scorers: dict[str, PairScorer] = {}

    @property
    def _now(self) -> Held:
        held = self._held
        if held is None:
            raise UsageError(f"this index is closed: open it again with Index.open({str(self.path)!r})")
        return held

    @property
    def _passage_encoder(self) -> PassageEncoder:
        return self._now.passage_encoder

    @property
    def _snapshot(self) -> Snapshot:
        return self._now.snapshot

    def _refuse_closed(self) -> None:
        _ = self._now  # held no longer than this: whoever holds a generation keeps its files

    # -- searching --------------------------------------------------------------------------------------------

    def search(
        self,
        query: str | None = None,
        k: int = 10,
        *,
        vector: npt.ArrayLike | None = None,
        where: Where = None,
        **options: Unpack[SearchSettings],
    ) -> Hits:
        """The k best documents (or passages) for a query.

        `where`: a filter; `vector`: a query vector (D,) for the views of vectors in place of encoding. The options are
        told at `SearchSettings`. Raises `UsageError` for k ≤ 0, an empty query or an unknown option.
        """
        if query is None and vector is None:
            raise UsageError("search wants a query text, a vector, or both")
        vectors = None if vector is None else query_vector(vector)
        return search_all(self._now, [query], k, vectors, where, dict(options), self._scorer)[0]

    def similar(
        self,
        doc_id: str | None = None,
        k: int = 10,
        *,
        text: str | None = None,
        where: Where = None,
        **options: Unpack[SearchSettings],
    ) -> Hits:
        """The k documents (or passages) most like a document: one of the index by its id, or any `text`.

        One of the index is left out itself, and searches by its stored vectors and its terms: nothing is encoded where
        vectors were kept. Arguments and errors are otherwise those of `search`; an unknown id is `UsageError`.
        """
        if (doc_id is None) == (text is None):
            raise UsageError("similar wants the id of a document, or text=: one of the two")
        if doc_id is None:
            return self.search(text, k, where=where, **options)
        return search_like(self._now, doc_id, k, where, options, self._scorer)

    def search_many(
        self,
        queries: Iterable[str] | None = None,
        k: int = 10,
        *,
        vectors: npt.ArrayLike | None = None,
        where: Where = None,
        **options: Unpack[SearchSettings],
    ) -> list[Hits]:
        """Hits for several queries, in their order: as by searching one by one, but encoded in batches.

        `vectors` (B,D): the queries' vectors, in place of their texts or beside them. Padding in a batch may change the
        last bits of an encoded query, and so of dense scores.
        """
        if isinstance(queries, str):
            raise UsageError(
                f"search_many wants a list of queries, got the string {queries!r}: write [{queries!r}]"
            )
        if isinstance(queries, Mapping):
            raise UsageError(
                "search_many wants a list of queries, got a mapping: write list(queries.values())"
            )
        if queries is None and vectors is None:
            raise UsageError("search_many wants query texts, vectors, or both")
        given = None if vectors is None else query_vectors(vectors)
        texts: Sequence[str | None] = (
            [None] * (0 if given is None else len(given)) if queries is None else list(queries)
        )
        if given is not None and len(given) != len(texts):
            raise UsageError(f"{len(texts)} queries and {len(given)} vectors: give one vector for each query")
        if queries is not None:
            for query in texts:
                check_query(query)
        return search_all(self._now, texts, k, given, where, dict(options), self._scorer)

    def run(
        self,
        queries: Iterable[Query],
        k: int = 1000,
        *,
        where: Where = None,
        parents: bool = False,
        drop_self: bool = False,
        progress: Progress | None = None,
        **options: Unpack[SearchSettings],
    ) -> RunResult:
        """Rankings of many queries for evaluation, all together; arguments are those of `iter_run`."""
        asked = RunSettings(k, where, parents, drop_self, progress)
        searcher, answered = start_run(self._now, queries, asked, options, self._scorer)
        return RunResult.of(answered, searcher.options.views)

    def iter_run(
        self,
        queries: Iterable[Query],
        k: int = 1000,
        *,
        where: Where = None,
        parents: bool = False,
        drop_self: bool = False,
        progress: Progress | None = None,
        **options: Unpack[SearchSettings],
    ) -> Iterator[QueryRanking]:
        """Rankings of many queries, each as soon as it is there: ids and scores; texts are read only to be reranked.

        `parents` also gives each view's own ranking; `drop_self` leaves out the document whose id is the query's. With
        `unit="passage"` an id is that of a passage: its document's, `#`, and its position there from 0.
        """
        asked = RunSettings(k, where, parents, drop_self, progress)
        return start_run(self._now, queries, asked, options, self._scorer)[1]

    def explain(
        self,
        query: str,
        doc_id: str,
        *,
        k: int = 1000,
        where: Where = None,
        **options: Unpack[SearchSettings],
    ) -> dict[str, Any]:
        """Why a document scores what it scores in such a search: terms, cosines, ranges.

        Raises `UsageError` for an unknown id, or if the search is one for passages.
        """
        return explain_one(self._now, query, doc_id, k, where, options)

    def query_weights(self, query: str, **options: Unpack[SearchSettings]) -> dict[str, float]:
        """By view, what such a search weighs it for this query; see `adapt` in `SearchSettings`."""
        return weights_of(self._now, query, options)

    def _scorer(self, model: str) -> PairScorer:
        from retrieve.encoders.rerank import CrossEncoder

        with self._loading:
            if model not in self._scorers:
                self._scorers[model] = CrossEncoder.load(model, device=self._settings.device)
            return self._scorers[model]

    # -- passages in arrays -----------------------------------------------------------------------------------

    def rank_passages(
        self,
        queries: Sequence[PassageQuery],
        k: int = 100,
        *,
        fusion: PassageFusion | None = None,
        where: Where = None,
        **options: Unpack[PassageSettings],
    ) -> PassageRanking:
        """The k best passages of each of B queries, as arrays; ties by document id and position, before the cut.

        A query is a text, a vector (D,), or a mapping view → text or vector, for BM25 also a mapping text → weight:
        the texts' scores are added up, each times its weight. `fusion`: "sum" of the views' own scores times
        `weights`, exact whichever view found a passage; or "convex", "z" or "rrf", as a search for passages has it and
        the recipe says by default. Scores are ordered before they are rounded to float32. The keys hold in this
        generation and in those of `reencode`: `layout` says which passages they number.
        """
        return passages.rank_passages(self._now, queries, k, fusion, where, options)

    def score_passages(
        self,
        queries: Sequence[PassageQuery],
        keys: PassageRanking | npt.ArrayLike,
        *,
        layout: str | None = None,
        **options: Unpack[ScoreSettings],
    ) -> dict[str, Vectors]:
        """Each view's own score (B,P) float32 of any passages, row by row of the queries' (B,); −inf where a key is −1.

        `keys`: a ranking, or an array (B,P) with the `layout` of the ranking that it comes from. A dense score is that
        of the stored vector; where none was kept, of what the FAISS index gives back. Raises `UsageError` for a key of
        another layout, out of range, or of a deleted document.
        """
        return passages.score_passages(self._now, queries, keys, layout, options)

    def passages_at(
        self, keys: PassageRanking | npt.ArrayLike, *, layout: str | None = None
    ) -> list[Passage | None]:
        """The passages that keys number, with their texts, in the keys' order (row by row); None for a key of −1.

        `keys` and `layout` are those of `score_passages`.
        """
        snapshot = self._snapshot
        return lookup.passages_at(snapshot, passages.keys_of(snapshot, keys, layout).ravel())

    @property
    def layout(self) -> str:
        """Which passages stand in which order: what the keys of passages belong to."""
        return self._snapshot.layout

    # -- looking ----------------------------------------------------------------------------------------------

    @property
    def recipe(self) -> Recipe:
        """The resolved recipe."""
        return self._passage_encoder.recipe

    @property
    def fingerprint(self) -> str | None:
        """The fingerprint of the encoder that built this index; None where there is none."""
        record = self._snapshot.manifest.encoder
        return None if record is None else record.fingerprint

    @property
    def generation(self) -> int:
        """Number of the generation this index answers from."""
        return self._snapshot.manifest.generation

    def info(self) -> dict[str, Any]:
        """Counts, sizes, recipe and encoder, as a JSON object."""
        from retrieve.store.info import describe

        return describe(self._snapshot)

    def get(self, doc_id: str) -> Document | None:
        """A document as it was added, or None."""
        return self.get_many([doc_id])[0]

    def get_many(self, ids: Iterable[str]) -> list[Document | None]:
        """Documents as they were added, in the order of their ids; None for each that is not there."""
        return lookup.documents_by_id(self._snapshot, ids)

    def passages(self, doc_id: str) -> list[Passage]:
        """A document's passages with their offsets and texts; [] where it has none, `UsageError` for an unknown id."""
        return lookup.passages_of_document(self._snapshot, doc_id)

    def sample(self, count: int) -> list[Passage]:
        """`count` passages, evenly apart in the index's order; all if there are fewer. `UsageError` for less than 1."""
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise UsageError(f"count is {count!r}: wanted a whole number of at least 1")
        return lookup.sample_passages(self._snapshot, count)

    def vectors(self, ids: Iterable[str]) -> lookup.DocumentVectors:
        """The vectors of documents' passages as they were stored, one document after the other, float32.

        Raises `UsageError` for an unknown id, and where the index has no vectors or kept none.
        """
        return lookup.stored_vectors(self._snapshot, ids)

    def __contains__(self, doc_id: object) -> bool:
        return isinstance(doc_id, str) and self._snapshot.locate([doc_id])[0] is not None

    def __len__(self) -> int:
        return self._snapshot.manifest.totals.documents

    def ids(self, where: Where = None) -> Iterator[str]:
        """Ids of all live documents, or of those that a filter selects, segment by segment, in order within each."""
        return lookup.selected_ids(self._snapshot, filter_of(where))
