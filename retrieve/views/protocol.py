"""What a view is: one searchable form of the passages of an index, whose section in the recipe asks for it.

A view sees arrays and files of one segment at a time, never an index. Whatever builds, merges, checks, describes or
searches an index goes through this protocol. Views are known by name where recipes and options of a search are read.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from retrieve.index.code_postings import Live
from retrieve.index.codes import Codes
from retrieve.index.stored_vectors import StoredVectors
from retrieve.recipe import Recipe
from retrieve.text.term_rows import NumberedRows

if TYPE_CHECKING:
    from retrieve.encoders.sparse.encoder import SparseRows
    from retrieve.passages.encoder import PassageEncoder

Array: TypeAlias = npt.NDArray[Any]
BoolArray: TypeAlias = npt.NDArray[np.bool_]
IntArray: TypeAlias = npt.NDArray[np.int64]
UInt32s: TypeAlias = npt.NDArray[np.uint32]
FloatArray: TypeAlias = npt.NDArray[np.float64]
Vectors: TypeAlias = npt.NDArray[np.float32]

Encoding: TypeAlias = Literal["vectors", "sparse"]
"""What a view is made of beside words: the vectors of an encoder of texts, or the weights of a sparse encoder."""

FIRST_SAMPLE = 1_000
"""Vectors of which an index begins to learn."""

LARGEST_SAMPLE = 50_000
"""Vectors of which it learns at most."""

Opened: TypeAlias = Any
"""A view's part of a segment, as the view itself opened it: nobody else looks inside."""


class Learned(Protocol):
    """What an index learned from its data, once for all of its segments: files by name."""

    @property
    def digest(self) -> str:
        """By which it is known."""

    def has(self, name: str) -> bool:
        """Whether a file of that name was learned."""

    def read(self, name: str) -> bytes:
        """The file, checked. Raises `IndexCorrupt`."""


class SegmentFiles(Protocol):
    """What a view sees of a segment on disk."""

    @property
    def passage_rows(self) -> int:
        """How many passages there are, those of deleted documents included."""

    @property
    def has_vectors(self) -> bool:
        """Whether the passages' vectors were kept."""

    @property
    def vectors(self) -> StoredVectors:
        """The kept vectors of all passages, memory-mapped."""

    def arrays(self, folder: str) -> dict[str, Array]:
        """The arrays of a folder, memory-mapped, by their names in it."""

    def has(self, name: str) -> bool:
        """Whether there is an array or a file of that name."""

    def read(self, name: str) -> bytes:
        """A file of the segment, whole and checked. Raises `IndexCorrupt`."""

    def folder_of(self, name: str) -> Path:
        """Where the files of a folder are, for a library that opens them itself: those of up to 64 MiB are compared
        with their checksums. Raises `IndexCorrupt`.
        """


class LiveSegment(NamedTuple):
    """A view's part of a segment in one generation: what is there, and what deletions took from it.

    `termed` (passages with a term) and `terms` count what is live. `deleted`: the view's own statistics of deleted
    rows, by name.
    """

    opened: Opened
    termed: int
    terms: int
    deleted: Mapping[str, Array]
    learned: Learned | None


class Eligible:
    """Passages of one segment that a search may return, and what they are grouped by."""

    def __init__(self, rows: int, live: BoolArray | None, groups: UInt32s | None) -> None:
        """`live` (P,) of so many `rows`, None for all; `groups` (P,) rising, of which only the best row counts."""
        self.rows = rows
        self.live = live
        self.groups = groups

    @cached_property
    def bitmap(self) -> Live | None:
        """The passages as a bitmap; None: all of them."""
        return None if self.live is None else Live(self.live)

    @cached_property
    def count(self) -> int:
        """How many passages there are to choose from."""
        return self.rows if self.live is None else int(self.live.sum())


class Best(NamedTuple):
    """The best rows of several queries, each by (−score, row): query q's stand from bounds[q] to bounds[q + 1].

    Of grouped passages `rows` are groups.
    """

    rows: IntArray
    scores: FloatArray
    bounds: IntArray


