"""k documents always, as vector stores give them: those that a search did not find follow at score 0."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from retrieve.api import Index
from retrieve.store.filters import Where
from retrieve.types import Hit


def filled(index: Index, hits: Sequence[Hit], k: int, where: Where) -> list[tuple[str, float]]:
    """(document id, score) of the hits, and as many further documents of the filter's as make k where there are.

    A view of words finds no document without one of them. Which further ones come is the index's order, and may be
    another after a merge.
    """
    found = [(hit.doc_id, hit.score) for hit in hits]
    if len(found) < k:
        known = {doc_id for doc_id, _ in found}
        others = (doc_id for doc_id in index.ids(where) if doc_id not in known)
        found.extend((doc_id, 0.0) for doc_id in islice(others, k - len(found)))
    return found
