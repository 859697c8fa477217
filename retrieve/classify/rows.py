"""What an aggregator reads of documents: vectors of their passages, or states of their tokens, from the encoder.

Both come as float16 arrays, one for each document, in memory or memory-mapped, so that training and scoring are the
same for either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from retrieve.classify.passages import Cut
from retrieve.classify.preset import EncoderSection
from retrieve.classify.ragged import Ragged
from retrieve.classify.records import IntArray
from retrieve.errors import UsageError
from retrieve.passages.encoder import PassageEncoder
from retrieve.passages.ragged import DocumentStates, PassageVectors
from retrieve.types import Progress

Rows = npt.NDArray[np.floating]

_TOGETHER = 1 << 15
"""Rows that are scored at a time."""


class DocumentRows(NamedTuple):
    """Rows of N documents: `of`(n) gives (R_n,D), `counts` (N,) are R_n; `passages`(n) (S+1,): the first row of each
    passage, then R_n.
    """

    of: Callable[[int], Rows]
    counts: IntArray
    passages: Callable[[int], IntArray]

    def ragged(self, documents: Sequence[int], device: torch.device) -> Ragged:
        """The rows of some of the documents, at least one, in this order."""
        rows = torch.from_numpy(np.concatenate([self.of(number) for number in documents]))
        firsts = np.concatenate([[0], self.counts[list(documents)].cumsum()])
        return Ragged(rows.to(device), torch.from_numpy(firsts).to(device))

    def batches(self, together: int = _TOGETHER) -> Iterator[list[int]]:
        """All documents, those of similar length together, about so many rows at a time."""
        batch: list[int] = []
        rows = 0
        for number in np.argsort(self.counts, kind="stable").tolist():
            if batch and rows + self.counts[number] > together:
                yield batch
                batch, rows = [], 0
            batch.append(number)
            rows += int(self.counts[number])
        if batch:
            yield batch


def joined(pieces: Sequence[DocumentRows]) -> DocumentRows:
    """The documents of all pieces, one piece after the other."""
    firsts = np.cumsum([0, *(len(piece.counts) for piece in pieces)])

    def place(number: int) -> tuple[DocumentRows, int]:
        piece = int(np.searchsorted(firsts, number, side="right")) - 1
        return pieces[piece], number - int(firsts[piece])

    def of(number: int) -> Rows:
        piece, within = place(number)
        return piece.of(within)

    def passages(number: int) -> IntArray:
        piece, within = place(number)
        return piece.passages(within)

    return DocumentRows(of, np.concatenate([piece.counts for piece in pieces]), passages)


def read_rows(
    encoder: PassageEncoder,
    section: EncoderSection,
    cut: Cut,
    *,
    keep: bool = False,
    progress: Progress | None = None,
) -> DocumentRows:
    """Vectors of all passages through the cache, or token states: kept there with `keep`, else held in memory.

    Raises `UsageError` where token states would take more than `section.most_gigabytes`.
    """
    return (
        _states(encoder, section, cut, keep, progress) if section.states else _vectors(encoder, cut, progress)
    )


def vectors_of(encoder: PassageEncoder, cut: Cut, progress: Progress | None = None) -> PassageVectors:
    """Vectors of all passages, through the cache, with progress in passages."""
    passages = sum(map(len, cut.spans))

    def shown(done: int, tokens: int) -> None:
        if progress is not None:
            progress("encoding passages", done, passages)

    return encoder.vectors(cut.documents, cut.spans, progress=shown)


def _vectors(encoder: PassageEncoder, cut: Cut, progress: Progress | None) -> DocumentRows:
    found = vectors_of(encoder, cut, progress)
    counts = np.diff(found.firsts)
    return DocumentRows(found.of, counts, lambda number: np.arange(counts[number] + 1))


def _states(
    encoder: PassageEncoder, section: EncoderSection, cut: Cut, keep: bool, progress: Progress | None
) -> DocumentRows:
    most = int(section.most_gigabytes * 1e9)
    states: Sequence[DocumentStates]
    if keep and encoder.models.documents.cache_root is not None:

        def shown(done: int, documents: int) -> None:
            if progress is not None:
                progress("encoding documents", done, documents)

        states = encoder.keep_token_states(cut.documents, cut.spans, most_bytes=most, progress=shown)
    else:
        states = _held(encoder, cut, most, progress)
    counts = np.array([len(each.states) for each in states], dtype=np.int64)
    return DocumentRows(lambda number: states[number].states, counts, lambda number: states[number].firsts)


def _held(encoder: PassageEncoder, cut: Cut, most: int, progress: Progress | None) -> list[DocumentStates]:
    held: list[DocumentStates] = []
    size = 0
    for each in encoder.token_states(cut.documents, cut.spans):
        held.append(each)
        size += each.states.nbytes
        if size > most:
            raise UsageError(
                f"token states of the first {len(held)} of {len(cut.documents)} documents take {size / 1e9:.2f} GB, "
                f"wanted at most {most / 1e9:.2f} for all: raise encoder.most_gigabytes or take fewer passages"
            )
        if progress is not None:
            progress("encoding documents", len(held), len(cut.documents))
    return held
