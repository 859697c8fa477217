"""Label-wise attention in blocks against the formula written out, document by document, in double precision."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from retrieve.classify.aggregators.streaming import LabelKeys, label_attention
from retrieve.classify.ragged import Ragged, ragged_of


def dense(ragged: Ragged, keys: LabelKeys, values: Tensor) -> Tensor:
    """softmax(U k) over each document's rows, times what the rows say."""
    found = []
    for first, end in zip(ragged.firsts[:-1].tolist(), ragged.firsts[1:].tolist(), strict=True):
        rows = ragged.rows[first:end]
        hidden = rows if keys.key is None else torch.tanh(rows @ keys.key.T + keys.key_bias)
        weights = torch.softmax(hidden @ keys.queries.T, dim=0)  # of no rows: none
        found.append(torch.einsum("tl,td,ld->l", weights, rows, values))
    return torch.stack(found)


def drawn(counts: list[int], *, keyed: bool, seed: int = 0) -> tuple[Ragged, LabelKeys, Tensor]:
    draws = torch.Generator().manual_seed(seed)

    def tensor(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draws, dtype=torch.float64).requires_grad_()

    firsts = torch.tensor([0, *counts]).cumsum(0)
    ragged = Ragged(tensor(sum(counts), 5), firsts)
    keys = LabelKeys(tensor(3, 4), tensor(4, 5), tensor(4)) if keyed else LabelKeys(tensor(3, 5))
    return ragged, keys, tensor(3, 5)


@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=6), st.integers(1, 7), st.booleans(), st.integers(0, 99)
)
def test_values_and_gradients_are_those_of_the_formula(
    counts: list[int], block: int, keyed: bool, seed: int
) -> None:
    ragged, keys, values = drawn(counts, keyed=keyed, seed=seed)
    inputs = [given for given in (ragged.rows, values, *keys) if given is not None]
    weights = torch.randn(len(counts), 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    made = label_attention(ragged, keys, values=values, block=block)
    wanted = dense(ragged, keys, values)
    torch.testing.assert_close(made, wanted, rtol=1e-10, atol=1e-10)
    found = torch.autograd.grad((made * weights).sum(), inputs)
    formula = torch.autograd.grad((wanted * weights).sum(), inputs)
    for mine, theirs in zip(found, formula, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("wanted", [each for each in itertools.product([True, False], repeat=5) if any(each)])
def test_what_needs_no_gradient_gets_none(wanted: tuple[bool, ...]) -> None:
    ragged, keys, values = drawn([4, 0, 2], keyed=True)
    inputs = [
        given.detach().requires_grad_(need)
        for given, need in zip((ragged.rows, values, *keys), wanted, strict=True)  # type: ignore[union-attr]
    ]
    ragged, values, keys = ragged.having(inputs[0]), inputs[1], LabelKeys(*inputs[2:])
    label_attention(ragged, keys, values=values, block=3).square().sum().backward()
    needed = [given for given in inputs if given.requires_grad]
    formula = torch.autograd.grad(dense(ragged, keys, values).square().sum(), needed)
    for learned, gradient in zip(needed, formula, strict=True):
        torch.testing.assert_close(learned.grad, gradient)
    assert all(given.grad is None for given in inputs if not given.requires_grad)


def test_great_scores_do_not_overflow() -> None:
    ragged, keys, values = drawn([6], keyed=False)
    large = LabelKeys(1e6 * keys.queries)
    made = label_attention(ragged, large, values=values, block=2)
    torch.testing.assert_close(made, dense(ragged, large, values))


def test_half_precision_is_worked_in_single() -> None:
    ragged, keys, values = drawn([300], keyed=True)
    rows = ragged.having(ragged.rows.half())
    single = LabelKeys(*(given.float() for given in keys if given is not None))
    made = label_attention(rows, single, values=values.float())
    wanted = dense(rows.having(rows.rows.double()), keys, values)
    torch.testing.assert_close(made.double(), wanted, rtol=1e-4, atol=1e-5)


class Largest(TorchDispatchMode):
    """The most numbers that a tensor made under it has."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        made = function(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, tuple | list) else (made,):
            if isinstance(tensor, Tensor):
                self.numbers = max(self.numbers, tensor.numel())
        return made


@pytest.mark.parametrize("tokens", [1 << 12, 1 << 14])
def test_memory_is_that_of_a_block(tokens: int) -> None:
    labels, block = 64, 128
    rows = torch.randn(tokens, 8, requires_grad=True)
    keys = LabelKeys(torch.randn(labels, 8, requires_grad=True))
    values = torch.randn(labels, 8, requires_grad=True)
    with Largest() as largest:
        label_attention(ragged_of([rows]), keys, values=values, block=block).sum().backward()
    # The gradient of the rows is as large as the rows; no matrix is of rows by labels.
    assert largest.numbers == max(rows.numel(), block * labels)
    assert largest.numbers < tokens * labels
