"""What a context and an answer are made of: one frozen record each.

Offsets named `start` and `end` count characters of `Document.text`, so that every piece and every quote can be found
again in its document; a citation's count characters of the answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple


class Piece(NamedTuple):
    """Characters `start` to `end` of a source's document, with the text between them."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Source:
    """A document that a context shows: its number there, from 1, and its pieces in the document's order."""

    number: int
    doc_id: str
    pieces: tuple[Piece, ...]
    title: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)


class Omitted(NamedTuple):
    """Characters of a document that a search found and a context does not show.

    `reason`: "duplicate", as the context has this text already, or "budget".
    """

    doc_id: str
    start: int
    end: int
    reason: Literal["duplicate", "budget"]


@dataclass(frozen=True, slots=True)
class Context:
    """Sources as one text for a prompt. `tokens`: what the counter says of `text`, at most `budget`."""

    text: str
    sources: tuple[Source, ...]
    tokens: int
    budget: int
    omitted: tuple[Omitted, ...] = ()


@dataclass(frozen=True, slots=True)
class Citation:
    """A number in brackets at characters `start` to `end` of an answer, and its source: None where there is none.

    The numbers of one pair of brackets are citations at one place.
    """

    number: int
    start: int
    end: int
    source: Source | None


class Quote(NamedTuple):
    """A sentence that an answer took over: the number of its source, document, offsets into that, and text."""

    number: int
    doc_id: str
    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer and what it stands on.

    `citations`: those whose source is in the context. `unknown`: those of a number that no source has, which the
    generator made up or copied. `quotes`: the sentences that the answer is made of, best first, where no generator
    wrote it. `prompt`: what the generator was asked, None where none was.
    """

    question: str
    text: str
    context: Context
    citations: tuple[Citation, ...] = ()
    unknown: tuple[Citation, ...] = ()
    quotes: tuple[Quote, ...] = ()
    prompt: str | None = None
