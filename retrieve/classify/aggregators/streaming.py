"""Label-wise attention that never holds a score for every row and label: a block of rows at a time, forward and back.

Logits are Σ_t α_tl (v_l · h_t) with α_l a softmax over a document's rows t, so that one running number for each
document and label is enough: neither (T,L) weights nor (N,L,D) vectors are built. The softmax is taken online, as in
Milakov and Gimelshein (2018), in float32. Backward computes each block again, so gradients are exact.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from retrieve.classify.ragged import Ragged, greatest, total

_CELLS = 1 << 21
"""Numbers of a block's largest matrix: 8 MB in float32."""


class LabelKeys(NamedTuple):
    """What scores u_l · k_t are made of: `queries` u (L,K); keys k_t are tanh(W h_t + b), with `key` W (K,D) and
    `key_bias` b (K,), or the rows h_t themselves where both are None.
    """

    queries: Tensor
    key: Tensor | None = None
    key_bias: Tensor | None = None

    def scores(self, rows: Tensor) -> Tensor:
        """(R,L) of rows (R,D): what the attention is a softmax of."""
        keys = rows if self.key is None else torch.tanh(functional.linear(rows, self.key, self.key_bias))
        return functional.linear(keys, self.queries)


class _Block(NamedTuple):
    """Rows `begin` to `end`, of documents `first` to `last`, and which of those each is, with `firsts` of their own."""

    begin: int
    end: int
    first: int
    last: int
    owners: Tensor
    firsts: Tensor


def label_attention(ragged: Ragged, keys: LabelKeys, *, values: Tensor, block: int | None = None) -> Tensor:
    """Σ_t α_tl (v_l · h_t), (N,L), of rows h (R,D), with α_l the softmax over a document's rows of u_l · k_t.

    `values` v (L,D). A document without rows gets 0. `block`: rows at a time; None: as many as make a matrix of 8 MB.
    """
    return leveled_attention(ragged, keys, values=values, block=block)[0]


def leveled_attention(
    ragged: Ragged, keys: LabelKeys, *, values: Tensor, block: int | None = None
) -> tuple[Tensor, Tensor]:
    """`label_attention` (N,L) with the logarithm (N,L) of the sum of exp(u_l · k_t) that its softmax divides by, −∞
    without rows: by it, what was made of parts of a document can be joined.
    """
    widest = max(*keys.queries.shape, ragged.rows.shape[1])
    size = block or max(_CELLS // widest, 1)
    found: tuple[Tensor, Tensor] = _Streamed.apply(ragged.rows, ragged.firsts, size, values, *keys)  # type: ignore[no-untyped-call]
    return found


class _Streamed(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, rows: Tensor, firsts: Tensor, size: int, *weights: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        shape = len(firsts) - 1, len(_some(weights[0]))
        kind = torch.promote_types(rows.dtype, torch.float32)
        peak = torch.full(shape, -torch.inf, dtype=kind, device=rows.device)
        mass, out = torch.zeros_like(peak), torch.zeros_like(peak)
        for block in _blocks(firsts, size):
            here = slice(block.first, block.last)
            scores, values = _scored(rows[block.begin : block.end], *weights)
            # Where a document has no row in it, 0 is as good a peak as any.
            highest = torch.maximum(peak[here], greatest(Ragged(scores, block.firsts)))
            kept = (peak[here] - highest).exp()
            raised = (scores - highest[block.owners]).exp()
            mass[here] = mass[here] * kept + total(Ragged(raised, block.firsts))
            out[here] = out[here] * kept + total(Ragged(raised * values, block.firsts))
            peak[here] = highest
        out = torch.where(mass > 0, out / mass, torch.zeros_like(out))
        level = peak + mass.log()
        ctx.save_for_backward(rows, firsts, level, out, *weights)
        ctx.size = size
        return out, level

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        rows, firsts, level, out, *weights = ctx.saved_tensors
        wanted = [ctx.needs_input_grad[0], *ctx.needs_input_grad[3:]]
        found = [
            torch.zeros_like(given) if need else None
            for given, need in zip((rows, *weights), wanted, strict=True)
        ]
        for block in _blocks(firsts, ctx.size):
            here = slice(block.first, block.last)
            with torch.enable_grad():
                inputs = [
                    None if given is None else given.detach().requires_grad_(need)
                    for given, need in zip((rows[block.begin : block.end], *weights), wanted, strict=True)
                ]
                scores, values = _scored(*inputs)
            with torch.no_grad():
                of_out, of_level = (grad[here][block.owners] for grad in grads)
                share = (scores - level[here][block.owners]).exp()
                weight = share * of_out
                by_score = weight * (values - out[here][block.owners]) + share * of_level
            asked = [_some(given) for given, need in zip(inputs, wanted, strict=True) if need]
            # Where neither keys nor rows are learned, scores have no gradient; values likewise.
            pairs = [pair for pair in ((scores, by_score), (values, weight)) if pair[0].requires_grad]
            outputs, their = zip(*pairs, strict=True)
            made = iter(torch.autograd.grad(outputs, asked, their))
            for number, need in enumerate(wanted):
                if need and number == 0:
                    _some(found[0])[block.begin : block.end] = next(made)
                elif need:
                    _some(found[number]).add_(next(made))
        return found[0], None, None, *found[1:]


def _scored(
    rows: Tensor | None, values: Tensor | None, queries: Tensor | None, *key: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Scores and values (R,L) of rows, in float32 whatever autocast says."""
    rows = _some(rows).to(torch.promote_types(_some(rows).dtype, torch.float32))
    with torch.autocast(rows.device.type, enabled=False):
        return LabelKeys(_some(queries), *key).scores(rows), functional.linear(rows, _some(values))


def _some(given: Tensor | None) -> Tensor:
    assert given is not None
    return given


def _blocks(firsts: Tensor, size: int) -> Iterator[_Block]:
    rows = int(firsts[-1])
    begins = torch.arange(0, rows, size, device=firsts.device)
    ends = (begins + size).clamp(max=rows)
    # The last document that starts at or before a row has it: those without rows start there too, and come before.
    owners = torch.searchsorted(firsts, torch.stack([begins, ends - 1]), right=True) - 1
    for begin, end, first, last in zip(begins.tolist(), ends.tolist(), *owners.tolist(), strict=True):
        own = firsts[first : last + 2].clamp(begin, end) - begin
        yield _Block(begin, end, first, last + 1, Ragged(firsts, own).owners, own)
