"""Labels that no document shows: each is a query, its description or name, against the passages of a document.

Nothing is learned but the calibration, so that labels can be added to a model after it was made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
import numpy.typing as npt

from retrieve.classify.linear import figure_of
from retrieve.classify.passages import cut, encoder_recipe
from retrieve.classify.preset import Preset, load_preset
from retrieve.classify.records import Context, Evidence, Fitted, FloatArray, IntArray, Problem, State
from retrieve.classify.rows import vectors_of
from retrieve.errors import UsageError
from retrieve.passages.ragged import PassageVectors
from retrieve.types import LabelledDocument, LabelSet, Progress, Task

Float32s = npt.NDArray[np.float32]

_NOTHING = -1.0
"""The least cosine there is: what a document without a passage gets for every label."""


class ZeroShot:
    """Scores (N,L): the greatest cosine of a passage with the label's vector, (L,D) float32 of unit norm.

    Of a binary task, (N,1): the second label's less the first one's.
    """

    kind = "zero-shot"

    def __init__(
        self, labels: LabelSet, vectors: Float32s, *, task: Task, preset: Preset, context: Context
    ) -> None:
        self.labels = labels
        self.vectors = vectors
        self.task: Task = task
        self.preset = preset
        self._context = context

    def scores(
        self, documents: Sequence[LabelledDocument], *, progress: Progress | None = None
    ) -> FloatArray:
        """Scores (N,L); −1 for every label of a document without a passage."""
        found, _ = self._passages(documents, progress)
        cosines = self._cosines(found)
        scores = np.empty((len(documents), 1 if self.task == "binary" else len(self.vectors)))
        for number, (first, end) in enumerate(zip(found.firsts[:-1], found.firsts[1:], strict=True)):
            scores[number] = self._of_task(cosines[first:end].max(axis=0, initial=_NOTHING))
        return scores

    def evidence(self, document: LabelledDocument, spans: IntArray | None = None) -> Evidence:
        """What is left of each label's greatest cosine without passage s; there is no attention."""
        found, own = self._passages([document], None)
        cosines = self._cosines(found)
        without = [np.delete(cosines, number, axis=0) for number in range(len(cosines))]
        scores = [self._of_task(each.max(axis=0, initial=_NOTHING)) for each in (cosines, *without)]
        columns = len(scores[0])
        return Evidence(own[0], scores[0], np.array(scores[1:]).reshape(-1, columns), None)

    def for_labels(self, labels: LabelSet) -> ZeroShot:
        """The same model of other labels, by their descriptions, or names where they have none."""
        vectors = label_vectors(labels, self.preset, self._context)
        return ZeroShot(labels, vectors, task=self.task, preset=self.preset, context=self._context)

    def state(self) -> State:
        """The preset, the labels and their vectors."""
        settings = {
            "preset": self.preset.model_dump(mode="json"),
            "task": self.task,
            "labels": {"names": list(self.labels.names), "descriptions": dict(self.labels.descriptions)},
        }
        return State(settings, {"labels": self.vectors})

    @classmethod
    def from_state(cls, state: State, context: Context) -> Self:
        """What `state` gave."""
        stored = state.settings["labels"]
        labels = LabelSet(tuple(stored["names"]), stored["descriptions"])
        preset = load_preset(state.settings["preset"])
        return cls(
            labels, state.arrays["labels"], task=state.settings["task"], preset=preset, context=context
        )

    def _passages(
        self, documents: Sequence[LabelledDocument], progress: Progress | None
    ) -> tuple[PassageVectors, list[IntArray]]:
        encoder = self._context.encoder(encoder_recipe(self.preset))
        found = cut(encoder, self.preset.passages, documents)
        return vectors_of(encoder, found, progress), found.spans

    def _cosines(self, found: PassageVectors) -> FloatArray:
        return np.asarray(unit(found.vectors) @ self.vectors.T, dtype=np.float64)

    def _of_task(self, cosines: FloatArray) -> FloatArray:
        return cosines[1:] - cosines[:1] if self.task == "binary" else cosines


def learn_zero_shot(
    problem: Problem, preset: Preset, context: Context, *, progress: Progress | None = None
) -> Fitted:
    """A model of the labels' descriptions; training documents are not read. `UsageError` for an ordinal task."""
    if problem.task == "ordinal":
        raise UsageError(
            "preset zero-shot tells labels by their descriptions, an ordinal task has none: take tfidf"
        )
    missing = sum(not problem.labels.descriptions.get(name) for name in problem.labels.names)
    if missing:
        problem.remarks.append(
            f"{missing} of {len(problem.labels.names)} labels have no description: their names are read in its place"
        )
    vectors = label_vectors(problem.labels, preset, context)
    model = ZeroShot(problem.labels, vectors, task=problem.task, preset=preset, context=context)
    scores = model.scores(problem.validation.documents, progress=progress)
    name, figure = figure_of(problem, scores)
    return Fitted(model, [], [{"member": "zero-shot", name: figure}])


def label_vectors(labels: LabelSet, preset: Preset, context: Context) -> Float32s:
    """Vectors (L,D) float32 of unit norm of labels as queries, with the encoder's query prompt."""
    encoder = context.encoder(encoder_recipe(preset))
    texts = [labels.descriptions.get(name) or name for name in labels.names]
    return unit(encoder.models.queries.encode_queries(texts).vectors)


def unit(vectors: npt.NDArray[np.floating]) -> Float32s:
    """Vectors (P,D) at length 1; one of length 0 stays so."""
    wide = vectors.astype(np.float32)
    norms = np.linalg.norm(wide, axis=1, keepdims=True)
    return np.asarray(wide / np.where(norms > 0, norms, 1), dtype=np.float32)
