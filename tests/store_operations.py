"""Random sequences of adds, updates, deletes and merges, and the index that they must be equal to: a fresh one.

A seed draws the operations, so that a failure is one number to repeat. The suite runs a few short sequences,
`scripts/campaigns/operations.py` long ones.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from retrieve import Document, Index
from retrieve.api import Writer
from retrieve.passages.encoder import PassageEncoder
from retrieve.store.filters import matches, parse_filter

DIMENSIONS = 4
WORDS = ["the", "of", "court", "law", "liability", "carrier", "damage", "protein", "gene", "flow", "heat"]
FILTERS: tuple[dict[str, Any], ...] = (
    {"year": {"gte": 1995}},
    {"kind": "statute"},
    {"or": [{"year": {"lt": 1992}}, {"kind": {"in": ["case", "note"]}}]},
    {"not": {"tags": "b"}},
)
QUERIES = (
    "court liability",
    "protein gene gene",
    "flow of heat",
    "carrier",
    "zebra",
    "damage law article wing",
)

Vectors = npt.NDArray[np.float32]


class Mix(NamedTuple):
    """How often each operation comes, relative to the others."""

    add: int = 6
    update: int = 4
    metadata: int = 3
    repeat: int = 2
    delete: int = 3
    where: int = 1
    commit: int = 2
    abandon: int = 1
    merge: int = 1


class Stored(NamedTuple):
    """What the model index holds for an id."""

    document: Document
    vectors: Vectors


class Abandoned(Exception):
    """Raised inside a writer's block: nothing of it may be seen."""


def recipe(passages: int, *, factory: str = "Flat", storage: str = "float16") -> dict[str, Any]:
    """A hybrid recipe with own vectors and segments of so many passages."""
    return {
        "name": "operations",
        "passages": {"unit": "words", "size": 6, "overlap": 2},
        "bm25": {},
        "dense": {"model": "none", "dimensions": DIMENSIONS, "factory": factory, "storage": storage},
        "segments": {"passages": passages},
        "filters": {"fields": ["year"]},
        "search": {"dense": {"nprobe": 64}},
    }


