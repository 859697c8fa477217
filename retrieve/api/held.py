"""What an open index holds: one generation and the encoder that goes with it, and how to open both again.

They are replaced together, so that a search never takes the vectors of one encoder for those of another.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from retrieve.passages.encoder import PassageEncoder
from retrieve.passages.resolve import with_model
from retrieve.store.manifest import Manifest
from retrieve.store.snapshot import Snapshot

if TYPE_CHECKING:
    from retrieve.encoders.encoder import Encoder
    from retrieve.encoders.sparse import SparseTextEncoder


class Held(NamedTuple):
    """A generation and the working parts of its recipe."""

    snapshot: Snapshot
    passage_encoder: PassageEncoder


class Settings(NamedTuple):
    """How an index was opened: all that a copy in another process needs beside the path. See `Index.open`."""

    model: str | None = None
    backend: str | None = None
    precision: str | None = None
    cache: bool = True
    encoder: Encoder | SparseTextEncoder | None = None
    device: str | None = None

    def passage_encoder(self, manifest: Manifest) -> PassageEncoder:
        """The working parts of an index's recipe."""
        queries = None
        if self.backend or self.precision:
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

    def open(self, folder: Path) -> Held:
        """The current generation. Raises `EncoderMismatch` if the encoder given is not the index's."""
        snapshot = Snapshot.open(folder)
        passage_encoder = self.passage_encoder(snapshot.manifest)
        if (self.model is not None or self.encoder is not None) and passage_encoder.models.exist:
            passage_encoder.models.check()
        return Held(snapshot, passage_encoder)

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
    """Whether two generations have one recipe and one encoder, so that what encodes for one does for the other."""
    return one.recipe == other.recipe and one.encoder == other.encoder
