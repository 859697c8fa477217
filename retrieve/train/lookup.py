"""A first module that looks vectors up by number, in place of the encoder whose vectors they are.

The encoder is frozen while a text-level head is trained, so each text is encoded once, before, and an epoch over a
collection costs seconds. Texts appear in the trainer's data set as the numbers of their rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import torch
from sentence_transformers.base.modules import InputModule
from torch import Tensor


class VectorLookup(InputModule):  # type: ignore[misc]
    """Row numbers as strings → vectors (B,D) of `table` (R,D) float32, as features["sentence_embedding"].

    The table is no part of what is saved: a checkpoint holds what was trained.
    """

    save_in_root = False

    def __init__(self, table: Tensor) -> None:
        super().__init__()
        self.table: Tensor
        self.register_buffer("table", table, persistent=False)

    def preprocess(self, inputs: Sequence[str], prompt: str | None = None, **_: Any) -> dict[str, Tensor]:
        """Numbers (B,) int64 under the name by which the trainer knows an input."""
        return {"input_ids": torch.tensor([int(number) for number in inputs], dtype=torch.int64)}

    def forward(self, features: dict[str, Any]) -> dict[str, Any]:
        """Add features["sentence_embedding"] (B,D)."""
        return {**features, "sentence_embedding": self.table[features["input_ids"]]}

    def get_embedding_dimension(self) -> int:
        """D of the vectors."""
        return int(self.table.shape[1])

    def save(self, output_path: str, *args: Any, **kwargs: Any) -> None:
        """Nothing but an empty config: the rows are in the vector cache."""
        self.save_config(output_path)

    @classmethod
    def load(cls, model_name_or_path: str, **_: Any) -> Self:
        """A lookup without rows, for a trainer that copies a checkpoint's weights from a model that it loads."""
        return cls(torch.empty(0, 0))
