"""What the trainer reads: documents as tokens, some random passages of each, in batches of similar length.

Chance is a function of seed, epoch and document alone, never of a generator that moves on: a resumed run, or one with
other worker processes, draws the same passages and the same batches.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset, Sampler

from retrieve.classify.endtoend.model import passages_of
from retrieve.classify.records import Examples
from retrieve.encoders.tokens import TokenRow

Key = tuple[int, int]
"""Epoch and number of a document."""

_POOL = 50
"""Batches whose documents are sorted by length together, as in transformers' own grouping."""


class Material(Dataset[dict[str, Any]]):
    """Documents as tokens with their targets. `material[number]` has all passages of a document.

    `material[epoch, number]` has `passages` random ones, in their order; all of them where that is 0.
    """

    def __init__(
        self, rows: Sequence[Sequence[TokenRow]], examples: Examples, *, passages: int = 0, seed: int = 0
    ) -> None:
        self._rows, self._examples = rows, examples
        self._most, self._seed = passages, seed

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, key: int | Key) -> dict[str, Any]:
        number = key if isinstance(key, int) else key[1]
        rows = self._rows[number]
        if not isinstance(key, int) and 0 < self._most < len(rows):
            chance = np.random.default_rng([self._seed, *key])
            drawn = np.sort(chance.choice(len(rows), self._most, replace=False))
            rows = [rows[row] for row in drawn]
        document = self._examples.documents[number].document
        return {"rows": rows, "targets": self._examples.targets[number], "id": document.id}

    def lengths(self) -> list[int]:
        """Tokens of each document, so many as are encoded in training at most."""
        tokens = [sorted((len(row.ids) for row in rows), reverse=True) for rows in self._rows]
        return [sum(own[: self._most] if self._most else own) for own in tokens]


def collate(items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A batch: `passages`, `targets` (N,L) float32, `ids`. Draws nothing."""
    return {
        "targets": torch.from_numpy(np.stack([item["targets"] for item in items]).astype(np.float32)),
        "passages": passages_of([item["rows"] for item in items]),
        "ids": [item["id"] for item in items],
    }


class ByLength(Sampler[list[Key]]):
    """Batches of keys, documents of similar length together, in random order: as many batches in each epoch."""

    def __init__(self, lengths: Sequence[int], batch: int, seed: int) -> None:
        self._lengths = np.asarray(lengths, dtype=np.int64)
        self.batch_size, self.drop_last = batch, False  # read by accelerate
        self._seed, self._epoch = seed, 0

    def __len__(self) -> int:
        return math.ceil(len(self._lengths) / self.batch_size)

    def set_epoch(self, epoch: int) -> None:
        """The next iteration is of this epoch."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[list[Key]]:
        chance = np.random.default_rng([self._seed, self._epoch])
        order = chance.permutation(len(self._lengths))
        pool = _POOL * self.batch_size
        found: list[list[Key]] = []
        for start in range(0, len(order), pool):
            part = order[start : start + pool]
            part = part[np.argsort(-self._lengths[part], kind="stable")].tolist()
            found += [
                [(self._epoch, number) for number in part[at : at + self.batch_size]]
                for at in range(0, len(part), self.batch_size)
            ]
        yield from (found[place] for place in chance.permutation(len(found)))
