"""The class `Index`: create or open an index folder, write to it, search it. What an application needs, in one noun.

One `Index` is safe in many threads: it answers from one generation until `refresh()`, and every object it shares
between threads is immutable or locked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from retrieve.corpora.check import stored_form
from retrieve.errors import UsageError
from retrieve.passages.encoder import PassageEncoder
from retrieve.passages.vectors import prepare
from retrieve.process import ForkSafeLock
from retrieve.recipe import Recipe
from retrieve.retrievers.explain import explain as explain_document
from retrieve.retrievers.hits import build_hits, load_documents
from retrieve.retrievers.options import options_by_name
from retrieve.retrievers.pool import Pool
from retrieve.retrievers.rerank import PairScorer, rerank
from retrieve.retrievers.search import VECTOR_VIEWS, Ranking, Searcher, check_query
from retrieve.store.create import create_index
from retrieve.store.filters import Filter, parse_conditions, parse_filter
from retrieve.store.info import describe
from retrieve.store.manifest import read_manifest
from retrieve.store.merge import merge
from retrieve.store.place import index_path
from retrieve.store.snapshot import Snapshot
from retrieve.store.sweep import tidy
from retrieve.store.vectors import query_vector
from retrieve.store.verify import verify
from retrieve.store.writer import Added
from retrieve.store.writer import Writer as StoreWriter
from retrieve.types import Document, Hit, Progress, Query

if TYPE_CHECKING:
    from retrieve.encoders.encoder import Encoder
    from retrieve.encoders.sparse import SparseTextEncoder

Where = Mapping[str, Any] | str | None


class RunResult(NamedTuple):
    """Many queries' rankings: (query id, [(document id, score)…]) in query order, ties already in order.

    `silent`: per view, the ids of queries for which it had no hit. `views`: each view's own rankings, if asked for.
    `truncated`: queries that the encoder cut at its limit.
    """

    rankings: list[tuple[str, list[tuple[str, float]]]]
    silent: dict[str, list[str]]
    views: dict[str, list[tuple[str, list[tuple[str, float]]]]]
    truncated: int = 0


class Writer:
    """Adds and deletes within one commit. Made by `Index.writer()`, for its block: after that, and after its index was
    closed, whatever it is asked to do is `UsageError`.
    """

    def __init__(self, store: StoreWriter, refuse_closed: Callable[[], None]) -> None:
        self._store = store
        self._refuse_closed = refuse_closed

    def add(
        self,
        documents: Iterable[Document | Mapping[str, Any]],
        vectors: Iterable[npt.ArrayLike] | None = None,
    ) -> Added:
        """Add or update, in order; an unchanged document costs nothing. Dicts follow the JSONL rules.

        `vectors`: for each document (D,) or (S,D) for its S passages, in place of encoding. Raises `InputError` for a
        document that cannot be stored.
        """
        self._refuse_closed()
        if isinstance(documents, Document | Mapping):
            raise UsageError(f"add wants a list, got one {type(documents).__name__}: write [document]")
        return self._store.add((stored_form(document) for document in documents), vectors)

    def delete(self, ids: Iterable[str] | None = None, where: Where = None) -> int:
        """Delete by id, by filter, or both (each selects on its own); returns how many documents went.

        Ids that are not in the index are passed over. Raises `UsageError` without either, and for a filter without
        conditions. A field of the filter that no document has is warned of.
        """
        self._refuse_closed()
        if ids is None and where is None:
            raise UsageError("nothing to delete: give ids, a filter (where=…), or both")
        if isinstance(ids, str):
            raise UsageError(f"delete wants a list of ids, got the string {ids!r}: write [{ids!r}]")
        return self._store.delete(list(ids or ()), None if where is None else parse_conditions(where))


class Index:
    """An open index. Use `Index.create` or `Index.open`; use it as a context, or `close()` it."""

    def __init__(self, folder: Path, snapshot: Snapshot, passage_encoder: PassageEncoder) -> None:
        self.path = folder
        self._held: Snapshot | None = snapshot
        self._passage_encoder = passage_encoder
        self._encoded_beside = 0, 0
        self._refreshing = ForkSafeLock()
        self._scorers: dict[str, PairScorer] = {}

    # -- opening ----------------------------------------------------------------------------------------------

    @classmethod
    def create(
        cls,
        path: str | Path,
        recipe: str | Path | Mapping[str, Any] | Recipe = "hybrid",
        overrides: Sequence[str] = (),
        *,
        force: bool = False,
        cache: bool = True,
        encoder: Encoder | SparseTextEncoder | None = None,
        device: str | None = None,
    ) -> Index:
        """Make an empty index by a recipe (a shipped name, a TOML file, a mapping), and open it.

        `cache`: keep passage vectors on this machine for later builds, and use those kept. `encoder`: one that
        `load_encoder` or `load_sparse_encoder` gave, in place of the one that the recipe names; `device`: where torch
        computes, as in "cpu" or "cuda:1".

        An unfinished index (nothing committed) of the same recipe is opened, so that a build can go on. Anything else
        in the way is `IndexExists`; `force` deletes an index, never another kind of folder.
        """
        folder = index_path(path)
        passage_encoder = PassageEncoder(recipe, overrides, cache=cache, encoder=encoder, device=device)
        create_index(folder, passage_encoder, force=force)
        return cls(folder, Snapshot.open(folder), passage_encoder.expecting(passage_encoder.encoder_record()))

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        model: str | None = None,
        backend: str | None = None,
        precision: str | None = None,
        cache: bool = True,
        encoder: Encoder | SparseTextEncoder | None = None,
        device: str | None = None,
    ) -> Index:
        """Open an index by path or name. `model`: the encoder's folder, if it moved; another is `EncoderMismatch`.

        `backend` and `precision` run queries another way than the index was built; what is not given is "auto" then.
        `cache`, `encoder` and `device` are those of `create`; an encoder that runs another way than the one that built
        the index takes the queries alone.
        """
        folder = index_path(path)
        snapshot = Snapshot.open(folder)
        queries = (backend or "auto", precision or "auto") if backend or precision else None
        passage_encoder = PassageEncoder(
            snapshot.manifest.resolved_recipe(),
            expected=snapshot.manifest.encoder,
            model=model,
            queries=queries,
            cache=cache,
            encoder=encoder,
            device=device,
        )
        if (model is not None or encoder is not None) and passage_encoder.models.exist:
            passage_encoder.models.check()
        return cls(folder, snapshot, passage_encoder)

    def refresh(self) -> bool:
        """Move to the newest generation; returns whether there was one."""
        with self._refreshing:
            if read_manifest(self.path) == self._snapshot.manifest:
                return False
            self._held = Snapshot.open(self.path, reuse=self._snapshot)
            return True

    def close(self) -> None:
        """Let the generation go. Closing twice is harmless; anything else on a closed index is `UsageError`."""
        if self._held is not None:
            self._held.close()
            self._held = None

    @property
    def _snapshot(self) -> Snapshot:
        snapshot = self._held
        if snapshot is None:
            raise UsageError(f"this index is closed: open it again with Index.open({str(self.path)!r})")
        return snapshot

    def _refuse_closed(self) -> None:
        _ = self._snapshot  # held no longer than this: whoever holds a generation keeps its files

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # -- writing ----------------------------------------------------------------------------------------------

    @contextmanager
    def writer(self, progress: Progress | None = None, workers: int = 1) -> Iterator[Writer]:
        """The one writer: leaving the block commits and refreshes this index; an exception changes nothing.

        `workers`: so many processes build segments side by side, each on a GPU of its own if there are several; the
        index is the same, to the byte. Each holds one segment in memory. A script must then do its work under
        `if __name__ == "__main__":`. Raises `IndexLocked` while another writer is at work.
        """
        self._refuse_closed()
        store = StoreWriter.open(self.path, self._passage_encoder, progress, workers=workers)
        try:
            yield Writer(store, self._refuse_closed)
            self._refuse_closed()  # inside the block: nothing was committed, and what this says is true
            store.commit()
            self.refresh()
        finally:
            store.close()
            encoded, cached = store.encodings
            self._encoded_beside = self._encoded_beside[0] + encoded, self._encoded_beside[1] + cached

    def merge(self, *, retrain: bool = False, progress: Progress | None = None) -> None:
        """Rewrite segments without deleted rows, packed to the recipe's segment size; `retrain` learns FAISS anew."""
        self._refuse_closed()
        merge(self.path, self._passage_encoder, retrain=retrain, progress=progress)
        self.refresh()
        tidy(self.path)  # until now this index held the generation that was merged

    def verify(self, progress: Progress | None = None) -> list[str]:
        """Check every byte; returns the problems found."""
        return verify(self.path, progress)

    # -- searching --------------------------------------------------------------------------------------------

    def search(
        self,
        query: str | None = None,
        k: int = 10,
        *,
        vector: npt.ArrayLike | None = None,
        where: Where = None,
        **options: Any,
    ) -> list[Hit]:
        """The k best documents (or passages) for a query.

        `using`: a view, several, or "hybrid"; `where`: a filter; `vector`: a query vector (D,) for the views of vectors
        in place of encoding; `reranker`: a cross-encoder's folder or name. All options and their defaults are those of
        `resolve_options`. Raises `UsageError` for k ≤ 0, an empty query or an unknown option.
        """
        if query is None and vector is None:
            raise UsageError("search wants a query text, a vector, or both")
        vectors = None if vector is None else query_vector(vector)
        if query is None and "using" not in options:
            options["using"] = [name for name in self.recipe.views if name in VECTOR_VIEWS] or None
        return self._search_texts([query], k, vectors, where, options)[0]

    def search_many(
        self, queries: Sequence[str], k: int = 10, *, where: Where = None, **options: Any
    ) -> list[list[Hit]]:
        """Hits for several queries, in their order: as by searching one by one, but encoded in batches.

        Padding in a batch may change the last bits of an encoded query, and so of dense scores.
        """
        if isinstance(queries, str):
            raise UsageError(
                f"search_many wants a list of queries, got the string {queries!r}: write [{queries!r}]"
            )
        for query in queries:
            check_query(query)
        return self._search_texts(queries, k, None, where, options)

    def run(
        self,
        queries: Sequence[Query],
        k: int = 1000,
        *,
        where: Where = None,
        parents: bool = False,
        drop_self: bool = False,
        progress: Progress | None = None,
        **options: Any,
    ) -> RunResult:
        """Rankings of many queries for evaluation: ids and scores; texts are read only to be reranked.

        `parents` also returns each view's own ranking; `drop_self` leaves out the document whose id is the query's.
        """
        for query in queries:
            check_query(query.text)
        asked = k + 1 if drop_self and k > 0 else k
        snapshot, searcher = self._searcher(asked, where, options)
        if searcher.options.unit != "document":
            raise UsageError("a run ranks documents: unit='passage' does not go with it")
        result = RunResult([], {name: [] for name in searcher.options.views}, {})
        for start in range(0, len(queries), 32):
            part = queries[start : start + 32]
            for query, ranking in zip(part, searcher.rank([query.text for query in part]), strict=True):
                found = {name: _pairs(snapshot, pool) for name, pool in ranking.pools.items() if parents}
                if searcher.options.reranker:
                    hits = self._hits(query.text, ranking, searcher)
                    found[""] = [(hit.doc_id, hit.score) for hit in hits]
                else:
                    found[""] = _pairs(snapshot, ranking.final)
                for name, pairs in found.items():
                    kept = [pair for pair in pairs[:asked] if not (drop_self and pair[0] == query.id)][:k]
                    target = result.views.setdefault(name, []) if name else result.rankings
                    target.append((query.id, kept))
                for name in ranking.silent:
                    result.silent[name].append(query.id)
            if progress is not None:
                progress("queries", min(start + 32, len(queries)), len(queries))
        return result._replace(truncated=searcher.truncated)

    def explain(
        self, query: str, doc_id: str, *, k: int = 1000, where: Where = None, **options: Any
    ) -> dict[str, Any]:
        """Why a document scores what it scores in such a search: terms, cosines, ranges.

        Raises `UsageError` for an unknown id, or if the search is one for passages.
        """
        check_query(query)
        snapshot, searcher = self._searcher(k, where, options)
        if searcher.options.unit != "document":
            raise UsageError(
                "documents are explained, with all their passages: unit='passage' does not go with it"
            )
        place = snapshot.locate([doc_id])[0]
        if place is None:
            raise UsageError(f"no document {doc_id!r} in {self.path}")
        ranking = next(searcher.rank([query]))
        return {"query": query, "doc_id": doc_id} | explain_document(searcher, query, ranking, place)

    def _searcher(self, k: int, where: Where, options: Mapping[str, Any]) -> tuple[Snapshot, Searcher]:
        snapshot = self._snapshot
        resolved = options_by_name(self._passage_encoder.recipe, k, options)
        return snapshot, Searcher(snapshot, self._passage_encoder, resolved, _filter(where))

    def _search_texts(
        self,
        queries: Sequence[str | None],
        k: int,
        vectors: npt.NDArray[np.float32] | None,
        where: Where,
        options: Mapping[str, Any],
    ) -> list[list[Hit]]:
        texts = [query for query in queries if query is not None]
        for text in texts:
            check_query(text)
        _, searcher = self._searcher(k, where, options)
        if searcher.options.reranker and len(texts) != len(queries):
            raise UsageError("reranking reads the query: give its text beside the vector")
        form = self._passage_encoder.recipe.vectors
        by_text = [name for name in searcher.options.views if form is None or name not in VECTOR_VIEWS]
        if len(texts) != len(queries) and by_text:
            raise UsageError(f"a vector alone does not search {by_text}: add the text, or leave them out")
        if vectors is not None:
            if form is None or len(by_text) == len(searcher.options.views):
                raise UsageError("a vector was given, and the views made of vectors are not searched")
            vectors = prepare(vectors, "the query", self._dimensions(), normalize=form.normalize)
        asked = [query or "" for query in queries]
        return [
            self._hits(text, ranking, searcher)
            for text, ranking in zip(asked, searcher.rank(asked, vectors), strict=True)
        ]

    def _hits(self, text: str, ranking: Ranking, searcher: Searcher) -> list[Hit]:
        options = searcher.options
        hits = build_hits(searcher.snapshot, ranking, options)
        if not options.reranker:
            return hits
        return rerank(self._scorer(options.reranker), text, hits, depth=options.rerank_depth, k=options.k)

    def _dimensions(self) -> int | None:
        record = self._snapshot.manifest.encoder
        return None if record is None else record.dimensions

    def _scorer(self, model: str) -> PairScorer:
        from retrieve.encoders.rerank import CrossEncoder

        if model not in self._scorers:
            self._scorers[model] = CrossEncoder.load(model)
        return self._scorers[model]

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
    def encodings(self) -> tuple[int, int]:
        """Passages that this `Index` encoded when it wrote, and those whose vectors it took from the cache."""
        encoded, cached = self._passage_encoder.encodings
        return encoded + self._encoded_beside[0], cached + self._encoded_beside[1]

    @property
    def generation(self) -> int:
        """Number of the generation this index answers from."""
        return self._snapshot.manifest.generation

    def info(self) -> dict[str, Any]:
        """Counts, sizes, recipe and encoder, as a JSON object."""
        return describe(self._snapshot)

    def get(self, doc_id: str) -> Document | None:
        """A document as it was added, or None."""
        snapshot = self._snapshot
        place = snapshot.locate([doc_id])[0]
        if place is None:
            return None
        number = np.array([snapshot.bases[place.segment] + place.row])
        return load_documents(snapshot, number)[0].document

    def __contains__(self, doc_id: object) -> bool:
        return isinstance(doc_id, str) and self._snapshot.locate([doc_id])[0] is not None

    def __len__(self) -> int:
        return self._snapshot.manifest.totals.documents

    def ids(self) -> Iterator[str]:
        """Ids of all live documents, segment by segment, in order within each."""
        snapshot = self._snapshot
        for segment, live in zip(snapshot.segments, snapshot.live, strict=True):
            for row, doc_id in enumerate(segment.ids):
                if live is None or live[row]:
                    yield doc_id


def _pairs(snapshot: Snapshot, pool: Pool) -> list[tuple[str, float]]:
    return list(zip(snapshot.doc_ids(pool.keys), pool.scores.tolist(), strict=True))


def _filter(where: Where) -> Filter | None:
    return None if where is None else parse_filter(where)


__all__ = ["Added", "Index", "Ranking", "RunResult", "Writer"]
