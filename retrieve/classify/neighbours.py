"""The nearest training documents by mean passage vector: labels of few documents, which no classifier can learn.

What is kept is the training documents' vectors and labels; a document's scores are the shares of its neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from retrieve.classify.passages import cut, encoder_recipe
from retrieve.classify.preset import Preset, load_preset
from retrieve.classify.records import (
    Context,
    Evidence,
    Examples,
    FloatArray,
    IntArray,
    Problem,
    State,
)
from retrieve.classify.zeroshot import Float32s, unit
from retrieve.types import LabelledDocument, Progress

K = 10
"""Neighbours that vote; 5 and 20 were worse on EU acts."""

_PRIOR = 0.02
"""What a label has of the votes without any: log odds stay finite, and small shares stay in order."""

_TOGETHER = 1 << 10
"""Documents compared at a time."""


class Neighbours:
    """Scores (N,L): log odds of the share of the K nearest documents, weighted by cosine, that have the label.

    vectors (M,D) float32 of unit norm and targets (M,L) of the training documents; of equal cosines the first counts.
    """

    kind = "neighbours"

    def __init__(
        self, vectors: Float32s, targets: npt.NDArray[np.float32], *, preset: Preset, context: Context
    ) -> None:
        self.vectors = vectors
        self.targets = targets
        self.preset = preset
        self._context = context

    def scores(
        self, documents: Sequence[LabelledDocument], *, progress: Progress | None = None
    ) -> FloatArray:
        """Scores (N,L); a document without a passage gets those of no neighbour."""
        return self._scores(mean_vectors(documents, self.preset, self._context))

    def evidence(self, document: LabelledDocument, spans: IntArray | None = None) -> Evidence:
        """Each passage left out of the mean; there is no attention."""
        encoder = self._context.encoder(encoder_recipe(self.preset))
        found = cut(encoder, self.preset.passages, [document])
        rows = unit(encoder.vectors(found.documents, found.spans).vectors)
        whole = rows.sum(axis=0, keepdims=True)
        scores = self._scores(unit(np.concatenate([whole, whole - rows])))
        return Evidence(found.spans[0], scores[0], scores[1:], None)

    def refit(self, problem: Problem, context: Context, *, progress: Progress | None = None) -> Neighbours:
        """Training and validation documents as neighbours."""
        return learn_neighbours(problem.whole(), self.preset, context)

    def state(self) -> State:
        """The preset, and the training documents' vectors and targets."""
        settings: dict[str, Any] = {"preset": self.preset.model_dump(mode="json")}
        return State(settings, {"vectors": self.vectors, "targets": self.targets})

    @classmethod
    def from_state(cls, state: State, context: Context) -> Self:
        """What `state` gave."""
        preset = load_preset(state.settings["preset"])
        return cls(state.arrays["vectors"], state.arrays["targets"], preset=preset, context=context)

    def _scores(self, queries: Float32s) -> FloatArray:
        parts = [
            self._shares(queries[first : first + _TOGETHER]) for first in range(0, len(queries), _TOGETHER)
        ]
        shares = np.concatenate([np.zeros((0, self.targets.shape[1])), *parts])
        return np.asarray(np.log((shares + _PRIOR) / (1 - shares + _PRIOR)), dtype=np.float64)

    def _shares(self, queries: Float32s) -> FloatArray:
        cosines = queries.astype(np.float64) @ self.vectors.T
        nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :K]
        weights = np.clip(np.take_along_axis(cosines, nearest, axis=1), 0, None)
        totals = weights.sum(axis=1, keepdims=True)
        weights = np.divide(weights, totals, out=np.zeros_like(weights), where=totals > 0)
        return np.asarray(np.einsum("nk,nkl->nl", weights, self.targets[nearest]), dtype=np.float64)


def learn_neighbours(examples: Examples, preset: Preset, context: Context) -> Neighbours:
    """A model of the examples' own vectors; there is nothing to train."""
    vectors = mean_vectors(examples.documents, preset, context)
    return Neighbours(vectors, examples.targets, preset=preset, context=context)


def mean_vectors(documents: Sequence[LabelledDocument], preset: Preset, context: Context) -> Float32s:
    """Means (N,D) of each document's passage vectors, both at length 1; zeros for a document without a passage."""
    encoder = context.encoder(encoder_recipe(preset))
    found = cut(encoder, preset.passages, documents)
    kept = encoder.vectors(found.documents, found.spans)
    rows = unit(kept.vectors)
    means = np.zeros((len(documents), rows.shape[1]), dtype=np.float32)
    for number, (first, end) in enumerate(zip(kept.firsts[:-1], kept.firsts[1:], strict=True)):
        means[number] = rows[first:end].sum(axis=0)
    return unit(means)
