"""Merging rewrites neighbouring segments as one without their deleted rows.

Documents, postings and vectors are copied, so answers stay; a FAISS index, and codes whose vectors were kept, are made
anew by what was learned last. Only `retrain` learns again. Segments are packed up to the recipe's limit, so memory
stays bounded.
"""

from __future__ import annotations

import heapq
import logging
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np

from retrieve.errors import RecipeError
from retrieve.files import writer_lock
from retrieve.index.stored_vectors import StoredVectors
from retrieve.passages.encoder import PassageEncoder
from retrieve.recipe import VectorForm
from retrieve.store.build_journal import remove_journal
from retrieve.store.build_workers import wait_for_orphans
from retrieve.store.commit import commit
from retrieve.store.document_rows import Row, row_key, segment_id
from retrieve.store.garbage import remove_garbage
from retrieve.store.manifest import Trained, check_current, read_manifest
from retrieve.store.segment import BoolArray, IntArray, Segment
from retrieve.store.segment_builder import SegmentBuilder, stored_passages
from retrieve.store.segment_folder import SegmentFolder
from retrieve.store.segment_material import CopiedMaterial
from retrieve.store.snapshot import Snapshot
from retrieve.store.stemmer import check_stemmer, stemmer_record
from retrieve.store.trained import choose_sample, learn, wanted
from retrieve.store.write_segment import Made, write_segment
from retrieve.types import Progress
from retrieve.views.protocol import FIRST_SAMPLE
from retrieve.views.registry import views_of

_READ = 1_000

_log = logging.getLogger("retrieve")


class _Part(NamedTuple):
    """A segment to merge, with its surviving document rows."""

    segment: Segment
    alive: BoolArray


def merge(
    folder: Path, passage_encoder: PassageEncoder, *, retrain: bool = False, progress: Progress | None = None
) -> int:
    """Merge all segments up to the recipe's segment size; returns the generation that is current then.

    `retrain` learns the FAISS index again from the kept vectors of all live passages. An interrupted merge leaves the
    index as it was.
    """
    with writer_lock(folder / "lock"):
        wait_for_orphans(folder)
        current = read_manifest(folder)
        check_current(folder, current)
        check_stemmer(folder, current, passage_encoder)  # before a file is touched
        base = Snapshot.open(folder)
        passage_encoder.check_expected(base.manifest.encoder)
        remove_journal(folder)
        remove_garbage(folder, None)
        parts = [_Part(*part) for part in zip(base.segments, base.alive(), strict=True)]
        trained = list(base.manifest.trained)
        if retrain:
            learned = _relearn(folder, passage_encoder, parts, trained[-1] if trained else None)
            trained = [item for item in trained if item not in learned] + learned
        newest = trained[-1] if trained else None
        groups = [group for group in _plan(parts, passage_encoder) if _worth(group, newest, passage_encoder)]
        builder = SegmentBuilder(folder, passage_encoder, progress)
        replaced: dict[str, Segment | None] = {}
        for number, group in enumerate(groups):
            old, rows = [part.segment for part in group], [part.alive for part in group]
            merged = merge_run(folder, base, old, rows, trained, passage_encoder, builder)
            replaced |= {part.segment.id: None for part in group}
            replaced[group[0].segment.id] = merged
            if progress is not None:
                progress("segments merged", number + 1, len(groups))
        segments: list[Segment] = []
        live: list[BoolArray] = []
        for part in parts:
            segment = replaced.get(part.segment.id, part.segment)
            if segment is not None:
                segments.append(segment)
                live.append(part.alive if segment is part.segment else np.ones(segment.rows, dtype=np.bool_))
        generation = commit(folder, base, segments, live, trained, stemmer=stemmer_record(passage_encoder))
        base.close()
        remove_garbage(folder, None)
    return generation


def can_merge(passage_encoder: PassageEncoder) -> bool:
    """Whether all that segments of this recipe hold can go into another: not vectors that only a FAISS index has."""
    form = passage_encoder.recipe.vectors
    if form is None or form.keep or not form.searched:
        return True
    return not any(view.learns(passage_encoder) for view in views_of(passage_encoder.recipe).values())


