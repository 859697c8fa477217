"""What documents become, ragged: each has as many passages as it has, each passage as many tokens as it has."""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.floating[Any]]

_log = logging.getLogger("retrieve")


class PassageVectors(NamedTuple):
    """Vectors of N documents' passages, P in all; document n has rows `firsts`[n] to `firsts`[n + 1].

    vectors (P,D) float16, as they are kept, cached or not; spans (P,2) characters of the documents' texts, or (P,K,2)
    where the caller's passages have parts; firsts (N+1,) int64; cut (P,): tokens that the encoder's limit cut off;
    `encoded` and `cached`: how many went through the model, and how many came from the vector cache.
    """

    vectors: FloatArray
    spans: IntArray
    firsts: IntArray
    cut: IntArray
    encoded: int
    cached: int

    def of(self, document: int) -> FloatArray:
        """The vectors (S,D) of one document's passages."""
        return self.vectors[self.firsts[document] : self.firsts[document + 1]]


class DocumentStates(NamedTuple):
    """Token states of one document: passage s has rows `firsts`[s] to `firsts`[s + 1].

    states (T,H) float16 or float32, special tokens, prompt and title included; offsets (T,2) characters of the
    document's text that each token stands for, (−1, −1) for special tokens, prompt and title; spans (S,2) or (S,K,2);
    firsts (S+1,); cut (S,): tokens that the encoder's limit cut off.
    """

    states: FloatArray
    offsets: IntArray
    firsts: IntArray
    spans: IntArray
    cut: IntArray


def tell_cut(cut: IntArray) -> None:
    """Say what an encoder left out of passages, (P,) tokens of each, if anything."""
    if passages := int(np.count_nonzero(cut)):
        _log.warning(
            "the encoder cut off %d tokens of %d passages that were longer than its limit",
            cut.sum(),
            passages,
        )
