"""Documents → their passages as tokens, exactly as the frozen regime feeds them to the encoder."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from retrieve.classify.passages import cut, encoder_recipe
from retrieve.classify.preset import Preset
from retrieve.classify.records import FloatArray, IntArray
from retrieve.encoders.tokens import TokenRow
from retrieve.errors import RecipeError
from retrieve.passages.encoder import PassageEncoder
from retrieve.passages.ragged import tell_cut
from retrieve.types import LabelledDocument, Progress

_CUT = 64  # documents cut at a time


class Read(NamedTuple):
    """For each of N documents its passages: as tokens, and as spans (S,2) or (S,K,2) of its text.

    `unread` (N,): the share of each text that is in no passage. With legacy padding there are more rows than spans.
    """

    rows: list[list[TokenRow]]
    spans: list[IntArray]
    unread: FloatArray


class Reader:
    """Cuts as the preset says and makes tokens of passages, special tokens, prompt and title included.

    `parts` are of `recipe_of`. With `aggregator.legacy_padding` every document is filled up to `passages.most` with
    passages of padding alone. Raises `RecipeError` where there is no `most` to fill up to.
    """

    def __init__(self, parts: PassageEncoder, preset: Preset) -> None:
        self.parts, self._preset = parts, preset
        if preset.aggregator.legacy_padding and not preset.passages.most:
            raise RecipeError(
                "aggregator.legacy_padding fills documents up to passages.most, which is 0 (all): set it"
            )

    def read(self, documents: Sequence[LabelledDocument], *, progress: Progress | None = None) -> Read:
        """The documents' passages. What the encoder's limit cuts off is said."""
        found = Read([], [], np.zeros(len(documents)))
        for start in range(0, len(documents), _CUT):
            part = cut(self.parts, self._preset.passages, documents[start : start + _CUT])
            fed = [
                self.parts.fed(document, spans)
                for document, spans in zip(part.documents, part.spans, strict=True)
            ]
            model = self.parts.models.documents
            made = iter(model.rows([model.document_prompt + text for texts in fed for text in texts]))
            found.rows.extend([next(made) for _ in texts] for texts in fed)
            found.spans.extend(part.spans)
            found.unread[start : start + len(fed)] = part.unread
            if progress is not None:
                progress("cutting", len(found.rows), len(documents))
        tell_cut(np.array([row.cut for rows in found.rows for row in rows], dtype=np.int64))
        if self._preset.aggregator.legacy_padding:
            most = self._preset.passages.most
            filled = [rows + [self._empty] * (most - len(rows)) for rows in found.rows]
            return found._replace(rows=filled)
        return found

    @cached_property
    def _empty(self) -> TokenRow:
        """A passage of padding alone, as long as one may be.

        The code that published figures are from masked all of it, by −10,000 added to every score of its attention,
        which a softmax does not notice: it saw the padding. So it is fed unmasked; masked, what comes out would depend
        on how attention is computed.
        """
        model, size = self.parts.models.documents, self._preset.passages.size
        length = model.limit if size is None else min(size + model.special_tokens, model.limit)
        return TokenRow(np.full(length, model.pad, np.int32), np.zeros(length, np.int32), 0)


def recipe_of(preset: Preset) -> dict[str, Any]:
    """The recipe of the preset's encoder, of which the tokenizer is used and the weights are trained by torch alone."""
    recipe = encoder_recipe(preset)
    return recipe | {"dense": recipe["dense"] | {"backend": "torch", "precision": "fp32"}}