class Scores(Protocol):
    """A group of B queries in one view, over the segments of an index."""

    @property
    def exact(self) -> bool:
        """Whether the best are those of all passages, however many are asked for."""

    @property
    def floor(self) -> float:
        """What scores no more than this does not match the query."""

    def matches(self, query: int) -> bool:
        """Whether the query can match anything here: False for one that is empty in this view."""

    def best(
        self, segment: int, queries: Sequence[int], depth: int, eligible: Eligible, floors: FloatArray
    ) -> Best:
        """The `depth` best of each of some queries in a segment, and what equals the last of them.

        What scores no more than `floors`, one for each of them, may be left out. Called from several threads at a time,
        for other queries in each.
        """

    def at(self, query: int, segment: int, rows: IntArray) -> FloatArray:
        """Scores (R,) of passage rows of a segment."""

    def explain(self, query: int, segment: int, row: int) -> dict[str, Any]:
        """What a passage's score is made of: JSON values; {} where there is nothing to say."""


class Asked(NamedTuple):
    """What a group of B queries asks of a view: one of `texts`, `vectors` (B,D) and `rows`, by what the view takes.

    A text may be several with weights, where the view takes `terms`. `windows`: the vectors (W,D) of a query that has
    several, by its number; its row of `vectors` is their sum, whose inner products are the sums of theirs. `lookup`:
    nothing but `at` will be called.
    """

    encoder: PassageEncoder
    parameters: Mapping[str, Any]
    texts: Sequence[str | Mapping[str, float]] = ()
    vectors: Vectors | None = None
    rows: SparseRows | None = None
    lookup: bool = False
    windows: Mapping[int, Vectors] = {}


class Found(NamedTuple):
    """A passage that a query found, and its score there."""

    segment: int
    row: int
    score: float


class Feedback(NamedTuple):
    """How a query is expanded by what it found: by passages of its best `documents`, to its own terms and so many of
    theirs; `original` is the weight of its own, 0 to 1, that of the others is the rest.
    """

    documents: int
    terms: int
    original: float


Take: TypeAlias = Callable[[IntArray, UInt32s, Vectors], None]
"""Takes the next rows of a sparse encoder: row i has dims and weights, above zero, from starts[i] to starts[i + 1]."""


class VectorMaterial(Protocol):
    """What a merged segment is made of beside its parts; made when it is first asked for, once for all views."""

    @property
    def encoder(self) -> PassageEncoder:
        """The recipe's working parts."""

    @property
    def vectors(self) -> StoredVectors | None:
        """The vectors of all passages; None where there are none, or a merge has not got them."""

    @property
    def learned(self) -> Learned | None:
        """What was learned of the index's data, with this segment's passages among them."""


class Material(VectorMaterial, Protocol):
    """What a segment of new passages is made of: their texts too."""

    def terms(self) -> NumberedRows:
        """The terms of each passage."""

    def texts(self) -> Iterator[str]:
        """What is analysed of each passage."""

    def encode(self, take: Take, copy: Callable[[Codes], None] | None = None) -> None:
        """Hand over what the sparse encoder makes of all passages, in their order.

        A view that `copies` gives `copy`, which takes the next rows where they were made before.
        """


class Output(Protocol):
    """Where a view of a segment in the making goes."""

    def write(self, name: str, values: Array) -> None:
        """An array, into the view's folder."""

    def write_file(self, name: str, data: bytes) -> None:
        """A file, into the view's folder."""

    def folder(self) -> Path:
        """The view's folder, made, for a library that writes files itself; all of them are sealed."""


class Built(NamedTuple):
    """What a view has become. `terms`: how many analysed terms its passages have, `termed`: how many of them have any.
    `learned`: whether it was made by what was learned. `vectors`: whether it is searched by the vectors themselves,
    which must be kept then.
    """

    terms: int = 0
    termed: int = 0
    learned: bool = False
    vectors: bool = False


