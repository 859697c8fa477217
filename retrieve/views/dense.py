"""The dense view: inner products with stored vectors, all of them or candidates that something cheaper proposes.

A FAISS index is made only of a factory that learns or links; without one the kept vectors are searched.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np

from retrieve.fork_safety import ForkSafeLock
from retrieve.index.stored_vectors import StoredVectors
from retrieve.passages.encoder import PassageEncoder
from retrieve.recipe import Recipe
from retrieve.views.all_scores import ExactScores
from retrieve.views.candidates import CandidateScores
from retrieve.views.parallel import over_free_cores
from retrieve.views.protocol import (
    LARGEST_SAMPLE,
    Asked,
    Built,
    FloatArray,
    IntArray,
    LiveSegment,
    Material,
    Output,
    Scores,
    SegmentFiles,
    VectorMaterial,
    Vectors,
    View,
)

FAISS = "index.faiss"
_BATCH = 16
_LEAST = 1 << 22
"""Products of two numbers that are worth a thread: some milliseconds of them."""


class DenseView(View):
    """Vectors of passages, and maybe a FAISS index of them."""

    name = "dense"
    encoding = "vectors"
    learned_file = FAISS
    until_learned = "dense search is exact until there are %d passages (now %d)"

    def __init__(self, recipe: Recipe) -> None:
        assert recipe.dense is not None
        self._section = recipe.dense
        self.learned_of = recipe.dense.factory

    def build(self, material: Material, output: Output) -> Built:
        """A FAISS index; nothing where search is exact."""
        return self._build(material, output)

    def _build(self, material: VectorMaterial, output: Output) -> Built:
        """A clone of the trained index with all vectors added, where there is one."""
        vectors, learned = material.vectors, material.learned
        assert vectors is not None
        if learned is None or not learned.has(FAISS) or not len(vectors):
            return Built(vectors=True)
        from retrieve.index.faiss_index import build

        output.write_file(FAISS, build(learned.read(FAISS), vectors))
        return Built(learned=True)

    def merge(
        self,
        parts: Sequence[Any],
        maps: Sequence[IntArray],
        rows: int,
        material: VectorMaterial,
        output: Output,
    ) -> Built:
        """Of the copied vectors, by what was learned last."""
        return self._build(material, output)

    def open(self, files: SegmentFiles) -> DenseSegment:
        """Vectors, signs and FAISS index, as far as they are there."""
        return DenseSegment(files)

    def scores(self, asked: Asked, segments: Sequence[LiveSegment]) -> Scores:
        """Inner products; of all passages unless something proposes candidates, or few are only looked up."""
        vectors, parts = asked.vectors, [segment.opened for segment in segments]
        assert vectors is not None
        if asked.lookup or any(part.proposes for part in parts):
            names = ("ef_search", "nprobe")
            return CandidateScores(
                parts,
                vectors,
                {name: asked.parameters[name] for name in names},
                asked.parameters["oversample"],
            )
        found: list[list[Vectors]] = []
        for start in range(0, len(vectors), _BATCH):
            batch = vectors[start : start + _BATCH]
            per_segment = [part.all_scores(batch) for part in parts]
            found += [[scores[at] for scores in per_segment] for at in range(len(batch))]
        return ExactScores(found)

    def check(self, encoder: PassageEncoder, dimensions: int) -> None:
        """Refuse a factory that cannot do what searches ask of it."""
        if not self._section.flat:
            from retrieve.index.faiss_index import check_factory

            keep = self._section.keep_vectors
            check_factory(self._section.factory, dimensions, keep_vectors=keep, most=LARGEST_SAMPLE)

    def learns(self, encoder: PassageEncoder) -> bool:
        """A trained, empty index, where the factory is not that of exact search."""
        return not self._section.flat

    def enough(self, dimensions: int, sample: int) -> tuple[bool, str]:
        """As the factory needs."""
        from retrieve.index.faiss_index import enough

        sufficient, reason = enough(self._section.factory, dimensions, sample)
        return sufficient, f"dense search stays exact for now: {reason}"

    def learn(self, sample: Vectors) -> bytes:
        """The empty index, trained on the sample."""
        from retrieve.index.faiss_index import train

        return train(self._section.factory, sample)


class DenseSegment:
    """What the dense view has of a segment."""

    def __init__(self, files: SegmentFiles) -> None:
        self.rows = files.passage_rows
        self.has_vectors = files.has_vectors
        self.has_faiss = files.has(f"dense/{FAISS}")
        self.has_signs = files.has("dense/bits")
        self._files = files
        self._lock = ForkSafeLock()
        self._faiss: Any = None

    @property
    def proposes(self) -> bool:
        """Whether there is something that proposes candidates."""
        return self.has_faiss or self.has_signs

    @cached_property
    def vectors(self) -> StoredVectors:
        """The kept vectors."""
        return self._files.vectors

    @property
    def faiss(self) -> Any:
        """The FAISS index, read into memory, checked, and deserialised from those bytes."""
        with self._lock:
            if self._faiss is None:
                from retrieve.index.faiss_index import load, to_device

                index = load(self._files.read(f"dense/{FAISS}"))
                # Without kept vectors the index has to give its own back, which FAISS does on the CPU alone.
                self._faiss = to_device(index) if self.has_vectors else index
            return self._faiss

    def all_scores(self, vectors: Vectors) -> Vectors:
        """Of queries (B,D) with all passages, (B,P)."""
        if self.rows == 0:
            return np.empty((len(vectors), 0), dtype=np.float32)
        least = _LEAST // vectors.size + 1
        return self.vectors.scores(vectors, spread=partial(over_free_cores, least=least))

    def scores_of(self, vector: Vectors, rows: IntArray) -> FloatArray:
        """Of a query (D,) with rows: exact from kept vectors, else as the FAISS index reconstructs them."""
        if self.has_vectors:
            return self.vectors.score_rows(vector, rows).astype(np.float64)
        from retrieve.index.faiss_index import reconstruct

        scores: FloatArray = (reconstruct(self.faiss, rows) @ vector).astype(np.float64)
        return scores
