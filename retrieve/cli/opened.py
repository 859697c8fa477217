"""What the verbs that search open: an index of ours, or with `lucene:` before its folder one made elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from retrieve.errors import UsageError

if TYPE_CHECKING:
    from retrieve.api import Index
    from retrieve.api.lucene_index import LuceneIndex


def opened_index(index: str, **how: Any) -> Index | LuceneIndex:
    """`how`: that of `Index.open`, of which an index of Lucene's has nothing."""
    from retrieve.store.paths import LUCENE

    if not index.startswith(LUCENE):
        from retrieve.api import Index

        return Index.open(index, **how)
    from retrieve.api.lucene_index import LuceneIndex

    if other := next((name for name, value in how.items() if value is not None), None):
        raise UsageError(f"{index} is an index of Lucene's, which has no encoder: leave out --{other}")
    return LuceneIndex(index)
