"""What is fed goes through the cache, the tokenizer and a model in chunks and batches, whatever is made of it.

Dense vectors and sparse rows come this one way: looked up and tokenised while the model works on what came before, in
batches that depend on the texts of a call alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from retrieve.encoders.batches import Padded, batches, filled_shape
from retrieve.encoders.dense.encoder_inputs import Feed
from retrieve.encoders.text_model import NO_TOKENS, check_rows, one_ahead
from retrieve.encoders.tokens import IntArray, TokenRow, Tokens
from retrieve.vector_cache.cache import Found, VectorCache

Array = NDArray[Any]


_KEPT_TOGETHER = 1024
"""Rows after which what was made goes into the cache: seconds to minutes of a model's work."""


class Batching(Protocol):
    """How a back end likes its batches: so many tokens, and filled up to few shapes or not."""

    @property
    def batch_tokens(self) -> int: ...
    @property
    def fills(self) -> bool: ...


class Made(NamedTuple):
    """Of each row (B,): the tokens that were fed for it and those the limit cut off; how many came from the cache."""

    tokens: IntArray
    cut: IntArray
    cached: int


class _Chunk(NamedTuple):
    """Some texts: `firsts` (N+1,) number their rows; their cache keys and what was found.

    Unless all were, their tokens, those of each span (late chunking), and how many tokens they have, `lengths` (N,).
    """

    firsts: IntArray
    keys: NDArray[np.void] | None
    found: Found | None
    rows: list[TokenRow]
    ranges: list[IntArray] | None
    lengths: IntArray


class _Work(NamedTuple):
    """A batch for the model: which texts of the chunk, the numbers of their rows, and the shape to fill up to."""

    texts: IntArray
    places: IntArray
    shape: tuple[int, int] | None


class Line(NamedTuple):
    """One model's: its tokenizer, its limit in tokens, how it likes batches, and the cache; None keeps nothing."""

    tokens: Tokens
    limit: int
    batching: Batching
    cache: VectorCache | None

    def encode(
        self,
        feed: Feed,
        into: Array,
        run: Callable[[Iterable[Padded]], Iterator[Array]],
        finish: Callable[[Array, IntArray], Array],
        progress: Callable[[int, int], None] | None,
    ) -> Made:
        """Fill `into` (B,…) with the rows of all that is fed, in order. Tokens of a text are counted at its last row.

        `run` gives what the model makes of each batch; `finish` makes rows of it, and is told their numbers. `progress`
        is called with the numbers of rows and of tokens done so far.
        """
        tokens, cut = np.zeros((2, len(into)), dtype=np.int64)
        cached = done = fed = 0
        # Each chunk is looked up and tokenised while the model works on the one before.
        count = len(feed.firsts) - 1
        for chunk in one_ahead(count, lambda part: self._chunk(feed, part), feed.chunk):
            here = slice(chunk.firsts[0], chunk.firsts[-1])
            hit = np.zeros(here.stop - here.start, dtype=np.bool_)
            if chunk.found is not None:
                into[here], tokens[here], cut[here], hit = chunk.found
                cached += int(hit.sum())
            if chunk.rows:
                last = chunk.firsts[1:] - 1
                tokens[here] = cut[here] = 0
                tokens[last], cut[last] = chunk.lengths, [row.cut for row in chunk.rows]
            todo = self._todo(chunk, hit)
            spared = len(hit) - sum(len(work.places) for work in todo)
            done += spared
            if spared and progress is not None:
                progress(done, fed)
            made = run(self._padded(chunk, work) for work in todo)
            new: list[IntArray] = []
            for work, raw in zip(todo, made, strict=True):
                finished = finish(raw[: len(work.places)], work.places)
                missing = ~hit[work.places - here.start]
                into[work.places[missing]] = finished[missing]
                done += len(work.places)
                fed += int(chunk.lengths[work.texts].sum())
                new.append(work.places[missing])
                if sum(map(len, new)) >= _KEPT_TOGETHER:
                    self._keep(chunk, new, into, tokens, cut)
                    new = []
                if progress is not None:
                    progress(done, fed)
            self._keep(chunk, new, into, tokens, cut)
        return Made(tokens, cut, cached)

    def _keep(
        self, chunk: _Chunk, new: Sequence[IntArray], into: Array, tokens: IntArray, cut: IntArray
    ) -> None:
        """Put rows, by their numbers, into the cache: whoever is interrupted has lost no more than a few minutes."""
        if self.cache is not None and chunk.keys is not None and new:
            rows = np.concatenate(new)
            self.cache.add(chunk.keys[rows - chunk.firsts[0]], into[rows], tokens[rows], cut[rows])

    def _todo(self, chunk: _Chunk, hit: NDArray[np.bool_]) -> list[_Work]:
        """The chunk's batches of which some rows are not in the cache.

        All texts decide the batches, also those that need none: a row is the same whatever was cached.
        """
        planned = list(batches(chunk.lengths, self.batching.batch_tokens, fill=self.batching.fills))
        work = []
        for texts in planned:
            places = np.concatenate([np.arange(*chunk.firsts[text : text + 2]) for text in texts])
            if hit[places - chunk.firsts[0]].all():
                continue
            shape = shape_of(self.batching, chunk.lengths[texts], self.limit, alone=len(planned) == 1)
            work.append(_Work(texts, places, shape))
        return work

    def _padded(self, chunk: _Chunk, work: _Work) -> Padded:
        ranges = None
        if chunk.ranges is not None:
            found = [chunk.ranges[text] + (row, 0, 0) for row, text in enumerate(work.texts)]
            ranges = np.concatenate(found)
        return Padded([chunk.rows[text] for text in work.texts], self.tokens.pad, ranges, work.shape)

    def _chunk(self, feed: Feed, part: slice) -> _Chunk:
        firsts = feed.firsts[part.start : part.stop + 1]
        keys = found = None
        if self.cache is not None:
            keys = feed.keys(part)
            found = self.cache.find(keys)
            if found.hit.all():
                return _Chunk(firsts, keys, found, [], None, np.empty(0, np.int64))
        rows, ranges = feed.rows(part, self.tokens, self.limit)
        lengths = np.array([len(row.ids) for row in rows], dtype=np.int64)
        check_rows(lengths[:, None] > 0, firsts[:-1], NO_TOKENS)
        return _Chunk(firsts, keys, found, rows, ranges, lengths)


def shape_of(batching: Batching, lengths: IntArray, limit: int, *, alone: bool) -> tuple[int, int] | None:
    """The shape that a batch of texts of these lengths, longest first, is filled up to; None: just theirs."""
    if not batching.fills:
        return None
    return filled_shape(len(lengths), int(lengths[0]), limit, batching.batch_tokens, alone=alone)
