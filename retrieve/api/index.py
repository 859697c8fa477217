"""An open index: whatever an application does with one, each call a few lines over the layers below.

One `Index` is safe in many threads: it answers from one generation until `refresh()`, and every object it shares
between threads is immutable or locked. In another process a copy of it opens the same folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import numpy.typing as npt

from retrieve.api import passages
from retrieve.api.held import Held, Settings, encoded_alike
from retrieve.api.runs import QueryRanking, RunResult, RunSettings, start_run
from retrieve.api.searching import explain_one, filter_of, search_all
from retrieve.api.writer import Where, Writer
from retrieve.errors import UsageError
from retrieve.passages.encoder import PassageEncoder
from retrieve.process import ForkSafeLock
from retrieve.recipe import Recipe
from retrieve.search import lookup
from retrieve.search.asks import PassageQuery
from retrieve.search.options import SearchSettings
from retrieve.search.passages import (
    PassageFusion,
    PassageRanking,
    PassageSettings,
    ScoreSettings,
)
from retrieve.search.rerank import PairScorer
from retrieve.search.searcher import check_query
from retrieve.store.create import create_index
from retrieve.store.garbage import tidy
from retrieve.store.info import describe
from retrieve.store.manifest import read_manifest
from retrieve.store.merge import merge
from retrieve.store.paths import index_path
from retrieve.store.reencode import reencode
from retrieve.store.segment import Segment
from retrieve.store.snapshot import Snapshot
from retrieve.store.vectors import query_vector, query_vectors
from retrieve.store.verify import verify
from retrieve.store.writer import Added
from retrieve.store.writer import Writer as StoreWriter
from retrieve.types import Document, Hit, Passage, Progress, Query

if TYPE_CHECKING:
    from retrieve.encoders.dense.encoder import Encoder
    from retrieve.encoders.sparse.encoder import SparseTextEncoder

Vectors = npt.NDArray[np.float32]


class Index:
    """An open index. Use `Index.create` or `Index.open`; use it as a context, or `close()` it.

    It pickles as its path and how it was opened: a copy, in this process or another, opens the generation that is
    current then.
    """

    def __init__(self, folder: Path, held: Held, settings: Settings) -> None:
        self.path = folder
        self._held: Held | None = held
        self._settings = settings
        self._encoded_beside = 0, 0
        self._refreshing = ForkSafeLock()
        self._loading = ForkSafeLock()
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
        in the way is `IndexExists`; `force` replaces an index, never another kind of folder. Whoever has the other one
        open goes on reading it until `refresh()`; its files go with the first commit, or when its last reader lets go.
        """
        folder = index_path(path)
        passage_encoder = PassageEncoder(recipe, overrides, cache=cache, encoder=encoder, device=device)
        create_index(folder, passage_encoder, force=force)
        held = Held(Snapshot.open(folder), passage_encoder.expecting(passage_encoder.encoder_record()))
        return cls(folder, held, Settings(cache=cache, encoder=encoder, device=device))

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
        settings = Settings(model, backend, precision, cache, encoder, device)
        return cls(folder, settings.open(folder), settings)

    def __reduce__(self) -> tuple[Any, ...]:
        self._refuse_closed()
        return _open_again, (self.path.absolute(), self._settings)

    def refresh(self) -> bool:
        """Move to the newest generation; returns whether there was one."""
        return self._refresh(())

    def _refresh(self, opened: Sequence[Segment]) -> bool:
        """`refresh`, with segments that a writer has open already."""
        with self._refreshing:
            held = self._now
            if read_manifest(self.path) == held.snapshot.manifest:
                return False
            snapshot = Snapshot.open(self.path, reuse=(*opened, *held.snapshot.segments))
            passage_encoder = held.passage_encoder
            if not encoded_alike(snapshot.manifest, held.snapshot.manifest):
                # Encoded anew: the model that was named or handed in was for the vectors from before.
                self._settings = self._settings._replace(model=None, encoder=None)
                passage_encoder = self._settings.passage_encoder(snapshot.manifest)
                self._count_encodings(held.passage_encoder.encodings)
            self._held = Held(snapshot, passage_encoder)
            return True

    def close(self) -> None:
        """Let the generation go. Closing twice is harmless; anything else on a closed index is `UsageError`."""
        if self._held is not None:
            self._held.snapshot.close()
            self._held = None

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

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        held = self._held
        if held is None:
            return f"Index({str(self.path)!r}, closed)"
        manifest = held.snapshot.manifest
        totals = manifest.totals
        return (
            f"Index({str(self.path)!r}, {totals.documents:,} documents, {totals.passages:,} passages, "
            f"views {', '.join(held.passage_encoder.recipe.views)}, generation {manifest.generation})"
        )

    # -- writing ----------------------------------------------------------------------------------------------

    @contextmanager
    def writer(self, progress: Progress | None = None, workers: int = 1) -> Iterator[Writer]:
        """The one writer: leaving the block commits and refreshes this index; an exception changes nothing.

        `workers`: so many processes build segments side by side, each on a GPU of its own if there are several; the
        index is the same, to the byte. Each holds one segment in memory. A script must then do its work under
        `if __name__ == "__main__":`. Raises `IndexLocked` while another writer is at work.
        """
        store = self._store_writer(progress, workers)
        try:
            yield Writer(store, self._refuse_closed)
            self._refuse_closed()  # inside the block: nothing was committed, and what this says is true
            store.commit()
            self._refresh(store.segments)
        finally:
            store.close()
            self._count_encodings(store.encodings)

    def _store_writer(self, progress: Progress | None, workers: int) -> StoreWriter:
        """A writer whose encoder is that of the generation it writes on top of."""
        while True:
            held = self._now
            store = StoreWriter.open(
                self.path, held.passage_encoder, progress, workers=workers, reuse=held.snapshot.segments
            )
            if encoded_alike(read_manifest(self.path), held.snapshot.manifest):
                return store
            store.close()
            del held  # or the generation from before would stay on the disk
            self.refresh()

    def _count_encodings(self, counts: tuple[int, int]) -> None:
        encoded, cached = counts
        self._encoded_beside = self._encoded_beside[0] + encoded, self._encoded_beside[1] + cached

    def add(
        self,
        documents: Iterable[Document | Mapping[str, Any]],
        vectors: Iterable[npt.ArrayLike] | None = None,
        *,
        progress: Progress | None = None,
    ) -> Added:
        """Add or update documents as one commit; arguments and errors are those of `Writer.add`."""
        with self.writer(progress) as writer:
            return writer.add(documents, vectors)

    def delete(self, ids: Iterable[str] | None = None, where: Where = None) -> int:
        """Delete by id, by filter, or both, as one commit; returns how many went. Raises as `Writer.delete`."""
        with self.writer() as writer:
            return writer.delete(ids, where)

    def merge(self, *, retrain: bool = False, progress: Progress | None = None) -> None:
        """Rewrite segments without deleted rows, packed to the recipe's segment size; `retrain` learns FAISS anew."""
        self.refresh()
        merge(self.path, self._passage_encoder, retrain=retrain, progress=progress)
        self.refresh()
        tidy(self.path)  # until now this index held the generation that was merged

    def reencode(
        self, encoder: str | Path | Encoder | SparseTextEncoder, *, progress: Progress | None = None
    ) -> None:
        """Encode all passages anew by another encoder, in one commit; all but the vectors stays, to the byte.

        `encoder`: a model's folder or name, run as the recipe says and with the folder's own prompts, or what
        `load_encoder` or `load_sparse_encoder` gave, as it was loaded. The recipe says so from then on; what is learned
        of vectors is learned anew, and keys of passages stay. Raises `EncoderMismatch` for one that would cut documents
        into other passages, `RecipeError` where the recipe cannot have it. The index stays as it was then, and after an
        interruption.
        """
        self._refuse_closed()
        settings = self._settings
        made = reencode(self.path, lambda manifest: settings.other_encoder(manifest, encoder), progress)
        self._count_encodings(made.encodings)
        self.refresh()
        if not isinstance(encoder, str | Path):
            with self._refreshing:
                self._settings = self._settings._replace(encoder=encoder, backend=None, precision=None)
                self._held = Held(self._snapshot, self._settings.passage_encoder(self._snapshot.manifest))
        tidy(self.path)  # until now this index held the generation from before

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
        **options: Unpack[SearchSettings],
    ) -> list[Hit]:
        """The k best documents (or passages) for a query.

        `where`: a filter; `vector`: a query vector (D,) for the views of vectors in place of encoding. The options are
        told at `SearchSettings`. Raises `UsageError` for k ≤ 0, an empty query or an unknown option.
        """
        if query is None and vector is None:
            raise UsageError("search wants a query text, a vector, or both")
        vectors = None if vector is None else query_vector(vector)
        return search_all(self._now, [query], k, vectors, where, dict(options), self._scorer)[0]

    def search_many(
        self,
        queries: Iterable[str] | None = None,
        k: int = 10,
        *,
        vectors: npt.ArrayLike | None = None,
        where: Where = None,
        **options: Unpack[SearchSettings],
    ) -> list[list[Hit]]:
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
        `weights`, exact whichever view found a passage; or "convex" or "rrf", as a search for passages has it and the
        recipe says by default. Scores are ordered before they are rounded to float32. The keys hold in this generation
        and in those of `reencode`: `layout` says which passages they number.
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
        return self.get_many([doc_id])[0]

    def get_many(self, ids: Iterable[str]) -> list[Document | None]:
        """Documents as they were added, in the order of their ids; None for each that is not there."""
        return lookup.documents_by_id(self._snapshot, ids)

    def passages(self, doc_id: str) -> list[Passage]:
        """A document's passages with their offsets and texts; [] where it has none, `UsageError` for an unknown id."""
        return lookup.passages_of_document(self._snapshot, doc_id)

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


def _open_again(folder: Path, settings: Settings) -> Index:
    return Index(folder, settings.open(folder), settings)
