"""A new generation whose vectors come from another encoder, and everything else from the one before, byte for byte.

Documents, passages, filters and postings are copied, not made again, so passages keep their numbers. That is sound only
while the new encoder cuts the same passages: all documents are cut again before anything is encoded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import dropwhile, pairwise, takewhile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from retrieve.errors import EncoderMismatch, RecipeError
from retrieve.files import writer_lock
from retrieve.index.stored_vectors import StoredVectors
from retrieve.passages.encoder import PassageEncoder
from retrieve.store.build_journal import read_journal, remove_journal
from retrieve.store.build_workers import wait_for_orphans
from retrieve.store.commit import commit
from retrieve.store.create import check_encoding
from retrieve.store.document_rows import IntArray, Row, row_key, segment_id
from retrieve.store.garbage import remove_garbage
from retrieve.store.manifest import Manifest, Trained, check_current
from retrieve.store.segment import BoolArray, Segment
from retrieve.store.segment_builder import SegmentBuilder
from retrieve.store.segment_folder import SegmentFolder
from retrieve.store.segment_material import NewMaterial
from retrieve.store.snapshot import Snapshot
from retrieve.store.trained import Candidate, LearnedFiles
from retrieve.store.write_segment import Made, seal_segment
from retrieve.types import Progress
from retrieve.views.protocol import View

UInt32s = npt.NDArray[np.uint32]

_READ = 1_000
_TABLES = ("ids/", "passages", "columns/", "documents.sqlite")  # all but units, which count what was cut off


class _Begun(NamedTuple):
    """A segment in the making: its vectors, where it has any, are in the folder."""

    old: Segment
    alive: BoolArray
    building: SegmentFolder
    units: UInt32s
    material: NewMaterial


def _refuse_without_encoder(manifest: Manifest) -> None:
    """Raise `RecipeError` for an index that no encoder of ours made."""
    recipe = manifest.resolved_recipe()
    if recipe.encoding is None or recipe.encoding.own_vectors:
        raise RecipeError(
            "this index has no encoder that another could take the place of: its views are "
            f"{', '.join(recipe.views)}, without a model"
        )


def reencode(
    folder: Path, other: Callable[[Manifest], PassageEncoder], progress: Progress | None = None
) -> PassageEncoder:
    """Encode all passages by the encoder of `other`, which is asked for the parts of the recipe that is current, with
    another encoder in it; returns those.

    What is learned of vectors is learned anew, of all live passages. Raises `EncoderMismatch` if the encoder would cut
    any document otherwise. An interruption leaves the index as it was.
    """
    with writer_lock(folder / "lock"):
        wait_for_orphans(folder)
        base = Snapshot.open(folder)
        remove_garbage(
            folder, read_journal(folder)
        )  # what an interruption left would be in the way of the same names
        try:
            check_current(folder, base.manifest)
            _refuse_without_encoder(base.manifest)
            passage_encoder = other(base.manifest)
            record = passage_encoder.encoder_record()
            check_encoding(passage_encoder, record)
            alive = base.alive()
            units = [
                _units(number, base, live, passage_encoder, progress) for number, live in enumerate(alive)
            ]
            builder = SegmentBuilder(folder, passage_encoder, progress)
            trained: Trained | None = None

            def of_all(vectors: StoredVectors) -> LearnedFiles | None:
                return builder.files_of(trained)  # which is known when views are made

            begun = [
                _begin(folder, segment, live, counted, builder, of_all)
                for segment, live, counted in zip(base.segments, alive, units, strict=True)
            ]
            trained = _learn(begun, builder)
            fingerprint = "none" if record is None else record.fingerprint
            segments = [_seal(folder, one, trained, fingerprint, passage_encoder, builder) for one in begun]
            recipe = passage_encoder.recipe
            encoding = {
                "recipe": recipe.model_dump(mode="json", exclude_none=True),
                "recipe_digest": recipe.digest,
                "encoder": record,
            }
            learned = [] if trained is None else [trained]
            commit(folder, base, segments, alive, learned, encoding)
            remove_journal(folder)
        finally:
            base.close()
            remove_garbage(folder, read_journal(folder))
    return passage_encoder


def _units(
    number: int, base: Snapshot, alive: BoolArray, passage_encoder: PassageEncoder, progress: Progress | None
) -> UInt32s:
    """A segment's `units`, counted as the new encoder counts; `EncoderMismatch` where it would cut otherwise."""
    segment = base.segments[number]
    units = segment.units.copy()
    units[:, 2] = 0  # what the encoder cut off is known when it has encoded
    if passage_encoder.recipe.passages.unit != "tokens":
        return units
    before = int(base.bases[number])
    for rows in _batches(segment):
        stored = segment.documents.get(rows.tolist(), segment.ids.get_many(rows))
        windows = passage_encoder.split([item.document for item in stored])
        for row, item, cut in zip(rows.tolist(), stored, windows, strict=True):
            first, last = segment.first_passage[row : row + 2]
            spans = segment.passages[first:last, 1:]
            if alive[row] and not np.array_equal(spans, cut.spans):
                name = passage_encoder.models.text.name
                raise EncoderMismatch(
                    f"document {item.document.id!r} has {len(spans)} passages, with {name} it would have "
                    f"{len(cut.spans)}, or others: its tokenizer, limit or prompt cuts otherwise; build a new index"
                )
            units[row, :2] = cut.units, cut.indexed
        if progress is not None:
            progress("documents compared", before + int(rows[-1]) + 1, int(base.bases[-1]))
    return units


