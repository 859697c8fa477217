"""A corpus as vectors in memory, and how questions find documents in it by vectors alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from retrieve.api import Index
from retrieve.errors import UsageError
from retrieve.text.splitter import with_title
from retrieve.types import Question

FloatArray = npt.NDArray[np.float64]
Float32s = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

MOST = 100_000
"""Passages that every question is scored against: a batch of 16 takes 6 MB of scores then."""

_ROWS = 256


@dataclass(frozen=True)
class Corpus:
    """All N documents of an index: `ids` sorted, `vectors` (P,D) of their passages, those of document i in the rows
    `firsts[i]` to `firsts[i + 1]`.
    """

    ids: tuple[str, ...]
    firsts: IntArray
    vectors: Float32s

    @classmethod
    def of(cls, index: Index) -> Corpus:
        """As an index stored it. Raises `UsageError` above `MOST` passages."""
        passages = index.info()["passages"]
        if passages > MOST:
            raise UsageError(
                f"{index.path} has {passages} passages, a question is scored against at most {MOST} in memory: "
                "take an index of a part of the corpus"
            )
        ids = tuple(sorted(index.ids()))
        stored = index.vectors(ids)
        return cls(ids, stored.firsts, stored.vectors)

    @cached_property
    def number(self) -> Mapping[str, int]:
        """A document's place among the ids."""
        return {doc_id: at for at, doc_id in enumerate(self.ids)}

    def rows(self, doc_ids: Sequence[str]) -> list[int]:
        """Passages of documents, each once; what is not in the corpus has none."""
        known = sorted({self.number[doc_id] for doc_id in doc_ids if doc_id in self.number})
        return [row for at in known for row in range(*self.firsts[at : at + 2].tolist())]

    def rows_of(self, index: Index, keys: IntArray) -> IntArray:
        """Passages of an index's keys, in their shape; 0 for −1."""
        unique, at = np.unique(keys, return_inverse=True)
        found = [
            0 if passage is None else int(self.firsts[self.number[passage.doc_id]]) + passage.position
            for passage in index.passages_at(unique, layout=index.layout)
        ]
        return np.array(found, np.int64)[at].reshape(keys.shape)

    def texts(self, index: Index) -> list[str]:
        """The passages' texts (P), each with its title in front as it was encoded."""
        title = index.recipe.passages.title
        found = []
        for document in index.get_many(self.ids):
            assert document is not None
            found += [
                with_title(document, passage.text, passage.position, title=title)
                for passage in index.passages(document.id)
            ]
        return found


def helpful(question: Question) -> tuple[str, ...]:
    """Ids of the documents that help most: the central ones where roles are told, else all."""
    central = tuple(
        fact for fact, role in zip(question.facts, question.roles, strict=False) if role == "CENTRAL"
    )
    return central or question.facts


def retrieval_figures(
    encode: Callable[[Sequence[str]], npt.NDArray[np.floating[Any]]],
    corpus: Index | Corpus,
    questions: Sequence[Question],
    k: int = 20,
) -> dict[str, FloatArray]:
    """ "hit@k" and "RR" of each question (Q,), asked alone: whether a helpful document is among the first k, and
    1 / the rank of the first one, among all documents by their best passage; ties by id.

    `encode`: texts → vectors (B,D). nan where nobody says what helps, which `MeanMeasure` leaves out. A helpful
    document that is not in the corpus is not found.
    """
    own = Corpus.of(corpus) if isinstance(corpus, Index) else corpus
    ranks = np.full(len(questions), np.nan)
    known = [at for at, question in enumerate(questions) if question.facts]
    for start in range(0, len(known), _ROWS):
        some = known[start : start + _ROWS]
        asked = np.asarray(encode([questions[at].text for at in some]), np.float32)
        scores = _by_document(asked @ own.vectors.T, own.firsts)
        for at, row in zip(some, scores, strict=True):
            wanted = [own.number[doc_id] for doc_id in helpful(questions[at]) if doc_id in own.number]
            ranks[at] = _rank(row, wanted)
    return {f"hit@{k}": np.where(np.isnan(ranks), np.nan, ranks <= k), "RR": 1.0 / ranks}


def _by_document(scores: Float32s, firsts: IntArray) -> Float32s:
    """Scores (B,P) of passages → (B,N), each document's best; −inf for one without any."""
    found = np.full((len(scores), len(firsts) - 1), -np.inf, np.float32)
    there = np.flatnonzero(np.diff(firsts))
    if len(there):
        found[:, there] = np.maximum.reduceat(scores, firsts[there], axis=1)
    return found


def _rank(scores: Float32s, wanted: Sequence[int]) -> float:
    """The rank from 1 of the first of the wanted documents, of which ids are in order; inf without one."""
    if not wanted or np.isneginf(best := scores[list(wanted)].max()):
        return np.inf
    first = min(at for at in wanted if scores[at] == best)
    return float(1 + (scores > best).sum() + (scores[:first] == best).sum())
