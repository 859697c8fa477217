"""Hits → one text within a budget of tokens, in which every source has a number to be cited by.

Passages are taken in the order of the hits until one does not fit, so that nothing pushes out what was ranked better,
and a larger budget shows all that a smaller one did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from retrieve.errors import UsageError
from retrieve.rag.records import Context, Omitted, Piece, Source
from retrieve.text.boundaries import breaks
from retrieve.types import Hit, PassageHit

CountTokens = Callable[[str], int]
"""A text → how many tokens a model makes of it."""

GAP = "[…]"
"""Stands between pieces of one document where text is left out."""

_BYTES_PER_TOKEN = 4


def estimated_tokens(text: str) -> int:
    """A quarter of the UTF-8 bytes, rounded up.

    Of what MiniLM's English WordPiece counts it is 1.11 times over PubMedQA's abstracts, 1.30 times over Cranfield's,
    and .75 times over German statutes.
    """
    return -(-len(text.encode()) // _BYTES_PER_TOKEN)


def context(hits: Iterable[Hit], budget: int = 2000, *, count: CountTokens = estimated_tokens) -> Context:
    """The hits' passages, in the hits' order, as one text of at most `budget` tokens, headings included.

    Passages of a document that overlap or touch become one piece; one whose text is there already, be it in another
    document, is left out; sources are numbered from 1 in the order of their first passage. Of the first passage that
    does not fit the leading sentences that do are taken, and nothing after it: `Context.omitted` tells all that was
    found and is not shown. Without hits the context is empty.

    `count`: the tokens of a text, as in `lambda text: len(tokenizer.encode(text))`. By default they are estimated: a
    quarter of the UTF-8 bytes, rounded up. Give a counter for other languages than English, and for code.

    Raises `UsageError` for a budget in which not even a sentence of the best passage fits, and for hits that were
    searched with `passages=0`.
    """
    if isinstance(budget, bool) or not isinstance(budget, int) or budget < 1:
        raise UsageError(f"budget is {budget!r}: wanted a whole number of tokens, at least 1")
    shown = _Shown()
    text, omitted = "", list[Omitted]()
    found = _passages(hits)
    for hit, passage in found:
        if shown.has(hit, passage):
            omitted.append(Omitted(hit.doc_id, passage.start, passage.end, "duplicate"))
            continue
        longer = shown.plus(hit, Piece(passage.start, passage.end, passage.text))
        written = longer.text()
        if count(written) <= budget:
            shown, text = longer, written
            continue
        fitting, cut = _cut(shown, hit, passage, budget, count)
        if not shown.pieces and not cut:
            raise UsageError(
                f"budget is {budget}: the best passage takes {count(written)} tokens with its heading, and not even "
                f"its first sentence fits; raise the budget"
            )
        if cut:
            shown, text = fitting, fitting.text()
        omitted.append(Omitted(hit.doc_id, passage.start + cut, passage.end, "budget"))
        omitted.extend(
            Omitted(other.doc_id, late.start, late.end, "duplicate" if shown.has(other, late) else "budget")
            for other, late in found
        )
    return Context(text, shown.sources(), count(text) if text else 0, budget, tuple(omitted))


@dataclass(frozen=True)
class _Shown:
    """What a context shows so far: documents in the order of their numbers, each one's pieces in the text's order."""

    hits: dict[str, Hit] = field(default_factory=dict)
    pieces: dict[str, tuple[Piece, ...]] = field(default_factory=dict)
    texts: frozenset[str] = frozenset()

    def has(self, hit: Hit, passage: PassageHit) -> bool:
        """Whether the passage's text is shown: within a piece of its document, or word for word as another passage."""
        within = any(
            piece.start <= passage.start and passage.end <= piece.end
            for piece in self.pieces.get(hit.doc_id, ())
        )
        return within or _plain(passage.text) in self.texts

    def plus(self, hit: Hit, piece: Piece) -> _Shown:
        """This, and a piece more."""
        return _Shown(
            self.hits if hit.doc_id in self.hits else {**self.hits, hit.doc_id: hit},
            {**self.pieces, hit.doc_id: _joined((*self.pieces.get(hit.doc_id, ()), piece))},
            self.texts | {_plain(piece.text)},
        )

    def sources(self) -> tuple[Source, ...]:
        return tuple(
            Source(number, doc_id, self.pieces[doc_id], hit.title, hit.metadata)
            for number, (doc_id, hit) in enumerate(self.hits.items(), start=1)
        )

    def text(self) -> str:
        return "\n\n".join(_written(source) for source in self.sources())


def _passages(hits: Iterable[Hit]) -> Iterator[tuple[Hit, PassageHit]]:
    """Each hit's passages, one after the other."""
    if isinstance(hits, Hit | str) or not isinstance(hits, Iterable):
        raise UsageError(f"context wants a list of hits, got one {type(hits).__name__}: write [hit]")
    for hit in hits:
        if not isinstance(hit, Hit):
            raise UsageError(f"a hit is of type {type(hit).__name__}: wanted what index.search(…) gives")
        if not hit.passages:
            raise UsageError(
                f"the hit {hit.doc_id!r} has no passages: search with passages=1 or more, or with unit='passage'"
            )
        for passage in hit.passages:
            if len(passage.text) != passage.end - passage.start:
                raise UsageError(
                    f"a passage of {hit.doc_id!r} has {len(passage.text)} characters and offsets {passage.start} to "
                    f"{passage.end}: wanted the passage as index.search(…) gave it"
                )
            yield hit, passage


def _joined(pieces: Iterable[Piece]) -> tuple[Piece, ...]:
    """Pieces of one document in its order; those that overlap or touch are one."""
    result: list[Piece] = []
    for piece in sorted(pieces):
        if result and piece.start <= result[-1].end:
            last = result[-1]
            more = piece.text[last.end - piece.start :]
            result[-1] = Piece(last.start, max(last.end, piece.end), last.text + more)
        else:
            result.append(piece)
    return tuple(result)


def _cut(shown: _Shown, hit: Hit, passage: PassageHit, budget: int, count: CountTokens) -> tuple[_Shown, int]:
    """`shown` with the leading sentences of a passage that fit the budget, and how many characters these are."""
    ends = [int(end) for end in breaks(passage.text).sentences if end < len(passage.text)]
    best, length = shown, 0
    low, high = 0, len(ends)
    while low < high:
        middle = (low + high) // 2
        end = ends[middle]
        piece = Piece(passage.start, passage.start + end, passage.text[:end])
        longer = shown.plus(hit, piece)
        if count(longer.text()) <= budget:
            best, length, low = longer, end, middle + 1
        else:
            high = middle
    return best, length


def _written(source: Source) -> str:
    heading = f"[{source.number}] {source.title}".rstrip()
    return f"{heading}\n" + f"\n{GAP}\n".join(piece.text.strip() for piece in source.pieces)


def _plain(text: str) -> str:
    return " ".join(text.split())
