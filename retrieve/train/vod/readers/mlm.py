"""The language-model reader: how probable a masked language model finds the option's tokens after a document.

[CLS] document [SEP] question [MASK] … [SEP] with as many masks as the option has tokens; g is the mean log-probability
of the tokens at their masks, so that long options are not worse for being long. Nothing is learned from chance: the
head of the language model is used as it was trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from retrieve.encoders.batches import Padded, batches
from retrieve.encoders.folder import read_cross_encoder_folder
from retrieve.encoders.load import find_model, resolve_limit
from retrieve.encoders.tokens import TokenRow, encode_slices, load_tokenizer
from retrieve.encoders.torch.backend import load_transformer, quiet_transformers
from retrieve.encoders.torch.model_inputs import model_inputs
from retrieve.errors import EncoderError, InputError
from retrieve.train.vod.readers.protocol import Read, Triple
from retrieve.train.vod.readers.scores import StartingScores


class MaskedReader(nn.Module):
    """g = w · scores + mean log p(option's tokens | document, question)."""

    reads_texts = True

    def __init__(
        self, model: str, *, limit: int | None, scores: bool, budget: int, device: str | None
    ) -> None:
        """`model`: folder or name of a masked language model; `limit`: tokens in all, the document gives way first."""
        super().__init__()
        from transformers import AutoModelForMaskedLM, AutoTokenizer

        folder = read_cross_encoder_folder(find_model(model))
        self.model: Any = load_transformer(folder.transformer, AutoModelForMaskedLM, device)
        special: Any = AutoTokenizer.from_pretrained(
            str(folder.transformer), local_files_only=True, trust_remote_code=False
        )
        ids = {name: getattr(special, f"{name}_token_id") for name in ("cls", "sep", "mask", "pad")}
        if missing := [name for name, number in ids.items() if number is None]:
            raise EncoderError(
                f"{model} has no {missing[0]} token: a masked language model with one is wanted"
            )
        self.ids: dict[str, int] = ids
        self.start = StartingScores() if scores else None
        tokenizer = load_tokenizer(folder.transformer, lower_case=folder.lower_case)
        self.limit = resolve_limit(folder, limit, 3)
        self._tokenizer, self._special, self._budget = tokenizer, special, budget

    def forward(self, read: Read) -> Tensor:
        """G (B,M,K)."""
        values = self._means(*self._masked(read.triples))
        g = torch.zeros(read.kept.shape, dtype=values.dtype, device=values.device)
        g = g.masked_scatter(read.kept, values)
        return g if self.start is None else g + self.start(read.scores)

    def write(self, folder: Path) -> None:
        """The language model with its tokenizer, as a folder of transformers."""
        with quiet_transformers():
            self.model.save_pretrained(folder)
        self._special.save_pretrained(folder)
        (folder / "tokenizer.json").write_text(self._tokenizer.to_str(), encoding="utf-8")

    def _means(self, rows: list[TokenRow], options: list[list[int]]) -> Tensor:
        """Mean log-probability (N,) of each option at the masks of its row."""
        order = list(batches([len(row.ids) for row in rows], self._budget))
        found = []
        for part in order:
            padded = Padded([rows[row] for row in part], self.ids["pad"])
            inputs = model_inputs(self.model, padded)
            wanted = [options[row] for row in part]
            places = np.nonzero(padded.ids == self.ids["mask"])  # by row, and in order within each
            logits = (
                self.model(**inputs).logits[torch.from_numpy(places[0]), torch.from_numpy(places[1])].float()
            )
            tokens = torch.tensor([token for each in wanted for token in each], device=logits.device)
            each = torch.log_softmax(logits, dim=-1).gather(1, tokens.unsqueeze(1)).squeeze(1)
            means = [part.mean() for part in torch.split(each, [len(tokens) for tokens in wanted])]
            found.append(torch.stack(means))
        numbers = torch.from_numpy(np.argsort(np.concatenate(order), kind="stable"))
        return torch.cat(found).index_select(0, numbers.to(found[0].device))

    def _masked(self, triples: Sequence[Triple]) -> tuple[list[TokenRow], list[list[int]]]:
        documents, questions, options = (
            [
                [
                    token for token in encoding.ids if token != self.ids["mask"]
                ]  # a text that spells [MASK] is no mask
                for encoding in encode_slices(
                    self._tokenizer.encode_batch_fast, texts, add_special_tokens=False
                )
            ]
            for texts in (
                [each.document for each in triples],
                [each.question for each in triples],
                [each.option for each in triples],
            )
        )
        rows = [self._row(*parts) for parts in zip(documents, questions, options, strict=True)]
        for number, option in enumerate(options):
            if not option:
                raise InputError(
                    "",
                    f"the option {triples[number].option!r} has no token for the masked language model: give a text",
                )
        return rows, options

    def _row(self, document: list[int], question: list[int], option: list[int]) -> TokenRow:
        room = self.limit - 3 - len(option)
        if room < 0:
            raise InputError(
                "",
                f"an option has {len(option)} tokens, the reader's limit is {self.limit}: raise reader.limit",
            )
        asked = question[:room]
        shown = document[: room - len(asked)]
        first = [self.ids["cls"], *shown, self.ids["sep"]] if shown else [self.ids["cls"]]
        second = [*asked, *[self.ids["mask"]] * len(option), self.ids["sep"]]
        types = [0] * len(first) + [1 if shown else 0] * len(second)
        cut = len(question) + len(document) - len(asked) - len(shown)
        return TokenRow(np.array(first + second, np.int32), np.array(types, np.int32), cut)
