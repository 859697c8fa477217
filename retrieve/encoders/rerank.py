"""A cross-encoder: query and text read together, one score for the pair. Slow and good: for the top of a list.

Scores are the raw logits. The sigmoid that usually follows keeps the order but rounds good answers to the same 1.0,
and makes ties of them.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieve.encoders.batches import Padded, batches
from retrieve.encoders.folder import read_cross_encoder_folder
from retrieve.encoders.load import default_prompt_of, find_model, pad_token, resolve_limit
from retrieve.encoders.tokens import encode_slices, load_tokenizer, row_of
from retrieve.encoders.torch.forked import torch_alone_after_fork
from retrieve.errors import BadVectors, EncoderError
from retrieve.fork_safety import ForkSafeLock

logger = logging.getLogger("retrieve")


class CrossEncoder:
    """A sequence classifier with one label. Safe in many threads.

    `limit`: most tokens of a pair, special ones included; the longer of the two is cut first. `prompt` stands before
    the query: the default one of the folder, as sentence-transformers has it. `truncated_pairs` counts the pairs cut so
    far; the first is also logged.
    """

    def __init__(
        self, name: str, model: Any, tokenizer: Any, *, pad: int, limit: int, prompt: str = ""
    ) -> None:
        self.name = name
        self.limit = limit
        self.prompt = prompt
        self.truncated_pairs = 0
        self._model = model
        self._tokenizer = tokenizer
        self._pad = pad
        self._counting = ForkSafeLock()

    @classmethod
    def load(cls, model: str, *, limit: int | None = None, device: str | None = None) -> CrossEncoder:
        """Load a folder or hub name; `limit` None is the model's own. Raises `EncoderError`."""
        folder = read_cross_encoder_folder(find_model(model))
        prompt = default_prompt_of(folder)
        logger.info(
            "loading reranker %s from %s", model, folder.root
        )  # before torch is imported, which takes longest
        tokenizer = load_tokenizer(folder.transformer, lower_case=folder.lower_case)
        limit = resolve_limit(folder, limit, tokenizer.num_special_tokens_to_add(True))
        # Set here and never again: changing a tokenizer that another thread uses is an error.
        tokenizer.enable_truncation(limit, strategy="longest_first")

        from transformers import AutoModelForSequenceClassification

        from retrieve.encoders.torch.backend import load_transformer

        torch_alone_after_fork()
        loaded = load_transformer(folder.transformer, AutoModelForSequenceClassification, device)
        if loaded.config.num_labels != 1:
            raise EncoderError(f"{folder.root} gives {loaded.config.num_labels} scores for a pair, wanted 1")
        return cls(model, loaded, tokenizer, pad=pad_token(folder), limit=limit, prompt=prompt)

    def score(self, query: str, texts: Sequence[str]) -> NDArray[np.float64]:
        """(B,) float64 scores of the texts for the query, higher is better, in any range.

        Raises `BadVectors` for a score that is not finite.
        """
        import torch

        from retrieve.encoders.torch.model_inputs import model_inputs

        asked = self.prompt + query
        encodings = encode_slices(self._tokenizer.encode_batch_fast, [(asked, text) for text in texts])
        rows = [row_of(encoding, len(encoding.overflowing)) for encoding in encodings]
        torch_alone_after_fork()
        self._count(sum(row.cut > 0 for row in rows))
        scores = np.empty(len(rows), dtype=np.float64)
        with torch.inference_mode():
            for batch in batches([len(row.ids) for row in rows]):
                padded = Padded([rows[row] for row in batch], self._pad)
                scores[batch] = self._model(**model_inputs(self._model, padded)).logits[:, 0].double().cpu()
        bad = np.flatnonzero(~np.isfinite(scores))
        if len(bad):
            raise BadVectors(f"{self.name} gives text {bad[0]} a score of {scores[bad[0]]}")
        return scores

    def _count(self, truncated: int) -> None:
        with self._counting:
            if truncated and not self.truncated_pairs:
                logger.warning("%s cuts pairs of more than %d tokens", self.name, self.limit)
            self.truncated_pairs += truncated
