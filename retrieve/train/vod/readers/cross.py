"""The cross-encoder reader: document, question and option read together by one encoder, one score for the three.

The best reader and the dearest: K documents for each of M options are M·K texts a question, which wants a GPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from retrieve.encoders.folder import read_encoder_folder
from retrieve.encoders.load import find_model, load_tokens, resolve_limit
from retrieve.encoders.tokens import TokenRow, encode_slices, load_tokenizer, row_of
from retrieve.encoders.torch.trainable import PassageModel
from retrieve.train.vod.asked import joined
from retrieve.train.vod.readers.protocol import Read, Triple
from retrieve.train.vod.readers.scores import StartingScores


class CrossReader(nn.Module):
    """g = w · scores + a linear layer, from 0, on the encoder's vector of (document, [q; a])."""

    reads_texts = True

    def __init__(
        self, model: str, *, limit: int | None, dropout: float, scores: bool, budget: int, device: str | None
    ) -> None:
        """`model`: an encoder by folder or name; `limit`: tokens of the pair, of which the document gives way first."""
        super().__init__()
        folder = read_encoder_folder(find_model(model), None if _says_pooling(model) else "cls")
        self.encoder = PassageModel(folder, pad=load_tokens(folder).pad, normalize=False, device=device)
        self.start = StartingScores() if scores else None
        self.dropout = nn.Dropout(dropout)
        self.last = nn.Linear(self.encoder.dimensions, 1, bias=False)
        nn.init.zeros_(self.last.weight)
        tokenizer = load_tokenizer(folder.transformer, lower_case=folder.lower_case)
        self.tokenizer_text: str = tokenizer.to_str()
        self.limit = resolve_limit(folder, limit, tokenizer.num_special_tokens_to_add(True))
        self._tokenizer, self._budget = tokenizer, budget

    def forward(self, read: Read) -> Tensor:
        """G (B,M,K)."""
        vectors = self.encoder.vectors(self.rows(read.triples), self._budget)
        values = self.last(self.dropout(vectors)).squeeze(-1)
        g = torch.zeros(read.kept.shape, dtype=values.dtype, device=values.device)
        g = g.masked_scatter(read.kept, values)
        return g if self.start is None else g + self.start(read.scores)

    def rows(self, triples: Sequence[Triple]) -> list[TokenRow]:
        """Each as (document, question option), at most `limit` tokens; without a document, the second part alone."""
        tokens = self._tokenizer
        pairs = [(each.document, joined(each.question, each.option)) for each in triples]
        firsts = [
            *encode_slices(tokens.encode_batch_fast, [first for first, _ in pairs], add_special_tokens=False)
        ]
        seconds = [
            *encode_slices(
                tokens.encode_batch_fast, [second for _, second in pairs], add_special_tokens=False
            )
        ]
        made = []
        for (document, _), first, second in zip(pairs, firsts, seconds, strict=True):
            special = tokens.num_special_tokens_to_add(bool(document))
            cut = _shorten(second, self.limit - special)
            if not document:
                made.append(row_of(tokens.post_process(second), cut))
                continue
            cut += _shorten(first, self.limit - special - len(second.ids))
            made.append(row_of(tokens.post_process(first, second), cut))
        return made


def _shorten(encoding: Any, most: int) -> int:
    """Cut an encoding to `most` tokens; how many went."""
    cut: int = max(0, len(encoding.ids) - max(most, 0))
    if cut:
        encoding.truncate(len(encoding.ids) - cut)
    return cut


def _says_pooling(model: str) -> bool:
    return (find_model(model) / "modules.json").is_file()
