"""The UHD view: a query's winners, counted over the codes of every passage; the score is how many both have, of a query
of several windows the sum of theirs.

Segments may have been coded with different means (a small one before there was enough to learn from), so a query is
coded once for each mean. Source of the representation: Jang et al., arXiv 2104.07198.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from retrieve.errors import IndexCorrupt
from retrieve.index.code_postings import Counted, CountedBuilder, Counts, merge_counted
from retrieve.index.codes import Codes
from retrieve.index.select import select_top
from retrieve.passages.encoder import PassageEncoder
from retrieve.passages.vectors import truncated_vectors
from retrieve.recipe import Recipe
from retrieve.views.dimension_usage import usage_figures
from retrieve.views.parallel import in_parts
from retrieve.views.postings import rows_hold
from retrieve.views.protocol import (
    Asked,
    Best,
    Built,
    Eligible,
    Encoding,
    FloatArray,
    IntArray,
    Learned,
    LiveSegment,
    Material,
    Output,
    SegmentFiles,
    UInt32s,
    VectorMaterial,
    Vectors,
    View,
)

MEAN = "mean.npy"
_AT_A_TIME = 16
"""Windows of one query of which counts are held: a book has hundreds."""


class UHDView(View):
    """Codes of passages, of their vectors or, at the level of tokens, as the encoder gives them."""

    name = "uhd"
    learned_file = MEAN
    until_learned = (
        "UHD codes have a general mean until there are vectors of %d passages (now %d); "
        "`retrieve index merge --retrain` makes them anew where vectors are kept"
    )

    def __init__(self, recipe: Recipe) -> None:
        assert recipe.uhd is not None
        self._section = recipe.uhd
        self._of_tokens = self.copies = recipe.uhd.level == "token"
        self.encoding: Encoding = "sparse" if self._of_tokens else "vectors"

    def build(self, material: Material, output: Output) -> Built:
        """Codes of all passages."""
        if self._of_tokens:
            of_tokens = self._builder(output, material.encoder.models.sparse_documents.dimensions)
            # A dimension with any weight has won.
            material.encode(lambda starts, dims, _: of_tokens.add(Codes(starts, dims)), of_tokens.add)
            of_tokens.finish()
            return Built()
        return self._code(material, output)

    def _code(self, material: VectorMaterial, output: Output) -> Built:
        """Codes of vectors, by the mean that was learned."""
        vectors = material.vectors
        assert vectors is not None
        mean = _mean(material.learned)
        coder = material.encoder.coder(mean)
        builder = self._builder(output, coder.projection.dimensions)
        for codes in coder.documents(vectors):
            builder.add(codes)
        builder.finish()
        return Built(learned=mean is not None)

    def merge(
        self,
        parts: Sequence[Any],
        maps: Sequence[IntArray],
        rows: int,
        material: VectorMaterial,
        output: Output,
    ) -> Built:
        """Codes are made anew of the vectors by what was learned last; copied where there are none."""
        if not self._of_tokens and material.vectors is not None:
            return self._code(material, output)
        builder = self._builder(output, parts[0].dimensions)
        merge_counted(parts, maps, rows, builder)
        builder.finish()
        return Built(learned=material.learned is not None)

    def open(self, files: SegmentFiles) -> Counted:
        """The codes."""
        return Counted.from_arrays(files.arrays(self.name))

    def scores(self, asked: Asked, segments: Sequence[LiveSegment]) -> CountedScores:
        """Counts of queries' winners."""
        parts = [segment.opened for segment in segments]
        if asked.rows is not None:
            return CountedScores(parts, [Codes(asked.rows.starts, asked.rows.dims)] * len(segments))
        assert asked.vectors is not None
        winners = asked.parameters["query_winners"]
        windows = {
            query: codes_by_segment(asked.encoder, segments, vectors, winners)
            for query, vectors in asked.windows.items()
        }
        return CountedScores(
            parts, codes_by_segment(asked.encoder, segments, asked.vectors, winners), windows
        )

    def verify(self, opened: Counted, passages: int) -> Iterator[str]:
        """As many rows as passages."""
        return rows_hold(opened.rows, passages)

    def describe(self, parts: Sequence[Any], dimensions: int) -> dict[str, float]:
        """How the dimensions of the codes are used."""
        counts = [codes.usage() for codes in parts]
        used = np.sum(counts, axis=0) if counts else np.zeros(0, np.int64)
        return usage_figures(used, self._section.dimensions, sum(codes.rows for codes in parts))

    def copied(self, opened: Counted, rows: IntArray) -> Codes:
        """The codes."""
        return opened.codes_of(rows)

    def learns(self, encoder: PassageEncoder) -> bool:
        """The mean of the corpus, where the head has none of its own."""
        return encoder.learns_mean

    def learn(self, sample: Vectors) -> bytes:
        """The mean of the sample."""
        return _mean_bytes(sample.mean(axis=0, dtype=np.float64))

    def borrow(self, encoder: PassageEncoder, dimensions: int) -> bytes | None:
        """The mean of the encoder's calibration texts; zeros without an encoder."""
        if not encoder.models.exist:
            return _mean_bytes(np.zeros(dimensions))
        from retrieve.encoders.calibration import calibration_texts

        form = encoder.recipe.vectors
        assert form is not None
        general = encoder.models.documents.encode_apart(calibration_texts())
        return _mean_bytes(
            truncated_vectors(general, form.dimensions, normalize=form.normalize).mean(
                axis=0, dtype=np.float64
            )
        )

    def _builder(self, output: Output, dimensions: int) -> CountedBuilder:
        return CountedBuilder(dimensions, self._section.layout, output.write)


