"""Encoder and aggregator as one module: passages of a batch of documents, packed, to the documents' scores.

With `recompute` a micro-batch leaves nothing in memory but its vectors: the backward pass encodes it again, with the
same dropout, and the gradients are those of the plain graph. Of token states not even they stay: a micro-batch leaves
for each of its documents and labels what its share of the label-wise attention came to, and these are joined.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from retrieve.classify.ragged import Ragged
from retrieve.classify.records import IntArray
from retrieve.encoders.batches import batches
from retrieve.encoders.tokens import TokenRow
from retrieve.encoders.torch.trainable import Batch, PassageModel


@dataclass(frozen=True, slots=True)
class Passages:
    """Passages of N documents as tokens; document n has `rows` `firsts`[n] to [n + 1]; firsts (N+1,) int64.

    No tuple, so that the trainer hands it on as it is.
    """

    rows: Sequence[TokenRow]
    firsts: IntArray


def passages_of(documents: Sequence[Sequence[TokenRow]]) -> Passages:
    """The passages of N documents, one document after the other."""
    firsts = np.cumsum([0, *map(len, documents)], dtype=np.int64)
    return Passages([row for rows in documents for row in rows], firsts)


class DocumentNetwork(nn.Module):
    """Passages of N documents → scores (N,L) float32.

    `head` takes `Ragged` vectors, or token states. `budget`: tokens, padding included, that are encoded at a time at
    most; fewer where the machine likes that better. A passage that is longer is alone.
    """

    def __init__(self, encoder: PassageModel, head: nn.Module, *, budget: int, recompute: bool) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head
        self._budget, self._recompute = min(budget, encoder.batch_tokens), recompute

    def forward(self, passages: Passages) -> Tensor:
        """Scores (N,L)."""
        if self.encoder.states and passages.rows:
            return self._by_parts(passages)
        scores: Tensor = self.head(self.encoded(passages))
        return scores

    def encoded(self, passages: Passages) -> Ragged:
        """Vectors of all passages in their order, or the states of all their tokens."""
        firsts = self._placed(passages.firsts)
        if not passages.rows:
            return Ragged(next(self.parameters()).new_zeros((0, self.encoder.dimensions)), firsts)
        lengths = _lengths(passages)
        order = list(batches(lengths, self._budget))
        made = torch.cat([self._again(self.encoder, *self._batch(passages, part)) for part in order])
        counts = lengths if self.encoder.states else np.ones_like(lengths)
        places = self._placed(_scattered(np.concatenate(order), counts))
        return Ragged(made.index_select(0, places), self._placed(_before(counts))[firsts])

    def _by_parts(self, passages: Passages) -> Tensor:
        """Scores by micro-batches of token states, none of which stay."""
        lengths, owners = _lengths(passages), _owners(passages)
        made, whose = [], []
        for found in batches(lengths, self._budget):
            part = np.sort(found)  # a document's passages side by side
            documents, starts = np.unique(owners[part], return_index=True)
            firsts = self._placed(_before(lengths[part])[[*starts, len(part)]])
            made.append(self._again(self._part, *self._batch(passages, part), firsts))
            whose.append(documents)
        joined = np.concatenate(whose)
        count = len(passages.firsts) - 1
        parts = torch.cat(made).index_select(0, self._placed(np.argsort(joined, kind="stable")))
        firsts = self._placed(_before(np.bincount(joined, minlength=count)))
        tokens = np.bincount(owners, weights=lengths, minlength=count).astype(np.int64)
        head: Any = self.head
        scores: Tensor = head.joined(Ragged(parts, firsts), self._placed(tokens))
        return scores

    def _part(self, ids: Tensor, mask: Tensor, types: Tensor, firsts: Tensor) -> Tensor:
        head: Any = self.head
        found: Tensor = head.parts(Ragged(self.encoder(ids, mask, types), firsts))
        return found

    def _again(self, work: Callable[..., Tensor], *given: Tensor) -> Tensor:
        """What `work` makes of a micro-batch; made again for the backward pass, if that was asked for."""
        if not (self._recompute and torch.is_grad_enabled()):
            return work(*given)
        # Tensors are arguments, as it is the generator of their device that is put back.
        found: Tensor = checkpoint(work, *given, use_reentrant=False, preserve_rng_state=True)
        return found

    def _batch(self, passages: Passages, part: IntArray) -> Batch:
        return self.encoder.batch([passages.rows[row] for row in part])

    def _placed(self, numbers: IntArray) -> Tensor:
        return torch.from_numpy(numbers).to(self.encoder.device)


def _lengths(passages: Passages) -> IntArray:
    return np.array([len(row.ids) for row in passages.rows], dtype=np.int64)


def _owners(passages: Passages) -> IntArray:
    return np.repeat(np.arange(len(passages.firsts) - 1), np.diff(passages.firsts))


def _before(counts: IntArray) -> IntArray:
    """(N+1,) how many there are before each, and in all."""
    return np.concatenate([[0], counts.cumsum()]).astype(np.int64)


def _scattered(order: IntArray, counts: IntArray) -> IntArray:
    """For passages of `counts` rows each that come in `order`: where each row of the first, the second... is."""
    starts = np.empty_like(counts)
    starts[order] = _before(counts[order])[:-1]
    within = np.arange(counts.sum()) - np.repeat(_before(counts)[:-1], counts)
    return np.asarray(np.repeat(starts, counts) + within, dtype=np.int64)