def merged_with(segment: Segment, passage_encoder: PassageEncoder) -> str:
    """What segments that can be merged with each other have in common."""
    return "" if _recodes(passage_encoder) else segment.entry.trained or ""


def merge_run(
    folder: Path,
    base: Snapshot,
    segments: Sequence[Segment],
    live: Sequence[BoolArray],
    trained: Sequence[Trained],
    passage_encoder: PassageEncoder,
    builder: SegmentBuilder,
) -> Segment:
    """Neighbours as one segment without their deleted rows, sealed: the part of a merge that a commit does too."""
    group = [_Part(segment, alive) for segment, alive in zip(segments, live, strict=True)]
    current = trained[-1] if trained else None
    mine = current if _recodes(passage_encoder) else _of_group(group, trained)
    return _merge_group(folder, base, group, mine, passage_encoder, builder)


def _plan(parts: Sequence[_Part], passage_encoder: PassageEncoder) -> list[list[_Part]]:
    """Neighbours, packed while what is live of them fits into one segment, by the limits of a batch.

    Codes that cannot be made anew go together only where they were made with one mean.
    """
    limits = passage_encoder.recipe.segments
    most = np.array([limits.passages, limits.passages, limits.text_bytes], dtype=np.int64)
    groups: list[list[_Part]] = []
    room = np.zeros_like(most)
    for part in parts:
        passages = part.alive[part.segment.document_of].sum()
        size = part.segment.units[part.alive, 3].sum(dtype=np.int64)
        needed = np.array([part.alive.sum(), passages, size], dtype=np.int64)
        other = bool(groups) and groups[-1][0].segment.entry.trained != part.segment.entry.trained
        if not groups or (needed > room).any() or (other and not _recodes(passage_encoder)):
            groups.append([])
            room = most
        groups[-1].append(part)
        room = room - needed
    return groups


def _recodes(passage_encoder: PassageEncoder) -> bool:
    """Whether a merge makes anew what is made of vectors; views whose vectors were not kept are copied."""
    form = passage_encoder.recipe.vectors
    return form is None or form.keep or form.searched


def _of_group(group: Sequence[_Part], trained: Sequence[Trained]) -> Trained | None:
    return next((item for item in trained if item.digest == group[0].segment.entry.trained), None)


def _worth(group: Sequence[_Part], trained: Trained | None, passage_encoder: PassageEncoder) -> bool:
    """Whether rewriting changes anything: several segments, deleted rows, or a trained index that is newer."""
    if len(group) > 1 or not group[0].alive.all():
        return any(part.alive.any() for part in group)
    segment = group[0].segment
    newer = trained is not None and segment.entry.trained != trained.digest
    return newer and segment.passage_rows > 0 and _recodes(passage_encoder)


def _relearn(
    folder: Path, passage_encoder: PassageEncoder, parts: Sequence[_Part], known: Trained | None
) -> list[Trained]:
    views = tuple(views_of(passage_encoder.recipe).values())
    todo = wanted(views, None, passage_encoder)
    if not todo:
        raise RecipeError(
            "there is nothing to retrain: no view of this index learns from its passages (exact search does not)"
        )
    if any(not part.segment.has_vectors for part in parts if part.segment.passage_rows):
        raise RecipeError("retraining needs the vectors, and keep_vectors is false: build the index again")
    present = sum(int(part.alive[part.segment.document_of].sum()) for part in parts)
    if present < FIRST_SAMPLE:
        _log.warning("nothing was learned: that takes %d passages, there are %d", FIRST_SAMPLE, present)
        return []
    segments = [part.segment for part in parts]
    sample = choose_sample(stored_passages(segments, [part.alive for part in parts]))
    learned = learn(folder, views, todo, sample, known)
    return [] if learned is None else [learned]


