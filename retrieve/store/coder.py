"""From vectors to UHD codes as one index makes them: its head, and the mean that was learned for a segment.

An untrained head is a matrix that follows from the recipe's seed and a mean that the index learns, of which queries
have a part taken off; a trained one comes whole with the model's folder, and nothing is learned.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from retrieve.encoders.head import QUERY_SHARE, Head, gaussian_steps
from retrieve.errors import RecipeError
from retrieve.index.arrays import frozen
from retrieve.index.codes import Codes
from retrieve.index.stored import StoredVectors
from retrieve.index.winners import Projection, winning
from retrieve.recipe import UHD, load_section

_CHUNK = 4_096

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


def make_coder(section: UHD, hidden: int, *, head: Head | None, mean: Float32s | None) -> Coder:
    """The coder of a recipe whose numbers are resolved: of a trained `head`, or untrained with the corpus `mean`.

    `hidden` is D of the vectors. Raises `DimensionMismatch`, when it is used, for a mean or vectors of another D.
    """
    if head is not None:
        projection = Projection(frozen(head.weight), head.mean, head.segments)
        of_queries = head.mean if head.query_mean is None else head.query_mean
    else:
        weight = gaussian_steps(section.dimensions, hidden, section.seed)
        known = np.zeros(hidden, np.float32) if mean is None else mean
        projection = Projection(frozen(weight), known, section.segments)
        of_queries = known * np.float32(QUERY_SHARE)
    return Coder(
        projection,
        projection._replace(mean=of_queries),
        section.winners,
        section.query_winners or section.winners,
    )


def resolved(section: UHD, head: Head | None) -> UHD:
    """The section with the numbers of the model's head where it says none of its own.

    Raises `RecipeError` for dimensions or segments that are not the head's, and for winners that do not fit them.
    """
    if head is None:
        return section
    said = section.model_fields_set
    for name in ("dimensions", "segments"):
        if name in said and getattr(section, name) != getattr(head, name):
            raise RecipeError(
                f"uhd.{name} = {getattr(section, name)}, but the head in {section.model} has {getattr(head, name)}: "
                "leave it out"
            )
    names = ("dimensions", "segments", "winners", "query_winners")
    numbers = {
        name: getattr(head, name) for name in names if name not in said or getattr(section, name) is None
    }
    return load_section(UHD, "uhd", section.model_dump() | numbers)