class Run:
    """One random sequence over one index, with a dict beside it that says what the index should hold."""

    def __init__(self, folder: Path, seed: int, mix: Mix, settings: dict[str, Any]) -> None:
        self.random = random.Random(seed)
        self.mix = mix
        self.index = Index.create(folder, settings)
        self.committed: dict[str, Stored] = {}
        self.draft: dict[str, Stored] = {}
        self.numbers = np.random.default_rng(seed)
        self.pool = self.numbers.normal(size=(60, DIMENSIONS)).astype(np.float32)
        self.names = [f"{letter}{number}" for letter in "Zaé文" for number in range(40)]

    def run(self, operations: int) -> None:
        """So many operations, the last of them a commit."""
        done = 0
        while done < operations:
            self.draft = dict(self.committed)
            try:
                with self.index.writer() as writer:
                    done += self._session(writer, operations - done)
                self.committed = self.draft
            except Abandoned:
                done += 1
            if self.random.random() < self.mix.merge / 10:
                self.index.merge()
                done += 1

    def _session(self, writer: Writer, left: int) -> int:
        weights = self.mix._asdict()
        del weights["merge"]
        for count in range(1, left + 1):
            kind = self.random.choices(list(weights), list(weights.values()))[0]
            if kind == "commit":
                return count
            if kind == "abandon" and count < left:
                raise Abandoned
            if kind != "abandon":
                getattr(self, f"_{kind}")(writer)
        return left

    # -- operations: each does the same to the writer and to the draft ------------------------------------------

    def _add(self, writer: Writer) -> None:
        ids = self.random.choices(self.names, k=self.random.choice([1, 1, 2, 5, 20]))
        self._write(writer, [self._document(doc_id) for doc_id in ids])

    def _update(self, writer: Writer) -> None:
        self._write(writer, [self._document(doc_id) for doc_id in self._some(4)])

    def _repeat(self, writer: Writer) -> None:
        known = [self.draft[doc_id] for doc_id in self._some(5)]
        vectors = [stored.vectors for stored in known] if self.random.random() < 0.5 else None
        added = writer.add([stored.document for stored in known], vectors)
        assert added == (0, 0, len(known))

    def _metadata(self, writer: Writer) -> None:
        """Other metadata for the same text: the vectors are the writer's to copy."""
        changed = []
        for doc_id in self._some(4):
            old = self.draft[doc_id]
            document = Document(doc_id, old.document.text, old.document.title, self._fields())
            self.draft[doc_id] = Stored(document, old.vectors)
            changed.append(document)
        writer.add(changed)

    def _delete(self, writer: Writer) -> None:
        ids = self._some(5)
        assert writer.delete([*ids, *ids[:1], "nobody"]) == len(ids)
        for doc_id in ids:
            del self.draft[doc_id]

    def _where(self, writer: Writer) -> None:
        where = {"and": [self.random.choice(FILTERS), {"year": self.random.randrange(1990, 2000)}]}
        ids = self._some(2)
        doomed = {doc_id for doc_id, stored in self.draft.items() if _selected(stored.document, where)}
        doomed |= set(ids)
        assert writer.delete(ids, where=where) == len(doomed)
        for doc_id in doomed:
            del self.draft[doc_id]

    def _write(self, writer: Writer, documents: Sequence[Document]) -> None:
        expected = [0, 0, 0]
        vectors = []
        for document, passages in zip(documents, self._count_passages(documents), strict=True):
            stored = Stored(document, self.pool[self.numbers.integers(0, len(self.pool), passages)])
            vectors.append(stored.vectors)
            old = self.draft.get(document.id)
            same = (
                old is not None and old.document == document and np.array_equal(old.vectors, stored.vectors)
            )
            expected[0 if old is None else 2 if same else 1] += 1
            self.draft[document.id] = stored
        assert writer.add(documents, vectors) == tuple(expected)

    def _count_passages(self, documents: Sequence[Document]) -> list[int]:
        return [len(windows.spans) for windows in PassageEncoder(self.index.recipe).split(documents)]

    def _some(self, most: int) -> list[str]:
        names = sorted(self.draft)
        return self.random.sample(names, min(len(names), self.random.randint(1, most)))

    def _document(self, doc_id: str) -> Document:
        words = self.random.choices(WORDS, k=self.random.choice([0, 3, 3, 5, 12, 30]))
        title = self.random.choice(["", "", "court of law"])
        return Document(doc_id, " ".join(words), title, self._fields())

    def _fields(self) -> dict[str, Any]:
        fields: dict[str, Any] = {"year": self.random.randrange(1990, 2000)}
        if self.random.random() < 0.7:
            fields["kind"] = self.random.choice(["statute", "case", "note"])
        if self.random.random() < 0.5:
            fields["tags"] = self.random.choices("abc", k=2)
        return fields

    # -- what must hold -----------------------------------------------------------------------------------------

    def check(self, fresh: Path) -> None:
        """The index answers as a fresh one of the surviving documents, and is whole."""
        wanted = self.committed
        assert self.index.verify() == []
        assert len(self.index) == len(wanted)
        assert sorted(self.index.ids()) == sorted(wanted)
        for doc_id in self.names:
            assert self.index.get(doc_id) == (wanted[doc_id].document if doc_id in wanted else None)
        settings = self.index.recipe.model_dump(mode="json", exclude_none=True)
        with Index.create(fresh, {**settings, "segments": {"passages": 100_000}}) as other:
            order = self.random.sample(sorted(wanted), len(wanted))
            with other.writer() as writer:
                writer.add(
                    [wanted[doc_id].document for doc_id in order],
                    [wanted[doc_id].vectors.reshape(-1, DIMENSIONS) for doc_id in order],
                )
            self._compare(other)

    def _compare(self, other: Index) -> None:
        vector = self.pool[self.random.randrange(len(self.pool))]
        for where in (None, *FILTERS):
            for query in QUERIES:
                for options in ({"using": "bm25"}, {"using": "bm25", "unit": "passage", "k": 30}):
                    assert self.index.search(query, where=where, **options) == other.search(
                        query, where=where, **options
                    ), (query, where, options)
            for options in (
                {"using": "dense"},
                {"using": "hybrid", "k": 25},
                {"using": "hybrid", "fusion": "rrf"},
            ):
                text = None if options["using"] == "dense" else QUERIES[0]
                mine, theirs = (
                    index.search(text, vector=vector, where=where, **options) for index in (self.index, other)
                )
                assert mine == theirs, (where, options)


def _selected(document: Document, where: dict[str, Any]) -> bool:
    return matches(parse_filter(where), dict(document.metadata))
