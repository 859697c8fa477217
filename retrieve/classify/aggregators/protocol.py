"""What every aggregator is: rows of documents in, logits out, and its attention where it has one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import torch

    from retrieve.classify.ragged import Ragged


class Aggregator(Protocol):
    """A `torch.nn.Module`. A document without rows gets the logits of a zero vector; softmaxes are in float32.

    Logits depend on the rows of their own document alone, whatever batch it is in.
    """

    def __call__(self, ragged: Ragged) -> torch.Tensor:
        """Logits (N,L) float32."""

    def attention(self, ragged: Ragged) -> torch.Tensor | None:
        """Weights (R,L) of each row for each label, of sum 1 over a document's rows; None where there are none."""
