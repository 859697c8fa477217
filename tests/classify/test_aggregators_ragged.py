"""Segment operations against loops over documents, some of them empty; sequences and grids give every row back."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from retrieve.classify.ragged import (
    Ragged,
    first,
    greatest,
    grids,
    last,
    log_mean_exp,
    mean,
    packed,
    ragged_of,
    softmax,
    total,
)

COUNTS = st.lists(st.integers(0, 7), min_size=1, max_size=9)


def drawn(counts: list[int], seed: int, dimensions: int = 3) -> Ragged:
    rows = torch.randn(
        sum(counts), dimensions, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )
    return Ragged(rows.requires_grad_(), torch.tensor([0, *counts]).cumsum(0))


def by_document(ragged: Ragged, one: Callable[[Tensor], Tensor]) -> Tensor:
    """`one` of each document's rows, zeros of none."""
    bounds = zip(ragged.firsts[:-1].tolist(), ragged.firsts[1:].tolist(), strict=True)
    found = [one(ragged.rows[start:end]) if end > start else torch.zeros(3).double() for start, end in bounds]
    return torch.stack(found)


LOOPS = {
    total: lambda rows: rows.sum(dim=0),
    mean: lambda rows: rows.mean(dim=0),
    greatest: lambda rows: rows.amax(dim=0),
    first: lambda rows: rows[0],
    last: lambda rows: rows[-1],
    log_mean_exp: lambda rows: rows.exp().mean(dim=0).log(),
}


@given(COUNTS, st.integers(0, 99))
@pytest.mark.parametrize("operation", LOOPS)
def test_values_and_gradients_are_those_of_a_loop(
    operation: Callable[[Ragged], Tensor], counts: list[int], seed: int
) -> None:
    ragged = drawn(counts, seed)
    made, wanted = operation(ragged), by_document(ragged, LOOPS[operation])
    torch.testing.assert_close(made, wanted)
    if len(ragged.rows):
        weights = torch.randn(made.shape, generator=torch.Generator().manual_seed(seed)).double()
        (found,) = torch.autograd.grad((made * weights).sum(), ragged.rows)
        (formula,) = torch.autograd.grad((wanted * weights).sum(), ragged.rows)
        torch.testing.assert_close(found, formula)


@given(COUNTS, st.integers(0, 99))
def test_softmax_sums_to_one_over_a_document(counts: list[int], seed: int) -> None:
    ragged = drawn(counts, seed)
    bounds = zip(ragged.firsts[:-1].tolist(), ragged.firsts[1:].tolist(), strict=True)
    wanted = [torch.softmax(ragged.rows[start:end], dim=0) for start, end in bounds]
    torch.testing.assert_close(softmax(ragged), torch.cat(wanted))


def test_softmax_of_half_precision_is_in_single_and_does_not_overflow() -> None:
    rows = torch.tensor([[6e4], [5e4], [-6e4]], dtype=torch.float16)
    weights = softmax(Ragged(rows, torch.tensor([0, 2, 3])))
    assert weights.dtype == torch.float32
    torch.testing.assert_close(weights, torch.tensor([[1.0], [0.0], [1.0]]))


def test_neighbours_change_no_bit() -> None:
    documents = [drawn([count], seed=count).rows.float() for count in (5, 1, 7, 3)]
    for operation in (total, mean, greatest, log_mean_exp):
        together = operation(ragged_of(documents))
        alone = torch.cat([operation(ragged_of([each])) for each in documents])
        assert torch.equal(together, alone)


@given(COUNTS, st.integers(0, 99))
def test_a_packed_sequence_holds_each_row_where_it_belongs(counts: list[int], seed: int) -> None:
    ragged = drawn(counts, seed)
    if not len(ragged.rows):
        return
    sequence, order = packed(ragged)
    assert torch.equal(sequence.data[order.argsort()], ragged.rows)
    by_length = sorted((rows for rows in ragged.rows.split(counts) if len(rows)), key=len, reverse=True)
    wanted = torch.nn.utils.rnn.pack_sequence(by_length)
    assert torch.equal(sequence.batch_sizes, wanted.batch_sizes)
    assert torch.equal(sequence.data, wanted.data)


@given(COUNTS, st.integers(0, 99), st.integers(1, 60))
def test_grids_hold_every_row_once(counts: list[int], seed: int, most: int) -> None:
    ragged = drawn(counts, seed)
    seen = []
    for grid in grids(ragged, most):
        documents, length = grid.real.shape
        assert documents == 1 or documents * length <= most
        assert 8 * int((~grid.real).sum()) <= documents * length
        assert torch.equal(grid.cells[grid.real], ragged.rows[grid.rows])
        assert not grid.cells[~grid.real].any()
        assert (grid.real.int().diff(dim=1) <= 0).all()  # real cells come first
        seen += grid.rows.tolist()
    assert sorted(seen) == list(range(len(ragged.rows)))
