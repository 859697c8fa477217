"""Makes segments for a writer or a merge: every view of the recipe in its turn, and what is learned on the way."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from retrieve.index.stored_vectors import StoredVectors
from retrieve.passages.encoder import PassageEncoder
from retrieve.store.document_rows import Row
from retrieve.store.manifest import SegmentEntry, Trained
from retrieve.store.segment import BoolArray, Segment
from retrieve.store.segment_folder import SegmentFolder
from retrieve.store.segment_material import EncodingProgress, NewMaterial
from retrieve.store.trained import Candidate, LearnedFiles, borrow, choose_sample, learn, wanted
from retrieve.store.write_segment import Made, write_segment
from retrieve.types import Progress
from retrieve.views.protocol import FIRST_SAMPLE
from retrieve.views.registry import views_of

_log = logging.getLogger("retrieve")


class SegmentBuilder:
    """Builds segments with the recipe's parts."""

    def __init__(self, folder: Path, passage_encoder: PassageEncoder, progress: Progress | None) -> None:
        self.views = tuple(views_of(passage_encoder.recipe).values())
        self._folder = folder
        self._passage_encoder = passage_encoder
        self._shown = EncodingProgress(progress)

    def build(
        self,
        name: str,
        rows: Sequence[Row],
        segments: Sequence[Segment],
        live: Sequence[BoolArray],
        trained: Sequence[Trained],
    ) -> tuple[SegmentEntry, Trained | None]:
        """Build and seal one segment from rows in id order; also returns what was learned on the way, if anything."""
        learned: list[Trained] = []
        known = trained[-1] if trained else None

        def by_now(vectors: StoredVectors) -> LearnedFiles | None:
            fresh = self._learn(rows, vectors, segments, live, known)
            learned.extend([] if fresh is None else [fresh])
            return self.files_of(fresh or known)

        def make(building: SegmentFolder) -> Made:
            size = len(rows), sum(len(row.spans) for row in rows)
            material = self.material(lambda: rows, size, building, by_now)
            built = [view.build(material, building.output(view.name)) for view in self.views]
            return Made(built, material.learned, material.cut)

        fields = self._passage_encoder.recipe.filters.fields
        entry = write_segment(self._folder, name, rows, make, fields)
        return entry, learned[0] if learned else None

    def material(
        self,
        rows: Callable[[], Iterable[Row]],
        size: tuple[int, int],
        building: SegmentFolder,
        learn: Callable[[StoredVectors], LearnedFiles | None],
    ) -> NewMaterial:
        """What a segment of so many documents and passages is made of."""
        return NewMaterial(rows, size, building, self._passage_encoder, self._shown, learn)

    def files_of(self, trained: Trained | None) -> LearnedFiles | None:
        """What was learned, as files."""
        return None if trained is None else LearnedFiles(self._folder, trained)

    def unlearned(self, trained: Sequence[Trained]) -> bool:
        """Whether something is still to be learned, so that segments must follow one another."""
        return bool(wanted(self.views, trained[-1] if trained else None, self._passage_encoder))

    def _learn(
        self,
        rows: Sequence[Row],
        vectors: StoredVectors,
        segments: Sequence[Segment],
        live: Sequence[BoolArray],
        known: Trained | None,
    ) -> Trained | None:
        # Only passages whose vectors are at hand can be learned from.
        present = len(vectors) + sum(
            int(alive[segment.document_of].sum())
            for segment, alive in zip(segments, live, strict=True)
            if segment.has_vectors
        )

        def passages() -> Iterator[Candidate]:
            at = 0
            for row in rows:
                for position in range(len(row.spans)):
                    yield Candidate(row.document.id, position, vectors, at)
                    at += 1
            yield from stored_passages(segments, live)

        return self.learn(present, passages, vectors.dimensions, known)

    def learn(
        self,
        present: int,
        passages: Callable[[], Iterator[Candidate]],
        dimensions: int,
        known: Trained | None,
    ) -> Trained | None:
        """What is still to be learned beside `known`, of `present` passages; None where that is nothing, or too few."""
        todo = wanted(self.views, known, self._passage_encoder)
        if not todo:
            return None
        if present < FIRST_SAMPLE:
            for view in todo:
                _log.info(view.until_learned, FIRST_SAMPLE, present)
            return borrow(self._folder, todo, self._passage_encoder, dimensions) if known is None else None
        return learn(self._folder, self.views, todo, choose_sample(passages()), known)


def stored_passages(segments: Sequence[Segment], live: Sequence[BoolArray]) -> Iterator[Candidate]:
    """Every live passage whose vector was kept."""
    for segment, alive in zip(segments, live, strict=True):
        if not segment.has_vectors:
            continue
        for row in np.flatnonzero(alive):
            first, last = segment.first_passage[row : row + 2]
            doc_id = segment.ids[int(row)]
            for position in range(last - first):
                yield Candidate(doc_id, position, segment.vectors, int(first) + position)
