"""Token-level codes as `WinnerTakeAll` makes them, without torch: the same codes from much less work.

The module marks winners in arrays of all dimensions for each token, which training needs and an index does not: the
core's `token_winners` multiplies whole numbers, and floats only for those who may win.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieve._core import pack_projection, packed_size, token_winners
from retrieve.encoders.batches import Padded
from retrieve.encoders.folder import UNTRAINED, WINNERS, Module
from retrieve.encoders.head import check_numbers, gaussian_factor, gaussian_steps, load_head
from retrieve.errors import DimensionMismatch, EncoderError, UsageError

Float32s = NDArray[np.float32]
UInt32s = NDArray[np.uint32]
Int64s = NDArray[np.int64]

_ALIGNMENT = 64

# Those of `WinnerTakeAll`.
_DEFAULTS: Mapping[str, Any] = {"dimensions": 8192, "winners": 512, "query_winners": None, "segments": 1}


def is_compiled(module: Module) -> bool:
    """Whether the codes of a head are made here: it has one layer, and caps by votes if it caps."""
    settings = module.settings
    by_votes = settings.get("cap") is None or settings.get("cap_rule", "votes") == "votes"
    return module.kind in (WINNERS, UNTRAINED) and settings.get("layers") is None and by_votes


class TokenCodes:
    """A token-level head whose codes `is_compiled` says are made here. `dimensions` n; safe in many threads."""

    def __init__(self, module: Module, hidden: int) -> None:
        """`hidden`: H of the token states. Raises as `load_head`, `DimensionMismatch` for a head of another H."""
        settings = {**_DEFAULTS, **module.settings}
        self._cap: int | None = settings.get("cap")
        self._weight: NDArray[Any]
        if module.kind == UNTRAINED:
            self.dimensions: int = settings["dimensions"]
            self._segments: int = settings["segments"]
            self._winners: int = settings["winners"]
            self._query_winners: int = settings["query_winners"] or self._winners
            check_numbers(self.dimensions, self._winners, self._query_winners, self._segments)
            self._weight = gaussian_steps(self.dimensions, hidden, settings.get("seed", 0))
            self._factor = gaussian_factor(hidden)
            self._mean = self._query_mean = np.zeros(hidden, np.float32)
        else:
            try:
                head = load_head(module, level="token")
            except UsageError as error:  # numbers that cannot be
                raise EncoderError(str(error)) from error
            if head.hidden != hidden:
                raise DimensionMismatch(
                    f"{module.folder} takes tokens of {head.hidden} dimensions, the transformer before it gives "
                    f"{hidden}"
                )
            self.dimensions, self._segments = head.dimensions, head.segments
            self._winners, self._query_winners = head.winners, head.query_winners
            self._weight, self._factor = np.ascontiguousarray(head.weight), np.float32(1)
            self._mean = head.mean
            self._query_mean = head.mean if head.query_mean is None else head.query_mean
        self._packed = _aligned(packed_size(self.dimensions, hidden, self._segments))
        pack_projection(self._weight, self._segments, self._packed)

    def winners(self, states: Float32s, task: str) -> tuple[UInt32s, Float32s]:
        """states (T,H) → the dimensions (T,k) that each token wins, and their z, all NaN where they cannot be told."""
        query = task == "query"
        winners = self._query_winners if query else self._winners
        dims = np.empty((len(states), winners), np.uint32)
        values = np.empty((len(states), winners), np.float32)
        mean = self._query_mean if query else self._mean
        each = winners // self._segments
        token_winners(self._weight, self._packed, self._segments, each, states, mean, dims, values)
        values *= self._factor
        return dims, values

    def codes(self, hidden: Float32s, batch: Padded, task: str) -> Float32s:
        """Hidden states (B,T,H) of a batch → codes (B,n) of 0.0 and 1.0, NaN where states are none."""
        return self.codes_of(*real_states(hidden, batch), task)

    def codes_of(self, states: Float32s, counts: Int64s, task: str) -> Float32s:
        """The states (T,H) of all tokens, so many of each text, as `codes`."""
        dims, values = self.winners(np.ascontiguousarray(states, np.float32), task)
        codes = np.zeros((len(counts), self.dimensions), np.float32)
        start = 0
        for code, count in zip(codes, counts.tolist(), strict=True):
            own = slice(start, start + count)
            if np.isfinite(values[own]).all():
                code[self._voted(dims[own].ravel(), values[own].ravel(), task)] = 1
            else:
                code[:] = np.nan
            start += count
        return codes

    def _voted(self, dims: UInt32s, values: Float32s, task: str) -> Int64s:
        """Of what tokens won, at most the cap: what has most votes, then the largest z, then the lowest dimension.

        Vote and z are added up as `WinnerTakeAll` does, in float32.
        """
        if task == "query" or self._cap is None:
            voted = np.zeros(self.dimensions, np.bool_)
            voted[dims] = True
            return np.flatnonzero(voted)
        votes = np.bincount(dims, minlength=self.dimensions)
        won = np.flatnonzero(votes)
        if len(won) <= self._cap:
            return won
        best = np.full(self.dimensions, -np.inf, np.float32)
        np.maximum.at(best, dims, values)
        value = best[won]
        worth = votes[won].astype(np.float32) + np.float32(0.5) * value / (1 + np.abs(value))
        return won[np.argsort(-worth, kind="stable")[: self._cap]]


def real_states(hidden: Float32s, batch: Padded) -> tuple[Float32s, Int64s]:
    """The hidden states (B,T,H) of a batch without those at padding, copied (R,H), and how many each text has (B,)."""
    counts = batch.mask.sum(axis=1)
    states = [own[:count] for own, count in zip(hidden, counts.tolist(), strict=True)]
    return np.concatenate(states), counts


def _aligned(size: int) -> NDArray[np.uint8]:
    """So many bytes, the first where a register's width begins: each is read in one piece."""
    room = np.empty(size + _ALIGNMENT, np.uint8)
    first = -room.ctypes.data % _ALIGNMENT
    return room[first : first + size]
