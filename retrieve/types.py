"""The nouns: one frozen record each, shared by every layer.

Ids are strings everywhere; integer rows exist only below the retrievers. Text offsets are character offsets
into `Document.text` as it was given, before any normalisation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

MOST_QUERY_WINNERS = 65_535
"""Dimensions that the binary code of a query may have: a count of those it shares takes two bytes."""


@dataclass(frozen=True, slots=True)
class Document:
    """One text with its id. `metadata` is a JSON object: what filters select on and hits give back.

    `expansion`: what the document is found by too, by BM25 alone, and never shown (document expansion, as doc2query's).
    """

    id: str
    text: str
    title: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    expansion: str = ""


@dataclass(frozen=True, slots=True)
class LabelledDocument:
    """A document with what its reader knows of it.

    `labels`: () where it has none of them, None where nobody has labelled it. `value`: what an ordinal or real target
    says of it (case importance). `paragraphs`: characters (start, end) of its text, in order, none overlapping;
    `zones`: name (header, recitals) → characters. `split`: "train", "validation" or "test" where the data say so.
    `group`: documents of one group (a patient's admissions) are never parted when some are held out; None: by itself.
    """

    document: Document
    labels: tuple[str, ...] | None = None
    value: float | None = None
    paragraphs: tuple[tuple[int, int], ...] = ()
    zones: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    split: str | None = None
    group: str | None = None


Task = Literal["binary", "multiclass", "multilabel", "ordinal"]
"""What is asked of a document: one of two labels, one of several, any number of them, or a value in order."""


@dataclass(frozen=True, slots=True)
class LabelSet:
    """The labels (L) there are, in the order of every array, with what they mean where that is known."""

    names: tuple[str, ...]
    descriptions: Mapping[str, str] = field(default_factory=dict)


class Passage(NamedTuple):
    """A window of one document: characters `start` to `end` of the text of `doc_id`, the `position`-th from 0."""

    doc_id: str
    start: int
    end: int
    position: int
    text: str


class Query(NamedTuple):
    """A question with its id."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Question:
    """A question with M ≥ 2 options, of which `answer` is the right one, from 0; None where nobody says.

    `labels` are what the options are called ("A", "B", …), `facts` the ids of documents that help, `roles` what each
    of them is (CENTRAL, GROUNDING, …) where that is known.
    """

    id: str
    text: str
    choices: tuple[str, ...]
    answer: int | None = None
    labels: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()


class PassageHit(NamedTuple):
    """A passage of a hit: character offsets, position in the document, the text between the offsets, score.

    `page` is the one on which it begins, from 1, in a document of several pages.
    """

    start: int
    end: int
    position: int
    text: str
    score: float
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """One answer. `rank` counts from 1; `scores` holds what each view gave (absent: the view did not find it)."""

    doc_id: str
    score: float
    rank: int
    title: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    passages: tuple[PassageHit, ...] = ()
    scores: Mapping[str, float] = field(default_factory=dict)


class Progress(Protocol):
    """Called with a stage's name, the units done so far, and their total where it is known."""

    def __call__(self, stage: str, done: int, total: int | None) -> None: ...
