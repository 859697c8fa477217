"""Encoder and aggregator as one module: passages of a batch of documents, packed, to the documents' scores.

With `recompute` a micro-batch leaves nothing in memory but its vectors: the backward pass encodes it again, with the same
dropout. The gradients are those of the plain graph (Gao et al. 2021, GradCache, without its second loss).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from retrieve.classify.endtoend.encoder import PassageModel
from retrieve.classify.ragged import Ragged
from retrieve.classify.records import IntArray
from retrieve.encoders.batches import batches
from retrieve.encoders.tokens import TokenRow


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

    `head` takes `Ragged` vectors, or token states. `budget`: tokens, padding included, that are encoded at a time; a
    passage that is longer is alone.
    """

    def __init__(self, encoder: PassageModel, head: nn.Module, *, budget: int, recompute: bool) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head
        self._budget, self._recompute = budget, recompute

    def forward(self, passages: Passages) -> Tensor:
        """Scores (N,L)."""
        scores: Tensor = self.head(self.encoded(passages))
        return scores

    def encoded(self, passages: Passages) -> Ragged:
        """Vectors of all passages in their order, or the states of all their tokens."""
        device = self.encoder.device
        firsts = torch.from_numpy(passages.firsts).to(device)
        if not passages.rows:
            empty = next(self.parameters()).new_zeros((0, self.encoder.dimensions))
            return Ragged(empty, firsts)
        lengths = np.array([len(row.ids) for row in passages.rows], dtype=np.int64)
        order = list(batches(lengths, self._budget))
        made = torch.cat([self.encode([passages.rows[row] for row in part]) for part in order])
        counts = lengths if self.encoder.states else np.ones_like(lengths)
        places = torch.from_numpy(_scattered(np.concatenate(order), counts)).to(device)
        if self.encoder.states:
            firsts = torch.from_numpy(np.concatenate([[0], lengths.cumsum()])).to(device)[firsts]
        return Ragged(made.index_select(0, places), firsts)

    def encode(self, rows: Sequence[TokenRow]) -> Tensor:
        """One micro-batch. In training it is encoded again for the backward pass, if that was asked for."""
        batch = self.encoder.batch(rows)
        if not (self._recompute and torch.is_grad_enabled()):
            return self.encoder(*batch)
        # The tensors are arguments, as the generator of the device that those are on is what is put back.
        found: Tensor = checkpoint(self.encoder, *batch, use_reentrant=False, preserve_rng_state=True)
        return found


def _scattered(order: IntArray, counts: IntArray) -> IntArray:
    """For passages of `counts` rows each that come in `order`: where each row of the first, the second... is."""
    starts = np.empty_like(counts)
    starts[order] = np.concatenate([[0], counts[order].cumsum()[:-1]])
    within = np.arange(counts.sum()) - np.repeat(np.concatenate([[0], counts.cumsum()[:-1]]), counts)
    return np.asarray(np.repeat(starts, counts) + within, dtype=np.int64)
