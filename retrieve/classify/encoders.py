"""The passage encoders of one classifier: made when first asked for, shared, and known again when it is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from retrieve.passages.record import EncoderRecord
from retrieve.recipe import canonical

if TYPE_CHECKING:
    from retrieve.encoders.dense.encoder import Encoder
    from retrieve.passages.encoder import PassageEncoder


class Encoders:
    """Recipe (a mapping) → `PassageEncoder`, one for equal recipes.

    `records`: by recipe the encoder that a saved model was made with; another one is refused by `EncoderMismatch`.
    """

    def __init__(
        self,
        *,
        encoder: Encoder | None = None,
        device: str | None = None,
        cache: bool = True,
        records: Mapping[str, EncoderRecord] | None = None,
    ) -> None:
        self._encoder, self._device, self._cache = encoder, device, cache
        self._expected = dict(records or {})
        self._made: dict[str, PassageEncoder] = {}

    def __call__(self, recipe: Mapping[str, Any]) -> PassageEncoder:
        """The working parts of the recipe. Raises `EncoderMismatch` where the model at hand is not the saved one."""
        from retrieve.passages.encoder import PassageEncoder

        key = canonical(dict(recipe)).decode()
        if key not in self._made:
            self._made[key] = PassageEncoder(
                recipe,
                expected=self._expected.get(key),
                encoder=self._encoder,
                device=self._device,
                cache=self._cache,
            )
        return self._made[key]

    @property
    def records(self) -> dict[str, EncoderRecord]:
        """By recipe, who encoded: those used now, and those that the model was saved with."""
        used = {key: parts.encoder_record() for key, parts in self._made.items()}
        return self._expected | {key: record for key, record in used.items() if record is not None}