class Deleted(NamedTuple):
    """What deleted passages take from a view: analysed terms, passages with any, and statistics of its own by name."""

    terms: int = 0
    termed: int = 0
    arrays: Mapping[str, Array] = {}


class View(Protocol):
    """One searchable form of passages. Made of a recipe; knows nothing of any index."""

    name: str
    """The recipe's section, and the folder of a segment."""
    encoding: Encoding | None = None
    """What of an encoder it is made of; None: of the words alone."""
    takes_terms: bool = False
    """Whether passages are analysed for it, and a query may be texts with weights."""
    holds_best_alone: bool = False
    """Whether its scores hold no more than the best of a query, not those of all passages."""
    expands: bool = False
    """Whether it expands a query by terms of what that found."""
    copies: bool = False
    """Whether what a sparse encoder made of passages can be read back from it."""
    learned_file: str | None = None
    """The file that it may want to have learned from the index's vectors."""
    learned_of: str = ""
    """What that file is made by, for the manifest."""
    until_learned: str = ""
    """What holds until it is learned, for the log: with the numbers of passages that are needed, and that are there."""

    def __init__(self, recipe: Recipe) -> None:
        """Of a recipe that has the section."""

    @abstractmethod
    def build(self, material: Material, output: Output) -> Built:
        """Make it for all passages of a new segment."""

    @abstractmethod
    def merge(
        self,
        parts: Sequence[Opened],
        maps: Sequence[IntArray],
        rows: int,
        material: VectorMaterial,
        output: Output,
    ) -> Built:
        """Make it of parts of other segments.

        `maps`: for each part the new row of every old one, −1 for none; the merged segment has so many `rows`.
        """

    @abstractmethod
    def open(self, files: SegmentFiles) -> Opened:
        """Its part of a sealed segment; arrays are mapped when they are first used."""

    @abstractmethod
    def scores(self, asked: Asked, segments: Sequence[LiveSegment]) -> Scores:
        """Scores of a group of queries."""

    def expanded(
        self,
        asked: Asked,
        segments: Sequence[LiveSegment],
        found: Sequence[Sequence[Found]],
        feedback: Feedback,
    ) -> Scores:
        """Scores of the queries, each with terms of what it found, best first; of a view that `expands`."""
        raise NotImplementedError

    def deleted(self, opened: Opened, passages: BoolArray) -> Deleted:
        """What the passages (P,) that are deleted take from it."""
        return Deleted()

    def termed(self, opened: Opened, passages: BoolArray | None) -> int:
        """How many of some passages (P,), None for all, have an analysed term."""
        return 0

    def verify(self, opened: Opened, passages: int) -> Iterator[str]:
        """What does not hold of a part that ought to have so many passages, a phrase each."""
        yield from ()

    def describe(self, parts: Sequence[Opened], dimensions: int) -> dict[str, float]:
        """Figures of how it is filled; `dimensions` are the encoder's. {} where there is nothing to say."""
        return {}

    def copied(self, opened: Opened, rows: IntArray) -> Codes:
        """What the encoder made of some passages, read back; where the view `copies`."""
        raise NotImplementedError

    def check(self, encoder: PassageEncoder, dimensions: int) -> None:
        """Raise `RecipeError` or `DimensionMismatch` where vectors of so many dimensions cannot make it."""

    def learns(self, encoder: PassageEncoder) -> bool:
        """Whether it wants its `learned_file`."""
        return False

    def enough(self, dimensions: int, sample: int) -> tuple[bool, str]:
        """Whether so many vectors are enough to learn from, and if not, what that means: a sentence."""
        return True, ""

    def learn(self, sample: Vectors) -> bytes:
        """Its `learned_file`, of a sample (S,D)."""
        raise NotImplementedError

    def borrow(self, encoder: PassageEncoder, dimensions: int) -> bytes | None:
        """That file in place of one that is learned, for an index of few passages; None: it does without."""
        return None
