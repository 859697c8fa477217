"""From vectors to UHD codes as one index makes them: its head, and the mean that was learned for a segment.

An untrained head is a matrix that follows from the recipe's seed and a mean that the index learns, of which queries
have a part taken off; a trained one comes whole with the model's folder, and nothing is learned.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from retrieve.encoders.folder import WINNERS, read_encoder_folder
from retrieve.encoders.head import Head, gaussian_steps, load_head, query_share
from retrieve.encoders.load import find_model
from retrieve.encoders.sparse.folder import head_of, read_sparse_folder
from retrieve.errors import RecipeError
from retrieve.index.arrays import frozen
from retrieve.index.codes import Codes
from retrieve.index.stored_vectors import StoredVectors
from retrieve.index.winners import Projection, winning
from retrieve.recipe import MOST_PROJECTED, UHD, Dense, Recipe, load_section

_CHUNK = 4_096
_NO_VECTORS = {"pooling": None, "normalize": True, "keep_vectors": False}
"""What a token-level view has of the settings of vectors: it pools and keeps none."""

_NUMBERS = ("dimensions", "segments", "winners", "query_winners")

Float32s = npt.NDArray[np.float32]


class Coder(NamedTuple):
    """Projections of passages and of queries, and how many dimensions win for each."""

    projection: Projection
    query_projection: Projection
    winners: int
    query_winners: int

    def documents(self, vectors: StoredVectors) -> Iterator[Codes]:
        """Codes of stored vectors in order, some thousands at a time."""
        for start in range(0, len(vectors), _CHUNK):
            part = vectors.take(slice(start, min(start + _CHUNK, len(vectors))))
            yield winning(self.projection, part, self.winners)

    def queries(self, vectors: Float32s, winners: int | None = None) -> Codes:
        """Codes of queries (B,H), with so many winners in place of the recipe's."""
        return winning(self.query_projection, vectors, winners or self.query_winners)

    def centred(self, mean: Float32s) -> Coder:
        """An untrained head's coder with a corpus mean (H,), of which queries have their share taken off."""
        return self._replace(
            projection=self.projection._replace(mean=mean),
            query_projection=self.projection._replace(mean=mean * np.float32(query_share(mean))),
        )


def make_coder(section: UHD, hidden: int, head: Head | None) -> Coder:
    """The coder of a recipe whose numbers are resolved: of a trained `head`, or untrained and without a mean.

    `hidden` is D of the vectors. Raises `DimensionMismatch`, when it is used, for a mean or vectors of another D.
    """
    if head is None:
        weight = gaussian_steps(section.dimensions, hidden, section.seed)
        projection = Projection(frozen(weight), np.zeros(hidden, np.float32), section.segments)
        of_queries = projection
    else:
        projection = Projection(frozen(head.weight), head.mean, head.segments)
        of_queries = projection if head.query_mean is None else projection._replace(mean=head.query_mean)
    return Coder(projection, of_queries, section.winners, section.query_winners or section.winners)


def resolve_head(recipe: Recipe) -> Recipe:
    """The recipe with the numbers of the head in its model's folder, where it says none of its own.

    The head also says which level it is of. One of the text level says whether vectors are normalised: it was made for
    what its folder gives. Raises `RecipeError` for what is said and cannot be with that head.
    """
    uhd = recipe.uhd
    if uhd is not None and uhd.level == "token":
        head = head_of(find_model(uhd.model))
        if head is None:
            return recipe.model_copy(update={"uhd": _untrained_token_head(uhd)})
        if head.kind != WINNERS or head.settings.get("level") == "token" or _said(uhd, "level"):
            return recipe.model_copy(update={"uhd": _of_token_head(uhd)})
        said: dict[str, Any] = uhd.model_dump(include=uhd.model_fields_set)
        uhd = load_section(UHD, "uhd", {**said, "level": "text"})
        recipe = recipe.model_copy(update={"uhd": uhd})
    section = recipe.encoding
    if not isinstance(section, UHD | Dense):
        return recipe
    folder = read_encoder_folder(find_model(section.model), section.pooling)
    if folder.winners is None:
        return recipe
    sections: dict[str, UHD | Dense] = {}
    for name, kept in (("dense", recipe.dense), ("uhd", uhd)):
        if kept is not None:
            _refuse(name, kept, {"normalize": folder.normalizes})
            sections[name] = kept.model_copy(update={"normalize": folder.normalizes})
    if uhd is not None:
        trained = load_head(folder.winners)
        numbers = {name: getattr(trained, name) for name in _NUMBERS}
        _refuse("uhd", uhd, {name: numbers[name] for name in ("dimensions", "segments")})
        own = {name: getattr(uhd, name) for name in ("winners", "query_winners") if _said(uhd, name)}
        sections["uhd"] = load_section(UHD, "uhd", sections["uhd"].model_dump() | numbers | own)
    return recipe.model_copy(update=sections)


def _of_token_head(uhd: UHD) -> UHD:
    """The section with the numbers of a token-level head, which are the folder's own, all of them."""
    head = read_sparse_folder(find_model(uhd.model)).modules[0]
    if head.kind != WINNERS:
        raise RecipeError(
            f'uhd.level = "token" wants a model with a token-level head, {uhd.model} ends in {head.kind}: '
            "name another folder, or use [splade]"
        )
    settings = head.settings
    buckets = len(settings.get("layers") or [0])
    winners = settings["winners"] * buckets
    numbers: dict[str, Any] = {
        "dimensions": settings["dimensions"] * buckets,
        "winners": winners,
        "query_winners": (settings.get("query_winners") or settings["winners"]) * buckets,
        "segments": settings.get("segments", 1),
        "seed": settings.get("seed", 0),
        "cap": (settings.get("cap") or 0) * buckets,
    }
    _refuse("uhd", uhd, numbers | _NO_VECTORS)
    return uhd.model_copy(update=numbers | {"keep_vectors": False})


def _untrained_token_head(uhd: UHD) -> UHD:
    """The section as it is, if such a head can be made and searched."""
    if uhd.dimensions > MOST_PROJECTED:
        raise RecipeError(
            f"uhd.dimensions = {uhd.dimensions} of an untrained head: wanted at most {MOST_PROJECTED}, as every query "
            "is multiplied by a matrix of so many rows"
        )
    _refuse("uhd", uhd, _NO_VECTORS)
    return uhd.model_copy(update={"keep_vectors": False})


def untrained_head(uhd: UHD) -> dict[str, Any]:
    """The arguments of `WinnerTakeAll` for a token-level section whose model's folder has no head."""
    numbers = uhd.model_dump(include={"dimensions", "winners", "query_winners", "segments", "seed"})
    return numbers | {"cap": uhd.cap or None}


def _refuse(name: str, section: UHD | Dense, numbers: Mapping[str, Any]) -> None:
    for key, value in numbers.items():
        if _said(section, key) and getattr(section, key) != value:
            raise RecipeError(
                f"{name}.{key} = {getattr(section, key)}, but with the head of {section.model} it is {value}: "
                "leave it out"
            )


def _said(section: UHD | Dense, key: str) -> bool:
    return key in section.model_fields_set and getattr(section, key) is not None
