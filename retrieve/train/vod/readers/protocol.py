"""What a reader is given and what it gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from torch import Tensor


class Triple(NamedTuple):
    """A document's text (empty where the reader reads none), a question's and an option's."""

    document: str
    question: str
    option: str


class Read(NamedTuple):
    """B questions of up to M options, each with K documents.

    `queries` (B,M,D), the vectors of [q; a], and `documents` (B,M,K,D); `scores` (B,M,K,S) of retrieval: cosine of
    these vectors, BM25 of the question, of the option; `kept` (B,M,K): what is there. `triples`: the texts of what is
    kept, in order, for readers that read them; else ().
    """

    queries: Tensor
    documents: Tensor
    scores: Tensor
    kept: Tensor
    triples: Sequence[Triple]


class Reader(Protocol):
    """A module: `Read` → g (B,M,K), whatever it likes where nothing is kept. `reads_texts`: it wants the triples."""

    reads_texts: bool

    def __call__(self, read: Read) -> Tensor:
        """G (B,M,K)."""
        ...
