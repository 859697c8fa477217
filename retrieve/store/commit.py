"""The commit: write the deletions of the new generation, then replace the manifest.

Nothing that the old generation names is touched, so a crash before the rename leaves the old one and a crash after
it the new one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from retrieve.files import remove_folder, seal_folder, write_array
from retrieve.store.manifest import (
    Deletions,
    FileEntry,
    SegmentEntry,
    StemmerRecord,
    Totals,
    Trained,
    replace_manifest,
)
from retrieve.store.segment import BoolArray, Segment
from retrieve.store.snapshot import Snapshot


def commit(
    folder: Path,
    base: Snapshot,
    segments: Sequence[Segment],
    live: Sequence[BoolArray],
    trained: Sequence[Trained],
    encoding: Mapping[str, Any] | None = None,
    *,
    stemmer: StemmerRecord | None = None,
) -> int:
    """Make these segments with these live rows the current generation; returns its number.

    A segment without live rows is dropped. Where nothing differs from `base` no generation is made. `encoding`: what a
    manifest says of recipe and encoder, where they are others now. `stemmer`: the one at hand, kept by an index that
    does not say yet which it has.
    """
    old = base.manifest
    generation = old.generation + 1
    before = {segment.id: alive for segment, alive in zip(base.segments, base.live, strict=True)}
    building = folder / "deletions" / f".building-{generation}"
    remove_folder(building)
    entries: list[SegmentEntry] = []
    fresh: dict[int, Totals] = {}
    for segment, alive in zip(segments, live, strict=True):
        if not alive.any():
            continue
        known = before.get(segment.id)
        unchanged = known is not None and np.array_equal(known, alive)
        if alive.all():
            entries.append(segment.entry.model_copy(update={"deletions": None}))
        elif unchanged:
            entries.append(segment.entry)
        else:
            fresh[len(entries)] = _write_deletions(building, segment, ~alive)
            entries.append(segment.entry)
    if fresh:
        files = seal_folder(building, folder / "deletions" / str(generation))
        for number, totals in fresh.items():
            own = {
                name: FileEntry(size=size, checksum=digest)
                for name, (size, digest) in files.items()
                if name.startswith(f"{entries[number].id}.")
            }
            deletions = Deletions(generation=generation, totals=totals, files=own)
            entries[number] = entries[number].model_copy(update={"deletions": deletions})
    used = {entry.trained for entry in entries} | {item.digest for item in trained[-1:]}
    kept = tuple(item for item in trained if item.digest in used)
    changed = {"segments": tuple(entries), "trained": kept, "replaced": None, **(encoding or {})}
    if old.model_copy(update=changed) == old:
        return old.generation
    changed |= {"generation": generation, "stemmer": old.stemmer or stemmer}
    replace_manifest(folder, old.model_copy(update=changed))
    return generation


def _write_deletions(building: Path, segment: Segment, deleted: BoolArray) -> Totals:
    write_array(building / f"{segment.id}.rows.npy", np.packbits(deleted, bitorder="little"))
    passages = deleted[segment.document_of]
    termed = length = 0
    for view in segment.views:
        taken = view.deleted(segment.view(view), passages)
        termed += taken.termed
        length += taken.terms
        for name, values in taken.arrays.items():
            write_array(building / f"{segment.id}.{name}.npy", values)
    per_document = np.diff(segment.first_passage)[deleted]
    units = segment.units[deleted].sum(axis=0, dtype=np.int64)
    return Totals(
        documents=int(deleted.sum()),
        empty=int((per_document == 0).sum()),
        passages=int(passages.sum()),
        termed=termed,
        length=length,
        units=int(units[0]),
        indexed=int(units[1]),
        truncated=int(units[2]),
    )