def _merge_group(
    folder: Path,
    base: Snapshot,
    group: Sequence[_Part],
    trained: Trained | None,
    passage_encoder: PassageEncoder,
    builder: SegmentBuilder,
) -> Segment:
    for part in group:
        part.segment.check()
    order = _id_order(group)
    passage_rows = _passage_order(group, order)
    total = sum(len(rows) for _, rows in passage_rows)
    recipe = passage_encoder.recipe

    def make(building: SegmentFolder) -> Made:
        def copied() -> StoredVectors | None:
            if recipe.vectors is None or not _recodes(passage_encoder):
                return None
            return _copy_vectors(building, group, passage_rows, total, recipe.vectors, passage_encoder)

        maps = _passage_maps(group, passage_rows)
        material = CopiedMaterial(passage_encoder, copied, builder.files_of(trained))
        built = [
            view.merge(
                [part.segment.view(view) for part in group],
                maps,
                total,
                material,
                building.output(view.name),
            )
            for view in builder.views
        ]
        return Made(built, material.learned)

    keys = [row_key(row.document.id, row.hashes, None) for row in _rows(group, order)]
    record = base.manifest.encoder
    name = segment_id(
        keys,
        recipe_digest=base.manifest.recipe_digest,
        encoder=record.fingerprint if record else "none",
        trained=trained.digest if trained else "",
    )
    while (folder / "segments" / name).exists():
        name = segment_id([], recipe_digest=name, encoder="", trained=None)
    entry = write_segment(folder, name, lambda: _rows(group, order), make, recipe.filters.fields)
    return Segment.open(folder, entry, recipe)


def _id_order(group: Sequence[_Part]) -> IntArray:
    """(N,2) int64: part and row of each surviving document, in id order."""
    streams = [_survivors(part, number) for number, part in enumerate(group)]
    merged = [(number, row) for _, number, row in heapq.merge(*streams)]
    return np.array(merged, dtype=np.int64).reshape(-1, 2)


def _survivors(part: _Part, number: int) -> Iterator[tuple[str, int, int]]:
    for row in np.flatnonzero(part.alive).tolist():
        yield part.segment.ids[row], number, row


def _runs(order: IntArray) -> Iterator[tuple[int, list[int]]]:
    """Consecutive documents of one part, so that tables are read in batches."""
    for part, run in groupby(order.tolist(), key=lambda item: item[0]):
        rows = [row for _, row in run]
        for start in range(0, len(rows), _READ):
            yield part, rows[start : start + _READ]


def _rows(group: Sequence[_Part], order: IntArray) -> Iterator[Row]:
    for number, rows in _runs(order):
        segment = group[number].segment
        stored = segment.documents.get(rows, segment.ids.get_many(np.array(rows, dtype=np.int64)))
        for row, item in zip(rows, stored, strict=True):
            first, last = segment.first_passage[row : row + 2]
            spans = segment.passages[first:last, 1:].astype(np.int64)
            units, indexed, cut, size = segment.units[row].tolist()
            yield Row(item.document, item.fingerprints, spans, units, indexed, size, cut=cut)


def _passage_order(group: Sequence[_Part], order: IntArray) -> list[tuple[int, IntArray]]:
    """Runs of passage rows (part, rows) in the order of the merged segment."""
    result = []
    for number, rows in _runs(order):
        first = group[number].segment.first_passage
        pieces = [np.arange(first[row], first[row + 1]) for row in rows]
        result.append((number, np.concatenate(pieces)))
    return result


def _passage_maps(group: Sequence[_Part], runs: Sequence[tuple[int, IntArray]]) -> list[IntArray]:
    """Per part: old passage row → new one, −1 where its document is gone."""
    maps = [np.full(part.segment.passage_rows, -1, dtype=np.int64) for part in group]
    at = 0
    for number, rows in runs:
        maps[number][rows] = np.arange(at, at + len(rows))
        at += len(rows)
    return maps


def _copy_vectors(
    building: SegmentFolder,
    group: Sequence[_Part],
    runs: Sequence[tuple[int, IntArray]],
    total: int,
    form: VectorForm,
    passage_encoder: PassageEncoder,
) -> StoredVectors:
    if any(not part.segment.has_vectors for part in group if part.segment.passage_rows):
        raise RecipeError("merging needs the vectors, and dense.keep_vectors is false: build the index again")
    record = passage_encoder.encoder_record()
    assert record is not None
    vectors = building.new_vectors(form, total, record.dimensions)
    at = 0
    for number, rows in runs:
        if len(rows):
            vectors.write(slice(at, at + len(rows)), group[number].segment.vectors[rows])
        at += len(rows)
    vectors.flush()
    return vectors
