"""What an open index holds: one generation and the encoder that goes with it, and how to open both again.

They are replaced together, so that a search never takes the vectors of one encoder for those of another.
"""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from retrieve.errors import UsageError
from retrieve.passages.encoder import PassageEncoder
from retrieve.passages.resolve import check_encoder, with_model
from retrieve.search.searcher import Searcher
from retrieve.store.manifest import Manifest
from retrieve.store.snapshot import Snapshot

if TYPE_CHECKING:
    from retrieve.encoders.dense.encoder import Encoder
    from retrieve.encoders.sparse.encoder import SparseTextEncoder


class Held(NamedTuple):
    """A generation and the working parts of its recipe.

    `searchers`: those of the searches so far, by what they ask. They go with the generation, and never answer from
    another.
    """

    snapshot: Snapshot
    passage_encoder: PassageEncoder
    searchers: dict[Hashable, Searcher]


class Settings(NamedTuple):
    """How an index was opened: all that a copy in another process needs beside the path. See `Index.open`."""

    model: str | None = None
    backend: str | None = None
    precision: str | None = None
    cache: bool = True
    encoder: Encoder | SparseTextEncoder | None = None
    device: str | None = None

    def passage_encoder(self, manifest: Manifest) -> PassageEncoder:
        """The working parts of an index's recipe. Raises `UsageError` for an encoder that runs otherwise than asked."""
        queries = None
        if self.encoder is not None:
            self._refuse_other_runtime(self.encoder)
        elif self.backend or self.precision:
            queries = self.backend or "auto", self.precision or "auto"
        return PassageEncoder(
            manifest.resolved_recipe(),
            expected=manifest.encoder,
            model=self.model,
            queries=queries,
            cache=self.cache,
            encoder=self.encoder,
            device=self.device,
        )

    def _refuse_other_runtime(self, encoder: Encoder | SparseTextEncoder) -> None:
        """It would be left unused without a word: what runs as asked is loaded from the index's folder."""
        check_encoder(encoder)
        asked = self.backend or "auto", self.precision or "auto"
        if any(name not in ("auto", own) for name, own in zip(asked, encoder.runtime, strict=True)):
            raise UsageError(
                f"the encoder that was given runs on {' in '.join(encoder.runtime)}, asked was backend {asked[0]!r} "
                f"with precision {asked[1]!r}: leave these out, or load it that way"
            )

    def open(self, folder: Path) -> Held:
        """The current generation. Raises `EncoderMismatch` if the encoder given is not the index's."""
        snapshot = Snapshot.open(folder)
        passage_encoder = self.passage_encoder(snapshot.manifest)
        if (self.model is not None or self.encoder is not None) and passage_encoder.models.exist:
            passage_encoder.models.check()
        return Held(snapshot, passage_encoder, {})

    def other_encoder(
        self, manifest: Manifest, encoder: str | Path | Encoder | SparseTextEncoder
    ) -> PassageEncoder:
        """The working parts of an index's recipe with another encoder: a model's folder or name, or the object.

        Raises `RecipeError` for one of another kind than the index's.
        """
        recipe = manifest.resolved_recipe()
        if isinstance(encoder, str | Path):
            return PassageEncoder(with_model(recipe, str(encoder)), cache=self.cache, device=self.device)
        return PassageEncoder(
            with_model(recipe, encoder), cache=self.cache, encoder=encoder, device=self.device
        )


def encoded_alike(one: Manifest, other: Manifest) -> bool:
    """Whether two generations have one encoder and one recipe, but for how they are searched."""
    recipes = ({**manifest.recipe, "search": None} for manifest in (one, other))
    return next(recipes) == next(recipes) and one.encoder == other.encoder
