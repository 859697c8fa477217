"""First modules for training: a text is the number of its row, and what the frozen encoder makes of it is looked up.

At the text level that is a vector made once, before, so an epoch over a collection costs seconds. At the token level
states of all tokens would not fit in memory, so the frozen transformer runs. Neither is part of what is saved: a
checkpoint holds what is trained, and the head that is kept gets the encoder itself in front.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import torch
from sentence_transformers.base.modules import InputModule
from torch import Tensor

Features = dict[str, Any]


class Lookup(InputModule):
    """What both have in common: nothing of them is saved, and a trainer that loads a checkpoint gets an empty one,
    because it loads the modules only to copy what was trained."""

    save_in_root = False

    def save(self, output_path: str, *args: Any, safe_serialization: bool = True, **kwargs: Any) -> None:
        """An empty configuration."""
        self.save_config(output_path)

    @classmethod
    def load(cls, model_name_or_path: str, *args: Any, **kwargs: Any) -> Self:
        """A lookup without rows."""
        return cls()


class VectorLookup(Lookup):
    """Row numbers as strings → their vectors (B,D), of `vectors` (R,D) float32, as features["sentence_embedding"]."""

    def __init__(self, vectors: Tensor | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._vectors = torch.empty(0, 0) if vectors is None else vectors

    def preprocess(self, inputs: Sequence[Any], prompt: str | None = None, **kwargs: Any) -> Features:
        """Also `rows` (B,) int64."""
        rows = _rows(inputs)
        return {"sentence_embedding": self._vectors[rows], "rows": rows}

    def forward(self, features: Features, **kwargs: Any) -> Features:
        """Nothing is left to do."""
        return features


class TokenLookup(Lookup):
    """Row numbers as strings → features["token_embeddings"] (B,T,H) of these of `texts` by a frozen transformer.

    `transformer` is sentence-transformers' module of that name.
    """

    def __init__(self, transformer: Any = None, texts: Sequence[str] = ()) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        # In a tuple, so that torch does not count its weights among those of this module.
        self._frozen = (transformer,)
        self._texts = texts

    def preprocess(self, inputs: Sequence[Any], prompt: str | None = None, **kwargs: Any) -> Features:
        """Tokens, and `rows` (B,) int64."""
        rows = _rows(inputs)
        tokens = self._frozen[0].preprocess([self._texts[row] for row in rows.tolist()])
        return {**tokens, "rows": rows}

    @torch.no_grad()
    def forward(self, features: Features, **kwargs: Any) -> Features:
        """Run the transformer, without dropout and without a gradient."""
        transformer = self._frozen[0].to(features["input_ids"].device).eval()
        states: Features = transformer(features)
        return states


def _rows(numbers: Sequence[str]) -> Tensor:
    return torch.tensor([int(number) for number in numbers], dtype=torch.int64)
