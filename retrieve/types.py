"""The nouns: one frozen record each, shared by every layer.

Ids are strings everywhere; integer rows exist only below the retrievers. Text offsets are character offsets
into `Document.text` as it was given, before any normalisation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol, SupportsIndex, overload

from retrieve.errors import UsageError

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


class Part(NamedTuple):
    """A piece of text that is shown, and whether it is a word of the query."""

    text: str
    found: bool


class Excerpt(NamedTuple):
    """A hit for a person: its title and its snippet in parts, and where that stands.

    The parts of each make one line of plain text together: without control characters, soft hyphens and line ends.
    `place` is as in "passage 12 of 40, page 3", and "" for the only passage of a document without pages.
    """

    title: tuple[Part, ...]
    text: tuple[Part, ...]
    place: str

    @property
    def snippet(self) -> str:
        """The parts of the text together."""
        return "".join(part.text for part in self.text)


class ShowsHits(Protocol):
    """What a search leaves with its hits, so that they can be shown: the query, and how its words are found."""

    def excerpt(self, hit: Hit) -> Excerpt: ...

    def highlights(self, hit: Hit) -> tuple[tuple[int, int], ...]: ...

    def html(self, hits: Sequence[Hit]) -> str: ...


@dataclass(frozen=True, init=False)
class Hit:
    """One answer. `rank` counts from 1; `scores` holds what each view gave (absent: the view did not find it).

    `passage_count` is how many passages the document has, 0 where nobody says. What a person reads (`snippet`,
    `highlights`, `excerpt`) is computed when it is asked for; a hit that comes from no search has no `shows`, and
    raises `UsageError` then.
    """

    doc_id: str
    score: float
    rank: int
    title: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    passages: tuple[PassageHit, ...] = ()
    scores: Mapping[str, float] = field(default_factory=dict)
    passage_count: int = 0
    shows: ShowsHits | None = field(default=None, repr=False, compare=False)

    def __init__(
        self,
        doc_id: str,
        score: float,
        rank: int,
        title: str = "",
        metadata: Mapping[str, Any] | None = None,
        passages: tuple[PassageHit, ...] = (),
        scores: Mapping[str, float] | None = None,
        passage_count: int = 0,
        shows: ShowsHits | None = None,
    ) -> None:
        """All fields at once: one by one, as a frozen dataclass sets them, ten hits took longer than their search."""
        self.__dict__.update(
            doc_id=doc_id,
            score=score,
            rank=rank,
            title=title,
            metadata={} if metadata is None else metadata,
            passages=passages,
            scores={} if scores is None else scores,
            passage_count=passage_count,
            shows=shows,
        )

    @property
    def snippet(self) -> str:
        """The sentences of the best passage that share most with the query, on one line of about 300 characters.

        How the passage begins, where it has no word of the query; "" where the search showed no passages.
        """
        return self.excerpt.snippet

    @property
    def highlights(self) -> tuple[tuple[int, int], ...]:
        """Characters (start, end) of the document's text where words of the query stand in this hit's passages.

        Words are found as the index's analyzer sees them (stemmed). Sorted, none overlapping.
        """
        return self._shows.highlights(self)

    @property
    def excerpt(self) -> Excerpt:
        """Title and snippet with the words found told apart, and where the snippet stands."""
        return self._shows.excerpt(self)

    def to_dict(self) -> dict[str, Any]:
        """The hit as a JSON object, with its snippet, its place and its highlights."""
        excerpt = self.excerpt
        return {
            "doc_id": self.doc_id,
            "score": self.score,
            "rank": self.rank,
            "title": self.title,
            "snippet": excerpt.snippet,
            "place": excerpt.place,
            "metadata": dict(self.metadata),
            "passages": [passage._asdict() for passage in self.passages],
            "passage_count": self.passage_count,
            "highlights": [list(span) for span in self.highlights],
            "scores": dict(self.scores),
        }

    def _repr_html_(self) -> str | None:
        """What a notebook shows: title, snippet, place and scores, escaped. None (its `repr`) if it cannot be shown."""
        return None if self.shows is None else self.shows.html([self])

    @property
    def _shows(self) -> ShowsHits:
        if self.shows is None:
            raise UsageError(
                f"hit {self.doc_id!r} was made by hand: what a search found has a snippet and highlights"
            )
        return self.shows


class Hits(list[Hit]):
    """The hits of one search, best first: a list, which also shows itself."""

    @overload
    def __getitem__(self, at: SupportsIndex) -> Hit: ...

    @overload
    def __getitem__(self, at: slice) -> Hits: ...

    def __getitem__(self, at: SupportsIndex | slice) -> Hit | Hits:
        """A hit, or some of the hits."""
        return Hits(super().__getitem__(at)) if isinstance(at, slice) else super().__getitem__(at)

    def to_dicts(self) -> list[dict[str, Any]]:
        """Each hit as a JSON object, as for a table: `pandas.DataFrame(hits.to_dicts())`."""
        return [hit.to_dict() for hit in self]

    def _repr_html_(self) -> str | None:
        """What a notebook shows: the hits, one below the other."""
        first = self[0].shows if self else None
        return None if first is None else first.html(self)


class Progress(Protocol):
    """Called with a stage's name, the units done so far, and their total where it is known."""

    def __call__(self, stage: str, done: int, total: int | None) -> None: ...
