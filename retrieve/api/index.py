"""An open index: whatever an application does with one, each call a few lines over the layers below; what it answers
is in `reading`.

One `Index` is safe in many threads: it answers from one generation until `refresh()`, and every object it shares
between threads is immutable or locked. In another process a copy of it opens the same folder. What writes is imported
where it is used: most programs only search.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from retrieve.api.open_state import Held, Settings, encoded_alike
from retrieve.api.reading import Reading
from retrieve.fork_safety import ForkSafeLock
from retrieve.passages.encoder import PassageEncoder
from retrieve.recipe import Recipe
from retrieve.store.filters import Where
from retrieve.store.manifest import read_manifest
from retrieve.store.paths import index_path
from retrieve.store.segment import Segment
from retrieve.store.snapshot import Snapshot
from retrieve.types import Document, Progress

if TYPE_CHECKING:
    from retrieve.api.writer import Writer
    from retrieve.encoders.dense.encoder import Encoder
    from retrieve.encoders.sparse.encoder import SparseTextEncoder
    from retrieve.store.writer import Added
    from retrieve.store.writer import Writer as StoreWriter


class Index(Reading):
    """An open index. Use `Index.create` or `Index.open`; use it as a context, or `close()` it.

    It pickles as its path and how it was opened: a copy, in this process or another, opens the generation that is
    current then.
    """

    def __init__(self, folder: Path, held: Held, settings: Settings) -> None:
        super().__init__(folder, held, settings)
        self._encoded_beside = 0, 0
        self._refreshing = ForkSafeLock()

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
        from retrieve.store.create import create_index

        folder = index_path(path)
        passage_encoder = PassageEncoder(recipe, overrides, cache=cache, encoder=encoder, device=device)
        create_index(folder, passage_encoder, force=force)
        held = Held(Snapshot.open(folder), passage_encoder.expecting(passage_encoder.encoder_record()), {})
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
            elif snapshot.manifest.recipe != held.snapshot.manifest.recipe:  # it is searched otherwise now
                passage_encoder = self._settings.passage_encoder(snapshot.manifest)
                self._count_encodings(held.passage_encoder.encodings)
            self._held = Held(snapshot, passage_encoder, {})
            return True

    def close(self) -> None:
        """Let the generation go. Closing twice is harmless; anything else on a closed index is `UsageError`."""
        if self._held is not None:
            self._held.snapshot.close()
            self._held = None

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
        from retrieve.api.writer import Writer

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
        from retrieve.store.writer import Writer as StoreWriter

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
        expansions: Mapping[str, str] | None = None,
        *,
        progress: Progress | None = None,
    ) -> Added:
        """Add or update documents as one commit; arguments and errors are those of `Writer.add`."""
        with self.writer(progress) as writer:
            return writer.add(documents, vectors, expansions)

    def delete(self, ids: Iterable[str] | None = None, where: Where = None) -> int:
        """Delete by id, by filter, or both, as one commit; returns how many went. Raises as `Writer.delete`."""
        with self.writer() as writer:
            return writer.delete(ids, where)

    def merge(self, *, retrain: bool = False, progress: Progress | None = None) -> None:
        """Rewrite segments without deleted rows, packed to the recipe's segment size; `retrain` learns FAISS anew."""
        from retrieve.store.garbage import tidy
        from retrieve.store.merge import merge

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
        from retrieve.store.garbage import tidy
        from retrieve.store.reencode import reencode

        self._refuse_closed()
        settings = self._settings
        made = reencode(self.path, lambda manifest: settings.other_encoder(manifest, encoder), progress)
        self._count_encodings(made.encodings)
        self.refresh()
        if not isinstance(encoder, str | Path):
            with self._refreshing:
                self._settings = self._settings._replace(encoder=encoder, backend=None, precision=None)
                encoder_now = self._settings.passage_encoder(self._snapshot.manifest)
                self._held = Held(self._snapshot, encoder_now, {})
        tidy(self.path)  # until now this index held the generation from before

    def verify(self, progress: Progress | None = None) -> list[str]:
        """Check every byte; returns the problems found."""
        from retrieve.store.verify import verify

        return verify(self.path, progress)

    @property
    def encodings(self) -> tuple[int, int]:
        """Passages that this `Index` encoded when it wrote, and those whose vectors it took from the cache."""
        encoded, cached = self._passage_encoder.encodings
        return encoded + self._encoded_beside[0], cached + self._encoded_beside[1]


def _open_again(folder: Path, settings: Settings) -> Index:
    return Index(folder, settings.open(folder), settings)
