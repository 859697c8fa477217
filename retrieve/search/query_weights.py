"""How much each view counts for one query: less where its encoder has the query's words in pieces alone.

An encoder that reads a word as four or five pieces has hardly met it: the language is not one of its own, or the word
is a name or the number of a thing. BM25 takes such words as they are. Measured on four collections (`eval/fusion.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from retrieve.search.options import SearchOptions

if TYPE_CHECKING:
    from retrieve.passages.encoder import PassageEncoder

_FEW, _MANY = 2.0, 3.0
"""Pieces of a word in the mean up to which an encoder counts in full, and from which it counts least. Of the queries of
English collections 95 in 100 are below the first under an English tokenizer, of German ones half are above the second.
"""
LEAST = 0.1
_BEGINNING = 1_000
"""Characters of a query that are looked at."""


class QueryWeights:
    """The weights of a search's views for each of its queries, where they are to be adapted."""

    def __init__(
        self, passage_encoder: PassageEncoder, options: SearchOptions, encoded: Collection[str]
    ) -> None:
        """`encoded`: the views that an encoder reads queries for; `adapts`: whether weights depend on the query."""
        self._passage_encoder = passage_encoder
        self._weights = options.weights
        self._encoded = tuple(name in encoded for name in options.views)
        self.adapts = options.adapt and any(self._encoded) and not all(self._encoded)

    def of(self, asks: Mapping[str, Any]) -> tuple[float, ...]:
        """Those of one query, by what it asks of each view; they add up to what the options' weights do.

        A query of vectors, which has no words, is weighed as the options say.
        """
        by_view = zip(asks.values(), self._encoded, strict=True)
        texts = {ask for ask, encoded in by_view if encoded and isinstance(ask, str)}
        if len(texts) != 1:
            return self._weights
        share = known_share(self._pieces(texts.pop()))
        found = [
            weight * (share if encoded else 1.0)
            for weight, encoded in zip(self._weights, self._encoded, strict=True)
        ]
        scale = sum(self._weights) / sum(found)
        return tuple(weight * scale for weight in found)

    def _pieces(self, text: str) -> float:
        """Tokens of a word in the mean; 0 for a text without words."""
        beginning = text[:_BEGINNING]
        words = self._passage_encoder.analyzer.count_words(beginning)
        known, unknown = self._passage_encoder.models.of_queries.pieces(beginning)
        return (known + _MANY * unknown) / words if words else 0.0


def known_share(pieces: float) -> float:
    """How much an encoder counts, 0.1 to 1, for words of so many pieces in the mean."""
    beyond = (pieces - _FEW) / (_MANY - _FEW)
    return 1.0 - (1.0 - LEAST) * min(max(beyond, 0.0), 1.0)
