"""Rows of documents without padding: every document has as many as it has, and no row stands for nothing.

What aggregators do to the rows of each document is done here for all documents at once. A document without rows gets
zeros, so that no mean or maximum of nothing is left to chance. Only a transformer needs a grid, and it gets its mask.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence


class Ragged(NamedTuple):
    """Rows of N documents, passage vectors or token states: `rows` (R,D); document n has `firsts`[n] to [n + 1].

    firsts (N+1,) int64, starts with 0 and ends with R. A document may have no row.
    """

    rows: Tensor
    firsts: Tensor

    @property
    def counts(self) -> Tensor:
        """(N,) int64: rows of each document."""
        return self.firsts.diff()

    @property
    def owners(self) -> Tensor:
        """(R,) int64: the document of each row."""
        counts = self.counts
        return torch.repeat_interleave(torch.arange(len(counts), device=counts.device), counts)

    @property
    def positions(self) -> Tensor:
        """(R,) int64: the place of each row in its document, from 0."""
        return torch.arange(len(self.rows), device=self.firsts.device) - self.firsts[self.owners]

    def having(self, rows: Tensor) -> Ragged:
        """Other rows (R,…) of the same documents."""
        return Ragged(rows, self.firsts)


def ragged_of(documents: Sequence[Tensor]) -> Ragged:
    """Rows (S,D) of each of N ≥ 1 documents as one."""
    counts = [0, *map(len, documents)]
    rows = torch.cat(list(documents))
    return Ragged(rows, torch.tensor(counts, device=rows.device).cumsum(0))


# -- one value for each document --------------------------------------------------------------------------------


def total(ragged: Ragged) -> Tensor:
    """Sums (N,…) over each document's rows, each in the order of its rows: neighbours change no bit of them."""
    return _reduced(ragged, "sum")


def mean(ragged: Ragged) -> Tensor:
    """Means (N,…) over each document's rows."""
    return total(ragged) / _along(ragged.counts.clamp(min=1), ragged.rows)


def greatest(ragged: Ragged) -> Tensor:
    """The greatest (N,…) of each document's rows, dimension by dimension."""
    found = _reduced(ragged, "max")
    return torch.where(_along(ragged.counts > 0, ragged.rows), found, torch.zeros_like(found))


def first(ragged: Ragged) -> Tensor:
    """The first row (N,…) of each document."""
    return _taken(ragged, ragged.firsts[:-1])


def last(ragged: Ragged) -> Tensor:
    """The last row (N,…) of each document."""
    return _taken(ragged, ragged.firsts[1:] - 1)


def log_mean_exp(ragged: Ragged) -> Tensor:
    """log of the mean of exp (N,…) over each document's rows, without overflow."""
    shift = greatest(ragged).detach()
    shifted = ragged.having((ragged.rows - shift[ragged.owners]).exp())
    some = _along(ragged.counts > 0, ragged.rows)
    means = torch.where(some, mean(shifted), torch.ones_like(shift))
    return means.log() + shift


def softmax(ragged: Ragged) -> Tensor:
    """Weights (R,…) float32, or float64 of float64, of sum 1 over each document's rows."""
    scores = ragged.having(ragged.rows.to(torch.promote_types(ragged.rows.dtype, torch.float32)))
    owners = ragged.owners
    raised = (scores.rows - greatest(scores).detach()[owners]).exp()
    return raised / total(ragged.having(raised))[owners]


def _reduced(ragged: Ragged, how: str) -> Tensor:
    if not len(ragged.rows):  # of no row at all torch reduces to another shape
        return ragged.rows.new_zeros((len(ragged.counts), *ragged.rows.shape[1:])) + ragged.rows.sum()
    rows = ragged.rows.contiguous()
    # With `unsafe` lengths are not checked again: they are differences of `firsts`.
    return torch.segment_reduce(rows, how, lengths=ragged.counts, axis=0, unsafe=True)


def _taken(ragged: Ragged, places: Tensor) -> Tensor:
    if not len(ragged.rows):
        return total(ragged)
    found = ragged.rows[places.clamp(0, len(ragged.rows) - 1)]
    return torch.where(_along(ragged.counts > 0, ragged.rows), found, torch.zeros_like(found))


def _along(values: Tensor, rows: Tensor) -> Tensor:
    """Values (N,) with as many dimensions as rows (R,…)."""
    return values.reshape(-1, *[1] * (rows.ndim - 1))


# -- sequences and grids ----------------------------------------------------------------------------------------


def packed(ragged: Ragged) -> tuple[PackedSequence, Tensor]:
    """What torch's recurrent layers take, of the documents that have rows, and the row (R,) that each of it is.

    An output's `data`[i] belongs to row `order`[i]. There is no padding in between.
    """
    counts, owners, positions = ragged.counts, ragged.owners, ragged.positions
    by_length = counts.argsort(descending=True, stable=True)
    rank = torch.empty_like(by_length)
    rank[by_length] = torch.arange(len(by_length), device=rank.device)
    order = (positions * len(counts) + rank[owners]).argsort()
    sizes = torch.bincount(positions).cpu()  # documents that have a row at each position
    return PackedSequence(ragged.rows[order], sizes), order


class Grid(NamedTuple):
    """Some documents, longest last, side by side: cells (G,S,D), `real` (G,S), and the row of each real cell."""

    cells: Tensor
    real: Tensor
    rows: Tensor


def grids(ragged: Ragged, most: int = 1 << 14) -> Iterator[Grid]:
    """The documents that have rows, in grids of similar length: at most `most` cells and an eighth of them empty.

    A grid has one document at least. Empty cells are 0.
    """
    counts = ragged.counts.cpu()
    order = counts.argsort(stable=True)
    order = order[counts[order] > 0]
    lengths = counts[order].tolist()
    begin = real = 0
    for end, length in enumerate(lengths):
        cells = length * (end + 1 - begin)
        if end > begin and (cells > most or 8 * (cells - real - length) > cells):
            yield _grid(ragged, order[begin:end], lengths[end - 1])
            begin, real = end, 0
        real += length
    if lengths:
        yield _grid(ragged, order[begin:], lengths[-1])


def _grid(ragged: Ragged, documents: Tensor, length: int) -> Grid:
    documents = documents.to(ragged.firsts.device)
    steps = torch.arange(length, device=ragged.firsts.device)
    real = steps < ragged.counts[documents, None]
    rows = (ragged.firsts[documents, None] + steps)[real]
    cells = ragged.rows.new_zeros((*real.shape, *ragged.rows.shape[1:]))
    return Grid(cells.index_put((real.nonzero(as_tuple=True)), ragged.rows[rows]), real, rows)
