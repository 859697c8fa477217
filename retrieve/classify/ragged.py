"""Rows of documents without padding: every document has as many as it has, and no row stands for nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import torch


class Ragged(NamedTuple):
    """Rows of N documents, passage vectors or token states: `rows` (R,D); document n has `firsts`[n] to [n + 1].

    firsts (N+1,) int64, starts with 0 and ends with R. A document may have no row.
    """

    rows: torch.Tensor
    firsts: torch.Tensor
