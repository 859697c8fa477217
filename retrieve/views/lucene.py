"""BM25 by Lucene: its analyzer, its postings with lengths in one byte, its scores in single precision.

An index of Lucene's stands in every segment; a search goes over all of them by common statistics. Deleted passages
count in these until segments are merged, as in Lucene itself. Its files hold numbers drawn by chance: two builds give
the same answers, not the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from retrieve.errors import MissingExtra, RecipeError
from retrieve.index.lucene import (
    Found,
    LuceneSearcher,
    LuceneSegment,
    check_installed,
    make_analyzer,
    merge_lucene,
    write_lucene,
)
from retrieve.recipe import Recipe
from retrieve.views.last_made import LastMade
from retrieve.views.postings import rows_hold
from retrieve.views.protocol import (
    Asked,
    Best,
    Built,
    Eligible,
    FloatArray,
    IntArray,
    LiveSegment,
    Material,
    Output,
    SegmentFiles,
    VectorMaterial,
    View,
)

_FIRST = 1_000  # passages that are asked for at once
_MORE = 4


class LuceneView(View):
    """A folder of Lucene's in each segment."""

    name = "bm25"

    def __init__(self, recipe: Recipe) -> None:
        assert recipe.bm25 is not None
        self._section = recipe.bm25
        if self._section.title_weight > 1:
            raise RecipeError('bm25.title_weight is of bm25.backend = "native": Lucene indexes one field')
        # A view belongs to one generation of an index, whose segments are always the same.
        self._searchers: LastMade[LuceneSearcher] = LastMade()

    def build(self, material: Material, output: Output) -> Built:
        """Lucene's index of all passages. Raises `MissingExtra` where it is not installed."""
        check_installed()
        counted = write_lucene(output.folder(), material.texts(), self._analyzer())
        return Built(terms=counted.terms, termed=counted.termed)

    def merge(
        self,
        parts: Sequence[Any],
        maps: Sequence[IntArray],
        rows: int,
        material: VectorMaterial,
        output: Output,
    ) -> Built:
        """Lucene copies what is indexed."""
        folder = output.folder()
        folders = [part.folder for part in parts]
        counted = merge_lucene(folder, folders, maps, folder.with_name(".lucene"))
        return Built(terms=counted.terms, termed=counted.termed)

    def open(self, files: SegmentFiles) -> OpenedLucene:
        """Opened when it is first searched."""
        return OpenedLucene(files)

    def scores(self, asked: Asked, segments: Sequence[LiveSegment]) -> LuceneScores:
        """What Lucene finds."""
        k1, b = asked.parameters["k1"], asked.parameters["b"]

        def make() -> LuceneSearcher:
            return LuceneSearcher([each.opened.segment for each in segments], self._analyzer(), k1, b)

        return LuceneScores(self._searchers.of((k1, b), make), asked.texts, segments)

    def verify(self, opened: OpenedLucene, passages: int) -> Iterator[str]:
        """As many documents of Lucene's as passages; without Lucene its files have right checksums, and no more."""
        try:
            check_installed()
        except MissingExtra:
            return iter(())
        return rows_hold(len(opened.segment.row_of), passages)

    def _analyzer(self) -> Any:
        return make_analyzer(self._section.language, stopwords=self._section.stopwords)


class OpenedLucene:
    """A segment's folder; `segment` opens it, once."""

    def __init__(self, files: SegmentFiles) -> None:
        self._files = files
        self._opened: LastMade[LuceneSegment] = LastMade()
        self.rows = files.passage_rows

    @property
    def folder(self) -> Any:
        """Where its files are, those of up to 64 MiB compared with their checksums."""
        return self._files.folder_of(LuceneView.name)

    @property
    def segment(self) -> LuceneSegment:
        """Lucene's reader of it."""
        return self._opened.of(None, lambda: LuceneSegment(self.folder, self.rows))


class LuceneScores:
    """A group of queries: each is searched once for all segments, and deeper where that was not enough."""

    exact = True
    floor = -np.inf

    def __init__(
        self, searcher: LuceneSearcher, texts: Sequence[Any], segments: Sequence[LiveSegment]
    ) -> None:
        self._searcher = searcher
        self._rows = [segment.opened.rows for segment in segments]
        self._queries = [searcher.query(text) for text in texts]
        self._found: dict[int, Found] = {}
        self._dense: dict[int, list[FloatArray]] = {}

    def matches(self, query: int) -> bool:
        """Whether it has a term."""
        return self._queries[query] is not None

    def best(
        self, segment: int, queries: Sequence[int], depth: int, eligible: Eligible, floors: FloatArray
    ) -> Best:
        """Of a segment's eligible passages, or groups of them."""
        rows, scores, bounds = [], [], [0]
        for query, floor in zip(queries, floors.tolist(), strict=True):
            found, values = self._best_of(query, segment, depth, eligible, floor)
            rows.append(found)
            scores.append(values)
            bounds.append(bounds[-1] + len(found))
        return Best(np.concatenate(rows), np.concatenate(scores), np.array(bounds))

    def _best_of(
        self, query: int, segment: int, depth: int, eligible: Eligible, floor: float
    ) -> tuple[IntArray, FloatArray]:
        most = max(_FIRST, depth + 1)
        while True:
            found = self._find(query, most)
            mine = (found.segments == segment) & (found.scores > floor)
            rows, scores = found.rows[mine], found.scores[mine]
            if eligible.live is not None:
                kept = eligible.live[rows]
                rows, scores = rows[kept], scores[kept]
            if eligible.groups is not None:
                rows = eligible.groups[rows].astype(np.int64)
                first = np.sort(np.unique(rows, return_index=True)[1])
                rows, scores = rows[first], scores[first]
            last = found.scores[-1] if len(found.scores) else -np.inf
            # What was not asked for scores at most as the last: it may tie with it.
            enough = len(rows) >= depth and scores[depth - 1] > last
            if found.whole or enough or last <= floor:
                ranked = np.lexsort((rows, -scores))
                rows, scores = rows[ranked], scores[ranked]
                kept_to = len(rows)
                if len(rows) > depth:
                    kept_to = int(np.searchsorted(-scores, -scores[depth - 1], side="right"))
                return rows[:kept_to], scores[:kept_to]
            most *= _MORE

    def _find(self, query: int, most: int) -> Found:
        found = self._found.get(query)
        if found is None or (len(found.rows) < most and not found.whole):
            found = self._found[query] = self._searcher.best(self._queries[query], most)
        return found

    def at(self, query: int, segment: int, rows: IntArray) -> FloatArray:
        """Scores of rows, read off those of all that match."""
        if query not in self._dense:
            found = self._find(query, 1 << 30)
            self._dense[query] = [np.zeros(count) for count in self._rows]
            for number, scores in enumerate(self._dense[query]):
                mine = found.segments == number
                scores[found.rows[mine]] = found.scores[mine]
        return self._dense[query][segment][rows]

    def explain(self, query: int, segment: int, row: int) -> dict[str, Any]:
        """Who scored it, and the query as Lucene has it."""
        asked = self._queries[query]
        return {"package": "lucene", "query": "" if asked is None else str(asked.toString())}
