"""A passage encoder that cuts and encodes each document once, while several models are learned of the same ones.

The vector cache keeps vectors on disk, but a text has to be cut into tokens to find them there, and that takes longer
than to train a network. Where nothing is cached it saves the encoding too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from retrieve.classify.records import Context, IntArray
from retrieve.passages.given_spans import joined_spans
from retrieve.passages.ragged import PassageVectors
from retrieve.text.splitter import Windows
from retrieve.types import Document

if TYPE_CHECKING:
    from retrieve.passages.encoder import PassageEncoder


_Key = tuple[str, str]


class _Rows(NamedTuple):
    spans: IntArray
    vectors: npt.NDArray[Any]
    cut: IntArray


class Remembering:
    """A `PassageEncoder` whose `split` and `vectors` remember each document, by title and text; else itself.

    Of vectors those of the passages last encoded are kept, and serve for the first of these passages too.
    """

    def __init__(self, encoder: PassageEncoder) -> None:
        self._encoder = encoder
        self._windows: dict[_Key, Windows] = {}
        self._rows: dict[_Key, _Rows] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)

    def split(self, documents: Sequence[Document]) -> list[Windows]:
        """As of `PassageEncoder`."""
        new = {_key(each): each for each in documents if _key(each) not in self._windows}
        self._windows |= dict(zip(new, self._encoder.split(list(new.values())), strict=True)) if new else {}
        return [self._windows[_key(each)] for each in documents]

    def vectors(
        self,
        documents: Iterable[Document],
        spans: Iterable[npt.ArrayLike] | None = None,
        *,
        progress: Callable[[int, int], None] | None = None,
    ) -> PassageVectors:
        """As of `PassageEncoder`; what is remembered counts as cached."""
        documents = list(documents)
        if spans is None or self._encoder.recipe.late_chunking:
            return self._encoder.vectors(documents, spans, progress=progress)
        cuts = [np.asarray(each, dtype=np.int64) for each in spans]
        new = {
            _key(each): (each, cut)
            for each, cut in zip(documents, cuts, strict=True)
            if not self._has(_key(each), cut)
        }
        encoded = self._encode(new, progress) if new else 0
        kept = [self._rows[_key(each)] for each in documents]
        counts = [len(cut) for cut in cuts]
        if not kept:
            return self._encoder.vectors([], [])
        return PassageVectors(
            np.concatenate([rows.vectors[:count] for rows, count in zip(kept, counts, strict=True)]),
            joined_spans(cuts),
            np.cumsum([0, *counts], dtype=np.int64),
            np.concatenate([rows.cut[:count] for rows, count in zip(kept, counts, strict=True)]),
            encoded,
            sum(counts) - encoded,
        )

    def _encode(
        self, new: Mapping[_Key, tuple[Document, IntArray]], progress: Callable[[int, int], None] | None
    ) -> int:
        """Keep the vectors of documents and their passages; how many passages went through the model."""
        documents, cuts = zip(*new.values(), strict=True)
        made = self._encoder.vectors(documents, cuts, progress=progress)
        for number, (key, cut) in enumerate(zip(new, cuts, strict=True)):
            part = slice(made.firsts[number], made.firsts[number + 1])
            self._rows[key] = _Rows(cut, made.vectors[part], made.cut[part])
        return made.encoded

    def _has(self, key: _Key, cut: IntArray) -> bool:
        rows = self._rows.get(key)
        return rows is not None and np.array_equal(rows.spans[: len(cut)], cut)


def remembering(context: Context) -> Context:
    """The same context with encoders that remember; models that are to outlive the learning want the first one."""
    made: dict[int, tuple[PassageEncoder, Remembering]] = {}

    def encoder(recipe: Mapping[str, Any]) -> PassageEncoder:
        own = context.encoder(recipe)
        if id(own) not in made:
            made[id(own)] = own, Remembering(own)
        return cast("PassageEncoder", made[id(own)][1])

    return replace(context, encoder=encoder)


def _key(document: Document) -> _Key:
    return document.title, document.text