def codes_by_segment(
    encoder: PassageEncoder, segments: Sequence[LiveSegment], vectors: Vectors, winners: int | None
) -> list[Codes]:
    """Query vectors (B,H) as codes for each segment, by the mean that it was coded with."""
    known: dict[str | None, Codes] = {}
    digests = [None if segment.learned is None else segment.learned.digest for segment in segments]
    for digest, segment in zip(digests, segments, strict=True):
        if digest not in known:
            known[digest] = encoder.coder(_mean(segment.learned)).queries(vectors, winners)
    return [known[digest] for digest in digests]


class CountedScores:
    """Counts of queries in every segment; `codes` are those of all queries for each segment in turn.

    `windows`: of a query that has several, the codes of all of them for each segment; their counts are added up.
    """

    exact = True
    floor = 0.0

    def __init__(
        self,
        segments: Sequence[Counted],
        codes: Sequence[Codes],
        windows: Mapping[int, Sequence[Codes]] | None = None,
    ) -> None:
        self._counts = [_count(counted, _rows(coded)) for counted, coded in zip(segments, codes, strict=True)]
        self._winners = [np.diff(coded.starts) for coded in codes]
        self._sums = {
            query: [_summed(counted, _rows(coded)) for counted, coded in zip(segments, parts, strict=True)]
            for query, parts in (windows or {}).items()
        }

    def matches(self, query: int) -> bool:
        """Whether it has any winner."""
        return any(winners[query] for winners in self._winners)

    def best(
        self, segment: int, queries: Sequence[int], depth: int, eligible: Eligible, floors: FloatArray
    ) -> Best:
        """Passages that share nothing with the query are not found."""
        rows, values, bounds = [], [], [0]
        for query in queries:
            found, best = self._top(segment, query, depth, eligible)
            rows.append(found)
            values.append(best)
            bounds.append(bounds[-1] + len(found))
        return Best(np.concatenate(rows), np.concatenate(values), np.array(bounds))

    def _top(self, segment: int, query: int, depth: int, eligible: Eligible) -> tuple[IntArray, FloatArray]:
        if query in self._sums:
            sums, live = self._sums[query][segment], eligible.live
            found, _, best = select_top(sums, depth, groups=eligible.groups, live=live, floor=self.floor)
            return found, best
        counts = self._counts[segment][query]
        found, _, shared = counts.top(depth, groups=eligible.groups, live=eligible.bitmap)
        return found.astype(np.int64), shared.astype(np.float64)

    def at(self, query: int, segment: int, rows: IntArray) -> FloatArray:
        """Counts of rows."""
        if query in self._sums:
            return self._sums[query][segment][rows].astype(np.float64)
        return self._counts[segment][query].at(rows).astype(np.float64)

    def explain(self, query: int, segment: int, row: int) -> dict[str, Any]:
        """Nothing beside the count."""
        return {}


def _rows(codes: Codes) -> list[UInt32s]:
    return [codes.dims[start:end] for start, end in zip(codes.starts[:-1], codes.starts[1:], strict=True)]


def _count(counted: Counted, rows: Sequence[UInt32s]) -> list[Counts]:
    return in_parts(len(rows), lambda part: counted.count_many(rows[part]))


def _summed(counted: Counted, rows: Sequence[UInt32s]) -> Vectors:
    """What all windows of a query share with every passage (P,): whole numbers, exact in float32."""
    everything = np.arange(counted.rows)
    total = np.zeros(counted.rows, np.float32)
    for start in range(0, len(rows), _AT_A_TIME):
        for counts in _count(counted, rows[start : start + _AT_A_TIME]):
            total += counts.at(everything)
    return total


def _mean(learned: Learned | None) -> Vectors | None:
    """The mean that codes are made with; None where none was learned (a trained head has its own)."""
    if learned is None or not learned.has(MEAN):
        return None
    mean = np.load(io.BytesIO(learned.read(MEAN)), allow_pickle=False)
    if mean.ndim != 1 or mean.dtype != np.float32:
        raise IndexCorrupt(
            f"the mean in trained/{learned.digest} is {mean.dtype} {mean.shape}: rebuild the index"
        )
    return np.asarray(mean)


def _mean_bytes(mean: FloatArray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, mean.astype(np.float32), allow_pickle=False)
    return buffer.getvalue()
