"""What a commit is made of: documents added and deleted, in order, by whoever holds the index's one writer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import PurePath
from typing import Any

import numpy.typing as npt

from retrieve.corpora.check import stored_form
from retrieve.corpora.expansions import Expansions
from retrieve.errors import UsageError
from retrieve.search.lookup import listed_ids
from retrieve.store.filters import Where, parse_conditions
from retrieve.store.writer import Added
from retrieve.store.writer import Writer as StoreWriter
from retrieve.types import Document


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
        expansions: Mapping[str, str] | None = None,
    ) -> Added:
        """Add or update, in order; an unchanged document costs nothing. Dicts follow the JSONL rules.

        `vectors`: for each document (D,) or (S,D) for its S passages, in place of encoding. `expansions`: id → what
        BM25 finds that document by too (see `Document`), in place of its own expansion; ids without a document are
        warned of. Raises `InputError` for a document that cannot be stored.
        """
        self._refuse_closed()
        if isinstance(documents, Document | Mapping | str | bytes) or not isinstance(documents, Iterable):
            remedy = "write [document]"
            if isinstance(documents, str | PurePath):
                remedy = f"what files hold is open_corpus({str(documents)!r})"
            raise UsageError(f"add wants documents, got one {type(documents).__name__}: {remedy}")
        stored = map(stored_form, documents)
        if expansions is None:
            return self._store.add(stored, vectors)
        joined = Expansions(expansions)
        added = self._store.add(joined.over(stored), vectors)
        joined.warn()
        return added

    def delete(self, ids: Iterable[str] | None = None, where: Where = None) -> int:
        """Delete by id, by filter, or both (each selects on its own); returns how many documents went.

        Ids that are not in the index are passed over. Raises `UsageError` without either, and for a filter without
        conditions. A field of the filter that no document has is warned of.
        """
        self._refuse_closed()
        if ids is None and where is None:
            raise UsageError("nothing to delete: give ids, a filter (where=…), or both")
        return self._store.delete(listed_ids(ids or ()), None if where is None else parse_conditions(where))
