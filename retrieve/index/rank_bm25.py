"""The package rank-bm25 over lists of terms: its three classes by our names, and the size that it is for.

It is shared by the view that scores with it and by the peer that is compared with ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from retrieve.errors import MissingExtra, UsageError

MOST_PASSAGES = 200_000
_CLASSES = {"okapi": "BM25Okapi", "l": "BM25L", "plus": "BM25Plus"}


def check_installed() -> None:
    """Raise `MissingExtra` where the package is not there."""
    _package()


def check_size(passages: int) -> None:
    """Raise `UsageError` for more passages than it can be asked about."""
    if passages > MOST_PASSAGES:
        raise UsageError(
            f"rank-bm25 looks into every passage for every term, and there are {passages}: "
            f'it is for {MOST_PASSAGES} at most; leave it out, as bm25.backend = "native" does'
        )


def make_ranker(variant: str, corpus: Sequence[Sequence[str]], k1: float, b: float) -> Any:
    """The package's object of a variant (okapi, l, plus) over the terms of each passage. Raises `MissingExtra`."""
    return getattr(_package(), _CLASSES[variant])(corpus, k1=k1, b=b)


def _package() -> Any:
    try:
        import rank_bm25
    except ImportError as error:
        raise MissingExtra('bm25.backend = "rank-bm25"', "rank-bm25") from error
    return rank_bm25
