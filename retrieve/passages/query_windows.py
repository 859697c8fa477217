"""Queries as an encoder reads them: one window, or several of a query that is longer than it reads."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from retrieve.recipe.sections import Passages
from retrieve.text.splitter import Splitter
from retrieve.types import Document

if TYPE_CHECKING:
    from retrieve.encoders.dense.encoder import Encoder


class QueryWindows:
    """Cuts long queries as a recipe cuts documents into windows of tokens, else at the encoder's limit."""

    def __init__(self, encoder: Encoder, passages: Passages) -> None:
        self._encoder = encoder
        self._passages = passages

    def of(self, queries: Sequence[str]) -> list[list[str]]:
        """The windows of each query; a query that fits is its only one."""
        encoder = self._encoder
        room = encoder.limit - encoder.special_tokens
        windows = [[query] for query in queries]
        fed = [encoder.query_prompt + query for query in queries]
        # A token has a character at least, and a tokenizer may put one in front: most queries need not be counted.
        perhaps = [number for number, text in enumerate(fed) if not text.isascii() or len(text) >= room]
        tokens = encoder.token_offsets([fed[number] for number in perhaps])
        long = [number for number, offsets in zip(perhaps, tokens, strict=True) if len(offsets) > room]
        if long:
            cut = self._splitter.split([Document("query", queries[number]) for number in long])
            for number, found in zip(long, cut, strict=True):
                windows[number] = [queries[number][start:end] for start, end in found.spans.tolist()]
        return windows

    @cached_property
    def _splitter(self) -> Splitter:
        passages, encoder = self._passages, self._encoder
        prompt = len(encoder.token_offsets([encoder.query_prompt])[0])
        by_tokens = passages.unit == "tokens" and passages.mode == "window"
        return Splitter(
            offsets=encoder.token_offsets,
            limit=encoder.limit - encoder.special_tokens - prompt,
            size=passages.size if by_tokens else None,
            overlap=passages.overlap if by_tokens else 0,
            mode="window",
            title="none",
            boundaries=passages.boundaries,
        )