def _begin(
    folder: Path,
    segment: Segment,
    alive: BoolArray,
    units: UInt32s,
    builder: SegmentBuilder,
    learn: Callable[[StoredVectors], LearnedFiles | None],
) -> _Begun:
    """Start a folder with the vectors of a segment's passages, where there are any, those of deleted documents too.

    Arrays come in the order in which a build writes them, so that the segment is what a build would make, to the byte.
    """
    segment.check()
    building = SegmentFolder(folder, segment.id)
    building.copy(segment, (name for name in segment.names if name.startswith(_TABLES)))
    for view in takewhile(_is_copied, builder.views):
        _copy_view(view, segment, building)
    size = segment.rows, segment.passage_rows
    material = builder.material(lambda: _rows(segment), size, building, learn)
    _ = material.vectors
    return _Begun(segment, alive, building, units, material)


def _learn(begun: Sequence[_Begun], builder: SegmentBuilder) -> Trained | None:
    """What views of vectors learn, of the live passages of all segments."""
    with_vectors = [(one, vectors) for one in begun if (vectors := one.material.vectors) is not None]
    if not with_vectors:
        return None
    present = sum(int(one.alive[one.old.document_of].sum()) for one, _ in with_vectors)

    def passages() -> Iterator[Candidate]:
        for one, vectors in with_vectors:
            for row in np.flatnonzero(one.alive).tolist():
                first, last = one.old.first_passage[row : row + 2].tolist()
                for at in range(first, last):
                    yield Candidate(one.old.ids[row], at - first, vectors, at)

    return builder.learn(present, passages, with_vectors[0][1].dimensions, None)


def _seal(
    folder: Path,
    one: _Begun,
    trained: Trained | None,
    fingerprint: str,
    passage_encoder: PassageEncoder,
    builder: SegmentBuilder,
) -> Segment:
    recipe, old = passage_encoder.recipe, one.old
    built = []
    for view in dropwhile(_is_copied, builder.views):
        if _is_copied(view):
            _copy_view(view, old, one.building)
        else:
            built.append(view.build(one.material, one.building.output(view.name)))
    made = Made(built, one.material.learned, one.material.cut)
    name = segment_id(
        _keys(old),
        recipe_digest=recipe.digest,
        encoder=fingerprint,
        trained=trained.digest if trained else "",
    )
    while (folder / "segments" / name).exists():  # the same passages were encoded so before
        name = segment_id([], recipe_digest=name, encoder="", trained=None)
    totals = old.entry.totals.model_copy(
        update={"units": int(one.units[:, 0].sum()), "indexed": int(one.units[:, 1].sum())}
    )
    entry = seal_segment(one.building, name, totals, one.units, made)
    return Segment.open(folder, entry, recipe)


def _is_copied(view: View) -> bool:
    return view.encoding is None


def _copy_view(view: View, old: Segment, building: SegmentFolder) -> None:
    building.copy(old, (name for name in old.names if name.startswith(f"{view.name}/")))


def _keys(segment: Segment) -> Iterator[tuple[str, bytes]]:
    """What each document contributes to the segment's id."""
    for rows in _batches(segment):
        hashes = segment.documents.fingerprints(rows.tolist())
        yield from map(row_key, segment.ids.get_many(rows), hashes, [None] * len(rows))


def _rows(segment: Segment) -> Iterator[Row]:
    """The documents of a segment with their passages, some of them in memory at a time."""
    for rows in _batches(segment):
        stored = segment.documents.get(rows.tolist(), segment.ids.get_many(rows))
        for row, item in zip(rows.tolist(), stored, strict=True):
            first, last = segment.first_passage[row : row + 2]
            spans = segment.passages[first:last, 1:].astype(np.int64)
            units, indexed, _, size = segment.units[row].tolist()
            yield Row(item.document, item.fingerprints, spans, units, indexed, size)


def _batches(segment: Segment) -> Iterator[IntArray]:
    bounds = [*range(0, segment.rows, _READ), segment.rows]
    yield from (np.arange(first, last) for first, last in pairwise(bounds))
